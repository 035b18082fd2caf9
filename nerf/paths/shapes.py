"""Circles, ellipses and spirals that keep to where photographs were taken.

A field knows what was photographed. Behind the wall that the photographs look at there is fog, and
inside of things as well: paths stay among the cameras and look where they look.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from data.scene import Camera, Split
from nerf.paths.taken import Taken, look_at, unit
from nerf.paths.track import Keyframe, Track, evenly

MOST = np.radians(72)
"""Highest and lowest that a path goes: further up, a camera has no horizon to keep."""
LEAST = np.radians([2.0, 1.0])
"""A swing reaches this far to the sides, and up and down, if the cameras stand in one place."""
TURNS = 2
"""How often a spiral goes round while it comes nearer and goes away once."""
NEAR_FOCUS = 0.3
"""A spiral is no wider than this part of the distance of what it looks at."""
ONE_WAY = 0.9
"""Length of the mean of the cameras' directions above which they look one way."""
AROUND_ONE = (0.12, 0.12, 0.06)
"""How far a spiral around one photograph reaches to the sides, up and ahead, of the focus."""
BENDS = 8
"""Legs that a round is taken to have, each looked at closely to make its speed even."""


def orbit(split: Split, frames: int) -> list[Camera]:
    """Once around what the cameras look at, at their mean distance and mean height.

    The centre is the point nearest to all of their optical axes; up is what their horizons have
    in common.
    """
    track = circle(Taken.of(split))
    return [
        Camera(split.width, split.height, split.intrinsics[0], key.pose.astype(np.float32))
        for key in track.keyframes(frames)
    ]


def circle(taken: Taken) -> Track:
    """A level circle at the cameras' mean distance and height: for an object in empty space."""
    centre, up = taken.centre, taken.up
    offsets = taken.places - centre
    distance = max(float(taken.distance.mean()), 1e-3)
    height = float(np.clip((offsets @ up).mean() / distance, -0.95, 0.95))
    ahead = offsets[0] - (offsets[0] @ up) * up
    if np.linalg.norm(ahead) < 1e-6 * distance:  # the first camera looks straight down
        ahead = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    ahead = unit(ahead)
    aside = np.cross(up, ahead)
    reach = math.sqrt(1 - height**2)

    def place(u: float) -> Float[np.ndarray, "3"]:
        angle = 2 * math.pi * u
        away = reach * (math.cos(angle) * ahead + math.sin(angle) * aside) + height * up
        return centre + distance * away

    return Track(_looking(place, taken), True, "circle around the object", BENDS)


