"""Cameras side by side that look one way: whether they do, and where their near plane stands.

In their own frame (`data.normalise`) they look along -z from about the origin. Normalised device
coordinates take what lies beyond the plane z = -1, so how near things are must be known.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from data.capture import Capture
from data.errors import InputError
from data.normalise import Similarity, moved, similarity
from data.scene import Space

TILT_RADIANS = math.radians(30)
"""How far a camera may be turned from the average one."""
WIDEST_RADIANS = math.radians(80)
"""How far from the way that all look a ray may go,"""
WIDEST_BENT_RADIANS = math.radians(65)
"""and by a pinhole's corners where a lens may bend it further."""
MARGIN = 0.9
"""Of the way to the nearest thing: where the near plane stands."""


def place(
    capture: Capture, bound: float | None, ahead: Callable[[Similarity], float | None]
) -> tuple[Space, Similarity]:
    """Forward, with all that is seen beyond z = -1, or else surroundings about a middle.

    `ahead` says how far along -z of the cameras' own frame the nearest thing is, in the files'
    units, if that is known. Forward it is if cameras are turned little, see only what is ahead,
    and stand before the near plane. `bound`, if given, is that plane's distance, in the files'
    units; InputError where it puts it behind a camera.
    """
    found = _forward(capture, ahead)
    if found is None:
        placed = similarity(capture.poses, "unbounded")
        return "unbounded", placed if bound is None else placed._replace(scale=1 / bound)
    if bound is None:
        return "forward", found
    found = found._replace(scale=1 / bound)
    if (foremost := _foremost(found, capture.poses)) >= 1:
        raise InputError(
            f"{capture.path}: bound {bound} puts the near plane behind a camera; give at least "
            f"{1.1 * foremost * bound:.3g}, or none"
        )
    return "forward", found


def _forward(capture: Capture, ahead: Callable[[Similarity], float | None]) -> Similarity | None:
    frame = similarity(capture.poses, "forward")
    tilt = np.arccos(np.clip(moved(frame, capture.poses)[:, 2, 2], -1, 1))
    half_view = np.arctan(np.hypot(*(capture.intrinsics[:, 2:] / capture.intrinsics[:, :2]).T))
    widest = WIDEST_RADIANS if capture.distortion is None else WIDEST_BENT_RADIANS
    if capture.fisheye or tilt.max() >= TILT_RADIANS or (tilt + half_view).max() >= widest:
        return None
    nearest = ahead(frame)
    if nearest is None or MARGIN * nearest <= max(_foremost(frame, capture.poses), 0):
        return None
    return frame._replace(scale=1 / (MARGIN * nearest))


def _foremost(frame: Similarity, poses: Float[np.ndarray, "n 3 4"]) -> float:
    """How far along -z the first of the cameras stands."""
    return float(-moved(frame, poses)[:, 2, 3].min())
