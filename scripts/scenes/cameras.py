"""Cameras around the origin, z up; a pose is T_world_camera, the camera looks along its own -z."""

import math

import numpy as np

SIZE = 200
"""Width and height of every picture, pixels."""
ANGLE = 0.6911112
"""camera_angle_x, radians: that of the NeRF-synthetic scenes, as is the distance."""
DISTANCE = 4.0311289
GOLDEN = math.pi * (3 - math.sqrt(5))


def look_at_origin(azimuth: float, elevation: float, distance: float = DISTANCE) -> np.ndarray:
    """The pose of a camera on the sphere of radius `distance`; angles in radians."""
    back = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, distance * back], axis=1)
    return pose


def dome(count: int, turned: float, low: float = 0.08, high: float = 0.95) -> list[np.ndarray]:
    """Cameras spread evenly over the zone of the sphere whose sine of elevation is low to high.

    `turned`, radians, keeps one split's cameras out of the way of another's.
    """
    return [
        look_at_origin(k * GOLDEN + turned, math.asin(low + (high - low) * (k + 0.5) / count))
        for k in range(count)
    ]


def ring(count: int, turned: float, distance: float, low: float, high: float) -> list[np.ndarray]:
    """Cameras once around, evenly, that rise and sink between two elevations (radians)."""
    return [
        look_at_origin(
            2 * math.pi * k / count + turned, low + (high - low) * (k * GOLDEN % 1), distance
        )
        for k in range(count)
    ]


def rays(pose: np.ndarray, angle: float = ANGLE) -> tuple[np.ndarray, np.ndarray]:
    """Origins and unit directions through the centres of all pixels, row by row."""
    focal = SIZE / 2 / math.tan(angle / 2)
    y, x = np.mgrid[0:SIZE, 0:SIZE].reshape(2, -1) + 0.5
    u = np.stack([(x - SIZE / 2) / focal, -(y - SIZE / 2) / focal, -np.ones_like(x)], axis=-1)
    d = u @ pose[:3, :3].T
    return np.broadcast_to(pose[:3, 3], d.shape), d / np.linalg.norm(d, axis=-1, keepdims=True)
