"""Formulas that are found in print and are wrong: the test called NEG."""

import jax.numpy as jnp
import numpy as np


def assert_refuted(wrong, right) -> None:
    """The printed formula disagrees with the truth, in shape or by more than a thousandth.

    `right` must come from somewhere that can be trusted (JAX, a plain loop), or this says nothing.
    """
    wrong, right = jnp.asarray(wrong), jnp.asarray(right)
    if wrong.shape != right.shape:
        return
    gap = np.max(np.abs(wrong - right))
    assert gap > 1e-3 * max(1.0, float(np.max(np.abs(right)))), f"not wrong at all: gap {gap:.1e}"
