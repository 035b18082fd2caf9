"""Starts that lead nowhere: a field that shows one trivial picture, and no gradient to leave it.

Empty. A rectified density that is negative everywhere is zero, and so is its slope; exp far below
zero is as good as zero, and is its own slope. No sample weighs anything then, every ray shows its
background whatever the colours are, and nothing flows back. Once the occupancy grid has seen it, no
cell is even asked: it stays so for good.

Opaque. Where the first sample of a ray lets nothing through, those behind have no weight, hence no
gradient: only a shell around the cube learns, and it can show no more than the pictures' mean
colour. To thin it out would cost before it pays.

Both are recognised by what they show. The best that an empty field can do is the background, the
best that a shell of one colour can do is the mean colour; after a few hundred steps any field that
learns does better than both.
"""

from collections import deque
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

CHECKED_AT = (250, 500)
"""Steps after which a start is judged."""
WINDOW = 50
"""Steps before each of them whose mean is judged: of one step alone the rays differ by chance."""
NO_BETTER = 0.9
"""A field whose error is not below this part of the better trivial picture's has learned none."""
GOOD_ANYWAY = 1e-4
"""Mean squared error below which no field is dead: the pictures may be trivial themselves."""
WORDS = {"empty": "no ray meets anything", "opaque": "every ray ends where it enters"}
"""What is wrong with each kind."""


def trivial_errors(
    photograph: Float[Array, "rays 3"],
    background: Float[Array, "rays 3"],
    counted: Bool[Array, " rays"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean squared errors of showing nothing, and of showing one colour, over the counted rays."""
    numbers = 3 * jnp.maximum(jnp.sum(counted), 1)
    of = counted[:, None]
    mean = 3 * jnp.sum(photograph * of, axis=0) / numbers
    empty = jnp.sum((background - photograph) ** 2 * of) / numbers
    flat = jnp.sum((photograph - mean[None, :]) ** 2 * of) / numbers
    return empty, flat


def named(error: float, empty_error: float, flat_error: float, opacity: float) -> str:
    """`empty` or `opaque`, if a field with these means over rays shows no more than that; or ''."""
    if error < max(NO_BETTER * min(empty_error, flat_error), GOOD_ANYWAY):
        return ""
    return "empty" if opacity < 0.5 else "opaque"


class Watch:
    """Judges a start while it trains."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, ...]] = deque(maxlen=WINDOW)

    def __call__(self, step: int, metrics: Any) -> str:
        """`empty` or `opaque` after a step at which the start is found dead; else ''."""
        if step > CHECKED_AT[-1]:
            return ""
        self._seen.append(
            tuple(
                float(v)
                for v in (
                    metrics.mean_squared_error,
                    metrics.empty_error,
                    metrics.flat_error,
                    metrics.opacity,
                )
            )
        )
        if step not in CHECKED_AT or len(self._seen) < WINDOW:
            return ""
        return named(*np.mean(self._seen, axis=0))
