"""What the cameras of a split see of space: points to pixels, pixels to rays.

For looking at a scene before it is trained: some rays of each camera, some points of the cube. Rays
and lenses are those that training goes by; what comes of them is numpy's.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from calculus.radiance import lens
from data.scene import Camera, Split
from nerf.cameras import Cameras

_WIDEST = 1.56
"""The largest angle (radians) to the axis at which a camera sees a point: a fisheye's rays too are
straightened into those of a pinhole."""
_distort = jax.jit(lens.distort, static_argnums=3)
_rays = jax.jit(Cameras.rays)


class Sight(NamedTuple):
    """Rays of one camera, and the part of each that lies in the cube [-1, 1]^3."""

    directions: Float[np.ndarray, "rays 3"]
    """Unit, in the world frame."""
    near: Float[np.ndarray, " rays"]
    """Distance at which the ray enters the cube, 0 from inside; NaN where it doesn't."""
    far: Float[np.ndarray, " rays"]
    """Distance at which it leaves."""


def sight(camera: Camera, across: int = 9) -> Sight:
    """A camera's rays, `across` by `across` of them, through pixels from edge to edge."""
    u = np.linspace(0, camera.width, across)
    v = np.linspace(0, camera.height, across)
    pixels = np.stack(np.meshgrid(u, v, indexing="xy"), axis=-1).reshape(-1, 2)
    directions = rays(camera, pixels)
    return Sight(directions, *in_cube(camera.pose[:, 3].astype(np.float64), directions))


def rays(camera: Camera, pixels: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Unit directions of the rays through pixels, in the world frame."""
    of_one = jnp.zeros(len(pixels), jnp.int32)
    _, directions = _rays(Cameras.of(camera), of_one, jnp.asarray(pixels, float))
    return np.asarray(directions, np.float64)


def sees(
    camera: Camera, points: Float[np.ndarray, "n 3"], widest: float | None = None
) -> Bool[np.ndarray, " n"]:
    """Which points lie ahead of the camera and within its picture.

    Beyond `widest`, the angle in radians between its axis and its corners, the lens's polynomial
    says nothing; it is found here if it isn't given.
    """
    pixel, ahead = projected(camera, points, half_angle(camera) if widest is None else widest)
    within = ((pixel >= 0) & (pixel <= [camera.width, camera.height])).all(axis=-1)
    return ahead & within


def projected(
    camera: Camera, points: Float[np.ndarray, "n 3"], widest: float = _WIDEST
) -> tuple[Float[np.ndarray, "n 2"], Bool[np.ndarray, " n"]]:
    """Pixels at which the lens shows points of the world, and whether they lie ahead of it.

    Ahead is what lies within the angle `widest` of the axis, radians; of others the pixel is none.
    """
    R, o = camera.pose[:, :3].astype(np.float64), camera.pose[:, 3].astype(np.float64)
    x = (points - o) @ R * [1, -1, -1]  # in the camera: y down, looking along +z
    angle = np.arctan2(np.linalg.norm(x[:, :2], axis=-1), x[:, 2])
    ahead = angle < min(1.01 * widest, _WIDEST)
    slope = x[:, :2] / np.where(ahead, x[:, 2], np.inf)[:, None]
    focal, centre = np.split(camera.intrinsics.astype(np.float64), 2)
    pixel = focal * slope + centre
    if camera.distortion is not None:
        intrinsics, distortion = (
            jnp.tile(jnp.asarray(row, float), (len(points), 1))
            for row in (camera.intrinsics, camera.distortion)
        )
        pixel = np.asarray(
            _distort(jnp.asarray(pixel, float), intrinsics, distortion, camera.fisheye)
        )
    return pixel, ahead


def half_angle(camera: Camera) -> float:
    """The largest angle between the camera's axis and a ray of its picture, radians."""
    w, h = camera.width, camera.height
    edge = np.array([[x * w, y * h] for x in (0, 0.5, 1) for y in (0, 0.5, 1)])
    cosine = rays(camera, edge) @ -camera.pose[:, 2].astype(np.float64)
    return float(np.arccos(np.clip(cosine, -1, 1)).max())


def cells(across: int) -> Float[np.ndarray, "cells 3"]:
    """The centres of a grid of cells in the cube [-1, 1]^3."""
    at = (np.arange(across) + 0.5) * 2 / across - 1
    return np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1).reshape(-1, 3)


def counts(split: Split, points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
    """How many of a split's pictures see each point, were nothing in between."""
    seen = np.zeros(len(points), np.int64)
    for k in range(len(split)):
        seen += sees(split.camera(k), points)
    return seen


def in_cube(
    origin: Float[np.ndarray, "3"], directions: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Distances at which rays enter and leave the cube [-1, 1]^3; NaN where they don't meet it."""
    slope = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    first, second = (-1 - origin) / slope, (1 - origin) / slope
    near = np.maximum(np.minimum(first, second).max(axis=-1), 0)
    far = np.maximum(first, second).min(axis=-1)
    meets = far > near
    return np.where(meets, near, np.nan), np.where(meets, far, np.nan)
