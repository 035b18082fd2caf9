"""A probe as a figure: what the ray meets, what the pixel is made of, what its loss wants."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data.errors import InputError
from nerf.microscope import panels
from nerf.microscope.probe import Probe
from nerf.microscope.scales import Scales

ENDINGS = (".png", ".pdf", ".svg")
INCHES, DPI = (12.8, 7.2), 150


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
) -> UInt8[np.ndarray, "_ _ 3"]:
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
    panels.density(axes[0], probe, scales)
    panels.weights(axes[1], probe, scales)
    panels.colours(axes[2], probe, scales)
    panels.slopes(axes[3], probe, scales)
    for axis in axes:
        if probe.strongest is not None:
            axis.axvline(probe.t[probe.strongest], color=panels.GOLD, linewidth=1.2, zorder=0)
    forward = not np.array_equal(probe.t, probe.distance)
    unit = "normalised device coordinates" if forward else "scene units"
    axes[3].set(xlabel=f"distance t along the ray, {unit}", xlim=scales.t)
    panels.other_units(axes[0], probe, forward)
    top, middle, bottom = right.subplots(3, 1, height_ratios=(1.55, 0.75, 1.2))
    for axis in (*axes, bottom):
        _plain(axis)
    panels.where(top, probe, picture, caption)
    panels.pixel(middle, probe)
    panels.pose(bottom, probe, scales)
    return sheet


def _plain(axis):
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)


def _broken(sentence: str, most: int = 92) -> str:
    """In two lines, if it is long."""
    if len(sentence) <= most:
        return sentence
    middle = sentence.rfind(" ", 0, most)
    return sentence[:middle] + "\n" + sentence[middle + 1 :]
