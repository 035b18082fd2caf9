"""What pages do when they are clicked. Without it they still read, and pictures open as files."""

SCRIPT = r"""
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };
  const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), undefined, { numeric: true });
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].sort((a, b) => order(key(a, column), key(b, column)));
    body.append(...(up ? rows : rows.reverse()));
  }));
}

const part = (name) => document.getElementById(name);
const dialog = part("larger"), pair = part("pair"), at = part("at");
const links = (view) => [...view.querySelectorAll("a[data-name]")];
const views = [...document.querySelectorAll("article.view")].filter((v) => links(v).length);
let current = 0;
const shown = () => links(views[current]);
const refresh = () => {
  const sides = { left: "over", right: "under" };
  for (const [side, image] of Object.entries(sides)) {
    const chosen = shown()[part(side).selectedIndex];
    part(image).src = chosen.href;
    part(image).alt = chosen.querySelector("img").alt;
    part("file-" + side).href = chosen.href;
  }
};
const fit = () => {
  const image = part("under"), w = image.naturalWidth, h = image.naturalHeight;
  if (!w || !dialog.open) return;
  const room = [innerWidth * 0.94 - 34, innerHeight * 0.96 - 170];
  const scale = Math.min(room[0] / w, room[1] / h);
  const whole = scale >= 2 ? Math.floor(scale) : scale >= 1 ? scale : Math.min(1, room[0] / w);
  pair.style.width = Math.round(w * whole) + "px";
  pair.classList.toggle("blocks", whole >= 2);
};
const slide = () => pair.style.setProperty("--at", at.value + "%");
const open = (view, number) => {
  current = (view + views.length) % views.length;
  const names = shown().map((a) => a.dataset.name);
  for (const side of ["left", "right"]) {
    part(side).replaceChildren(...names.map((name) => new Option(name)));
  }
  part("right").selectedIndex = Math.min(number || 1, names.length - 1);
  part("larger-name").textContent = views[current].dataset.title;
  at.value = 50;
  slide();
  refresh();
  if (!dialog.open) dialog.showModal();
  fit();
  at.focus();
};
views.forEach((view, k) => links(view).forEach((a, number) =>
  a.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || !dialog.showModal) return;
    event.preventDefault();
    open(k, number);
  })));
part("left").addEventListener("change", refresh);
part("right").addEventListener("change", refresh);
part("under").addEventListener("load", fit);
addEventListener("resize", fit);
at.addEventListener("input", slide);
part("close").addEventListener("click", () => dialog.close());
part("before").addEventListener("click", () => open(current - 1, part("right").selectedIndex));
part("after").addEventListener("click", () => open(current + 1, part("right").selectedIndex));
"""
