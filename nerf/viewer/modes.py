"""From what rays show to the picture of a mode."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from nerf.pictures import ERROR_SHOWN, quantised, scaled
from nerf.render import BACKGROUNDS, Seen

Mode = Literal["colour", "depth", "opacity", "normals", "samples", "error"]
MODES: tuple[Mode, ...] = ("colour", "depth", "opacity", "normals", "samples", "error")
SAID = {
    "colour": "The colours that the field sends to the camera.",
    "depth": "Mean distance from the camera, near is light.",
    "opacity": "How much of the light from behind is kept back: white lets nothing through.",
    "normals": "The direction in which density falls fastest, along the axes of the scene's "
    "files: x is red, y green, z blue.",
    "samples": "Places at which the field was asked along each ray.",
    "error": "|rendering - photograph|, mean of the three channels.",
}
"""What each shows."""
FULL_ERROR = 1 / ERROR_SHOWN
"""Error that is shown lightest."""


class Scale(NamedTuple):
    """Between which numbers the colours of a mode go."""

    low: float
    high: float


def scale_of(seen: Seen, mode: str) -> Scale | None:
    """A scale that holds what is seen; None for modes whose colours are no scale."""
    if mode == "depth":
        hit = seen.opacity > 0.5
        if not hit.any():
            return Scale(0.0, 1.0)
        low, high = np.quantile(seen.depth[hit] / seen.opacity[hit], [0.01, 0.99])
        return Scale(float(low), float(max(high, low + 1e-6)))
    if mode == "samples":
        return Scale(0.0, float(max(seen.samples.max(), 1)))
    if mode == "error":
        return Scale(0.0, FULL_ERROR)
    return None


def draw(
    seen: Seen,
    mode: str,
    scale: Scale | None = None,
    background: str = "white",
    photograph: Float[np.ndarray, "h w 3"] | None = None,
    turn: Float[np.ndarray, "3 3"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture of a mode; `scale` by default what this picture holds.

    Error needs the photograph, over the background, one pixel for each that is seen. `turn` is the
    rotation from the files' frame to the scene's: normals are coloured in the files' frame, as in
    films.
    """
    scale = scale or scale_of(seen, mode)
    if mode == "opacity":
        return quantised(np.repeat(np.nan_to_num(seen.opacity)[..., None], 3, axis=-1))
    if mode == "normals" and seen.normal is not None:
        normal = seen.normal.astype(np.float64)
        normal = normal if turn is None else normal @ turn  # R^T n, row by row
        return _over(0.5 + 0.5 * _unit(normal), seen.opacity, background)
    if mode == "depth" and scale is not None:
        distance = seen.depth / np.maximum(seen.opacity, 1e-6)
        near = 1 - (distance - scale.low) / (scale.high - scale.low)
        return _over(scaled(np.nan_to_num(near)) / 255, seen.opacity, background)
    if mode == "samples" and scale is not None:
        return scaled(seen.samples / scale.high)
    if mode == "error" and scale is not None and photograph is not None:
        error = np.abs(np.clip(seen.colour, 0, 1) - photograph).mean(-1)
        return scaled(error / scale.high)
    return quantised(np.nan_to_num(seen.colour, nan=BACKGROUNDS[background]))


def enlarged(
    picture: UInt8[np.ndarray, "rows columns 3"],
    between: tuple[int, int],
    height: int,
    width: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """A coarse picture in full size: each of its pixels stays where it was asked.

    The coarse pixel [i, j] is the full one [rows i, columns j]; between them it is linear.
    """
    rows, columns = between
    if rows == columns == 1:
        return picture
    # what lies beyond the last ones is as they are
    padded = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge")
    shear = (1 / columns, 0.0, 0.5 - 0.5 / columns, 0.0, 1 / rows, 0.5 - 0.5 / rows)
    return np.asarray(
        Image.fromarray(padded).transform(
            (width, height), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR
        )
    )


def legend(width: int = 256, height: int = 12) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of a scale, dark to light."""
    return np.tile(scaled(np.linspace(0, 1, width)[None]), (height, 1, 1))


def _over(colour, opacity, background):
    """A colour where something was hit, fading to the background."""
    cover = np.clip(np.nan_to_num(opacity), 0, 1)[..., None]
    return quantised(np.nan_to_num(colour) * cover + BACKGROUNDS[background] * (1 - cover))


def _unit(v):
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
