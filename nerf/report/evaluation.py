"""The page of one run: RUN/eval/index.html."""

from pathlib import Path

from nerf.config import Config, replace_text
from nerf.pictures import ERROR_SHOWN
from nerf.report import charts, settings
from nerf.report.charts import Line
from nerf.report.page import (
    ABSENT,
    Shown,
    cards,
    cell,
    definitions,
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
from nerf.report.record import PARTS, Record, View, read
from nerf.report.spread import histograms

FILE = "index.html"


def write(run: Path) -> Path:
    """Writes the page of a run that was evaluated, and returns its file.

    Its pictures are the files of eval/views, named relative to it: the page moves with the run.
    """
    file = run / "eval" / FILE
    replace_text(file, of(read(run)))
    return file


def of(record: Record) -> str:
    """The page as HTML."""
    run = record.run.resolve()
    name = run.name
    views = list(enumerate(record.views))
    protocol = record.protocol
    body = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="quiet">{escape(_summary(record))}</p>',
        warnings(_notes(record)),
        _headline(record),
        section("Views in figures", _figures(record), "figures"),
        section("Learning", _learning(record), "learning"),
        section("Views", "".join(_pictures(record, k, view) for k, view in views), "views"),
        section("Settings", _settings(record.config), "settings"),
        section("Protocol", definitions(protocol.items()) if protocol else "", "protocol"),
        section("Receipt", _receipt(record), "receipt"),
    ]
    return page(f"{name} — evaluation", "\n".join(filter(None, body)), "nerf eval")


def anchor(number: int) -> str:
    """The name of a view's place on a page."""
    return f"view-{number}"


def said_of(view: View) -> str:
    """A view's figures in words."""
    return f"{figure(view.psnr, 2)} dB PSNR, {figure(view.ssim, 4)} SSIM"


def size_of(record: Record) -> tuple[int, int] | None:
    """Width and height of the pictures, if the protocol says them."""
    width, _, height = record.protocol.get("size", "").partition("x")
    return (int(width), int(height)) if width.isdecimal() and height.isdecimal() else None


def _summary(record: Record) -> str:
    views, split = record.protocol.get("views"), record.protocol.get("split")
    what = f"{views} views of {split}" if views and split else f"{len(record.views)} views"
    date = str(record.receipt.get("date", ""))[:10]
    scene = f"scene {record.config.scene.name}, " if record.config.scene else ""
    return f"{scene}{what}, evaluated{f' on {date}' if date else ''}"


def _notes(record: Record) -> list[str]:
    """What keeps the page from being whole."""
    notes = []
    if record.curve.unread:
        notes.append(
            f"{record.curve.unread} lines of metrics.jsonl can't be read and are left out."
        )
    if not len(record.curve):
        notes.append("metrics.jsonl holds no line: there is no learning curve.")
    if not record.receipt:
        notes.append("receipt.json is missing: how this was computed is not known.")
    if any(record.picture(view, part) is None for view in record.views for part in PARTS):
        notes.append("Some pictures are missing from eval/views; nerf eval RUN makes them anew.")
    return notes


def _headline(record: Record) -> str:
    rate, steps = record.curve.rays_per_second, record.steps
    parameters = record.receipt.get("parameters")
    return cards(
        [
            ("PSNR, dB", figure(record.psnr, 2)),
            ("SSIM", figure(record.ssim, 4)),
            ("steps", ABSENT if steps is None else f"{steps:,}"),
            ("trained, s", figure(record.seconds, 1)),
            ("rays/s, mean", figure(rate, 0)),
            ("parameters", f"{parameters:,}" if isinstance(parameters, int) else ABSENT),
        ]
    )


def _figures(record: Record) -> str:
    spread = histograms(record)
    return f'<div class="beside"><div>{_table(record)}</div>{spread}</div>'


