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
