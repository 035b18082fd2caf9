"""Cameras of the browser, and ours.

The browser's (viser's) camera looks along its own +z, its y downwards, as OpenCV has it; ours looks
along -z, y up (`data.scene`). Both map camera to world, in scene units.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from viser.transforms import SO3

from data.scene import Camera

_FLIP = np.array([1.0, -1.0, -1.0])
LARGEST = 8192
"""Pixels that a window may be wide or high, whatever a client sends."""
FARTHEST = 1e6
"""Scene units that its camera may be away from the origin, along an axis."""
NARROWEST, BROADEST = math.radians(0.01), math.radians(179.0)
"""Of its vertical fields of view."""


class Window(NamedTuple):
    """How a browser looks at the scene."""

    pose: Float[np.ndarray, "3 4"]
    """T_world_camera as ours."""
    fov: float
    """Vertical field of view, radians."""
    width: int
    """Of the canvas, pixels."""
    height: int

    def camera(self, longest: int) -> Camera:
        """The camera of a picture that fills the window, its longer side at most so long."""
        share = min(1.0, longest / max(self.width, self.height, 1))
        width = max(1, round(self.width * share))
        height = max(1, round(self.height * share))
        half = math.tan(self.fov / 2)
        fy = height / 2 / half
        fx = width / 2 / (half * max(self.width, 1) / max(self.height, 1))
        intrinsics = np.array([fx, fy, width / 2, height / 2], np.float32)
        return Camera(width, height, intrinsics, self.pose.astype(np.float32))


def window(
    wxyz: Float[np.ndarray, "4"],
    position: Float[np.ndarray, "3"],
    fov: float,
    width: float | int,
    height: float | int,
) -> Window:
    """A window as a client sends it; numbers that are finite are brought into their ranges."""
    turn = np.asarray(wxyz, np.float64)
    turn = turn / np.abs(turn).max()  # of any length: its square may be too large for a float
    near = np.clip(np.asarray(position, np.float64), -FARTHEST, FARTHEST)
    sides = (int(min(max(side, 1), LARGEST)) for side in (width, height))
    return Window(pose_of(turn, near), min(max(float(fov), NARROWEST), BROADEST), *sides)


def pose_of(
    wxyz: Float[np.ndarray, "4"], position: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 4"]:
    """Our pose of a browser's camera."""
    turned = SO3(np.asarray(wxyz, np.float64)).as_matrix() * _FLIP
    return np.concatenate([turned, np.asarray(position, np.float64)[:, None]], axis=1)


def wxyz_of(pose: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "4"]:
    """The browser's turn of our pose, a unit quaternion; the position is the pose's own."""
    return SO3.from_matrix(np.asarray(pose[:, :3], np.float64) * _FLIP).wxyz


def fov_of(camera: Camera) -> float:
    """Vertical field of view of a pinhole, radians."""
    return 2 * math.atan(camera.height / 2 / float(camera.intrinsics[1]))
