"""A probe as a figure: what the ray meets, what the pixel is made of, what its loss wants."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from data.errors import InputError
from nerf.microscope.probe import Probe
from nerf.microscope.samples import MOTIONS

ENDINGS = (".png", ".pdf", ".svg")
INCHES, DPI = (12.8, 7.2), 150
BLUE, RED, GREEN, GREY, GOLD = "#2a5d9f", "#c8553d", "#3b8f5b", "#777777", "#d9a441"
CHANNELS = ("#c0392b", "#2e8b57", "#2a5d9f")
SHARE = 1e-3
"""Of the pixel, of the largest optical depth, or of the steepest slope: what is worth showing."""


@dataclass(frozen=True)
class Scales:
    """What the axes of a figure show; of a film, all of its figures."""

    t: tuple[float, float]
    sigma: float
    """Largest density."""
    weight: float
    slope: float
    """Steepest slope."""
    pose: float

    @classmethod
    def of(cls, *probes: Probe) -> "Scales":
        """Those that hold all that is worth showing of some probes of one ray."""
        low, high = zip(*(_worth_showing(probe) for probe in probes), strict=True)
        return cls(
            (min(low), max(high)),
            max(float(p.sigma.max(initial=0)) for p in probes) or 1.0,
            max(float(p.weights.max(initial=0)) for p in probes) or 1.0,
            max(float(np.abs([p.slope_sigma, p.shows, p.hides]).max(initial=0)) for p in probes)
            or 1.0,
            max(float(np.abs(p.pose).max()) for p in probes) or 1.0,
        )


def check(out: Path) -> None:
    """Refuses what can't be drawn, before anything is computed."""
    if out.suffix.lower() not in ENDINGS:
        raise InputError(f"--out {out}: unknown ending; give {', '.join(ENDINGS)}")
    if out.is_dir():
        raise InputError(f"--out {out}: is a folder; name a file for the picture")


def draw(
    probe: Probe,
    out: Path,
    picture: UInt8[np.ndarray, "h w 3"] | None = None,
    caption: str = "",
) -> None:
    """Writes the figure of a probe; `picture` is what the pixel is marked in."""
    check(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure(probe, picture, caption).savefig(out, dpi=DPI)


def drawn(
    probe: Probe,
    picture: UInt8[np.ndarray, "h w 3"] | None = None,
    caption: str = "",
    scales: Scales | None = None,
    dpi: int = 100,
) -> UInt8[np.ndarray, "h w 3"]:
    """The same figure as a picture."""
    file = BytesIO()
    figure(probe, picture, caption, scales).savefig(file, format="png", dpi=dpi)
    return np.asarray(Image.open(file).convert("RGB"))


def figure(
    probe: Probe,
    picture: UInt8[np.ndarray, "h w 3"] | None = None,
    caption: str = "",
    scales: Scales | None = None,
) -> Any:
    """The figure of a probe, a `matplotlib.figure.Figure`; axes by its own scales or by others."""
    from matplotlib.figure import Figure

    scales = scales or Scales.of(probe)
    sheet = Figure(figsize=INCHES, layout="constrained")
    sheet.suptitle(_broken(probe.sentence), fontsize=15, x=0.01, ha="left")
    parts: Any = sheet.subfigures(1, 2, width_ratios=(3.1, 1))
    left, right = parts
    heights = (1.25, 1.1, 0.42, 1.7)
    axes: Any = left.subplots(4, 1, sharex=True, height_ratios=heights)
    _density(axes[0], probe, scales)
    _weights(axes[1], probe, scales)
    _colours(axes[2], probe, scales)
    _slopes(axes[3], probe, scales)
    for axis in axes:
        if probe.strongest is not None:
            axis.axvline(probe.t[probe.strongest], color=GOLD, linewidth=1.2, zorder=0)
    forward = not np.array_equal(probe.t, probe.distance)
    unit = "normalised device coordinates" if forward else "scene units"
    axes[3].set(xlabel=f"distance t along the ray, {unit}", xlim=scales.t)
    _other_units(axes[0], probe, forward)
    top, middle, bottom = right.subplots(3, 1, height_ratios=(1.55, 0.75, 1.2))
    for axis in (*axes, bottom):
        _plain(axis)
    _where(top, probe, picture, caption)
    _pixel(middle, probe)
    _pose(bottom, probe, scales)
    return sheet


def _plain(axis):
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)


def _density(axis, probe, scales):
    top = 1.08 * scales.sigma
    _steps(axis, probe, probe.sigma, BLUE)
    axis.plot(probe.t, np.full_like(probe.t, -0.04 * top), "|", color=GREY, markersize=4)
    axis.set(ylabel="density $\\sigma$\n1 / length", ylim=(-0.09 * top, top))


