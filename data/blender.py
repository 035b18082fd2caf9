"""The Blender / NeRF-synthetic format: transforms_{train,val,test}.json and RGBA pictures.

Objects alone, unless transforms_train.json says with instant-ngp's aabb_scale, above 1, that they
have surroundings. Frame and scale are the same for both: such scenes are built about the origin,
and what lies within BOUND of it is their middle, from which surroundings are drawn together.
"""

import math
from pathlib import Path

import numpy as np

from data import files, transforms
from data.errors import InputError
from data.pictures import read_all
from data.poses import rigid
from data.scene import Scene, Split
from data.share import Share

SPLITS = ("train", "val", "test")
BOUND = 1.5
"""What the scenes that the format is known for lie in. Half the side of instant-ngp's unit cube,
1/2 / 0.33, is as good as the same."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return (path / "transforms_train.json").is_file()


def load(
    path: Path,
    downscale: int,
    bound: float | None,
    wanted: tuple[str, ...] | None,
    share: Share,
) -> Scene:
    """The scene in folder `path`; see `data.load`."""
    bound = BOUND if bound is None else bound
    present = [name for name in SPLITS if (path / f"transforms_{name}.json").is_file()]
    for name in wanted or ():
        if name not in present:
            raise InputError(f"{path}: has no split {name!r}; it has {', '.join(present)}")
    splits = {
        name: _load_split(path, name, downscale, 1 / bound, share) for name in wanted or present
    }
    sizes = {(split.width, split.height) for split in splits.values()}
    if len(sizes) > 1:
        raise InputError(f"{path}: the splits' pictures differ in size: {sorted(sizes)}")
    file = path / "transforms_train.json"
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=splits,
        scale=1 / bound,
        space="unbounded" if transforms.goes_on(files.read_json(file), file) else "bounded",
        format="Blender",
    )


def _load_split(path: Path, name: str, downscale: int, scale: float, share: Share) -> Split:
    file = path / f"transforms_{name}.json"
    meta = files.read_json(file)
    frames = files.value(meta, "frames", list, file)
    if not frames:
        raise InputError(f"{file}: has no frames; a split needs at least one picture")
    if name == "train" and len(frames) == 1:
        raise InputError(f"{file}: has one picture only; a scene needs several views")
    seen: dict[str, Path] = {}
    poses = np.empty((len(frames), 3, 4))
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        file_path = files.value(frame, "file_path", str, where)
        picture, exists = files.picture(path, file_path, where)
        if not exists:
            raise InputError(
                f"{where}: its picture {picture} is missing; restore it or drop the frame"
            )
        bare = files.bare(file_path)
        if bare in seen:
            raise InputError(f"{where}: {file_path!r} is listed twice; drop one of the frames")
        seen[bare] = picture
        poses[number] = rigid(files.value(frame, "transform_matrix", list, where), where)
    poses[:, :, 3] *= scale
    angle = files.value(meta, "camera_angle_x", float, file)
    if not 1e-3 < angle < math.pi - 1e-3:
        raise InputError(f"{file}: camera_angle_x is {angle}; it is an angle in radians, 0 to pi")
    part = share.of(len(seen))
    pictures = read_all(list(seen.values()), downscale, part)
    _, height, width, _ = pictures.shape
    focal = width / 2 / math.tan(angle / 2)
    intrinsics = np.array([focal, focal, width / 2, height / 2], np.float32)
    return Split(
        names=tuple(seen),
        pictures=pictures,
        intrinsics=np.tile(intrinsics, (len(frames), 1)),
        poses=poses.astype(np.float32),
        first=part.start,
    )
