"""COLMAP's format: sparse/0, binary or text, beside images, images_2, images_4, images_8.

COLMAP's pose maps world to camera, whose axes are right, down, forwards (OpenCV):

    x_camera = R x + t    so that    o = -R^T t,    T_world_camera = [R^T diag(1, -1, -1) | o]  (1)
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data import files, forward, models, nearest, sparse
from data.capture import Capture, folder, has_pictures, pictures_in
from data.errors import InputError, one_line
from data.scene import Scene
from data.share import Share

ONE_FOCAL = {
    "SIMPLE_PINHOLE",
    "SIMPLE_RADIAL",
    "RADIAL",
    "SIMPLE_FISHEYE",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
}
PERSPECTIVE = {"SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV"}
FISHEYE = {
    "SIMPLE_FISHEYE",
    "FISHEYE",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
    "OPENCV_FISHEYE",
}
"""After focal length and principal point each has its coefficients in Split.distortion's order."""
AXES = np.diag([1.0, -1.0, -1.0])
"""From OpenCV's axes of a camera to ours, and back."""


def recognises(path: Path) -> bool:
    """Whether the folder holds a scene in this format."""
    return bool(models.roots(path))


def load(
    path: Path,
    downscale: int,
    bound: float | None,
    wanted: tuple[str, ...] | None,
    share: Share,
) -> Scene:
    """The scene in folder `path`; see `data.load`. Of several models the largest.

    Where cameras look one way and points say how near things are, `bound`, if given, is the near
    plane's distance; see `data.forward`.
    """
    read = [(sparse.read(place), root) for root in _roots(path) for place in models.folders(root)]
    model, root = max(read, key=lambda found: len(found[0].pictures))
    found = folder(root, downscale)
    pictures, taken, warnings = _present(model, found.path)
    warnings = (*model.warnings, *warnings)
    capture = _capture(path, model, pictures, taken)
    if len(read) > 1:
        sizes = ", ".join(f"{m.path.relative_to(path)} has {len(m.pictures)}" for m, _ in read)
        warnings = (
            f"of {len(read)} models {model.path.relative_to(path)} was taken, which has the "
            f"most pictures: {sizes}",
            *warnings,
        )
    capture.check()
    points, odd = _points(model)
    of_points = (points, capture.poses, np.array([picture.number for picture in pictures]))
    space, placed = forward.place(capture, bound, lambda frame: nearest.ahead(*of_points, frame))
    distance = nearest.nearest(*of_points)
    return Scene(
        name=path.resolve().name,
        path=path,
        splits=capture.splits(placed, found.downscale, wanted, share),
        scale=placed.scale,
        motion=placed.motion,
        space=space,
        nearest=None if distance is None else distance * placed.scale,
        format="COLMAP" if root == path else f"COLMAP in {root.relative_to(path)}",
        warnings=(*warnings, *found.warnings, *odd, *capture.warnings(share)),
    )


def _roots(path: Path) -> list[Path]:
    """The scene's folder where model and pictures lie in it; else those within `dense`."""
    roots = models.roots(path)
    complete = [root for root in roots if has_pictures(root)] or roots
    return [path] if path in complete else complete


def lens(
    camera: sparse.Lens, where: str
) -> tuple[Float[np.ndarray, "4"], Float[np.ndarray, "8"], bool]:
    """Intrinsics, distortion, and whether it is a fisheye; InputError for models not known here."""
    model, parameters = camera.model, camera.parameters
    if not (0 < camera.width < 10**6 and 0 < camera.height < 10**6):
        raise InputError(f"{where}: can't be of a picture of {camera.width}x{camera.height} pixels")
    if model not in PERSPECTIVE | FISHEYE:
        raise InputError(
            f"{where}: camera model {model} is not supported; run COLMAP again with OPENCV or "
            "OPENCV_FISHEYE, or undistort the pictures with its image_undistorter"
        )
    if model in ONE_FOCAL:
        parameters = parameters[:1] + parameters
    distortion = np.zeros(8)
    distortion[: len(parameters) - 4] = parameters[4:]
    if not (np.abs(distortion) < 1e4).all():  # nor is NaN
        raise InputError(f"{where}: its distortion {parameters[4:]} can't be a lens's")
    return np.array(parameters[:4]), distortion, model in FISHEYE


