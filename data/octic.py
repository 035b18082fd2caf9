"""nerfstudio's k4 of a perspective lens, the term of r^8, as a quotient of two cubics.

Symbols      s = r^2, r the slope of a ray   k_i coefficients   n_i, d_i of the quotient

nerfstudio   P(s) = 1 + k1 s + k2 s^2 + k3 s^3 + k4 s^4                                     (1)
OpenCV       L(s) = (1 + n1 s + n2 s^2 + n3 s^3) / (1 + d1 s + d2 s^2 + d3 s^3)             (2)

Our lenses have (2), as OpenCV and COLMAP do, in which k4 is d1. Over the slopes of a picture six
numbers come closer to (1) than a camera can be calibrated: the n_i and d_i are the solution of the
linear least squares

    sum_i n_i s^i - P(s) sum_i d_i s^i = P(s) - 1                                           (3)

weighted by r / D, D the line below of the solution before, so that what is least is the distance
in the picture (Sanathanan and Koerner 1963). How far it is off is measured, in pixels.
"""

import numpy as np
from jaxtyping import Float

from data.errors import InputError

CLOSE = 0.02
"""Pixels by which the quotient may be off, anywhere in a picture."""
_WIDEST = 50.0
"""Largest slope of a ray: 89 degrees off the axis."""
_TIMES, _LOWEST = 8, 0.02
"""Solutions of (3), the best of which is taken, and the smallest D of a weight."""


def reach(
    size: tuple[float, float], focal: tuple[float, float], centre: tuple[float, float]
) -> float:
    """The largest distance of a picture's corner from the principal point, in focal lengths."""
    x, y = (max(c, side - c) / f for side, f, c in zip(size, focal, centre, strict=True))
    return float(np.hypot(x, y))


def as_rational(
    radial: tuple[float, ...], distance: float, focal: float, where: str
) -> dict[str, float]:
    """k1 to k6 of (2) for the k1 to k4 of (1), over a picture that reaches that `distance`.

    InputError where no such quotient comes within CLOSE pixels at that `focal` length.
    """
    s = _slopes(np.array(radial), 1.02 * distance)
    t = s / s[-1]
    powers = t[:, None] ** np.arange(1, 4)
    P = 1 + s * np.polynomial.polynomial.polyval(s, radial)
    matrix = np.concatenate([powers, -P[:, None] * powers], axis=1)
    scales = s[-1] ** np.array([1, 2, 3, 1, 2, 3])
    D, best, found = np.ones_like(s), np.inf, np.zeros(6)
    for _ in range(_TIMES):
        weight = np.sqrt(s) / np.maximum(D, _LOWEST)
        solution = np.linalg.lstsq(matrix * weight[:, None], (P - 1) * weight, rcond=1e-9)[0]
        solution = np.float32(solution / scales) * scales  # as they are kept
        D = 1 + powers @ solution[3:]
        if D.min() > 0:
            off = float(np.abs(((1 + powers @ solution[:3]) / D - P) * np.sqrt(s) * focal).max())
            best, found = min((best, found), (off, solution / scales), key=lambda pair: pair[0])
    if not best < CLOSE:
        raise InputError(
            f"{where}: k4 is nerfstudio's term of r^8, and with k1 to k3 it can't be applied to "
            f"{CLOSE} pixels; undistort the pictures, or calibrate with OPENCV's k1, k2, p1, p2"
        )
    return dict(zip(("k1", "k2", "k3", "k4", "k5", "k6"), map(float, found), strict=True))


def _slopes(radial: Float[np.ndarray, "4"], distance: float) -> Float[np.ndarray, " n"]:
    """Squared slopes s that a picture shows, up to where the lens reaches `distance` or folds."""
    r = np.linspace(0, _WIDEST, 200_001)[1:]
    shown = r * (1 + r**2 * np.polynomial.polynomial.polyval(r**2, radial))
    ends = (shown >= distance) | (np.diff(shown, append=np.inf) <= 0)
    end = r[np.argmax(ends)] if ends.any() else _WIDEST
    nodes = (1 - np.cos(np.linspace(0, np.pi, 301)[1:])) / 2  # denser towards both ends
    return (end * nodes) ** 2
