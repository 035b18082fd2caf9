"""How far two trees of arrays are apart."""

from typing import Any

import jax
import numpy as np


def worst(got: Any, wanted: Any) -> float:
    """The largest gap, relative to the largest entry of its array; infinity if not finite."""
    errors = [0.0]
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
            return np.inf
        scale = np.max(np.abs(b), initial=0.0)
        gap = np.max(np.abs(a - b), initial=0.0)
        errors.append(gap / scale if scale else gap)
    return float(max(errors))
