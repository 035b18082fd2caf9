"""Pieces of HTML. Every text that comes in is escaped; every page stands alone."""

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from nerf.report.script import SCRIPT
from nerf.report.style import STYLE

ABSENT = "—"
"""What a table says where nothing is known."""


class Shown(NamedTuple):
    """A picture on a page."""

    name: str
    url: str


def escape(text: object) -> str:
    """Text as it may stand in HTML, in an attribute too."""
    return html.escape(str(text))


def link(*path: str) -> str:
    """A relative address; each part may be any name that a file can have."""
    return "/".join(quote(part, safe="") for part in path)


def figure(value: float | None, digits: int) -> str:
    """A number with some digits after the point, or ABSENT."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def cards(titled: Sequence[tuple[str, str]]) -> str:
    """Headline figures."""
    each = (f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in titled)
    return f'<dl class="cards">{"".join(each)}</dl>'


def definitions(rows: Iterable[tuple[str, object]]) -> str:
    """A table of two columns: what, and how it is."""
    return "<table>" + (
        "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
            for name, value in rows
        )
        + "</table>"
    )


def table(
    heads: Sequence[str], rows: Iterable[str], sortable: bool = False, numbers: int | None = None
) -> str:
    """A table; `heads` are escaped here, `rows` are HTML. From column `numbers` on are numbers."""
    head = ""
    for k, name in enumerate(map(escape, heads)):
        kind = ' class="number"' if numbers is not None and k >= numbers else ""
        inside = f'<button type="button">{name}</button>' if sortable else name
        head += f'<th scope="col"{kind}>{inside}</th>'
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def cell(value: float | None, digits: int, best: bool = False) -> str:
    """A number in a table, which sorts by all its digits."""
    sorted_by = "" if value is None else f' data-value="{value!r}"'
    kind = "number best" if best else "number"
    return f'<td class="{kind}"{sorted_by}>{figure(value, digits)}</td>'


def section(title: str, body: str, name: str) -> str:
    """A part of a page under its heading; nothing where there is no body."""
    if not body:
        return ""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>{body}</section>'


def plot(svg: str, caption: str, legend: Sequence[tuple[str, int]] = ()) -> str:
    """A chart under its title; `legend` names lines by their number. Nothing where no chart is."""
    if not svg:
        return ""
    keys = "".join(f'<span class="key s{k % 8}">{escape(name)}</span>' for name, k in legend)
    return (
        f"<figure><figcaption><strong>{escape(caption)}</strong>{keys}</figcaption>{svg}</figure>"
    )


def pictures(
    title: str, said: str, shown: Sequence[Shown], anchor: str, size: tuple[int, int] | None
) -> str:
    """Pictures of one view in a row; a click enlarges, with a slider between two of them.

    `title` is text, `said` is HTML.
    """
    shape = f' width="{size[0]}" height="{size[1]}"' if size else ""
    each = "".join(
        f'<a href="{escape(one.url)}" data-name="{escape(one.name)}"><img src="{escape(one.url)}" '
        f'alt="{escape(title)}: {escape(one.name)}" loading="lazy"{shape}>'
        f"<span>{escape(one.name)}</span></a>"
        for one in shown
    )
    return (
        f'<article class="view" id="{anchor}" data-title="{escape(title)}">'
        f"<h3>{escape(title)}</h3><p>{said}</p>"
        f'<div class="row">{each}</div></article>'
    )


def warnings(lines: Sequence[str]) -> str:
    """What a reader must know before the figures are believed."""
    each = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="warnings" role="note">{each}</ul>' if each else ""


def page(title: str, body: str, made_by: str) -> str:
    """A whole page; `body` is HTML. `made_by` tells pages of one kind from others."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{escape(made_by)}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
{_LARGER}
<script>{SCRIPT}</script>
</body>
</html>
"""


_LARGER = """<dialog id="larger" aria-labelledby="larger-name">
<div class="bar-of-dialog"><strong id="larger-name"></strong>
<span><button type="button" id="before">previous</button>
<button type="button" id="after">next</button>
<button type="button" id="close">close</button></span></div>
<div class="bar-of-dialog"><label>left <select id="left"></select></label>
<label>right <select id="right"></select></label></div>
<div id="pair"><img id="under" alt="" src="data:,"><img id="over" alt="" src="data:,">
<span id="edge"></span>
<input type="range" id="at" min="0" max="100" step="0.5" value="50"
aria-label="where the left picture ends and the right one begins, percent"></div>
<p><a id="file-left">left picture as a file</a> · <a id="file-right">right picture as a file</a></p>
</dialog>"""
