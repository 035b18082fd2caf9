"""Frames of the two kinds of transforms file: their pictures, poses, lenses and masks.

The transform_matrix of a frame is its pose in our convention.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data import files, lenses
from data.capture import Capture, true_size, within
from data.errors import InputError, one_line
from data.poses import rigid

READ = {
    *lenses.KEYS,
    *("file_path", "transform_matrix", "mask_path", "distance_path", "distance_unit", "frames"),
    *("train_filenames", "val_filenames", "test_filenames", "nearest"),
    *("aabb_scale", "scale", "offset", "aabb"),
}
"""Keys that some reader of transforms files reads."""
BESIDE = {
    *("applied_transform", "applied_scale", "orientation_override", "up", "render_aabb"),
    *("ply_file_path", "sharpness", "rotation", "depth_path", "depth_file_path", "normal_path"),
    *("colmap_im_id", "timestamp", "enable_depth_loading", "integer_depth_scale"),
    *("depth_unit_scale_factor", "enable_ray_loading", "importance_sampling"),
}
"""Keys that say nothing about what is trained on here."""


class Found(NamedTuple):
    """The frames of a file whose pictures exist."""

    names: tuple[str, ...]
    files: tuple[Path, ...]
    frames: list[dict[str, Any]]
    wheres: list[str]
    missing: tuple[str, ...]
    """Names of the pictures that do not exist."""


def listed(
    path: Path, file: Path, frames: list, folder: str = "images", complete: bool = False
) -> Found:
    """The frames; their pictures are those of `folder` where the file says `images`.

    InputError for a frame that names no picture, or the picture of another one, and where no
    picture exists, or of a `complete` file one does not.
    """
    if not frames:
        raise InputError(f"{file}: has no frames; a scene needs several views")
    there: dict[str, tuple[Path, dict, str]] = {}
    missing: list[str] = []
    stems = files.Stems()
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        file_path = files.value(frame, "file_path", str, where)
        find = files.picture if folder == "images" else stems.find
        picture, exists = find(path, within(folder, file_path), where)
        name = files.bare(file_path)
        if name in there or name in missing:
            raise InputError(f"{where}: {file_path!r} is listed twice; drop one of the frames")
        if complete and not exists:
            raise InputError(
                f"{where}: its picture {picture} is missing; restore it or drop the frame"
                f"{files.lying(picture.parent)}"
            )
        if exists:
            there[name] = picture, frame, where
        else:
            missing.append(name)
    if not there:
        first = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        beside = (path / within(folder, missing[0])).parent
        raise InputError(
            f"{file}: none of its {len(frames)} pictures exists ({first}); put them beside the "
            f"file{files.lying(beside)}"
        )
    kept = list(there.values())
    return Found(
        tuple(there),
        tuple(picture for picture, _, _ in kept),
        [frame for _, frame, _ in kept],
        [where for _, _, where in kept],
        tuple(missing),
    )


def capture(
    path: Path,
    file: Path,
    meta: dict[str, Any],
    found: Found,
    folder: str = "images",
    longer_side: bool = False,
) -> Capture:
    """The pictures with their cameras and masks, before they are parted; see `lenses.read`."""
    for holder, where in ((meta, file), *zip(found.frames, found.wheres, strict=True)):
        lenses.refuse_unknown(holder, where)
    size = true_size(path, folder, found.files[0])
    framed = list(zip(found.frames, found.wheres, strict=True))
    read = [lenses.read(frame, meta, where, size, longer_side) for frame, where in framed]
    if len({lens.fisheye for lens in read}) > 1:
        raise InputError(f"{file}: has fisheyes among other lenses; a scene must have one kind")
    poses = [
        rigid(files.value(frame, "transform_matrix", list, where), where) for frame, where in framed
    ]
    distortion = np.array([lens.distortion for lens in read])
    return Capture(
        path=path,
        names=found.names,
        files=found.files,
        poses=np.stack(poses),
        sizes=np.array([lens.size for lens in read]),
        intrinsics=np.array([lens.intrinsics for lens in read]),
        distortion=distortion if distortion.any() or read[0].fisheye else None,
        fisheye=read[0].fisheye,
        masks=tuple(_mask(path, frame, meta, where) for frame, where in framed),
        crops=np.array([lens.crop for lens in read]),
    )


def unread(file: Path, meta: Mapping[str, Any], frames: list) -> tuple[str, ...]:
    """A warning that names the keys which are not known here, if any is and notes something."""
    holders = [meta, *(frame for frame in frames if isinstance(frame, dict))]
    noted = {key for holder in holders for key, value in holder.items() if not lenses.empty(value)}
    unknown = sorted(noted - READ - BESIDE)
    if not unknown:
        return ()
    more = ", ..." if len(unknown) > 8 else ""
    said = f"{file.name}: keys that are not read: {', '.join(unknown[:8])}{more}"
    return (one_line(said),)


def _mask(path: Path, frame: Mapping, meta: Mapping, where: str) -> Path | None:
    for holder in (frame, meta):
        if holder.get("mask_path") is not None:
            name = files.value(holder, "mask_path", str, where)
            mask, exists = files.picture(path, name, where)
            if not exists:
                raise InputError(f"{where}: its mask {mask} is missing; restore it")
            return mask
    return None
