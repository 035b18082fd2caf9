"""The page of several runs, and where it is put: one file, or a folder with its pictures."""

import base64
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data.errors import InputError
from nerf import ours
from nerf.config import replace_text
from nerf.report import charts
from nerf.report.charts import Line
from nerf.report.comparison import Compared, differs
from nerf.report.evaluation import size_of
from nerf.report.page import (
    Shown,
    cell,
    escape,
    figure,
    link,
    page,
    pictures,
    plot,
    section,
    table,
    warnings,
)
from nerf.report.record import View

MADE_BY = "nerf compare"
FILE, PICTURES = "index.html", "pictures"
"""Of a page that is a folder."""
PICTURE = re.compile(r"\d{4,}-\d+-(photograph|rendering)\.webp")
"""What a page's pictures are called; nothing else beside it is ever removed."""
ENDINGS = (".html", ".htm")

Placed = Callable[[Path, str], str]
"""(picture, name) -> the address under which the page finds it."""


def check(out: Path, overwrite: bool) -> None:
    """Refuses a place where the page can't be put, before anything is read."""
    whole = out.suffix.lower() in ENDINGS and not out.is_dir()
    if not whole and out.suffix and not out.exists():
        raise InputError(f"--out {out}: give a name that ends in .html, or one of a folder")
    if not whole and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a name that ends in .html, or a folder")
    if not whole and (out / PICTURES).is_symlink():
        raise InputError(f"--out {out}: its {PICTURES} are a link; name another place")
    there = out.exists() if whole else out.is_dir() and any(out.iterdir())
    if there and not overwrite:
        raise InputError(f"--out {out}: exists; --overwrite replaces it")
    page_there = out if whole else out / FILE
    if there and not (page_there.is_file() and _is_ours(page_there)):
        raise InputError(f"--out {out}: holds something else; name another place")


def write(compared: Compared, out: Path, views: int) -> Path:
    """Writes the page, with pictures of at most so many views; returns its HTML file.

    A file holds its pictures in itself, a folder has them beside its page: both can be moved.
    """
    if out.suffix.lower() in ENDINGS and not out.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_text(out, of(compared, views, _embedded))
        return out
    fresh, kept = out / f".{PICTURES}.new", out / PICTURES
    ours.remove(fresh, _is_picture)
    fresh.mkdir(parents=True)

    def copied(file: Path, name: str) -> str:
        shutil.copyfile(file, fresh / name)
        return link(PICTURES, name)

    text = of(compared, views, copied)
    kept.mkdir(exist_ok=True)
    new = {file.name for file in fresh.iterdir()}
    for name in new:
        (fresh / name).replace(kept / name)
    fresh.rmdir()
    replace_text(out / FILE, text)
    for file in kept.iterdir():  # those of the page before
        if _is_picture(file) and file.name not in new:
            file.unlink()
    return out / FILE


def of(compared: Compared, views: int, placed: Placed) -> str:
    """The page as HTML."""
    title = " | ".join(compared.labels)
    marked = [f"Not comparable as it stands: {line}." for line in compared.warnings]
    marked += [f"{line}." for line in compared.notes]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{len(compared.records)} runs side by side</p>',
        warnings(marked),
        section("Figures", _figures(compared), "figures"),
        section("Learning", _learning(compared), "learning"),
        section("Settings that differ", _settings(compared), "settings"),
        section("Protocol", _protocol(compared), "protocol"),
        section("Views in figures", _views(compared), "views-in-figures"),
        section("Views", _pictures(compared, views, placed), "views"),
    ]
    return page(f"{title} — comparison", "\n".join(filter(None, body)), MADE_BY)


def _is_picture(file: Path) -> bool:
    return bool(PICTURE.fullmatch(file.name)) and file.is_file() and not file.is_symlink()


def _is_ours(file: Path) -> bool:
    with file.open("rb") as start:
        return f'<meta name="generator" content="{MADE_BY}">'.encode() in start.read(2000)


def _embedded(file: Path, name: str) -> str:
    return f"data:image/webp;base64,{base64.b64encode(file.read_bytes()).decode()}"


def _heads(compared: Compared, first: str) -> list[str]:
    return [first, *compared.labels]


def _row(name: str, values: Sequence[str], marked: bool = False) -> str:
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    kind = ' class="differs"' if marked else ""
    return f'<tr{kind}><th scope="row">{escape(name)}</th>{cells}</tr>'


