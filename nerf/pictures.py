"""Pictures that people look at: panels, depth in colour."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from nerf import ours
from nerf.render import Picture
from nerf.whole import naming

_DARK_TO_LIGHT = np.array(
    [[20, 11, 52], [82, 28, 109], [148, 52, 110], [207, 84, 79], [243, 141, 52], [250, 233, 150]]
)
"""Anchors of a colour scale whose lightness rises evenly."""

PANEL_WIDTH = 200
"""Pixels that each picture of a panel has at least."""

ERROR_SHOWN = 5
"""Times which errors are shown, on the scale of `scaled`."""


def quantised(colour: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Colours in [0, 1] as 8 bits, as a file holds them."""
    return np.round(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def over(rgba: UInt8[np.ndarray, "h w 4"], background: float) -> Float[np.ndarray, "h w 3"]:
    """A straight RGBA picture laid over grey of one value."""
    x = rgba.astype(np.float64) / 255
    return x[..., :3] * x[..., 3:] + background * (1 - x[..., 3:])


def scaled(value: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Numbers in [0, 1] on the colour scale, dark to light."""
    at = np.clip(value, 0, 1) * (len(_DARK_TO_LIGHT) - 1)
    channels = [np.interp(at, range(len(_DARK_TO_LIGHT)), c) for c in _DARK_TO_LIGHT.T]
    return np.stack(channels, axis=-1).astype(np.uint8)


def depth_range(picture: Picture) -> tuple[float, float]:
    """The distances, scene units, between which nearly all lies that the picture shows."""
    seen = picture.opacity > 0.5
    if not seen.any():
        return 0.0, 1.0
    low, high = np.quantile(picture.depth[seen] / picture.opacity[seen], [0.01, 0.99])
    return float(low), float(high)


def depth_picture(
    picture: Picture, between: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Mean distances, near is light; where little was hit the picture fades to white.

    `between` holds one scale for a whole film; by default it is the picture's own `depth_range`.
    """
    low, high = between or depth_range(picture)
    distance = picture.depth / np.maximum(picture.opacity, 1e-6)
    nearness = scaled(1 - (distance - low) / max(high - low, 1e-6))
    opacity = np.clip(picture.opacity, 0, 1)[..., None]
    return np.round(nearness * opacity + 255 * (1 - opacity)).astype(np.uint8)


def parts(
    photograph: Float[np.ndarray, "h w 3"], pixels: Picture
) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """photograph, rendering, error and depth of a view, each as a picture of its own."""
    error = np.abs(np.clip(pixels.colour, 0, 1) - photograph).mean(-1)
    return {
        "photograph": quantised(photograph),
        "rendering": quantised(pixels.colour),
        "error": scaled(ERROR_SHOWN * error),
        "depth": depth_picture(pixels),
    }


def panel(shown: dict[str, UInt8[np.ndarray, "h w 3"]], caption: str) -> UInt8[np.ndarray, "_ _ 3"]:
    """photograph | rendering | error | depth, `parts`, side by side under their names."""
    titles = {
        "rendering": f"rendering: {caption}",
        "error": f"error, {ERROR_SHOWN}-fold",
        "depth": "depth, near is light",
    }
    return side_by_side({titles.get(name, name): part for name, part in shown.items()})


def side_by_side(titled: dict[str, UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Pictures of one size in a row, each under its title.

    Small ones are enlarged by a whole number, each pixel a block, so that titles fit.
    """
    strip = np.concatenate(list(titled.values()), axis=1)
    larger = -(-PANEL_WIDTH * len(titled) // strip.shape[1])
    strip = strip.repeat(larger, axis=0).repeat(larger, axis=1)
    head = Image.new("RGB", (strip.shape[1], 16), "white")
    draw, font = ImageDraw.Draw(head), ImageFont.load_default(11)
    for k, title in enumerate(titled):
        draw.text((k * strip.shape[1] // len(titled) + 4, 1), title, fill="black", font=font)
    return np.concatenate([np.asarray(head), strip])


def save(picture: UInt8[np.ndarray, "h w 3"], file: Path) -> None:
    """Write a PNG, and the folders it needs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with naming(file):
        Image.fromarray(picture).save(file, **ours.png())
