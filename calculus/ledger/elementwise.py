"""The rules of `calculus.foundations.elementwise`, with inputs to try them on."""

import jax

from calculus.foundations.elementwise import broadcasting, chains, operators
from calculus.ledger.rule import Rule, normal, uniform


def _two_vectors(key):
    a, b = jax.random.split(key)
    return normal(a, 3), normal(b, 3)


def _vector_and_divisor(key):
    a, b = jax.random.split(key)
    signs = jax.random.rademacher(a, (3,), float)
    return normal(b, 3), signs * uniform(a, 3, low=0.5, high=2.0)


def _vector_and_scalar(key):
    a, b = jax.random.split(key)
    return normal(a, 3), normal(b)


def _scalar_and_vector(key):
    return _vector_and_scalar(key)[::-1]


def _vector(key):
    return (normal(key, 3),)


def _scalar(key):
    return (normal(key),)


def _two_scalars(key):
    a, b = jax.random.split(key)
    return normal(a), normal(b)


RULES: tuple[Rule, ...] = (
    Rule(operators, "sin_times_exp", _two_vectors, ids=("6.02",)),
    Rule(operators, "add", _two_vectors, ids=("6.04",)),
    Rule(operators, "subtract", _two_vectors, ids=("6.05",)),
    Rule(operators, "multiply", _two_vectors, ids=("6.06",)),
    Rule(operators, "divide", _vector_and_divisor, ids=("6.07",)),
    Rule(broadcasting, "scalar_expansion", _scalar, static={"n": 3}, ids=("6.08",)),
    Rule(broadcasting, "vector_plus_scalar", _vector_and_scalar, ids=("6.09",)),
    Rule(broadcasting, "scalar_times_vector", _scalar_and_vector, ids=("5.44", "6.10")),
    Rule(chains, "bottleneck", _vector, ids=("6.11",)),
    Rule(chains, "sin_of_square", _vector, ids=("6.13",)),
    Rule(chains, "power_of_first", _vector, static={"m": 3}, ids=("6.14",)),
    Rule(chains, "powers_of_first_two", _vector, static={"m": 3}, ids=("6.14",)),
    Rule(chains, "log_of_square_plus_one", _scalar, ids=("6.17", "6.19")),
    Rule(chains, "y_sin_of_sum", _two_scalars, ids=("6.21",)),
)
