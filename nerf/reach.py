"""Pixels that no ray reaches: beyond the fold of a lens or the rim of a fisheye's picture.

They are left out of training and of every measurement, and their fraction is reported.
"""

import dataclasses
import functools
import math
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool

import data.load
from calculus.radiance import lens
from data.errors import InputError
from data.scene import Camera, Scene, Split
from data.share import ALL, Share

NOTHING_LEFT = (
    "{path}: masks leave no pixel of {split} to learn from; what is not black in a mask is learned "
    "from, in dynamic_mask_*.png what is black"
)
"""What is said of a split whose pixels are all masked."""
_hit = jax.jit(lens.hit, static_argnums=3)


def load(
    path: Path,
    downscale: int = 1,
    bound: float | None = None,
    splits: tuple[str, ...] | None = None,
    share: Share = ALL,
) -> Scene:
    """The scene of `data.load.load`, with pixels that no ray reaches masked and a warning of them.

    InputError also where a lens or masks leave no pixel of a split to learn from.
    """
    scene = data.load.load(path, downscale, bound, splits, share)
    masked, lines = {}, []
    for name, split in scene.splits.items():
        masked[name], missed = _masked(split)
        if missed == 1:
            raise InputError(
                f"{path}: no ray reaches any pixel of {name}: the lens folds back before them, or "
                "fisheye_crop_radius leaves none; check coefficients and focal length"
            )
        held = masked[name].masks
        if held is not None and len(held) == len(split) and not held.any():
            raise InputError(NOTHING_LEFT.format(path=path, split=name))
        if missed:
            lines.append(
                f"{max(missed, 0.001):.1%} of the pixels of {name} are reached by no ray ("
                + ("beyond fisheye_crop_radius, " if split.crops is not None else "")
                + ("89.9 degrees off the axis, or " if split.fisheye else "")
                + "where the lens folds back): they are not trained on, nor measured"
            )
    return dataclasses.replace(scene, splits=masked, warnings=(*scene.warnings, *lines))


def reached(camera: Camera) -> Bool[np.ndarray, "h w"]:
    """The pixels of a camera whose centres are reached by a ray."""
    seen = np.ones((camera.height, camera.width), bool)
    if camera.distortion is not None:
        lens_values = (tuple(map(float, row)) for row in (camera.intrinsics, camera.distortion))
        seen &= _reached(camera.height, camera.width, *lens_values, camera.fisheye)
    if math.isfinite(camera.crop):
        y, x = np.ogrid[0 : camera.height, 0 : camera.width]
        from_middle = np.hypot(x + 0.5 - camera.width / 2, y + 0.5 - camera.height / 2)
        seen &= from_middle <= camera.crop
    return seen


@functools.lru_cache(maxsize=64)
def _reached(height, width, intrinsics, distortion, fisheye) -> Bool[np.ndarray, "h w"]:
    y, x = np.mgrid[0:height, 0:width].reshape(2, -1).astype(np.float32) + np.float32(0.5)
    pixel = np.stack([x, y], axis=-1)
    rows = (
        np.broadcast_to(np.float32(row), (len(pixel), len(row))) for row in (intrinsics, distortion)
    )
    return np.asarray(_hit(pixel, *rows, fisheye)).reshape(height, width)


def _masked(split: Split) -> tuple[Split, float]:
    """The split without unreached pixels, and the fraction of them."""
    if split.distortion is None and split.crops is None:
        return split, 0.0
    seen = [reached(split.camera(number)) for number in range(len(split))]
    missed = 1 - float(np.mean([one.mean() for one in seen]))
    if not missed:
        return split, 0.0
    held = np.stack(seen[split.first : split.first + len(split.pictures)])
    masks = held if split.masks is None else split.masks & held
    return dataclasses.replace(split, masks=masks), missed