def _figures(compared: Compared) -> str:
    rows = []
    for one in compared.figures:
        best = set() if compared.warnings else one.best
        cells = "".join(cell(v, one.digits, k in best) for k, v in enumerate(one.values))
        rows.append(f'<tr><th scope="row">{escape(one.name)}</th>{cells}</tr>')
    said = "" if compared.warnings else "<p>The best is in bold.</p>"
    return said + table(_heads(compared, ""), rows, numbers=1)


def _settings(compared: Compared) -> str:
    if not compared.settings:
        return "<p>None: they differ in where they are, or in what time and chance made.</p>"
    rows = [_row(one.name, one.values) for one in compared.settings]
    return table(_heads(compared, "setting"), rows)


def _protocol(compared: Compared) -> str:
    rows = [_row(one.name, one.values, differs(one)) for one in compared.protocol]
    return table(_heads(compared, ""), rows)


def _learning(compared: Compared) -> str:
    legend = [(name, k) for k, name in enumerate(compared.labels)]
    runs = list(zip(compared.labels, compared.records, strict=True))
    drawn = []
    asked = (("psnr", "PSNR of training rays", "PSNR, dB"), ("loss", "Loss", "loss, log"))
    for y, name, upwards in asked:
        for x, across in (("seconds", "seconds of training"), ("step", "steps")):
            lines = [
                Line(label, one.curve.values[x], one.curve.values[y], k)
                for k, (label, one) in enumerate(runs)
            ]
            what = f"{name} against {across}"
            svg = charts.lines(lines, what, across, upwards, log=y == "loss")
            drawn.append(plot(svg, what, legend))
    return f'<div class="charts">{"".join(drawn)}</div>' if any(drawn) else ""


def _views(compared: Compared) -> str:
    if not compared.shared:
        return "<p>No view is shared by all.</p>"
    rows = []
    for views in compared.shared:
        known = [view.psnr for view in views if view.psnr is not None]
        best = max(known) if len(set(known)) > 1 and not compared.warnings else None
        cells = "".join(cell(v.psnr, 2, best is not None and v.psnr == best) for v in views)
        rows.append(f"<tr><td>{escape(views[0].name)}</td>{cells}</tr>")
    at = np.arange(1, len(compared.shared) + 1)
    lines = [
        Line(
            name,
            at,
            np.array([np.nan if v[k].psnr is None else v[k].psnr for v in compared.shared]),
            k,
        )
        for k, name in enumerate(compared.labels)
    ]
    legend = [(name, k) for k, name in enumerate(compared.labels)]
    svg = charts.lines(lines, "PSNR of each shared view", "view", "PSNR, dB", dots=True)
    return (
        f"<p>PSNR in dB of the {len(rows)} views that all share; a click on a heading sorts.</p>"
        f'<div class="beside"><div>{table(_heads(compared, "view"), rows, True, 1)}</div>'
        f'<div class="charts">{plot(svg, "PSNR of each view, in order", legend)}</div></div>'
    )


def _pictures(compared: Compared, most: int, placed: Placed) -> str:
    seen = [views for views in compared.shared if _has_pictures(compared, views)]
    chosen = [seen[k * len(seen) // most] for k in range(most)] if len(seen) > most else seen
    if not chosen:
        return (
            "<p>No pictures: no view that all share has its pictures in RUN/eval/views; "
            "nerf eval RUN makes them.</p>"
        )
    said = f"<p>{len(chosen)} of {len(compared.shared)} shared views, evenly chosen.</p>"
    return said + "".join(_view(compared, k, views, placed) for k, views in enumerate(chosen))


def _has_pictures(compared: Compared, views: Sequence[View]) -> bool:
    return any(
        record.picture(view, "rendering")
        for record, view in zip(compared.records, views, strict=True)
    )


def _view(compared: Compared, number: int, views: Sequence[View], placed: Placed) -> str:
    """Photographs, one if they are the same everywhere, and then the renderings."""
    shown: list[Shown] = []
    digests = {record.photographs for record in compared.records}
    one_for_all = len(digests) == 1 and None not in digests and not compared.warnings
    runs = list(zip(compared.records, views, compared.labels, strict=True))
    for part in ("photograph", "rendering"):
        for k, (record, view, label) in enumerate(runs):
            file = record.picture(view, part)
            if file is None or (part == "photograph" and one_for_all and shown):
                continue
            name = part if part == "photograph" and one_for_all else f"{label}: {part}"
            if part == "rendering":
                name = f"{label}, {figure(view.psnr, 2)} dB"
            shown.append(Shown(name, placed(file, f"{number:04d}-{k}-{part}.webp")))
    sizes = {size_of(record) for record in compared.records}
    size = sizes.pop() if len(sizes) == 1 else None
    return pictures(views[0].name, "", shown, f"view-{number}", size)
