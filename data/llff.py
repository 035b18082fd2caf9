"""The LLFF format: poses_bounds.npy beside images, images_4, images_8.

A row of poses_bounds.npy is a 3x5 matrix and two bounds:

    [down  right  backwards | o | h w f],  near  far

the first three columns the camera's axes in the world, o its centre, h, w and f the picture's
height, width and focal length in pixels, near and far the depths between which things were seen.

NeX and its scenes (Shiny) keep the lens of all pictures beside it: hwf_cxcy.npy holds h w f_x f_y
c_x c_y, or h w f, and goes before what the rows hold, whose matrix may then be the 3x4 of the pose.
"""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data import files, forward, npy
from data.capture import Capture, folder
from data.errors import InputError
from data.normalise import moved
from data.pictures import is_picture
from data.poses import rigid
from data.scene import Scene
from data.share import Share

LENS = "hwf_cxcy.npy"
"""The file of the lens, if there is one."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return files.is_file(path / "poses_bounds.npy")


def load(
    path: Path,
    downscale: int,
    bound: float | None,
    wanted: tuple[str, ...] | None,
    share: Share,
) -> Scene:
    """The scene in folder `path`; see `data.load`.

    Where cameras look one way `bound`, if given, is the near plane's distance; see `data.forward`.
    """
    file = path / "poses_bounds.npy"
    found = folder(path, downscale)
    pictures = sorted(filter(is_picture, found.path.iterdir()))
    if not pictures:
        raise InputError(
            f"{found.path}: has no pictures, or only in folders within it{files.lying(found.path)}"
        )
    lens = _lens(path / LENS)
    table = _read(file, len(pictures), found.path, lens is not None)
    rows = table[:, :-2].reshape(len(table), 3, -1)
    axes = np.stack([rows[:, :, 1], -rows[:, :, 0], rows[:, :, 2], rows[:, :, 3]], axis=-1)
    if lens is None:
        h, w, f = rows[:, :, 4].T
        lens = np.stack([h, w, f, f, w / 2, h / 2], axis=-1)
    lens = np.broadcast_to(lens, (len(table), 6))
    capture = Capture(
        path=path,
        names=tuple(picture.stem for picture in pictures),
        files=tuple(pictures),
        poses=np.stack([rigid(pose, f"{file}, pose {k}") for k, pose in enumerate(axes)]),
        sizes=lens[:, [1, 0]],
        intrinsics=lens[:, 2:],
    )
    capture.check()
    space, placed = forward.place(
        capture, bound, lambda frame: _ahead(moved(frame, capture.poses), table[:, -2])
    )
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=capture.splits(placed, found.downscale, wanted, share),
        scale=placed.scale,
        motion=placed.motion,
        space=space,
        nearest=float(table[:, -2].min()) * placed.scale,  # a depth; a distance is no shorter
        format="LLFF",
        warnings=(*found.warnings, *capture.warnings(share)),
    )


def _ahead(poses: Float[np.ndarray, "n 3 4"], near: Float[np.ndarray, " n"]) -> float:
    """From the middle to the nearest thing, along -z: a camera's bound is along its own axis."""
    return float((near * poses[:, 2, 2] - poses[:, 2, 3]).min())


def _lens(file: Path) -> Float[np.ndarray, "6"] | None:
    """h w f_x f_y c_x c_y of hwf_cxcy.npy; None: there is none."""
    if not os.path.lexists(file):
        return None
    found = npy.read(file).ravel()
    if len(found) == 3:
        h, w, f = found
        found = np.array([h, w, f, f, w / 2, h / 2])
    if len(found) != 6 or not np.isfinite(found).all():
        raise InputError(
            f"{file}: holds {', '.join(f'{x:g}' for x in found[:7])}; it must be h w f_x f_y c_x "
            "c_y, or h w f, in pixels"
        )
    return found


def _read(
    file: Path, pictures: int, folder: Path, with_lens: bool
) -> Float[np.ndarray, "n columns"]:
    """The rows, of which there must be one for each picture; of 14 numbers with a lens beside."""
    table = npy.read(file)
    columns = (17, 14) if with_lens else (17,)
    if table.ndim != 2 or table.shape[1] not in columns:
        raise InputError(
            f"{file}: holds an array of shape {table.shape}; it must be a row of 17 numbers for "
            f"each picture, or of 14 with the lens in {LENS} beside it"
        )
    if len(table) != pictures:
        raise InputError(
            f"{file}: has {len(table)} poses, but {folder} holds {pictures} pictures; "
            "there must be one for each (where a COLMAP model lies beside it, it can be removed)"
        )
    for k, row in enumerate(table):
        if not np.isfinite(row).all():
            raise InputError(f"{file}, pose {k}: has a number that is not finite; write it again")
        if not 1e-6 <= row[-2] < row[-1] <= 1e9:
            raise InputError(
                f"{file}, pose {k}: its bounds are {row[-2]:g} and {row[-1]:g}; they are depths, "
                "1e-06 <= near < far <= 1e+09"
            )
    return table
