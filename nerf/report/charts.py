"""Curves and histograms as SVG that takes its colours from the page, light or dark.

Ticks are matplotlib's; what is drawn is written by hand, so that text stays text, a line is a few
bytes a point, and one picture serves both colour schemes.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num
from matplotlib.ticker import MaxNLocator

from nerf.report.page import escape

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 68, 22, 12, 44
"""Around the axes, for their numbers and names."""
MOST = 1200
"""Points of a line; of longer ones, means of as few lines of the log as make it so many."""
SMOOTHED = 40
"""A smooth curve is the mean over this part of the whole."""
DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Line(NamedTuple):
    """One curve; points that are not finite are left out."""

    name: str
    x: Num[np.ndarray, " n"]
    y: Num[np.ndarray, " n"]
    number: int = 0
    """Which colour and dashes it has."""


class Scale(NamedTuple):
    """Numbers -> places along one axis."""

    low: float
    high: float
    first: float
    last: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a number lies, in the units of the picture."""
        share = math.log(value / self.low) if self.log else value - self.low
        whole = math.log(self.high / self.low) if self.log else self.high - self.low
        return self.first + share / whole * (self.last - self.first)


def lines(
    drawn: Sequence[Line],
    what: str,
    across: str,
    upwards: str,
    log: bool = False,
    level: tuple[str, float] | None = None,
    smooth: bool = True,
    dots: bool = False,
) -> str:
    """Curves over one another, each faint as it is, and smoothed; `what` is said to who can't see.

    `level` is a name and a height, drawn across. An empty string if there is no point to draw.
    """
    finite = []
    for line in drawn:
        known = np.isfinite(line.x) & np.isfinite(line.y) & ((line.y > 0) | (not log))
        if known.any():
            x, y = (fewer(values[known].astype(np.float64)) for values in (line.x, line.y))
            finite.append(line._replace(x=x, y=y))
    if not finite:
        return ""
    reach, heights = (np.concatenate([line[k] for line in finite]) for k in (1, 2))
    if level is not None:
        heights = np.append(heights, level[1])
    x_ticks = _ticks(float(reach.min()), float(reach.max()))
    y_ticks = _decades(heights) if log else _ticks(float(heights.min()), float(heights.max()))
    x_scale = Scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
    y_scale = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP, log)
    parts = [_axes(x_scale, x_ticks, y_scale, y_ticks, across, upwards)]
    for line in finite:
        kind = f"s{line.number % 8} d{line.number // 8 % 3}"
        name = f"<title>{escape(line.name)}</title>"
        xs = [x_scale.at(float(v)) for v in line.x]
        ys = [y_scale.at(float(v)) for v in line.y]
        if dots:
            circles = "".join(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in zip(xs, ys, strict=True)
            )
            parts.append(f'<g class="dots {kind}">{name}{circles}</g>')
            continue
        faint = " faint" if smooth and len(xs) > 3 else ""
        parts.append(_path(xs, ys, f"line{faint} {kind}", name))
        if faint:  # places on the scale are smoothed: of logarithms, where it is one of them
            parts.append(_path(xs, smoothed(np.array(ys)), f"line {kind}", name))
    if level is not None:
        height = y_scale.at(level[1])
        above = height - 5 if height > TOP + 16 else height + 14
        parts.append(
            f'<path class="level" d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT + 6}" y="{above:.1f}">{escape(level[0])}</text>'
        )
    return _svg(parts, what)


