"""The Blender / NeRF-synthetic format: transforms_{train,val,test}.json and RGBA pictures."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, UnidentifiedImageError

from data.errors import InputError
from data.scene import Scene, Split

SPLITS = ("train", "val", "test")
ENDINGS = (".png", ".webp", ".jpg", ".jpeg")
RIGID = 1e-3
"""How far R^T R may be from I: files that were written with few digits pass."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return (path / "transforms_train.json").is_file()


def load(path: Path, downscale: int, bound: float, wanted: tuple[str, ...] | None) -> Scene:
    """The scene in folder `path`; see `data.load`."""
    present = [name for name in SPLITS if (path / f"transforms_{name}.json").is_file()]
    for name in wanted or ():
        if name not in present:
            raise InputError(f"{path}: has no split {name!r}; it has {', '.join(present)}")
    splits = {name: _load_split(path, name, downscale, 1 / bound) for name in wanted or present}
    sizes = {(split.width, split.height) for split in splits.values()}
    if len(sizes) > 1:
        raise InputError(f"{path}: the splits' pictures differ in size: {sorted(sizes)}")
    return Scene(
        name=path.resolve().name, path=path, splits=splits, scale=1 / bound, format="Blender"
    )


def shrink(picture: UInt8[np.ndarray, "h w 4"], factor: int) -> UInt8[np.ndarray, "_ _ 4"]:
    """The picture at 1/factor of its width and height, averaged over blocks.

    Colours are weighted by alpha: a transparent pixel has no colour of its own, and must not
    darken the silhouette it stands beside.
    """
    if factor == 1:
        return picture
    h, w, _ = picture.shape
    blocks = (picture.astype(np.float64) / 255).reshape(h // factor, factor, w // factor, factor, 4)
    alpha = blocks[..., 3:].mean((1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean((1, 3)) / np.maximum(alpha, 1e-9)
    return np.round(np.concatenate([colour, alpha], axis=-1) * 255).astype(np.uint8)


def _load_split(path: Path, name: str, downscale: int, scale: float) -> Split:
    file = path / f"transforms_{name}.json"
    meta = _read(file)
    frames = _get(meta, "frames", list, file)
    if not frames:
        raise InputError(f"{file}: has no frames; a split needs at least one picture")
    names, paths, poses = [], [], []
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        file_path = _get(frame, "file_path", str, where)
        paths.append(_picture_path(path, file_path, where))
        named = PurePosixPath(file_path)  # r_1.5 ends in no picture's ending: keep all of it
        bare = named.with_suffix("") if named.suffix.lower() in ENDINGS else named
        names.append(bare.as_posix())
        poses.append(_pose(_get(frame, "transform_matrix", list, where), where, scale))
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(partial(_picture, downscale=downscale), paths))
    for at, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise InputError(
                f"{at}: is {picture.shape[1]}x{picture.shape[0]}, but {paths[0]} is "
                f"{pictures[0].shape[1]}x{pictures[0].shape[0]}; all pictures must be of one size"
            )
    height, width, _ = pictures[0].shape
    angle = _get(meta, "camera_angle_x", float, file)
    if not 1e-3 < angle < math.pi - 1e-3:
        raise InputError(f"{file}: camera_angle_x is {angle}; it is an angle in radians, 0 to pi")
    focal = width / 2 / math.tan(angle / 2)
    intrinsics = np.array([focal, focal, width / 2, height / 2], np.float32)
    return Split(
        names=tuple(names),
        pictures=np.stack(pictures),
        intrinsics=np.tile(intrinsics, (len(paths), 1)),
        poses=np.stack(poses),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}, line {error.lineno}: not JSON: {error.msg}; mend it or export the scene again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: can't be read: {error}") from error
    if not isinstance(meta, dict):
        raise InputError(f"{file}: holds a {type(meta).__name__}, not an object with frames")
    return meta


def _get(holder: Any, key: str, kind: type, where: object) -> Any:
    value = holder.get(key) if isinstance(holder, dict) else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind):
        said = "is missing" if value is None else f"is a {type(value).__name__}"
        raise InputError(f"{where}: {key} {said}; it must be a {kind.__name__}")
    return value


def _picture_path(folder: Path, file_path: str, where: str) -> Path:
    named = folder / file_path
    if named == folder:
        raise InputError(f"{where}: file_path {file_path!r} names no picture")
    if named.suffix.lower() in ENDINGS:
        candidates = [named]
    else:  # by Blender's exporter the ending is left out
        candidates = [named.with_name(named.name + ending) for ending in ENDINGS]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(
        f"{where}: its picture {candidates[0]} is missing; restore it or drop the frame"
    )


def _picture(file: Path, downscale: int) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.mode.startswith("I;16"):
                raise InputError(f"{file}: has 16 bits a pixel; save it with 8 bits a channel")
            picture = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: can't be decoded as a picture: {reason}") from error
    h, w, _ = picture.shape
    if h % downscale or w % downscale:
        raise InputError(
            f"{file}: {w}x{h} can't be divided by downscale {downscale}; choose another"
        )
    return shrink(picture, downscale)


def _pose(rows: list, where: str, scale: float) -> Float[np.ndarray, "3 4"]:
    try:
        matrix = np.array(rows, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape not in ((4, 4), (3, 4)):
        raise InputError(f"{where}: transform_matrix must be 4 rows of 4 numbers")
    R, o = matrix[:3, :3], matrix[:3, 3]
    rigid = np.isfinite(matrix).all() and np.abs(R.T @ R - np.eye(3)).max() < RIGID
    rigid = rigid and np.linalg.det(R) > 0
    if matrix.shape == (4, 4):
        rigid = rigid and np.allclose(matrix[3], [0, 0, 0, 1])
    if not rigid:
        raise InputError(
            f"{where}: transform_matrix is no rigid motion: its upper left 3x3 must be a rotation "
            "(orthonormal, determinant +1) and its last row 0 0 0 1"
        )
    return np.concatenate([R, scale * o[:, None]], axis=1).astype(np.float32)
