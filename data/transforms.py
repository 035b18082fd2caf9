"""transforms.json of nerfstudio and of instant-ngp: one file, a lens for all or for each picture.

The transform_matrix of a frame is its pose in our convention. What nerfstudio notes as
applied_transform has been done to the poses already: the file's frame is the one they are in.
"""

import dataclasses
from pathlib import Path

import numpy as np

from data import cube, files, frames
from data.capture import Folder, folder_of
from data.errors import InputError, one_line
from data.normalise import Similarity, every_eighth, similarity
from data.scene import Scene, Space
from data.share import Share

SPLITS = ("train", "val", "test")


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return files.is_file(path / "transforms.json")


def load(
    path: Path,
    downscale: int,
    bound: float | None,
    wanted: tuple[str, ...] | None,
    share: Share,
) -> Scene:
    """The scene in folder `path`; see `data.load`.

    What a split is scaled by depends on all pictures, whichever splits are wanted.
    """
    file = path / "transforms.json"
    meta = files.read_json(file)
    listed = files.value(meta, "frames", list, file)
    folder = _folder(path, file, listed, meta, downscale)
    found = frames.listed(path, file, listed, folder.path.name)
    parts, remarks = _parts(meta, found.names, file)
    capture = frames.capture(path, file, meta, found, folder.path.name)
    capture = dataclasses.replace(capture, parts=parts)
    capture.check()
    space, placed = _place(meta, capture.poses, file)
    if bound is not None:
        placed = placed._replace(scale=1 / bound)
    warnings = (*folder.warnings, *_missing(found), *frames.unread(file, meta, listed), *remarks)
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=capture.splits(placed, folder.downscale, wanted, share),
        scale=placed.scale,
        motion=placed.motion,
        space=space,
        nearest=_nearest(meta, placed, file),
        format="nerfstudio, instant-ngp",
        warnings=(*warnings, *capture.warnings(share)),
    )


def _nearest(meta: dict, placed: Similarity, file: Path) -> float | None:
    """What `nerf photos` found of it; others do not say."""
    if meta.get("nearest") is None:
        return None
    return files.number(meta, "nearest", file, 1e-9, 1e9) * placed.scale


def _folder(path: Path, file: Path, listed: list, meta: dict, downscale: int) -> Folder:
    """Where the pictures are, at 1/downscale or to be shrunk to it; masks go with the true size."""
    names, masked = [], meta.get("mask_path") is not None
    for number, frame in enumerate(listed):
        where = f"{file}, frame {number}"
        names.append(files.value(frame, "file_path", str, where))
        files.inside(path, names[-1], where)
        masked |= frame.get("mask_path") is not None
    return Folder(path / "images", downscale) if masked else folder_of(path, names, downscale)


def _missing(found: frames.Found) -> tuple[str, ...]:
    """A warning that counts and names the pictures that do not exist."""
    missing, count = found.missing, len(found.missing) + len(found.names)
    first = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    said = f"{len(missing)} of {count} pictures do not exist and are left out: {first}"
    return (one_line(said),) if missing else ()


def _parts(
    meta: dict, names: tuple[str, ...], file: Path
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The splits that the file lists, as indices, and what is odd about them; else every eighth."""
    listed = [name for name in SPLITS if meta.get(f"{name}_filenames") is not None]
    if not listed:
        return every_eighth(names), ()
    index = {name: k for k, name in enumerate(names)}
    parts, remarks = {}, []
    for split in listed:
        key = f"{split}_filenames"
        wanted = files.value(meta, key, list, file)
        for name in wanted:
            if not isinstance(name, str):
                raise InputError(f"{file}: {key} must be a list of names, not hold {name!r}")
        bare = [files.bare(name) for name in wanted]
        if len(set(bare)) < len(bare):
            raise InputError(f"{file}: {key} names a picture twice; drop one of the names")
        picked = sorted((index[name], name) for name in bare if name in index)
        if not picked and bare:
            raise InputError(f"{file}: {key} names no picture that exists")
        if absent := [name for name in bare if name not in index]:
            remarks.append(
                f"{len(absent)} of the {len(bare)} names in {key} are of no picture that exists: "
                f"{', '.join(absent[:3])}{', ...' if absent[3:] else ''}"
            )
        if picked:
            parts[split] = np.array([k for k, _ in picked])
    if "train" not in parts:
        raise InputError(f"{file}: lists pictures, but none in train_filenames")
    for split in parts.keys() - {"train"}:
        if both := np.intersect1d(parts[split], parts["train"]).size:
            remarks.append(f"{both} of the pictures are both in train and in {split}")
    return parts, tuple(remarks)


def _place(meta: dict, poses: np.ndarray, file: Path) -> tuple[Space, Similarity]:
    """Surroundings without an end, unless the file says that its cube holds everything.

    The frame of surroundings is found by the cameras, unless the file notes its cube.
    """
    bounded = cube.surrounded(meta, file) is False
    known = bounded or cube.noted(meta)
    placed = cube.place(meta, file) if known else similarity(poses, "unbounded")
    return "bounded" if bounded else "unbounded", placed
