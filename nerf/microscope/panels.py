"""The panels of a probe's figure, one function each: given an axis of matplotlib, they fill it."""

import numpy as np
from jaxtyping import Int

from nerf.microscope.probe import Probe
from nerf.microscope.samples import MOTIONS
from nerf.microscope.scales import SHARE

BLUE, RED, GREEN, GREY, GOLD = "#2a5d9f", "#c8553d", "#3b8f5b", "#777777", "#d9a441"
CHANNELS = ("#c0392b", "#2e8b57", "#2a5d9f")


def density(axis, probe, scales):
    """Density over the intervals, and where the samples lie."""
    top = 1.08 * scales.sigma
    x, y = _outline(probe, probe.sigma)
    axis.fill_between(x, y, color=BLUE, alpha=0.2, linewidth=0)
    axis.plot(x, y, color=BLUE, linewidth=1.4)
    axis.plot(probe.t, np.full_like(probe.t, -0.04 * top), "|", color=GREY, markersize=4)
    axis.set(ylabel="density $\\sigma$\n1 / length", ylim=(-0.09 * top, top))


def weights(axis, probe, scales):
    """How much light gets how far, and what each sample makes of the pixel."""
    low, high = _intervals(probe)
    edges = np.append(low, high[-1:]) if len(low) else np.array(scales.t)
    through = np.append(probe.transmittance, [probe.left] * (len(edges) - len(low)))
    axis.plot(edges, through, color=GREY, label="transmittance T", clip_on=True)
    stems = max(k for k in (1, 2, 5, 10, 20, 50, 100) if k == 1 or k * scales.weight <= 1)
    times = "" if stems == 1 else rf" $\times$ {stems}"
    axis.bar(
        low, stems * probe.weights, high - low, align="edge", color=RED, label=f"weights w{times}"
    )
    axis.set(ylim=(0, 1.08), ylabel="share of light")
    axis.legend(loc="center right", fontsize=9, framealpha=0.8, edgecolor="none")


def colours(axis, probe, scales):
    """Colour of each sample above; below, how much of it the pixel shows."""
    low, high = scales.t
    strip = np.ones((2, 1200, 3))
    at = np.linspace(low, high, strip.shape[1])
    if len(probe.t):
        begins, ends = _intervals(probe)
        here = np.maximum(np.searchsorted(begins, at, side="right") - 1, 0)
        inside = (at >= begins[here]) & (at <= ends[here])
        strip[0, inside] = probe.colour[here[inside]]
        share = probe.weights / max(probe.weights.max(), 1e-12)
        seen = 1 - share[:, None] * (1 - probe.colour)
        strip[1, inside] = seen[here[inside]]
    axis.imshow(
        np.clip(strip, 0, 1), extent=(low, high, 0, 1), aspect="auto", interpolation="nearest"
    )
    axis.set(yticks=(0.25, 0.75), yticklabels=("as seen", "colour c"))
    axis.tick_params(axis="y", length=0)


def slopes(axis, probe, scales):
    """The gradient, taken apart; differences as dots."""
    axis.axhline(0, color="black", linewidth=0.7)
    parts = (probe.shows, GREEN, "what it shows"), (probe.hides, RED, "what it hides")
    for part, colour, label in parts:
        shape = {"color": colour, "alpha": 0.35, "linewidth": 0, "label": label}
        axis.fill_between(*_outline(probe, part), **shape)
    t, whole = (np.insert(v, _gaps(probe), np.nan) for v in (probe.t, probe.slope_sigma))
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


def where(axis, probe, picture, caption):
    """The picture with the pixel marked in it."""
    axis.axis("off")
    axis.set_title(caption or f"pixel {probe.column:g}, {probe.row:g}", fontsize=9)
    if picture is None:
        return
    axis.imshow(picture)
    at = probe.column, probe.row
    axis.plot(*at, "o", markersize=13, markerfacecolor="none", color="white", markeredgewidth=3.2)
    axis.plot(*at, "o", markersize=13, markerfacecolor="none", color="black", markeredgewidth=1.4)


def pixel(axis, probe):
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


def pose(axis, probe, scales):
    """The pixel's slope by each motion of the camera; differences as strokes."""
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


def other_units(axis, probe, forward):
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


def _intervals(probe: Probe) -> tuple[np.ndarray, np.ndarray]:
    """Where the samples' intervals begin and end: end to end, or else around the samples."""
    t, delta = probe.t, probe.delta
    if len(t) > 1:
        ends = (t[0] + t[1]) / 2 - delta[0] + np.cumsum(delta)
        if (np.abs(ends - delta / 2 - t) <= delta / 2 + 1e-5).all():
            return ends - delta, ends
    return t - delta / 2, t + delta / 2


def _outline(probe: Probe, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values over their intervals; NaN where the ray was not asked."""
    low, high = _intervals(probe)
    gaps = 2 * _gaps(probe)
    x, y = np.stack([low, high], axis=1).ravel(), np.repeat(values, 2)
    return np.insert(x, gaps, np.nan), np.insert(y, gaps, np.nan)


def _gaps(probe: Probe) -> Int[np.ndarray, " n"]:
    """The samples before which a part of the ray was not asked."""
    low, high = _intervals(probe)
    return 1 + np.flatnonzero(low[1:] - high[:-1] > 0.25 * probe.delta[1:])