def pose(picture: sparse.Picture, where: str) -> Float[np.ndarray, "3 4"]:
    """T_world_camera in our axes; InputError where the file's is no rigid motion."""
    q, t = np.array(picture.quaternion), np.array(picture.t)
    if not ((np.abs(q) < 2).all() and abs(q @ q - 1) < 1e-2 and (np.abs(t) < 1e9).all()):
        raise InputError(
            f"{where}: quaternion {picture.quaternion} (to be of length 1) and translation "
            f"{picture.t} are no rigid motion; export the model again"
        )
    w, x, y, z = q / np.linalg.norm(q)
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.concatenate([R.T @ AXES, -R.T @ t[:, None]], axis=1)  # (1)


def _points(model: sparse.Model) -> tuple[sparse.Points, tuple[str, ...]]:
    """The model's points, which a scene can do without."""
    none = sparse.Points(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    try:
        return sparse.points(model.path) or none, ()
    except InputError as error:
        return none, (f"{error}; without its points it isn't known how near things are",)


def _capture(
    path: Path, model: sparse.Model, pictures: list[sparse.Picture], taken: list[Path]
) -> Capture:
    lenses = {}
    for key, name in {picture.camera: picture.name for picture in pictures}.items():
        if key not in model.cameras:
            raise InputError(
                f"{model.path}: {name!r} was taken by camera {key}, which is not among its "
                "cameras; export the model again"
            )
        lenses[key] = lens(model.cameras[key], f"{model.path}, camera {key}")
    used = [lenses[picture.camera] for picture in pictures]
    fisheye = used[0][2]
    if any(kind != fisheye for _, _, kind in used):
        raise InputError(
            f"{model.path}: has fisheye and perspective pictures; keep those of one kind"
        )
    distortion = np.stack([coefficients for _, coefficients, _ in used])
    sizes = [model.cameras[picture.camera][1:3] for picture in pictures]
    bare = tuple(files.bare(picture.name) for picture in pictures)
    unique = len(set(bare)) == len(bare)
    return Capture(
        path=path,
        names=bare if unique else tuple(picture.name for picture in pictures),
        files=tuple(taken),
        poses=np.stack([pose(p, f"{model.path}, picture {p.name!r}") for p in pictures]),
        sizes=np.array(sizes, np.float64),
        intrinsics=np.stack([intrinsics for intrinsics, _, _ in used]),
        distortion=distortion if fisheye or distortion.any() else None,
        fisheye=fisheye,
    )


def _present(
    model: sparse.Model, place: Path
) -> tuple[list[sparse.Picture], list[Path], tuple[str, ...]]:
    """The registered pictures whose files are there, in the order of names, and what is missing."""
    pictures = sorted(model.pictures, key=lambda picture: picture.name)
    if not pictures:
        raise InputError(f"{model.path}: has no registered pictures; run COLMAP again")
    for a, b in pairwise(pictures):
        if a.name == b.name:
            raise InputError(f"{model.path}: names {a.name!r} twice; export the model again")
    stems, ours = files.Stems(), [files.bare(picture.name) for picture in pictures]
    counts = Counter(ours)
    taken, there, where = [], [], str(model.path)
    for k, picture in enumerate(pictures):
        # the smaller pictures may have been written in another format than the model's
        find = stems.find if counts[ours[k]] == 1 else files.picture
        file, exists = find(place, picture.name, where)
        taken.append(file)
        there += [k] if exists else []
    missing = [picture.name for k, picture in enumerate(pictures) if k not in set(there)]
    said = f"{len(missing)} of {len(pictures)} pictures that {model.path} names are not in {place}"
    said += f": {_some(missing)}"
    if not there:
        raise InputError(f"{said}; put them there{files.lying(place)}")
    warnings = [f"{said}; they were left out"] if missing else []
    used = {taken[k] for k in there}
    others = sorted(f.relative_to(place).as_posix() for f in pictures_in(place) if f not in used)
    if others:
        warnings.append(
            f"{len(others)} of {len(others) + len(used)} pictures in {place} are not named by "
            f"{model.path} and are left out: {_some(others)}; COLMAP could not place them, or took "
            "another folder"
        )
    return (
        [pictures[k] for k in there],
        [taken[k] for k in there],
        tuple(map(one_line, warnings)),
    )


def _some(names: list[str]) -> str:
    """The first three names."""
    return f"{', '.join(names[:3])}{', ...' if names[3:] else ''}"