def _weights(axis, probe, scales):
    edges, through = _edges(probe), np.append(probe.transmittance, probe.left)
    axis.plot(edges, through, color=GREY, label="transmittance T", clip_on=False)
    if len(probe.t):
        stems = max(k for k in (1, 2, 5, 10, 20, 50, 100) if k == 1 or k * scales.weight <= 1)
        times = "" if stems == 1 else rf" $\times$ {stems}"
        width = np.maximum(probe.delta, (scales.t[1] - scales.t[0]) / 500)
        axis.bar(probe.t, stems * probe.weights, width, color=RED, label=f"weights w{times}")
    axis.set(ylim=(0, 1.08), ylabel="share of light")
    axis.legend(loc="center right", frameon=False, fontsize=9)


def _colours(axis, probe, scales):
    """Colour of each sample above; below, how much of it the pixel shows."""
    low, high = scales.t
    strip = np.ones((2, 1200, 3))
    at = np.linspace(low, high, strip.shape[1])
    if len(probe.t):
        nearest = np.clip(np.searchsorted(_middles(probe.t), at), 0, len(probe.t) - 1)
        inside = np.abs(at - probe.t[nearest]) <= np.maximum(
            probe.delta[nearest], (high - low) / 600
        )
        strip[0, inside] = probe.colour[nearest[inside]]
        opaque = probe.weights / max(probe.weights.max(), 1e-12)
        seen = 1 - opaque[:, None] * (1 - probe.colour)
        strip[1, inside] = seen[nearest[inside]]
    axis.imshow(
        np.clip(strip, 0, 1), extent=(low, high, 0, 1), aspect="auto", interpolation="nearest"
    )
    axis.set(yticks=(0.25, 0.75), yticklabels=("as seen", "colour c"))
    axis.tick_params(axis="y", length=0)


