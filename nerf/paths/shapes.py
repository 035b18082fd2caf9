"""Camera paths: from the cameras that took the photographs to those of a film."""

import math

import numpy as np
from jaxtyping import Float

from data.scene import Camera, Split


def orbit(split: Split, frames: int) -> list[Camera]:
    """Once around what the cameras look at, at their mean distance and mean height.

    The centre is the point nearest to all of their optical axes; up is what their horizons have
    in common.
    """
    poses = split.poses.astype(np.float64)
    places, back = poses[:, :, 3], poses[:, :, 2]
    centre = _nearest_to_axes(places, back)
    up = upright(poses)
    if np.linalg.norm(places - centre, axis=-1).min() < 0.05:
        # one camera, or axes that meet in one: what matters lies around the origin
        centre = np.zeros(3)
    offsets = places - centre
    distance = max(float(np.linalg.norm(offsets, axis=-1).mean()), 1e-3)
    height = float(np.clip((offsets @ up).mean() / distance, -0.95, 0.95))
    ahead = offsets[0] - (offsets[0] @ up) * up
    if np.linalg.norm(ahead) < 1e-6 * distance:  # the first camera looks straight down
        ahead = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    ahead = _unit(ahead)
    aside = np.cross(up, ahead)
    reach = math.sqrt(1 - height**2)
    path = []
    for k in range(frames):
        angle = 2 * math.pi * k / frames
        away = reach * (math.cos(angle) * ahead + math.sin(angle) * aside) + height * up
        pose = look_at(centre + distance * away, centre, up)
        path.append(Camera(split.width, split.height, split.intrinsics[0], pose))
    return path


PATHS = {"orbit": orbit}


def look_at(
    place: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 4"]:
    """T_world_camera of a camera at `place` that looks at `target`, its top towards `up`."""
    back = _unit(place - target)
    right = _unit(np.cross(up, back))
    return np.stack([right, np.cross(back, right), back, place], axis=1).astype(np.float32)


def _nearest_to_axes(places, directions):
    """The point with the least sum of squared distances to lines: a 3 x 3 linear system."""
    across = np.eye(3) - np.einsum("na,nb->nab", directions, directions)
    system, right_side = across.sum(0), np.einsum("nab,nb->a", across, places)
    # parallel axes leave a direction open; the least-squares solution stays near the cameras
    middle = places.mean(0)
    return middle + np.linalg.lstsq(system, right_side - system @ middle, rcond=1e-6)[0]


def upright(poses: Float[np.ndarray, "n 3 4"]) -> Float[np.ndarray, "3"]:
    """The direction most nearly across all of the cameras' x axes; if many are, near their y."""
    right, top = poses[:, :, 0], _unit(poses[:, :, 1].mean(0))
    level = np.einsum("na,nb->ab", right, right) / len(poses) - 1e-3 * np.outer(top, top)
    up = np.linalg.eigh(level)[1][:, 0]
    return up if up @ top > 0 else -up


def _unit(v):
    return v / np.linalg.norm(v)
