"""From what the user asks for to the cameras of a film."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

import data.scene
from data.errors import InputError
from data.scene import Camera, Scene, Split
from nerf.paths import keyframes, shapes
from nerf.paths.taken import Taken
from nerf.paths.tour import interpolate
from nerf.paths.track import Easing, Keyframe, Track, eased, through

Named = Literal["orbit", "spiral", "ellipse", "interpolate", "test"]
PATHS: tuple[str, ...] = ("orbit", "spiral", "ellipse", "interpolate", "test")
FRAMES = 120
"""Of a film along a path that has no number of its own."""
FPS = 30.0
TEST_FPS = 4.0
"""Test views are single pictures: each is looked at for a while."""
ASIDE = -0.05
"""Least part of a ray's direction that goes ahead in a forward-facing scene, along z."""


class Shot(NamedTuple):
    """What a film is to be."""

    path: str
    """One of PATHS, or a file of keyframes."""
    frames: int | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    """Width and height, pixels."""
    fov: tuple[float, ...] = ()
    """Vertical fields of view, degrees: one for all of the film, or a zoom from one to another."""
    easing: Easing = "linear"


class Views(Sequence[Camera]):
    """The cameras of a film, each made when it is asked for: a long film takes no more memory."""

    def __init__(self, of: Callable[[int], Camera], count: int, fps: float, said: str):
        self._of, self._count = of, count
        self.fps, self.said = fps, said

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[j] for j in range(*k.indices(self._count))]
        if not -self._count <= k < self._count:
            raise IndexError(k)
        return self._of(k % self._count)


def splits(path: str) -> tuple[str, ...]:
    """The splits of the scene that a path is made from; InputError if there is no such path."""
    if path == "test":
        return ("train", "test")
    if path not in PATHS and not path.lower().endswith(".json"):
        near = difflib.get_close_matches(path, PATHS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PATHS)}"
        raise InputError(f"--path {path}: {hint}, or name a FILE.json")
    return ("train",)


def choose(
    shot: Shot,
    scene: Scene,
    kind: data.scene.Space,
    focus: Callable[[Camera], float] | None = None,
) -> Views:
    """The cameras of a film.

    `focus` tells how far away what a camera sees is, scene units: forward-facing scenes are looked
    at there, since the axes of cameras side by side hardly meet. InputError for what can't be
    filmed: a path that isn't there, a field of view that is none, views that look aside in a
    forward-facing scene.
    """
    for fov in shot.fov:
        if not 0.01 <= fov <= 179:
            raise InputError(f"--fov {fov:g}: it must be from 0.01 to 179 degrees")
    if len(shot.fov) > 2:
        raise InputError("--fov: one angle, or two to zoom from one to the other")
    splits(shot.path)
    train = scene.splits["train"]
    if shot.path == "test":
        views = _own(shot, scene.splits["test"])
    elif shot.path.lower().endswith(".json"):
        told = keyframes.load(Path(shot.path), scene, frames_only=True)
        said = f"path of {shot.path}"
        track = through(told.frames, told.closed, even=False, said=said)
        shot = shot._replace(
            frames=shot.frames or len(told.frames),
            fps=shot.fps or told.fps,
            size=shot.size or (told.width, told.height),
        )
        views = _along(track, shot, (told.width, told.height))
    else:
        track = _track(shot, train, kind, focus)
        views = _along(track, shot, (train.width, train.height))
    if kind == "forward":
        _refuse_aside(views)
    return views


def _track(
    shot: Shot, train: Split, kind: data.scene.Space, focus: Callable[[Camera], float] | None
) -> Track:
    """What a name means for a kind of space."""
    if shot.path == "interpolate":
        return interpolate(train, shot.frames or FRAMES)
    taken, away = Taken.of(train), None
    if kind == "forward":
        # by the rule of thumb of the field if nobody has looked: the near plane is at 1
        middle = _middle(train)
        away = 3.6 if focus is None else focus(train.camera(middle))
        taken = Taken.of(train, away)
    if shot.path == "spiral":
        return shapes.spiral(taken, away)
    if shot.path == "orbit" and kind == "bounded":
        return shapes.circle(taken)
    if kind != "forward" and taken.all_round():
        return shapes.ellipse(taken)
    return shapes.swing(taken)


