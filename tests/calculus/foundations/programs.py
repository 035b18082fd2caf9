"""Programs to differentiate, written once for any module with numpy's names."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np


def squares_then_sines(x, np_):
    """R^2 -> R^3, in which every value but the last is used more than once."""
    square = x * x
    mixed = square[0] * x[1] + square[1]
    return np_.stack([np_.sin(mixed), mixed * x[0], np_.exp(-mixed) / (1 + square[0])])


def network(layers, x, photograph, np_):
    """A small network like the field's: two layers with relu, a sigmoid, a squared error."""
    for W, b in layers[:-1]:
        x = np_.maximum(x @ W + b, 0)
    W, b = layers[-1]
    colour = 1 / (1 + np_.exp(-(x @ W + b)))
    return np_.sum(np_.square(colour - photograph)) / photograph.shape[0]


def parameters(seed):
    """Three layers, a batch of four points, and what the photograph shows."""
    rng = np.random.default_rng(seed)
    sizes = (3, 5, 5, 3)
    layers = tuple(
        (jnp.asarray(rng.normal(size=(a, b))), jnp.asarray(rng.normal(size=b)))
        for a, b in pairwise(sizes)
    )
    return layers, jnp.asarray(rng.normal(size=(4, 3))), jnp.asarray(rng.uniform(size=(4, 3)))
