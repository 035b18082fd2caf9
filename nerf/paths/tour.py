"""Through the cameras that took the photographs, one after another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from data.scene import Split
from nerf.paths.taken import Taken
from nerf.paths.track import Keyframe, Track, through

MOST = 300
"""Cameras that a tour is sought through, at most; of more, evenly chosen ones."""
FRAMES_A_LEG = 10
"""Frames from one photograph to the next, at least: fewer, and the camera hurries from turn to
turn."""
FEWEST = 6
"""Cameras that a film calls at, if it is very short."""
KEPT_OFF = 0.7
"""A path comes no nearer to what is looked at than this part of the nearest camera's distance."""


def interpolate(split: Split, frames: int) -> Track:
    """A smooth way through the training cameras, from one to its neighbour.

    The order is a short tour by distance and turning, or the files' if that is shorter (a video's).
    A short film calls at every other camera only, or fewer, but at so many that the way between
    them does not cut through what they look at.
    """
    chosen = np.unique(np.linspace(0, len(split) - 1, min(len(split), MOST)).round().astype(int))
    keys = [Keyframe.of(split.camera(int(k))) for k in chosen]
    order = shortest(keys)
    calls = max(FEWEST, frames // FRAMES_A_LEG + 1)
    taken = Taken.of(split)
    nearest = float(taken.distance.min())
    while True:
        at = np.unique(np.linspace(0, len(order) - 1, min(calls, len(order))).round().astype(int))
        said = f"way through {len(at)} of {len(split)} cameras"
        track = through([keys[k] for k in order[at]], said=said)
        places = np.stack([key.pose[:, 3] for key in track.keyframes(4 * len(at))])
        clear = np.linalg.norm(places - taken.centre, axis=-1).min() >= KEPT_OFF * nearest
        if clear or calls >= len(order):
            return track
        calls *= 2


def shortest(keys: Sequence[Keyframe]) -> Int[np.ndarray, " n"]:
    """An order of keyframes with a short way through all of them; the one given if none is found.

    From each to its nearest neighbour, then pieces turned round as long as that shortens it.
    """
    between = _distances(keys)
    given = np.arange(len(keys))
    found = _untangled(_greedy(between), between)
    order = found if _length(found, between) < 0.999 * _length(given, between) else given
    return order


def _distances(keys: Sequence[Keyframe]) -> Float[np.ndarray, "n n"]:
    """Between each two: in place, by the size of the whole, and in the way that they look."""
    places = np.stack([key.pose[:, 3] for key in keys])
    back = np.stack([key.pose[:, 2] for key in keys])
    size = max(float(np.linalg.norm(places - places.mean(0), axis=-1).max()), 1e-9)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) / size
    return apart + np.arccos(np.clip(back @ back.T, -1, 1))


def _greedy(between: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """From the one that is farthest from the others, ever on to the nearest that is left."""
    left = np.ones(len(between), bool)
    order = [int(between.sum(0).argmax())]
    for _ in range(len(between) - 1):
        left[order[-1]] = False
        order.append(int(np.where(left, between[order[-1]], np.inf).argmin()))
    return np.array(order)


def _untangled(
    order: Int[np.ndarray, " n"], between: Float[np.ndarray, "n n"]
) -> Int[np.ndarray, " n"]:
    """2-opt on an open way: turn round the piece i..j that shortens it most, until none does."""
    n = len(order)
    first, last = np.triu_indices(n, 1)
    for _ in range(10 * n):
        o = order
        before, after = first > 0, last < n - 1
        left, right = o[np.maximum(first - 1, 0)], o[np.minimum(last + 1, n - 1)]
        now = np.where(before, between[left, o[first]], 0) + np.where(
            after, between[o[last], right], 0
        )
        then = np.where(before, between[left, o[last]], 0) + np.where(
            after, between[o[first], right], 0
        )
        best = int((then - now).argmin()) if n > 1 else 0
        if n < 2 or then[best] - now[best] > -1e-9:
            return order
        i, j = first[best], last[best]
        order = np.concatenate([o[:i], o[i : j + 1][::-1], o[j + 1 :]])
    return order


def _length(order: Int[np.ndarray, " n"], between: Float[np.ndarray, "n n"]) -> float:
    return float(between[order[:-1], order[1:]].sum())