def _middle(train: Split) -> int:
    """The camera nearest to the middle of all of them."""
    places = train.poses[:, :, 3].astype(np.float64)
    return int(np.linalg.norm(places - places.mean(0), axis=-1).argmin())


def _along(track: Track, shot: Shot, size: tuple[int, int]) -> Views:
    count = shot.frames or FRAMES
    film, (width, height) = track.keyframes(count, shot.easing), shot.size or size
    last = count if track.closed else max(count - 1, 1)

    def of(k: int) -> Camera:
        key: Keyframe = film[k]
        if shot.fov:
            part = eased(k / last, track.closed, shot.easing)
            key = key._replace(fov=zoomed(shot.fov, part, track.closed))
        return key.camera(width, height)

    return Views(of, count, shot.fps or FPS, track.said)


def _own(shot: Shot, test: Split) -> Views:
    """The views of a split as they were taken, lenses included."""
    count = shot.frames or len(test)
    if count > len(test):
        raise InputError(f"--frames {count}: the test split has {len(test)} views")
    which = np.linspace(0, len(test) - 1, count).round().astype(int)

    def of(k: int) -> Camera:
        fov = zoomed(shot.fov, k / max(count - 1, 1), False) if shot.fov else None
        return framed(test.camera(int(which[k])), *(shot.size or (test.width, test.height)), fov)

    return Views(of, count, shot.fps or TEST_FPS, f"{count} of {len(test)} test views")


def zoomed(fov: tuple[float, ...], part: float, closed: bool) -> float:
    """The field of view, degrees, after a part of the way; a closed path goes there and back.

    Focal lengths grow evenly in the logarithm: things grow by the same factor in each frame.
    """
    weight = (1 - np.cos(2 * np.pi * part)) / 2 if closed else part
    tangents = np.tan(np.radians(np.array([fov[0], fov[-1]], float)) / 2)
    return float(np.degrees(2 * np.arctan(tangents[0] * (tangents[1] / tangents[0]) ** weight)))


def framed(camera: Camera, width: int, height: int, fov: float | int | None = None) -> Camera:
    """A camera with pictures of another size: the same from top to bottom, more or less aside."""
    by = height / camera.height
    f_x, f_y, c_x, c_y = np.asarray(camera.intrinsics, np.float64) * by
    c_x += (width - by * camera.width) / 2
    if fov is not None:
        closer = height / (2 * np.tan(np.radians(fov) / 2)) / f_y
        f_x, f_y = f_x * closer, f_y * closer
    intrinsics = np.array([f_x, f_y, c_x, c_y], np.float32)
    return replace(camera, width=width, height=height, intrinsics=intrinsics)


def _refuse_aside(views: Views, most: int = 64) -> None:
    """InputError if a corner of a picture looks aside where all is known to lie ahead."""
    for k in np.unique(np.linspace(0, len(views) - 1, min(len(views), most)).round().astype(int)):
        camera = views[int(k)]
        if _ahead(camera) > ASIDE:
            raise InputError(
                f"view {k} of the path looks aside of what a forward-facing scene shows; "
                "keep closer to the photographs, or give a smaller --fov"
            )


def _ahead(camera: Camera) -> float:
    """The largest z of the directions to the corners of a picture; a lens's bend is left out."""
    f_x, f_y, c_x, c_y = np.asarray(camera.intrinsics, np.float64)
    corners: Float[np.ndarray, "4 2"] = np.array(
        [[x, y] for x in (0, camera.width) for y in (0, camera.height)], float
    )
    inside = np.stack(
        [(corners[:, 0] - c_x) / f_x, (c_y - corners[:, 1]) / f_y, -np.ones(4)], axis=-1
    )
    inside /= np.linalg.norm(inside, axis=-1, keepdims=True)
    return float((inside @ camera.pose[:, :3].astype(np.float64).T)[:, 2].max())
