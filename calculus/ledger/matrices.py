"""The rules of `calculus.foundations.matrices`, with inputs to try them on."""

import jax

from calculus.foundations.matrices import (
    flattening,
    generalised,
    gram,
    linear_map,
    products,
    tensors,
)
from calculus.ledger.rule import Rule, normal, uniform


def _waves(key):
    a, b = jax.random.split(key)
    return normal(a, 4, 3), normal(b, 3)


def _matrix_and_vector(key):
    a, b = jax.random.split(key)
    return normal(a, 3, 4), normal(b, 4)


def _three_matrices(key):
    a, b, c = jax.random.split(key, 3)
    return normal(a, 3, 4), normal(b, 4, 2), normal(c, 2, 5)


def _two_matrices(key):
    a, b = jax.random.split(key)
    return normal(a, 3, 4), normal(b, 3, 4)


def _missed(key):
    a, b, c, d = jax.random.split(key, 4)
    left, W, right = normal(a, 3), normal(b, 3, 4), normal(c, 4)
    # by 1 to 2, so that r keeps its digits in float32
    return left, W, right, left @ W @ right + uniform(d, low=1.0, high=2.0)


RULES: tuple[Rule, ...] = (
    Rule(
        flattening,
        "flatten",
        lambda key: (normal(key, 3, 4),),
        static={"order": "column"},
        ids=("4.03",),
    ),
    Rule(tensors, "waves", _waves, ids=("4.04", "4.05")),
    Rule(tensors, "plane_rotation", lambda key: (normal(key),), ids=("4.25",)),
    Rule(
        linear_map,
        "apply_matrix",
        _matrix_and_vector,
        ids=("3.06", "4.07", "4.08", "4.09", "4.10", "4.11"),
    ),
    Rule(products, "two_sided_product", _three_matrices, ids=("4.01", "4.02", "4.06")),
    Rule(
        gram,
        "gram",
        lambda key: (normal(key, 3, 4),),
        ids=("4.12", "4.13", "4.14", "4.15", "4.16", "4.17"),
    ),
    Rule(generalised, "frobenius_product", _two_matrices, ids=("4.19",)),
    Rule(generalised, "bilinear_square_loss", _missed, ids=("4.18", "4.23")),
)