def ellipse(taken: Taken) -> Track:
    """A level ellipse through where the cameras stand, all around what they look at.

    Its axes are those along which the cameras spread most and least; along each it reaches as far
    as nine tenths of them do. Barron et al. 2022 film their scenes so.
    """
    offsets = taken.places - taken.centre
    ahead, aside = taken.level()
    flat = np.stack([offsets @ ahead, offsets @ aside], axis=-1)
    axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2]
    low, high = np.quantile(flat @ axes.T, [0.1, 0.9], axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    height = float(np.median(offsets @ taken.up))
    # not steeper than a horizon can be kept
    height = float(np.clip(height, *(s * math.tan(MOST) * half.min() for s in (-1, 1))))

    def place(u: float) -> Float[np.ndarray, "3"]:
        angle = 2 * math.pi * u
        x, y = (middle + half * [math.cos(angle), math.sin(angle)]) @ axes
        return taken.centre + x * ahead + y * aside + height * taken.up

    said = "ellipse through where the photographs were taken"
    return evenly(Track(_looking(place, taken), True, said, BENDS))


def swing(taken: Taken) -> Track:
    """An ellipse in angles on the side from which photographs were taken, to and fro before it.

    Directions from what the cameras look at stay among those of the inner four fifths of the
    cameras, to the sides and in height; the distance is that of the cameras nearby, so that the
    path never leaves the room for what is behind its walls.
    """
    azimuth, elevation = taken.angles()
    ahead, aside = taken.level()
    angles = np.stack([azimuth, elevation], axis=-1)
    # along the directions in which the angles spread: cameras may rise while they go round
    axes = np.linalg.svd(angles - angles.mean(0), full_matrices=len(angles) < 2)[2]
    low, high = np.quantile(angles @ axes.T, [0.1, 0.9], axis=0)
    middle, reach = (low + high) / 2, np.maximum((high - low) / 2, LEAST)
    wide = float(reach.max())
    log_distance = np.log(np.maximum(taken.distance, 1e-6))

    def place(u: float) -> Float[np.ndarray, "3"]:
        angle = 2 * math.pi * u
        a, e = (middle + reach * [math.sin(angle), math.cos(angle)]) @ axes
        e = float(np.clip(e, -MOST, MOST))
        near = np.exp(-((azimuth - a) ** 2 + (elevation - e) ** 2) / (2 * (0.5 * wide) ** 2))
        distance = math.exp(float((near * log_distance).sum() / max(near.sum(), 1e-300)))
        level = math.cos(a) * ahead + math.sin(a) * aside
        return taken.centre + distance * (math.cos(e) * level + math.sin(e) * taken.up)

    said = "ellipse on the side from which the photographs were taken"
    # at even speed a narrow ellipse would turn round with a jerk: as a pendulum does it slows down
    return Track(_looking(place, taken), True, said, BENDS)


def spiral(taken: Taken, focus: float | None = None) -> Track:
    """Around the mean view, twice round while it comes nearer once (Mildenhall et al. 2019).

    It looks at what is `focus` ahead of the mean view, by default as far as the centre is; it
    reaches as far as nine tenths of the cameras do, to the sides, up and ahead, and not further
    than a part of the focus. Where the cameras do not all look about one way there is no mean
    view: the photograph in the middle of them takes its place, and the reach is small.
    """
    back, place, said = taken.back.mean(0), taken.places.mean(0), "spiral around the mean view"
    one_way = bool(np.linalg.norm(back) > ONE_WAY)
    if not one_way:
        middle = int(np.linalg.norm(taken.places - place, axis=-1).argmin())
        back, place = taken.back[middle], taken.places[middle]
        said = "spiral around one photograph, since they look all ways"
    back = unit(back)
    if focus is None:
        focus = max(float((place - taken.centre) @ back), 1e-3)
    up = taken.up
    if abs(up @ back) > math.sin(MOST):  # it looks straight down
        up = np.eye(3)[np.argmin(np.abs(back))]
    right = unit(np.cross(up, back))
    axes = np.stack([right, np.cross(back, right), back])
    reach = np.array(AROUND_ONE) * focus
    if one_way:
        reach = np.quantile(np.abs((taken.places - place) @ axes.T), 0.9, axis=0)
        reach = np.clip(reach, 0.01 * focus, NEAR_FOCUS * focus)
    target = place - focus * back

    def spot(u: float) -> Float[np.ndarray, "3"]:
        angle = 2 * math.pi * u
        turn = TURNS * angle
        return place + (reach * [math.cos(turn), -math.sin(turn), -math.sin(angle)]) @ axes

    return evenly(Track(_looking(spot, taken, target, up), True, said, TURNS * BENDS))


def _looking(
    place: Callable[[float], Float[np.ndarray, "3"]],
    taken: Taken,
    target: Float[np.ndarray, "3"] | None = None,
    up: Float[np.ndarray, "3"] | None = None,
) -> Callable[[float], Keyframe]:
    """A camera at a place that looks at the centre, or at a target, its horizon level."""
    target = taken.centre if target is None else target
    up = taken.up if up is None else up

    def at(u: float) -> Keyframe:
        return Keyframe(look_at(place(u), target, up).astype(np.float64), taken.fov)

    return at
