"""Pictures of what a run recovered beside what is true."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from nerf.pictures import over, quantised, scaled, side_by_side

Map = Float[np.ndarray, "h w"]
Volume = Float[np.ndarray, "_ _ _"]
RGB = UInt8[np.ndarray, "_ _ 3"]

WORST = 0.05
"""Error in parts of the true distance that is drawn lightest."""
BINS = 96
"""Of the histogram, along each side; each is drawn as a block of BLOCK pixels a side."""
BLOCK = 4
MARGIN = 40
"""Around the histogram, pixels: for its numbers."""
_LESS, _MORE = np.array([30, 90, 190]), np.array([200, 60, 20])
"""Colours of what is missing and of what is too much."""


def distance_panel(
    photograph: UInt8[np.ndarray, "h w 4"], truth: Map, found: Map, opacity: Map, name: str
) -> RGB:
    """photograph | true distance | recovered | error of one view, near is light.

    Both distances are on the scale of the true ones, by their logarithm, and fade to white with
    opacity, the photograph's and the run's. White in the error is where there is nothing.
    """
    known = np.isfinite(truth)
    low, high = np.quantile(truth[known], [0.01, 0.99]) if known.any() else (1.0, 2.0)
    both = known & np.isfinite(found)
    share = np.where(both, np.abs(found - truth), np.inf) / np.where(both, truth, 1)
    median = f"{np.median(share[both]):.1%}" if both.any() else "unknown"
    between = f"{low:.3g} to {high:.3g}"
    return side_by_side(
        {
            name: quantised(over(photograph, 1.0)),
            f"true distance, {between}": _fading(
                _nearness(truth, low, high), known * photograph[..., 3] / 255
            ),
            "recovered": _fading(_nearness(found, low, high), np.clip(opacity, 0, 1)),
            f"error, light {WORST:.0%}; median {median}": _fading(scaled(share / WORST), known),
        }
    )


def slices(truth: Volume, found: Volume, side: float) -> RGB:
    """true | recovered | difference, through the middle of z (seen from above) and that of x.

    One scale of colour for both densities; half of it is the strongest colour of a difference.
    """
    middle = len(truth) // 2
    cuts = {
        "z": [_upright(volume[:, :, middle]) for volume in (truth, found)],
        "x": [_upright(volume[middle]) for volume in (truth, found)],
    }
    top = max(float(true.max()) for true, _ in cuts.values()) or 1.0
    at = (2 * middle + 1) / len(truth) * side - side
    rows = []
    for axis, (a, b) in cuts.items():
        row = {
            f"true density, {axis} = {at:.2f}": scaled(a / top),
            f"recovered: 0 dark, {top:.1f} light": scaled(b / top),
            f"recovered - true: blue {-top / 2:.1f}, red {top / 2:.1f}": signed(2 * (b - a) / top),
        }
        rows.append(side_by_side(row))
    return np.concatenate(rows)


def signed(value: Map) -> UInt8[np.ndarray, "h w 3"]:
    """Numbers in [-1, 1]: blue, white, red."""
    x = np.clip(value, -1, 1)[..., None]
    end = np.where(x < 0, _LESS, _MORE)
    return np.round(255 + np.abs(x) * (end - 255)).astype(np.uint8)


def histogram(truth: Volume, found: Volume) -> RGB:
    """How many voxels have which true density (across) and which recovered one (upwards).

    The darker the more, by the logarithm; the line is where both are equal. What is beyond the
    upper edge counts in the last row.
    """
    top = 1.1 * (float(truth.max()) or 1.0)
    bins = np.linspace(0, top, BINS + 1)
    a, b = (np.minimum(v.ravel(), 0.999 * top) for v in (truth, found))
    counts, _, _ = np.histogram2d(a, b, bins=[bins, bins])
    dark = _upright(np.log1p(counts) / np.log1p(counts.max()))[..., None]
    ink = np.where(dark > 0, 0.1 + 0.9 * dark, 0)
    blocks = np.round(255 - ink * (255 - np.array([20, 40, 90]))).astype(np.uint8)
    size = BINS * BLOCK
    sheet = Image.new("RGB", (size + MARGIN + 8, size + MARGIN + 8), "white")
    sheet.paste(Image.fromarray(blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)), (MARGIN, 8))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    draw.rectangle((MARGIN - 1, 7, MARGIN + size, 8 + size), outline="black")
    draw.line((MARGIN, 8 + size, MARGIN + size, 8), fill=(200, 60, 20))
    step = _round_step(top)
    for value in np.arange(0, top, step):
        place = round(value / top * size)
        draw.text((MARGIN + place - 4, size + 12), f"{value:g}", fill="black", font=font)
        draw.text((MARGIN - 20, 8 + size - place - 7), f"{value:g}", fill="black", font=font)
    draw.text((MARGIN + size // 2 - 40, size + 28), "true density", fill="black", font=font)
    upward = Image.new("RGB", (100, 14), "white")
    ImageDraw.Draw(upward).text((0, 0), "recovered density", fill="black", font=font)
    sheet.paste(upward.rotate(90, expand=True), (2, size // 2 - 42))
    return np.asarray(sheet)


def _nearness(distance, low, high):
    finite = np.where(np.isfinite(distance), np.maximum(distance, 1e-6), high)
    return scaled(1 - (np.log(finite) - np.log(low)) / max(np.log(high / low), 1e-6))


def _fading(picture, opacity):
    share = np.asarray(opacity, np.float64)[..., None]
    return np.round(picture * share + 255 * (1 - share)).astype(np.uint8)


def _upright(cut):
    """The first axis across, the second upwards."""
    return cut.T[::-1]


def _round_step(top):
    """The step of an axis with five to ten numbers on it."""
    power = 10.0 ** np.floor(np.log10(top / 5))
    return next(power * k for k in (1, 2, 5, 10) if top / (power * k) <= 10)
