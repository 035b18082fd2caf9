"""What the cameras of a split have in common: what they look at, which way is up, how far round."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data.scene import Split
from nerf.paths.track import Keyframe

ROUND = 150.0
"""Degrees: where cameras leave a wider gap around what they look at, they stand on one side."""


class Taken(NamedTuple):
    """How a scene was photographed."""

    places: Float[np.ndarray, "n 3"]
    """Scene units."""
    back: Float[np.ndarray, "n 3"]
    """Against the way that cameras look."""
    centre: Float[np.ndarray, "3"]
    """The point nearest to all of their axes."""
    up: Float[np.ndarray, "3"]
    fov: float
    """Vertical field of view, degrees: the middle one of theirs."""

    @classmethod
    def of(cls, split: Split, focus: float | None = None) -> "Taken":
        """That of a split; with `focus` they look at what is this far ahead of their mean view."""
        poses = split.poses.astype(np.float64)
        places, back = poses[:, :, 3], poses[:, :, 2]
        if focus is not None:
            centre = places.mean(0) - focus * unit(back.mean(0))
        else:
            centre = nearest_to_axes(places, back)
            if np.linalg.norm(places - centre, axis=-1).min() < 0.05:
                # one camera, or axes that meet in one: what matters lies around the origin
                centre = np.zeros(3)
        fov = np.median([Keyframe.of(split.camera(k)).fov for k in range(len(split))])
        return cls(places, back, centre, upright(poses), float(fov))

    @property
    def distance(self) -> Float[np.ndarray, " n"]:
        """Of each camera from the centre, scene units."""
        return np.linalg.norm(self.places - self.centre, axis=-1)

    def level(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """Two directions across `up`: from the centre to the cameras' middle, and to its left."""
        offset = (self.places - self.centre).mean(0)
        ahead = offset - (offset @ self.up) * self.up
        if np.linalg.norm(ahead) < 1e-3 * self.distance.mean():  # all round, or from above
            offset = self.places[0] - self.centre
            ahead = offset - (offset @ self.up) * self.up
        if np.linalg.norm(ahead) < 1e-6 * max(self.distance.mean(), 1e-9):
            ahead = np.cross(self.up, np.eye(3)[np.argmin(np.abs(self.up))])
        ahead = unit(ahead)
        return ahead, np.cross(self.up, ahead)

    def angles(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Radians: how far round each camera stands from the middle of them, and how high."""
        ahead, aside = self.level()
        offsets = self.places - self.centre
        azimuth = np.arctan2(offsets @ aside, offsets @ ahead)
        sine = (offsets @ self.up) / np.maximum(self.distance, 1e-9)
        return azimuth, np.arcsin(np.clip(sine, -1, 1))

    def all_round(self) -> bool:
        """Whether the cameras stand around what they look at, and not on one side of it."""
        azimuth, elevation = self.angles()
        azimuth = np.sort(azimuth[np.abs(elevation) < np.radians(75)])
        if len(azimuth) < 3:
            return False
        gaps = np.diff(np.append(azimuth, azimuth[0] + 2 * np.pi))
        return bool(gaps.max() < np.radians(ROUND))


def nearest_to_axes(
    places: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "3"]:
    """The point with the least sum of squared distances to lines: a 3 x 3 linear system."""
    across = np.eye(3) - np.einsum("na,nb->nab", directions, directions)
    system, right_side = across.sum(0), np.einsum("nab,nb->a", across, places)
    # parallel axes leave a direction open; the least-squares solution stays near the cameras
    middle = places.mean(0)
    return middle + np.linalg.lstsq(system, right_side - system @ middle, rcond=1e-6)[0]


def upright(poses: Float[np.ndarray, "n 3 4"]) -> Float[np.ndarray, "3"]:
    """The direction most nearly across all of the cameras' x axes; if many are, near their y."""
    right, top = poses[:, :, 0], unit(poses[:, :, 1].mean(0))
    level = np.einsum("na,nb->ab", right, right) / len(poses) - 1e-3 * np.outer(top, top)
    up = np.linalg.eigh(level)[1][:, 0]
    return up if up @ top > 0 else -up


def look_at(
    place: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 4"]:
    """T_world_camera of a camera at `place` that looks at `target`, its top towards `up`."""
    back = unit(place - target)
    right = unit(np.cross(up, back))
    return np.stack([right, np.cross(back, right), back, place], axis=1).astype(np.float32)


def unit(v: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """The direction of a vector."""
    return v / np.linalg.norm(v)
