"""The truth where JAX's derivative errs: differences of the oracles in 200 digits."""

from decimal import Decimal, localcontext

import jax
import numpy as np

from calculus.ledger import Rule
from tests import oracles

DIGITS, STEP = 200, Decimal("1e-50")
"""A difference of numbers of size 1 keeps 150 digits, and the step costs the 50th."""


def pullback_by_oracle(rule: Rule, arguments: tuple, bar) -> tuple:
    """The cotangents of the arguments, by a step of each number away from zero.

    At a kink this is the slope of the outer side; where there is a derivative, either side has it.
    """
    leaves, structure = jax.tree.flatten(arguments)
    oracle = getattr(oracles, rule.name)
    with localcontext(prec=DIGITS):
        numbers = [_exact(leaf) for leaf in leaves]
        bars = [_exact(leaf) for leaf in jax.tree.leaves(bar)]

        def contracted():
            values = jax.tree.leaves(oracle(*structure.unflatten(numbers), **rule.given))
            return sum(np.sum(b * v) for b, v in zip(bars, values, strict=True))

        there = contracted()
        pulled = []
        for leaf in numbers:
            slopes = np.zeros(leaf.shape)
            for index in np.ndindex(leaf.shape):
                x = leaf[index]
                step = STEP if x >= 0 else -STEP
                leaf[index] = x + step
                slopes[index] = float((contracted() - there) / step)
                leaf[index] = x
            pulled.append(slopes)
    return structure.unflatten(pulled)


def _exact(numbers) -> np.ndarray:
    """The very same numbers, with room for more digits."""
    exact = [Decimal(float(x)) for x in np.ravel(numbers)]
    return np.array(exact, dtype=object).reshape(np.shape(numbers))
