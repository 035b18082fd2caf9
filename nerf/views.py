"""What the cameras of a split see of space: points to pixels, pixels to rays, in numpy.

For looking at a scene before it is trained: some rays of each camera, some points of the cube. The
lens is the one of `Split.distortion`; (x, y) are coordinates at depth 1, y down as in the picture.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data.scene import Camera, Split

_ROUNDS = 30
"""Of the fixed point that undoes the lens: distortions of a few per cent need ten."""


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
    focal, centre = np.split(camera.intrinsics.astype(np.float64), 2)
    bent = (pixels - centre) / focal
    straight = bent
    for _ in range(_ROUNDS if camera.distortion is not None else 0):
        straight = straight + bent - _bent(straight, camera)
    if camera.fisheye:  # what was undone is the polynomial: the length is the angle to the axis
        angle = np.linalg.norm(straight, axis=-1, keepdims=True)
        flat = straight * np.sinc(angle / np.pi)
        u = np.concatenate([flat, np.cos(angle)], axis=-1)
    else:
        u = np.concatenate([straight, np.ones_like(straight[:, :1])], axis=-1)
        u /= np.linalg.norm(u, axis=-1, keepdims=True)
    return (u * [1, -1, -1]) @ camera.pose[:, :3].astype(np.float64).T


def sees(
    camera: Camera, points: Float[np.ndarray, "n 3"], widest: float | None = None
) -> Bool[np.ndarray, " n"]:
    """Which points lie ahead of the camera and within its picture.

    Beyond `widest`, the angle in radians between its axis and its corners, the lens's polynomial
    says nothing; it is found here if it isn't given.
    """
    R, o = camera.pose[:, :3].astype(np.float64), camera.pose[:, 3].astype(np.float64)
    x = (points - o) @ R * [1, -1, -1]  # in the camera: y down, looking along +z
    if widest is None:
        widest = half_angle(camera)
    aside = np.linalg.norm(x[:, :2], axis=-1)
    angle = np.arctan2(aside, x[:, 2])
    unit = x[:, :2] / np.maximum(aside, 1e-12)[:, None]
    ahead = angle < min(1.01 * widest, np.pi if camera.fisheye else 1.56)
    straight = unit * np.where(ahead, angle if camera.fisheye else np.tan(angle), 0)[:, None]
    focal, centre = np.split(camera.intrinsics.astype(np.float64), 2)
    pixel = _bent(straight, camera) * focal + centre
    within = ((pixel >= 0) & (pixel <= [camera.width, camera.height])).all(axis=-1)
    return ahead & within


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


def _bent(xy: np.ndarray, camera: Camera) -> np.ndarray:
    """Where the lens moves them: OpenCV's rational model, or its fisheye polynomial in angle."""
    if camera.distortion is None:
        return xy
    k1, k2, p1, p2, k3, k4, k5, k6 = (float(k) for k in camera.distortion)
    q = (xy**2).sum(axis=-1, keepdims=True)
    if camera.fisheye:
        return xy * (1 + q * (k1 + q * (k2 + q * (p1 + q * p2))))
    radial = (1 + q * (k1 + q * (k2 + q * k3))) / (1 + q * (k4 + q * (k5 + q * k6)))
    x, y = xy[:, :1], xy[:, 1:]
    aside = np.concatenate(
        [2 * p1 * x * y + p2 * (q + 2 * x**2), p1 * (q + 2 * y**2) + 2 * p2 * x * y], axis=-1
    )
    return xy * radial + aside