def _table(record: Record) -> str:
    rows = []
    for k, view in enumerate(record.views):
        name, place = escape(view.name), f'<a href="#{anchor(k)}">'
        picture = ABSENT
        if record.picture(view, "rendering"):
            url = link("views", f"{view.stem}.rendering.webp")
            picture = f'{place}<img src="{url}" loading="lazy" alt="{name}: rendering"></a>'
        seen = f"<td>{picture}</td><td>{place}{name}</a></td>"
        rows.append(f"<tr>{seen}{cell(view.psnr, 2)}{cell(view.ssim, 4)}</tr>")
    return (
        "<p>Held out: not trained on. A click on a heading sorts.</p>"
        if record.protocol.get("split") in ("test", "val")
        else "<p>A click on a heading sorts.</p>"
    ) + table(["picture", "view", "PSNR, dB", "SSIM"], rows, True, 2)


def _pictures(record: Record, number: int, view: View) -> str:
    names = {
        "error": f"error, {ERROR_SHOWN}-fold, light is wrong",
        "depth": "depth, near is light",
    }
    shown = [
        Shown(names.get(part, part), link("views", f"{view.stem}.{part}.webp"))
        for part in PARTS
        if record.picture(view, part)
    ]
    said = escape(said_of(view))
    if record.picture(view, "panel"):
        said += f' · <a href="{link("views", f"{view.stem}.png")}">all four as one file</a>'
    return pictures(view.name, said, shown, anchor(number), size_of(record))


def _learning(record: Record) -> str:
    curve = record.curve.values
    held = None if record.psnr is None else (f"evaluated: {record.psnr:.2f} dB", record.psnr)
    across = {"step": "steps", "seconds": "seconds of training"}
    drawn = []
    for x, name in across.items():
        line = Line("PSNR of the step's rays", curve[x], curve["psnr"])
        what = f"PSNR of the training rays against {name}, and that of the evaluation"
        svg = charts.lines([line], what, name, "PSNR, dB", level=held)
        drawn.append(plot(svg, f"PSNR of training rays against {name}"))
    for x, name in across.items():
        line = Line("loss", curve[x], curve["loss"])
        svg = charts.lines([line], f"Loss against {name}", name, "loss, log", log=True)
        drawn.append(plot(svg, f"Loss against {name}"))
    line = Line("rays/s", curve["seconds"], curve["rays_per_second"])
    svg = charts.lines([line], "Rays per second against seconds", across["seconds"], "rays/s")
    drawn.append(plot(svg, "Rays per second"))
    line = Line("learning rate", curve["step"], curve["learning_rate"])
    what = "Learning rate against steps"
    svg = charts.lines([line], what, "steps", "learning rate, log", log=True, smooth=False)
    drawn.append(plot(svg, "Learning rate"))
    if not any(drawn):
        return ""
    lines = len(record.curve)
    return (
        f"<p>{lines} lines of metrics.jsonl: faint as they are, strong their running mean.</p>"
        f'<div class="charts">{"".join(drawn)}</div>'
    )


def _settings(config: Config) -> str:
    changed = settings.differing([config, Config()], places=True)
    rows = [
        f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.values[0])}</td>'
        f"<td>{escape(one.values[1])}</td></tr>"
        for one in changed
    ]
    every = definitions((k, settings.in_words(v)) for k, v in settings.flat(config).items())
    return (
        "<p>What differs from the defaults, settings found by the run itself included.</p>"
        + table(["setting", "this run", "default"], rows)
        + f'<details><summary>all settings</summary><div class="wide">{every}</div></details>'
    )


def _receipt(record: Record) -> str:
    told, steps = record.receipt, record.steps
    versions = told.get("versions")
    rows: list[tuple[str, object]] = [
        ("evaluated", told.get("date", ABSENT)),
        ("on", told.get("device", ABSENT)),
        ("trained, seconds", figure(record.seconds, 1)),
        ("trained, steps", ABSENT if steps is None else f"{steps:,}"),
    ]
    if isinstance(versions, dict):
        rows += [(str(package), version) for package, version in versions.items()]
    return definitions(rows)
