"""The training photographs: where they were taken, the nearest, one beside a rendering."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from data.scene import Camera, Split
from nerf.pictures import over, quantised
from nerf.render import BACKGROUNDS
from nerf.viewer.poses import Window, fov_of

THUMBNAIL = 64
"""Longer side of the pictures on the cameras, pixels."""
CAMERAS = 100
"""Cameras that are drawn, at most."""
AROUND = 225
"""Grey beside a photograph that has another shape than the window."""
SAME = 1e-3
"""Distance (scene units) and angle (radians) up to which a browser is still where it was put."""


def nearest(split: Split, pose: Float[np.ndarray, "3 4"]) -> int:
    """The photograph taken from the nearest place in the nearest direction.

    A turn by a right angle counts as much as the distance to the middle of all cameras.
    """
    places = split.poses[:, :, 3].astype(float)
    reach = max(float(np.linalg.norm(places - places.mean(0), axis=1).mean()), 1e-6)
    apart = np.linalg.norm(places - pose[:, 3], axis=1) / reach
    turned = 1 - split.poses[:, :, 2].astype(float) @ pose[:, 2]
    return int(np.argmin(apart + turned))


def photograph(split: Split, number: int, background: str) -> Float[np.ndarray, "h w 3"]:
    """A photograph over a background, colours in [0, 1]."""
    return over(split.pictures[number], BACKGROUNDS[background]).astype(np.float32)


def camera_of(split: Split, number: int, longest: int) -> Camera:
    """The camera of a photograph, its lens included, its longer side at most so long."""
    camera = split.camera(number)
    share = min(1.0, longest / max(camera.width, camera.height))
    width, height = max(1, round(camera.width * share)), max(1, round(camera.height * share))
    across, down = width / camera.width, height / camera.height
    scale = np.array([across, down, across, down], camera.intrinsics.dtype)
    return replace(camera, width=width, height=height, intrinsics=camera.intrinsics * scale)


def resized(
    picture: Float[np.ndarray, "h w 3"], height: int, width: int
) -> Float[np.ndarray, "rows columns 3"]:
    """A photograph in the size of a rendering; each pixel the mean of what it covers."""
    if picture.shape[:2] == (height, width):
        return picture
    small = Image.fromarray(quantised(picture)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def wiped(
    rendering: UInt8[np.ndarray, "h w 3"], photo: UInt8[np.ndarray, "h w 3"], share: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The photograph to the left of a line, the rendering to the right of it."""
    width = rendering.shape[1]
    at = round(share * width)
    both = np.concatenate([photo[:, :at], rendering[:, at:]], axis=1)
    if 0 < at < width:
        both[:, at - 1 : at] = 255 - both[:, at - 1 : at].mean(axis=(0, 1), dtype=float).astype(
            np.uint8
        )
    return both


def framed(
    picture: UInt8[np.ndarray, "h w 3"], aspect: float
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A picture in the middle of a grey one whose width is `aspect` times its height."""
    height, width = picture.shape[:2]
    rows = max(height, round(width / aspect))
    columns = max(width, round(rows * aspect))
    whole = np.full((rows, columns, 3), AROUND, np.uint8)
    top, left = (rows - height) // 2, (columns - width) // 2
    whole[top : top + height, left : left + width] = picture
    return whole


def unframed(at: tuple[float, float], camera: Camera, aspect: float) -> tuple[float, float] | None:
    """Where in a framed picture a point of the window lies, pixels; None: beside it.

    `at` is (x, y) in parts of the window.
    """
    rows = max(camera.height, round(camera.width / aspect))
    columns = max(camera.width, round(rows * aspect))
    x = at[0] * columns - (columns - camera.width) // 2
    y = at[1] * rows - (rows - camera.height) // 2
    return (x, y) if 0 <= x < camera.width and 0 <= y < camera.height else None


def fitting_fov(camera: Camera, aspect: float) -> float:
    """Vertical field of view, radians, of a window in which the whole photograph is seen."""
    wide = camera.width / 2 / float(camera.intrinsics[0])
    return max(fov_of(camera), 2 * math.atan(wide / aspect))


def still_there(window: Window, pose: Float[np.ndarray, "3 4"]) -> bool:
    """Whether a browser looks from where it was put, up to rounding; it may be turned upright."""
    apart = float(np.linalg.norm(window.pose[:, 3] - pose[:, 3]))
    turned = float(np.linalg.norm(window.pose[:, 2] - pose[:, 2]))
    return apart < SAME * max(1.0, float(np.linalg.norm(pose[:, 3]))) and turned < SAME


def thumbnail(split: Split, number: int) -> UInt8[np.ndarray, "h w 3"]:
    """A small photograph, over white."""
    picture = Image.fromarray(quantised(photograph(split, number, "white")))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def shown_cameras(split: Split) -> list[int]:
    """The photographs whose cameras are drawn, evenly chosen."""
    count = min(len(split), CAMERAS)
    return [k * len(split) // count for k in range(count)]


def frustum_size(split: Split) -> float:
    """How large cameras are drawn, scene units: small beside what they look at."""
    places = split.poses[:, :, 3].astype(float)
    return max(0.06 * float(np.linalg.norm(places - places.mean(0), axis=1).mean()), 0.01)
