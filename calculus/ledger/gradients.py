"""The rules of `calculus.foundations.gradients`, with inputs to try them on."""

import jax

from calculus.foundations.gradients import polynomials, quadratics
from calculus.ledger.rule import Rule, normal, uniform


def _vector_and_matrix(key):
    a, b = jax.random.split(key)
    return normal(a, 3), normal(b, 3, 3)


def _vector_matrix_vector(key):
    a, b, c = jax.random.split(key, 3)
    return normal(a, 3), normal(b, 3, 3), normal(c, 3)


RULES: tuple[Rule, ...] = (
    Rule(
        polynomials,
        "squared_binomial",
        lambda key: (uniform(key, 2, low=0.3, high=1.2),),
        ids=("2.06",),
    ),
    Rule(
        polynomials,
        "mixed_cubic",
        lambda key: (uniform(key, 2, low=0.3, high=1.2),),
        ids=("2.07",),
    ),
    Rule(
        quadratics,
        "squared_norm",
        lambda key: (normal(key, 3),),
        ids=("2.08", "5.46", "5.47"),
    ),
    Rule(quadratics, "quadratic", _vector_and_matrix, ids=("2.18", "5.09", "5.19")),
    Rule(quadratics, "quadratic_plus_linear", _vector_matrix_vector, ids=("2.19",)),
)