def bars(
    edges: Num[np.ndarray, " ends"],
    counts: Num[np.ndarray, " n"],
    what: str,
    across: str,
    upwards: str,
    said: Sequence[str],
    log: bool = False,
) -> str:
    """A histogram between ends; each bar says its line of `said` when the pointer rests on it."""
    heights, ends = counts.astype(np.float64), [float(edge) for edge in edges]
    if not len(heights) or not (heights > 0).any():
        return ""
    x_ticks = _ticks(ends[0], ends[-1], within=True)
    x_scale = Scale(ends[0], ends[-1], LEFT, WIDTH - RIGHT)
    if log:
        y_ticks = _decades(heights[heights > 0])
    else:
        y_ticks = _ticks(0.0, float(heights.max()), whole=True)
    y_scale = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP, log)
    parts = [_axes(x_scale, x_ticks, y_scale, y_ticks, across, upwards, percent=log)]
    for k, height in enumerate(heights):
        if height > 0:
            a, b = (x_scale.at(edge) for edge in ends[k : k + 2])
            top = y_scale.at(float(height))
            parts.append(
                f'<rect class="bar" x="{a + 0.5:.1f}" y="{top:.1f}" width="{max(b - a - 1, 1):.1f}"'
                f' height="{HEIGHT - BOTTOM - top:.1f}"><title>{escape(said[k])}</title></rect>'
            )
    return _svg(parts, what)


def fewer(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Means of as many neighbours as leave no more than MOST."""
    each = -(-len(values) // MOST)
    whole = len(values) // each * each
    means = values[:whole].reshape(-1, each).mean(axis=1)
    return means if whole == len(values) else np.append(means, values[whole:].mean())


def smoothed(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The mean around each of them, over no more than there is on the shorter side."""
    reach = max(1, len(values) // (2 * SMOOTHED))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    around = np.minimum(np.minimum(at, len(values) - 1 - at), reach)
    return (sums[at + around + 1] - sums[at - around]) / (2 * around + 1)


def number(value: float) -> str:
    """A number at an axis: short."""
    for size, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e6 if unit == 'M' else 1e3):.4g}{unit}"
    if 0 < abs(value) < 1e-2:
        power = math.floor(math.log10(abs(value)) + 1e-9)
        factor = value / 10.0**power
        front = "" if abs(factor - 1) < 1e-6 else f"{factor:.3g}·"
        return f"{front}10{str(power).translate(DIGITS)}"
    return f"{value:.4g}"


def _ticks(low: float, high: float, within: bool = False, whole: bool = False) -> list[float]:
    """Round numbers from below the lowest to above the highest, or between the two."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    at = [float(v) for v in MaxNLocator(5, integer=whole).tick_values(low, high)]
    if within:
        return [v for v in at if low <= v <= high]
    while len(at) > 2 and at[1] <= low:
        at.pop(0)
    while len(at) > 2 and at[-2] >= high:
        at.pop()
    return at


def _decades(values: Float[np.ndarray, " n"]) -> list[float]:
    """Powers of ten around positive numbers; with 2 and 5 between them where they are few."""
    low, high = math.log10(float(values.min())), math.log10(float(values.max()))
    steps = (1, 2, 5) if high - low < 2 else (1,)
    powers = range(math.floor(low) - 1, math.ceil(high) + 2)
    each = max(1, (len(powers) - 2) // 6)
    at = [s * 10.0**p for p in powers if p % each == 0 for s in steps]
    first = max((v for v in at if v <= values.min() * (1 + 1e-9)), default=at[0])
    last = min((v for v in at if v >= values.max() * (1 - 1e-9)), default=at[-1])
    if first == last:
        first, last = first / 10, last * 10
    return sorted({first, last} | {v for v in at if first <= v <= last})


def _axes(x_scale, x_ticks, y_scale, y_ticks, across, upwards, percent=False) -> str:
    floor, parts = HEIGHT - BOTTOM, []
    for value in x_ticks:
        x = x_scale.at(value)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {TOP}V{floor}"/>'
            f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{number(value)}</text>'
        )
    for value in y_ticks:
        y = y_scale.at(value)
        said = f"{number(100 * value)}%" if percent else number(value)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{said}</text>'
        )
    middle = (TOP + floor) / 2
    return "".join(parts) + (
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}"/>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(across)}</text>"
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(upwards)}</text>"
    )


def _path(x, y, kind: str, inside: str) -> str:
    points = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<path class="{kind}" d="M{points}">{inside}</path>'


def _svg(parts: list[str], what: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(what)}">{"".join(parts)}</svg>'
    )