def _slopes(axis, probe, scales):
    axis.axhline(0, color="black", linewidth=0.7)
    gaps = _gaps(probe)
    t = np.insert(probe.t, gaps, np.nan)
    parts = (probe.shows, GREEN, "what it shows"), (probe.hides, RED, "what it hides")
    for part, colour, label in parts:
        shape = {"step": "mid", "color": colour, "alpha": 0.35, "linewidth": 0, "label": label}
        axis.fill_between(t, np.insert(part, gaps, np.nan), **shape)
    whole = np.insert(probe.slope_sigma, gaps, np.nan)
    axis.plot(t, whole, color=BLUE, label="their sum, by hand")
    visible = (probe.t >= scales.t[0]) & (probe.t <= scales.t[1])
    some = np.flatnonzero(visible)
    some = some[:: max(1, len(some) // 60)]
    axis.plot(
        probe.t[some],
        probe.differences[some],
        "o",
        color="black",
        markersize=3,
        markerfacecolor="none",
        markeredgewidth=0.8,
        label=f"by differences (gap {probe.gap:.0e})",
    )
    name = "loss" if probe.quantity == "loss" else "brightness"
    up, down = ("thinner", "denser") if name == "loss" else ("brighter", "darker")
    limit = 1.12 * scales.slope
    axis.set(ylabel=rf"d {name} / d$\sigma$", ylim=(-limit, limit))
    note = {"xycoords": "axes fraction", "fontsize": 9, "color": GREY, "ha": "right"}
    says = "wants to be" if name == "loss" else "more makes it"
    axis.annotate(f"↑ {says} {up}", (0.995, 0.97), va="top", **note)
    axis.annotate(f"↓ {says} {down}", (0.995, 0.03), va="bottom", **note)
    axis.ticklabel_format(axis="y", scilimits=(-2, 3))
    below = {"loc": "upper left", "bbox_to_anchor": (0, -0.2), "ncols": 4, "borderpad": 0}
    axis.legend(frameon=False, fontsize=9, **below)


def _where(axis, probe, picture, caption):
    axis.axis("off")
    axis.set_title(caption or f"pixel {probe.column:g}, {probe.row:g}", fontsize=10)
    if picture is None:
        return
    axis.imshow(picture)
    at = probe.column, probe.row
    axis.plot(*at, "o", markersize=13, markerfacecolor="none", color="white", markeredgewidth=3.2)
    axis.plot(*at, "o", markersize=13, markerfacecolor="none", color="black", markeredgewidth=1.4)


def _pixel(axis, probe):
    """Swatches, and the numbers of the pixel."""
    axis.set(xlim=(0, 2), ylim=(0, 1))
    axis.axis("off")
    known = probe.photograph is not None
    names = ["rendered", "photograph"] if known else ["rendered"]
    colours = [probe.shown, probe.photograph] if known else [probe.shown]
    for k, (name, colour) in enumerate(zip(names, colours, strict=True)):
        face = np.clip(colour, 0, 1)
        axis.fill_between((k + 0.02, k + 0.98), 0.45, 0.86, color=face, linewidth=0)
        axis.text(k + 0.5, 0.9, name, ha="center", va="bottom", fontsize=9)
        numbers = " ".join(f"{v:.2f}" for v in colour)
        axis.text(k + 0.5, 0.41, numbers, ha="center", va="top", fontsize=9)
    told = f"opacity {probe.opacity:.3f}"
    if probe.opacity > SHARE:
        t = probe.depth / probe.opacity
        told += f",  depth {np.interp(t, probe.t, probe.distance):.3g}"
    told += f"\n{'loss' if known else 'brightness'} {probe.loss:.2e}"
    axis.text(1, 0.14, told, ha="center", va="center", fontsize=10)


def _pose(axis, probe, scales):
    at = np.arange(len(MOTIONS))
    for a, colour in enumerate(CHANNELS):
        axis.barh(at + 0.27 * (a - 1), probe.pose[:, a], 0.25, color=colour)
        axis.plot(
            probe.pose_differences[:, a], at + 0.27 * (a - 1), "k|", markersize=6, linewidth=0
        )
    axis.axvline(0, color="black", linewidth=0.7)
    limit = 1.12 * scales.pose
    axis.set(yticks=at, yticklabels=MOTIONS, xlim=(-limit, limit))
    axis.invert_yaxis()
    axis.set_title(f"d pixel / d camera  (gap {probe.pose_gap:.0e})", fontsize=10)
    axis.set_xlabel("per scene unit, per radian")


def _other_units(axis, probe, forward):
    """A second scale above, where distances have other units too."""
    if len(probe.t) < 2 or (not forward and probe.scale == 1):
        return
    if forward:
        there, name = probe.distance, "distance, scene units"
    else:
        there, name = probe.t / probe.scale, "distance, the user's units"
    above = axis.secondary_xaxis(
        "top",
        functions=(
            lambda t: np.interp(t, *_widened(probe.t, there)),
            lambda s: np.interp(s, *_widened(there, probe.t)),
        ),
    )
    above.set_xlabel(name, fontsize=9)
    above.tick_params(labelsize=9)


def _widened(x, y):
    """Two rising rows, prolonged straight on at both ends."""
    reach = 10 * (x[-1] - x[0])
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    x = np.concatenate([[x[0] - reach], x, [x[-1] + reach]])
    return x, np.concatenate([[y[0] - reach * first], y, [y[-1] + reach * last]])


def _steps(axis, probe, values, colour):
    """Each sample's value over its interval; nothing where nothing was asked."""
    low, high = probe.t - probe.delta / 2, probe.t + probe.delta / 2
    x, y = np.stack([low, high], axis=1).ravel(), np.repeat(values, 2)
    x, y = (np.insert(v, 2 * _gaps(probe), np.nan) for v in (x, y))
    axis.fill_between(x, y, color=colour, alpha=0.2, linewidth=0)
    axis.plot(x, y, color=colour, linewidth=1.4)


def _gaps(probe: Probe) -> Int[np.ndarray, " n"]:
    """The samples before which a part of the ray was not asked."""
    return 1 + np.flatnonzero(
        np.diff(probe.t) > 1.5 * np.maximum(probe.delta[1:], probe.delta[:-1])
    )


def _edges(probe: Probe) -> Float[np.ndarray, " n"]:
    """Where transmittance is known: before each sample, and behind the last."""
    if not len(probe.t):
        return np.zeros(1)
    return np.append(probe.t - probe.delta / 2, probe.t[-1] + probe.delta[-1] / 2)


def _middles(t):
    return (t[1:] + t[:-1]) / 2


def _worth_showing(probe: Probe) -> tuple[float, float]:
    """From where to where along the ray something is."""
    if not len(probe.t):
        return 0.0, 1.0
    slope = np.abs(probe.slope_sigma) / np.maximum(probe.delta, 1e-12)
    visible = probe.transmittance > SHARE
    worth = probe.weights > SHARE * max(probe.weights.max(), SHARE)
    if not worth.any():
        worth = slope > 0.5 * slope.max()
    worth |= visible & (probe.tau > 0.02 * probe.tau.max()) & (probe.tau > 1e-4)
    if probe.strongest is not None:
        worth[probe.strongest] = True
    t = probe.t[worth] if worth.any() else probe.t
    room = max(0.04 * (t.max() - t.min()), 4 * float(np.median(probe.delta)))
    return float(t.min() - room), float(t.max() + room)


def _broken(sentence: str, most: int = 92) -> str:
    """In two lines, if it is long."""
    if len(sentence) <= most:
        return sentence
    middle = sentence.rfind(" ", 0, most)
    return sentence[:middle] + "\n" + sentence[middle + 1 :]
