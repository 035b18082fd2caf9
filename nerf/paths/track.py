"""A path as a function of the part of the way: splines through keyframes, even speed, easing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation

from data.scene import Camera

Easing = Literal["linear", "smooth"]
SWELL = 0.5
"""How much faster and slower than on average an eased closed path goes, in parts of its speed."""
STEPS = 32
"""Places at which the length of a path is measured, of each of its legs."""


class Keyframe(NamedTuple):
    """Where a camera stands, how it is turned, and how much it sees."""

    pose: Float[np.ndarray, "3 4"]
    """T_world_camera, scene units; the camera looks along its own -z, y up."""
    fov: float
    """Vertical field of view, degrees, in (0, 180)."""

    @classmethod
    def of(cls, camera: Camera) -> "Keyframe":
        """That of a camera: its lens's distortion and its centre are left out."""
        fov = 2 * np.degrees(np.arctan(camera.height / (2 * float(camera.intrinsics[1]))))
        return cls(np.asarray(camera.pose, np.float64), float(fov))

    def camera(self, width: int, height: int) -> Camera:
        """A pinhole with this field of view and pictures of some size."""
        f = height / (2 * np.tan(np.radians(self.fov) / 2))
        intrinsics = np.array([f, f, width / 2, height / 2], np.float32)
        return Camera(width, height, intrinsics, np.asarray(self.pose, np.float32))


@dataclass(frozen=True)
class Track:
    """A path: from the part of the way that is done, in [0, 1], to the camera there."""

    at: Callable[[float], Keyframe]
    closed: bool
    """Ends where it began: at(1) is at(0), and a film of it loops."""
    said: str
    """What it is, for the user."""
    legs: int = 1
    """Between keyframes, or as many as there are bends: how finely it has to be looked at."""

    def keyframes(self, count: int, easing: Easing = "linear") -> "Film":
        """`count` keyframes along it."""
        return Film(self, count, easing)


class Film(Sequence[Keyframe]):
    """The keyframes of a film, each found when it is asked for."""

    def __init__(self, track: Track, count: int, easing: Easing = "linear"):
        self.track, self._count, self._easing = track, count, easing

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[j] for j in range(*k.indices(self._count))]
        if not -self._count <= k < self._count:
            raise IndexError(k)
        k %= self._count
        # a closed path does not show its beginning twice
        last = self._count if self.track.closed else max(self._count - 1, 1)
        return self.track.at(eased(k / last, self.track.closed, self._easing))

    def __iter__(self) -> Iterator[Keyframe]:
        return (self[k] for k in range(self._count))


def eased(t: float, closed: bool, easing: Easing) -> float:
    """The part of the way that is done after a part t of the time, both in [0, 1].

    An open path starts and ends at rest: 3 t^2 - 2 t^3. A closed one would stand still at its seam
    each time round; it swells and ebbs instead, t - a sin(2 pi t) / (2 pi), and never stops.
    """
    if easing == "linear":
        return t
    if closed:
        return t - SWELL * float(np.sin(2 * np.pi * t)) / (2 * np.pi)
    return t * t * (3 - 2 * t)


def through(
    keyframes: Sequence[Keyframe], closed: bool = False, even: bool = True, said: str = "keyframes"
) -> Track:
    """A smooth track through keyframes: Catmull-Rom in place, turning and focal length.

    Rotations are unit quaternions, each of the two signs that is nearer to the one before; the
    curve is drawn through them and pulled back to the unit sphere. Focal lengths are drawn in the
    logarithm, so that a zoom is even. With `even` the camera goes as fast everywhere, by
    `travelled`, and parameters are centripetal, so that legs of unequal length make no loops;
    otherwise each leg takes the same time: for frames that somebody has timed already.
    """
    keys = list(keyframes)
    if even:
        keys = _distinct(keys, closed)
    if len(keys) == 1:
        only = keys[0]
        return Track(lambda u: only, closed, said)
    legs, first = (len(keys), 3) if closed else (len(keys) - 1, 0)
    if closed:  # some of the round before and of the one after, so that the seam is no end
        keys = [keys[k % len(keys)] for k in range(-first, len(keys) + first + 1)]
    numbers = np.array([_numbers(key) for key in keys])
    for k in range(1, len(numbers)):  # q and -q are one rotation: the nearer one
        if numbers[k, 3:7] @ numbers[k - 1, 3:7] < 0:
            numbers[k, 3:7] *= -1
    length = np.ones(len(keys) - 1)
    if even:
        size = _size(keys)
        length = np.sqrt([travelled(*pair, size) for pair in pairwise(keys)])
    knots = np.concatenate([[0.0], np.cumsum(length)])
    curve = CubicHermiteSpline(knots, numbers, _tangents(numbers, length))
    start, end = knots[first], knots[first + legs]

    def at(u: float) -> Keyframe:
        return _keyframe(curve(start + (end - start) * u))

    track = Track(at, closed, said, legs)
    return evenly(track) if even else track


