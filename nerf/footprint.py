"""Which part of the pictures the cube [-1, 1]^3 covers: none, where a scene is in other units.

A bounded scene is nothing but its cube. Where the files are in millimetres and the cube is taken
for metres, no ray meets it: training would learn a background and end without an error. Where they
are in kilometres, everything lies in a few of its cells.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data.errors import InputError
from data.scene import Camera, Scene
from nerf import views

FEW = 0.03
"""Fraction of the pixels below which the cube hardly matters to the pictures."""
CLOSE = 0.05
"""Where the cube is too large: all cameras stand within this of its middle, scene units."""
FITTING = 0.37
"""Half side of the cube as a fraction of the cameras' distance in NeRF's own scenes: 1.5 at 4."""
_ACROSS = 32
"""Pixels along each side that are tried, at most."""
_RAYS = _ACROSS**2
"""Rays at a time: one shape, compiled once."""
_FAR = 4 * np.sqrt(3)
"""Distance from which on the cube is small enough to look for it around its middle."""


class Footprint(NamedTuple):
    """How much of the pictures the cube covers."""

    pictures: dict[str, Float[np.ndarray, " pictures"]]
    """Fraction of the pixels of each picture whose rays meet the cube, by split."""

    @property
    def mean(self) -> float:
        """The fraction over all pictures."""
        return float(np.concatenate(list(self.pictures.values())).mean())


def footprint(scene: Scene) -> Footprint:
    """The cube's footprint, by 32 x 32 pixels of each picture, or of where a small cube lies."""
    return Footprint(
        {
            name: np.array([_covered(split.camera(k)) for k in range(len(split))])
            for name, split in scene.splits.items()
        }
    )


def warnings(scene: Scene, found: Footprint, flag: str = "--data.bound") -> list[str]:
    """A line where the cube is too small for the pictures, or far too large for the cameras.

    `flag` is the command's for the half side.
    """
    poses = np.concatenate([split.poses for split in scene.splits.values()]).astype(np.float64)
    o, ahead = poses[:, :, 3], -poses[:, :, 2]
    away = np.linalg.norm(o, axis=-1)
    small, large = found.mean < FEW, away.max() < CLOSE
    if not (small or large):
        return []
    half, distance = 1 / scene.scale, float(np.median(away)) / scene.scale
    cube = f"the cube of half side {half:.4g} (files' units) in which the scene is trained"
    fitting = float(f"{FITTING * distance:.2g}")
    other_units = (
        f"the cameras stand {distance:.4g} from its middle; if the files are in other units, "
        f"{'kilometres' if large else 'millimetres'} say, give {flag} {fitting:g}, or scale them"
    )
    if large:
        return [f"all cameras stand next to one another in {cube}: {other_units}"]
    covered = f"{found.mean:.2g} of all rays meet" if found.mean else "no ray of any pixel meets"
    if np.einsum("na,na->n", ahead, -o).mean() > 0:
        return [f"{covered} {cube}: {other_units}"]
    return [
        f"{covered} {cube}: the cameras look away from it; check the poses (another convention of "
        "axes?), or note the cube in the file (aabb)"
    ]


def checked(scene: Scene, space: str) -> Scene:
    """The scene, with a warning where its cube covers little of the pictures, or is far too large.

    InputError where it covers nothing and the `space` is bounded, and so nothing but its cube.
    """
    if space == "forward":
        return scene
    found = footprint(scene)
    lines = warnings(scene, found)
    if lines and space == "bounded" and not found.mean:
        raise InputError(f"{scene.path}: {lines[0]}")
    return dataclasses.replace(scene, warnings=(*scene.warnings, *lines))


def _covered(camera: Camera) -> float:
    """The fraction of a picture's pixels whose rays meet the cube."""
    tried = _meeting(camera, np.arange(camera.width), np.arange(camera.height))
    o = camera.pose[:, 3].astype(np.float64)
    away = np.linalg.norm(o)
    if tried >= FEW or away < _FAR:
        return tried
    pixel, ahead = views.projected(camera, np.zeros((1, 3)))
    if not ahead[0]:
        return tried
    # twice the sphere around the cube: a lens may magnify it
    half = 2 * np.sqrt(3) / away * camera.intrinsics[:2].max() + 1
    sides = zip(pixel[0], (camera.width, camera.height), strict=True)
    x, y = (np.arange(max(0, int(c - half)), min(side, int(c + half) + 1)) for c, side in sides)
    if not (x.size and y.size):
        return 0.0
    part = x.size * y.size / (camera.width * camera.height)
    return part * _meeting(camera, x, y)


def _meeting(camera: Camera, columns: Int[np.ndarray, " x"], rows: Int[np.ndarray, " y"]) -> float:
    """The fraction of the pixels of columns and rows, or of some of them, that meet the cube."""
    x, y = (side[_even(side.size)] + 0.5 for side in (columns, rows))
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    room = np.concatenate([pixels, np.repeat(pixels[-1:], _RAYS - len(pixels), axis=0)])
    near, _ = views.in_cube(
        camera.pose[:, 3].astype(np.float64), views.rays(camera, room)[: len(pixels)]
    )
    return float(np.mean(~np.isnan(near)))


def _even(count: int) -> Int[np.ndarray, " some"]:
    """All of 0 .. count - 1, or some evenly between."""
    some = min(count, _ACROSS)
    return ((np.arange(some) + 0.5) * count / some).astype(int)
