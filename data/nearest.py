"""How near things are to the cameras, by the points that structure from motion found.

Symbols   x point   o_i, d_i centre and viewing direction of a camera that sees it   q share

Distance   of a point: min_i |x - o_i| over the cameras with d_i . (x - o_i) > 0               (1)
Nearest    the q-quantile of (1) over the points: what is nearer is as likely a mistake         (2)
"""

import numpy as np
from jaxtyping import Float, Int

from data import sparse
from data.normalise import Similarity

SHARE = 1e-3
"""q: one point of a thousand may be nearer."""
FEWEST = 100
"""Points, below which they tell too little."""


def nearest(
    points: sparse.Points, poses: Float[np.ndarray, "n 3 4"], numbers: Int[np.ndarray, " n"]
) -> float | None:
    """Hardly a point is nearer than this to any camera that sees it; files' units.

    `poses` are of the pictures with these numbers, in the frame of the points. None where too few
    points are seen by them.
    """
    distances = _distances(points, poses, numbers)
    return _least(distances[np.isfinite(distances)])


def ahead(
    points: sparse.Points,
    poses: Float[np.ndarray, "n 3 4"],
    numbers: Int[np.ndarray, " n"],
    frame: Similarity,
) -> float | None:
    """Hardly a point that is seen is nearer than this along -z of a frame; of its scale."""
    seen = points.x[np.isfinite(_distances(points, poses, numbers))]
    R, m = frame.motion[:, :3], frame.motion[:, 3]
    return _least(-frame.scale * (seen @ R.T + m)[:, 2])


def _distances(
    points: sparse.Points, poses: Float[np.ndarray, "n 3 4"], numbers: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " points"]:
    order = np.argsort(numbers)
    at = np.minimum(np.searchsorted(numbers[order], points.picture), len(numbers) - 1)
    camera = order[at]
    known = numbers[camera] == points.picture
    point, pose = points.point[known], poses[camera[known]]
    away = points.x[point] - pose[:, :, 3]
    before = -np.einsum("na,na->n", away, pose[:, :, 2]) > 0
    distances = np.full(len(points.x), np.inf)
    np.minimum.at(distances, point[before], np.linalg.norm(away[before], axis=-1))  # (1)
    return distances


def _least(lengths: Float[np.ndarray, " n"]) -> float | None:
    return float(np.quantile(lengths, SHARE)) if len(lengths) >= FEWEST else None  # (2)
