"""transforms.json of nerfstudio and of instant-ngp: one file, a lens for all or for each picture.

The transform_matrix of a frame is its pose in our convention. What nerfstudio notes as
applied_transform has been done to the poses already: the file's frame is the one they are in.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data import files
from data.capture import Capture, Folder, folder_of, true_size, within
from data.errors import InputError, one_line
from data.normalise import Similarity, every_eighth, similarity
from data.poses import rigid
from data.scene import Scene, Space
from data.share import Share

SPLITS = ("train", "val", "test")
PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
FISHEYE = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
ORDER = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
"""Of `Split.distortion`, of a perspective lens."""
FISHEYE_ORDER = ("k1", "k2", "k3", "k4")
UNIT_CUBE = 0.33
"""What instant-ngp multiplies positions by, before 1/2 is added, if the file doesn't say."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return (path / "transforms.json").is_file()


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
    frames = files.value(meta, "frames", list, file)
    folder = _folder(path, file, frames, downscale)
    found = _pictures(path, file, frames, folder.path.name)
    size = true_size(path, folder.path.name, found.files[0])
    framed = list(zip(found.frames, found.wheres, strict=True))
    lenses = [_lens(frame, meta, where, size) for frame, where in framed]
    poses = [
        rigid(files.value(frame, "transform_matrix", list, where), where) for frame, where in framed
    ]
    if len({lens.fisheye for lens in lenses}) > 1:
        raise InputError(f"{file}: has fisheyes among other lenses; a scene must have one kind")
    distortion = np.array([lens.distortion for lens in lenses])
    parts, remarks = _parts(meta, found.names, file)
    capture = Capture(
        path=path,
        names=found.names,
        files=found.files,
        poses=np.stack(poses),
        sizes=np.array([lens.size for lens in lenses]),
        intrinsics=np.array([lens.intrinsics for lens in lenses]),
        distortion=distortion if distortion.any() or lenses[0].fisheye else None,
        fisheye=lenses[0].fisheye,
        masks=_masks(path, found),
        parts=parts,
    )
    capture.check()
    space, placed = _place(meta, capture.poses, file)
    if bound is not None:
        placed = placed._replace(scale=1 / bound)
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=capture.splits(placed, folder.downscale, wanted, share),
        scale=placed.scale,
        motion=placed.motion,
        space=space,
        nearest=_nearest(meta, placed, file),
        format="nerfstudio, instant-ngp",
        warnings=(*folder.warnings, *found.warnings, *remarks, *capture.warnings(share)),
    )


def goes_on(meta: dict, file: Path) -> bool | None:
    """Whether aabb_scale says that something lies beyond instant-ngp's unit cube; None: unsaid."""
    if meta.get("aabb_scale") is None:
        return None
    return not files.value(meta, "aabb_scale", float, file) <= 1


def _nearest(meta: dict, placed: Similarity, file: Path) -> float | None:
    """What `nerf photos` found of it; others do not say."""
    if meta.get("nearest") is None:
        return None
    distance = files.value(meta, "nearest", float, file)
    if not 0 < distance < 1e9:
        raise InputError(f"{file}: nearest is {distance}; it is a distance, above 0")
    return distance * placed.scale


class _Found(NamedTuple):
    """The frames whose pictures exist."""

    names: tuple[str, ...]
    files: tuple[Path, ...]
    frames: list[dict]
    wheres: list[str]
    warnings: tuple[str, ...]


def _folder(path: Path, file: Path, frames: list, downscale: int) -> Folder:
    """Where the pictures are, at 1/downscale or to be shrunk to it; masks go with the true size."""
    names, masked = [], False
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        names.append(files.value(frame, "file_path", str, where))
        files.inside(path, names[-1], where)
        masked |= frame.get("mask_path") is not None
    return Folder(path / "images", downscale) if masked else folder_of(path, names, downscale)


def _pictures(path: Path, file: Path, frames: list, folder: str) -> _Found:
    if not frames:
        raise InputError(f"{file}: has no frames; a scene needs several views")
    there: dict[str, tuple[Path, dict, str]] = {}
    missing: list[str] = []
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        file_path = files.value(frame, "file_path", str, where)
        picture, exists = files.picture(path, within(folder, file_path), where)
        name = files.bare(file_path)
        if name in there or name in missing:
            raise InputError(f"{where}: {file_path!r} is listed twice; drop one of the frames")
        if exists:
            there[name] = picture, frame, where
        else:
            missing.append(name)
    first = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    if not there:
        raise InputError(
            f"{file}: none of its {len(frames)} pictures exists ({first}); put them beside the file"
        )
    said = f"{len(missing)} of {len(frames)} pictures do not exist and are left out: {first}"
    kept = list(there.values())
    return _Found(
        tuple(there),
        tuple(picture for picture, _, _ in kept),
        [frame for _, frame, _ in kept],
        [where for _, _, where in kept],
        (one_line(said),) if missing else (),
    )


