"""Numbers to try an identity on: seeded, and matrices that can be inverted."""

import jax.numpy as jnp
import numpy as np


def drawn(seed: int, *shapes):
    """One normal array for each shape."""
    numbers = np.random.default_rng(seed)
    return [jnp.asarray(numbers.normal(size=shape)) for shape in shapes]


def normal(seed: int, *shape: int):
    """One normal array."""
    return drawn(seed, shape)[0]


def between(low: float, high: float, seed: int, *shapes):
    """One array of numbers between the two for each shape."""
    numbers = np.random.default_rng(seed)
    return [jnp.asarray(numbers.uniform(low, high, shape)) for shape in shapes]


def well_conditioned(seed: int, n: int = 3, det: float = 1.0):
    """An n x n matrix with singular values from 1 to 2 and a determinant of the sign of `det`."""
    left, right = (np.linalg.qr(np.asarray(m))[0] for m in drawn(seed, (n, n), (n, n)))
    X = left @ np.diag(np.linspace(1.0, 2.0, n)) @ right
    X[0] *= np.sign(np.linalg.det(X)) * np.sign(det)
    return jnp.asarray(X)
