"""The LLFF format: poses_bounds.npy beside images, images_4, images_8.

A row of poses_bounds.npy is a 3x5 matrix and two bounds:

    [down  right  backwards | o | h w f],  near  far

the first three columns the camera's axes in the world, o its centre, h, w and f the picture's
height, width and focal length in pixels, near and far the depths between which things were seen.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.lib import format as npy

from data import forward
from data.capture import Capture, folder
from data.errors import InputError
from data.normalise import moved
from data.pictures import is_picture
from data.poses import rigid
from data.scene import Scene
from data.share import Share

LARGEST = 2**26
"""Bytes of poses_bounds.npy, half a million poses: more is not read into memory."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return (path / "poses_bounds.npy").is_file()


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
        raise InputError(f"{found.path}: has no pictures, or only in folders within it")
    table = _read(file, len(pictures), found.path)
    rows = table[:, :15].reshape(-1, 3, 5)
    axes = np.stack([rows[:, :, 1], -rows[:, :, 0], rows[:, :, 2], rows[:, :, 3]], axis=-1)
    h, w, f = rows[:, :, 4].T
    capture = Capture(
        path=path,
        names=tuple(picture.stem for picture in pictures),
        files=tuple(pictures),
        poses=np.stack([rigid(pose, f"{file}, pose {k}") for k, pose in enumerate(axes)]),
        sizes=np.stack([w, h], axis=-1),
        intrinsics=np.stack([f, f, w / 2, h / 2], axis=-1),
    )
    capture.check()
    space, placed = forward.place(
        capture, bound, lambda frame: _ahead(moved(frame, capture.poses), table[:, 15])
    )
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=capture.splits(placed, found.downscale, wanted, share),
        scale=placed.scale,
        motion=placed.motion,
        space=space,
        nearest=float(table[:, 15].min()) * placed.scale,  # a depth; a distance is no shorter
        format="LLFF",
        warnings=(*found.warnings, *capture.warnings(share)),
    )


def _ahead(poses: Float[np.ndarray, "n 3 4"], near: Float[np.ndarray, " n"]) -> float:
    """From the middle to the nearest thing, along -z: a camera's bound is along its own axis."""
    return float((near * poses[:, 2, 2] - poses[:, 2, 3]).min())


def _read(file: Path, pictures: int, folder: Path) -> Float[np.ndarray, "n 17"]:
    """The rows, of which there must be one for each picture.

    By hand and not by np.load, which makes room for whatever sizes a broken header claims.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        data = file.read_bytes()
        stream = io.BytesIO(data)
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, columns_first, dtype = header(stream)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
    except Exception as error:  # numpy meets broken bytes with exceptions of every kind
        raise _unreadable(file, " ".join(str(error).split()) or type(error).__name__) from error
    if len(shape) != 2 or shape[1] != 17 or dtype.kind not in "fiu":
        raise InputError(
            f"{file}: holds {dtype} of shape {shape}; it must be a row of 17 numbers for each "
            "picture"
        )
    if shape[0] != pictures:
        raise InputError(
            f"{file}: has {shape[0]} poses, but {folder} holds {pictures} pictures; "
            "there must be one for each (where a COLMAP model lies beside it, it can be removed)"
        )
    if 17 * pictures * dtype.itemsize > len(data) - stream.tell():
        raise _unreadable(file, "it is cut short")
    found = np.frombuffer(data, dtype, 17 * pictures, stream.tell())
    with np.errstate(all="ignore"):  # what is no float64 becomes infinite, and is refused below
        table = found.reshape(shape, order="F" if columns_first else "C").astype(np.float64)
    for k, row in enumerate(table):
        if not np.isfinite(row).all():
            raise InputError(f"{file}, pose {k}: has a number that is not finite; write it again")
        if not 1e-6 <= row[15] < row[16] <= 1e9:
            raise InputError(
                f"{file}, pose {k}: its bounds are {row[15]:g} and {row[16]:g}; they are depths, "
                "1e-06 <= near < far <= 1e+09"
            )
    return table


def _unreadable(file: Path, reason: str) -> InputError:
    return InputError(f"{file}: can't be read as an array of numbers ({reason}); write it again")