class _Lens(NamedTuple):
    """Of one picture, in pixels of the size that the file speaks of."""

    size: tuple[float, float]
    intrinsics: tuple[float, float, float, float]
    distortion: list[float]
    fisheye: bool


def _lens(frame: dict, meta: dict, where: str, true_size: tuple[int, int]) -> _Lens:
    """What the frame says goes before what the file says for all."""

    def number(key: str, otherwise: float | None = None) -> Any:
        for holder in (frame, meta):
            if holder.get(key) is not None:
                found = files.value(holder, key, float, where)
                if not math.isfinite(found):
                    raise InputError(f"{where}: {key} is {found}; it must be a finite number")
                return found
        return otherwise

    w, h = number("w", float(true_size[0])), number("h", float(true_size[1]))
    fx, fy = number("fl_x"), number("fl_y")
    if fx is None:
        fx = _focal("camera_angle_x", number, w, where)
    if fx is None:
        raise InputError(f"{where}: has neither fl_x nor camera_angle_x, nor has the file")
    if fy is None:
        fy = _focal("camera_angle_y", number, h, where)
    fisheye = _is_fisheye(frame, meta, where)
    order = FISHEYE_ORDER if fisheye else ORDER
    distortion = [number(key, 0.0) for key in order]
    if max(map(abs, distortion)) > 1e3:
        raise InputError(f"{where}: distortion {distortion} can't be of a lens")
    return _Lens(
        (w, h),
        (fx, fx if fy is None else fy, number("cx", w / 2), number("cy", h / 2)),
        distortion + [0.0] * (len(ORDER) - len(order)),
        fisheye,
    )


def _focal(key: str, number: Callable, side: float, where: str) -> float | None:
    angle = number(key)
    if angle is None:
        return None
    if not 1e-3 < angle < math.pi - 1e-3:
        raise InputError(f"{where}: {key} is {angle}; it is an angle in radians, 0 to pi")
    return side / 2 / math.tan(angle / 2)


def _is_fisheye(frame: dict, meta: dict, where: str) -> bool:
    for holder in (frame, meta):
        if holder.get("camera_model") is not None:
            model = files.value(holder, "camera_model", str, where)
            if model in PERSPECTIVE or model in FISHEYE:
                return model in FISHEYE
            raise InputError(
                f"{where}: camera_model {model!r} is not known; known are "
                f"{', '.join(PERSPECTIVE + FISHEYE)}"
            )
    flag = meta.get("is_fisheye")
    return files.value(meta, "is_fisheye", bool, where) if flag is not None else False


def _masks(path: Path, found: _Found) -> tuple[Path | None, ...]:
    masks: list[Path | None] = []
    for frame, where in zip(found.frames, found.wheres, strict=True):
        masks.append(None)
        if frame.get("mask_path") is not None:
            name = files.value(frame, "mask_path", str, where)
            masks[-1], exists = files.picture(path, name, where)
            if not exists:
                raise InputError(f"{where}: its mask {masks[-1]} is missing; restore it")
    return tuple(masks)


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
        if picked:
            parts[split] = np.array([k for k, _ in picked])
    if "train" not in parts:
        raise InputError(f"{file}: lists pictures, but none in train_filenames")
    for split in parts.keys() - {"train"}:
        if both := np.intersect1d(parts[split], parts["train"]).size:
            remarks.append(f"{both} of the pictures are both in train and in {split}")
    return parts, tuple(remarks)


def _place(meta: dict, poses: np.ndarray, file: Path) -> tuple[Space, Similarity]:
    """Surroundings without an end, unless instant-ngp was told that its unit cube holds it all."""
    if goes_on(meta, file) is not False:
        return "unbounded", similarity(poses, "unbounded")
    scale = files.value({"scale": UNIT_CUBE, **meta}, "scale", float, file)
    offset = np.full(3, 0.5)
    if meta.get("offset") is not None:
        given = files.value(meta, "offset", list, file)
        numbers = [files.value({"offset": x}, "offset", float, file) for x in given]
        if len(numbers) != 3 or not np.isfinite(numbers).all():
            raise InputError(f"{file}: offset is {given}; it must be three finite numbers")
        offset = np.array(numbers)
    if not 1e-6 < scale < 1e6:
        raise InputError(f"{file}: scale is {scale}; it must be above 0")
    middle = (0.5 - offset) / scale  # cube: scale x + offset in [0, 1]^3
    return "bounded", Similarity(2 * scale, np.concatenate([np.eye(3), -middle[:, None]], axis=1))