def evenly(track: Track) -> Track:
    """The same way at the same speed everywhere, by `travelled`."""
    count = STEPS * max(track.legs, 8)
    u = np.linspace(0, 1, count + 1)
    keys = [track.at(float(v)) for v in u]
    size = _size(keys)
    done = np.concatenate([[0.0], np.cumsum([travelled(*p, size) for p in pairwise(keys)])])
    if done[-1] <= 0:
        return track
    part = done / done[-1]
    return Track(
        lambda v: track.at(float(np.interp(v, part, u))), track.closed, track.said, track.legs
    )


def travelled(a: Keyframe, b: Keyframe, size: float) -> float:
    """How far apart two cameras are: in place by `size`, in angle, and in logarithm of focal."""
    place = np.linalg.norm(b.pose[:, 3] - a.pose[:, 3]) / size
    cosine = (np.trace(a.pose[:, :3].T @ b.pose[:, :3]) - 1) / 2
    turn = np.arccos(np.clip(cosine, -1, 1))
    zoom = np.log(np.tan(np.radians(b.fov) / 2) / np.tan(np.radians(a.fov) / 2))
    return float(np.sqrt(place**2 + turn**2 + zoom**2))


def _size(keys: Sequence[Keyframe]) -> float:
    """The radius of the path: a way as long as it counts as much as a turn by a radian."""
    places = np.stack([key.pose[:, 3] for key in keys])
    radius = float(np.linalg.norm(places - places.mean(0), axis=-1).max())
    return radius if radius > 0 else 1.0


def _distinct(keys: list[Keyframe], closed: bool) -> list[Keyframe]:
    """Without those that repeat the one before: nothing can be drawn between them."""
    size, kept = _size(keys), keys[:1]
    for key in keys[1:]:
        if travelled(kept[-1], key, size) > 1e-6:
            kept.append(key)
    if closed and len(kept) > 1 and travelled(kept[-1], kept[0], size) <= 1e-6:
        kept.pop()
    return kept


def _numbers(key: Keyframe) -> Float[np.ndarray, "8"]:
    """Place, quaternion, logarithm of half the picture's height at distance one."""
    pose = np.asarray(key.pose, np.float64)
    quaternion = Rotation.from_matrix(pose[:, :3]).as_quat()
    return np.concatenate([pose[:, 3], quaternion, [np.log(np.tan(np.radians(key.fov) / 2))]])


def _keyframe(numbers: Float[np.ndarray, "8"]) -> Keyframe:
    R = Rotation.from_quat(numbers[3:7]).as_matrix()
    fov = 2 * np.degrees(np.arctan(np.exp(numbers[7])))
    return Keyframe(np.concatenate([R, numbers[:3, None]], axis=1), float(fov))


def _tangents(
    p: Float[np.ndarray, "keys numbers"], h: Float[np.ndarray, " legs"]
) -> Float[np.ndarray, "keys numbers"]:
    """Those of the parabola through each key and its two neighbours; at the ends of the leg."""
    slope = np.diff(p, axis=0) / h[:, None]
    if len(h) == 1:
        return np.concatenate([slope, slope])
    before, after = h[:-1, None], h[1:, None]
    inner = (slope[:-1] * after + slope[1:] * before) / (before + after)
    return np.concatenate([slope[:1], inner, slope[-1:]])
