"""The Blender / NeRF-synthetic format: transforms_{train,val,test}.json and RGBA pictures.

Objects alone, unless transforms_train.json says with instant-ngp's aabb_scale, above 1, that they
have surroundings. Frame and scale are the same for both: such scenes are built about the origin,
and what lies within BOUND of it is their middle, from which surroundings are drawn together; unless
the file notes its cube, as instant-ngp does. Lenses and masks are read as those of transforms.json.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from data import cube, files, frames
from data.capture import Capture
from data.errors import InputError
from data.normalise import Similarity
from data.scene import Scene, Split
from data.share import Share

SPLITS = ("train", "val", "test")
BOUND = 1.5
"""What the scenes that the format is known for lie in. Half the side of instant-ngp's unit cube,
1/2 / 0.33, is as good as the same."""
BLENDERNERF = ("images_train/", "images_test/")
"""Where BlenderNeRF puts its pictures, and nobody else."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return files.is_file(path / "transforms_train.json")


def load(
    path: Path,
    downscale: int,
    bound: float | None,
    wanted: tuple[str, ...] | None,
    share: Share,
) -> Scene:
    """The scene in folder `path`; see `data.load`."""
    present = [name for name in SPLITS if files.is_file(path / f"transforms_{name}.json")]
    for name in wanted or ():
        if name not in present:
            raise InputError(f"{path}: has no split {name!r}; it has {', '.join(present)}")
    named = {name: path / f"transforms_{name}.json" for name in ("train", *(wanted or present))}
    metas = {name: files.read_json(file) for name, file in named.items()}
    placed = _place(metas, named)
    if bound is not None:
        placed = placed._replace(scale=1 / bound)
    splits: dict[str, Split] = {}
    warnings: list[str] = []
    for name in wanted or present:
        capture, remarks = _capture(path, name, metas[name])
        splits |= capture.splits(placed, downscale, None, share)
        warnings += [*remarks, *capture.warnings(share)]
    sizes = {(split.width, split.height) for split in splits.values()}
    if len(sizes) > 1:
        raise InputError(f"{path}: the splits' pictures differ in size: {sorted(sizes)}")
    surrounded = cube.surrounded(metas["train"], named["train"])
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=splits,
        scale=placed.scale,
        motion=placed.motion,
        space="unbounded" if surrounded else "bounded",
        format="Blender",
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _capture(path: Path, name: str, meta: dict[str, Any]) -> tuple[Capture, tuple[str, ...]]:
    """The pictures of one split, and what is odd about the file."""
    file = path / f"transforms_{name}.json"
    listed = files.value(meta, "frames", list, file)
    if name == "train" and len(listed) == 1:
        raise InputError(f"{file}: has one picture only; a scene needs several views")
    found = frames.listed(path, file, listed, complete=True)
    first = files.value(found.frames[0], "file_path", str, file)
    by_blendernerf = first.replace("\\", "/").removeprefix("./").startswith(BLENDERNERF)
    capture = frames.capture(path, file, meta, found, longer_side=by_blendernerf)
    capture = dataclasses.replace(capture, parts={name: np.arange(len(found.names))})
    capture.check_cameras()
    remarks = frames.unread(file, meta, listed)
    if not by_blendernerf and _upright_by_angle(capture, meta, found.frames):
        remarks += (
            f"{file.name}: camera_angle_x is taken for the angle of the width, though the pictures "
            "are higher than wide; Blender's own is of the longer side: add fl_x if it was meant",
        )
    return capture, remarks


def _upright_by_angle(capture: Capture, meta: dict[str, Any], listed: list[dict]) -> bool:
    """Whether pictures are higher than wide, and their focal length is known by the angle alone."""
    known = ("fl_x", "x_fov", "fl_y", "y_fov", "camera_angle_y")
    other = any(holder.get(key) is not None for holder in (meta, *listed) for key in known)
    return not other and bool((capture.sizes[:, 1] > capture.sizes[:, 0]).any())


def _place(metas: dict[str, dict[str, Any]], named: dict[str, Path]) -> Similarity:
    """Frame and scale, by the cube that the files note: there is one for all splits."""
    noted = {
        name: cube.place(meta, named[name]) for name, meta in metas.items() if cube.noted(meta)
    }
    placed = noted.get("train", Similarity(1 / BOUND, np.eye(3, 4)))
    for name, other in noted.items():
        if not (np.allclose(other.motion, placed.motion) and np.isclose(other.scale, placed.scale)):
            raise InputError(
                f"{named[name]}: aabb, scale and offset differ from those of "
                f"{named['train'].name}; there is one cube for all splits"
            )
    return placed
