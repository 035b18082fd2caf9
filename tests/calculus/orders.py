"""How fast a remainder falls: the test called ORD(k)."""

from collections.abc import Callable

import numpy as np


def assert_order(remainder: Callable[[float], object], k: float, eps=(1e-2, 1e-3)) -> None:
    """The remainder falls as eps^k: the slope between two eps on log axes is within 2 % of k.

    `remainder` maps eps to an array whose norm is measured. It must not vanish: a remainder that
    is exactly zero has no order, and deserves a test of its own that says so.
    """
    sizes = [float(np.linalg.norm(np.asarray(remainder(e), float))) for e in eps]
    assert min(sizes) > 1e-14, f"nothing left to measure an order on: {sizes}"
    slope = np.log(sizes[0] / sizes[1]) / np.log(eps[0] / eps[1])
    assert abs(slope - k) <= 0.02 * abs(k), f"order {slope:.3f}, not {k}: {sizes}"
