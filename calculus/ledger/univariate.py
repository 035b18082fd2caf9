"""The rules of `calculus.foundations.univariate`, with inputs to try them on."""

import jax
import jax.numpy as jnp

from calculus.foundations.univariate import (
    composition,
    examples,
    exponential,
    powers,
    rules,
    trigonometric,
)
from calculus.ledger.rule import Rule, normal, uniform


def _number(key):
    return (normal(key),)


def _three_numbers(key):
    return tuple(normal(k) for k in jax.random.split(key, 3))


def _number_and_rate(key):
    return tuple(normal(k) for k in jax.random.split(key))


def _number_and_base(key):
    a, b = jax.random.split(key)
    return normal(a), uniform(b, low=0.3, high=3.0)


def _positive(key):
    return (uniform(key, low=0.2, high=4.0),)


def _minus_sine(x):
    return -jnp.sin(x)


def _one_plus_square(x):
    return 1 + x**2


def _twice(x):
    return 2 * x


def _cubic(x):
    return x**3 + x


def _cubic_slope(x):
    return 3 * x**2 + 1


_TWO = {"f": jnp.sin, "df": jnp.cos, "g": _one_plus_square, "dg": _twice}
_OUTER_INNER = {"g": jnp.sin, "dg": jnp.cos, "f": _one_plus_square, "df": _twice}
_LINKS = ((jnp.square, _twice), (jnp.cos, _minus_sine), (jnp.exp, jnp.exp), (jnp.sin, jnp.cos))

RULES: tuple[Rule, ...] = (
    Rule(powers, "square", _number, ids=("1.09",)),
    Rule(powers, "power", _number, static={"n": 5}, ids=("1.10", "1.11")),
    Rule(rules, "sum_of", _number, static=_TWO, ids=("1.12",)),
    Rule(rules, "linear_combination_of", _three_numbers, static=_TWO, ids=("1.13",)),
    Rule(rules, "product_of", _number, static=_TWO, ids=("1.15",)),
    Rule(rules, "quotient_of", _number, static=_TWO, ids=("1.16",)),
    Rule(composition, "composition_of", _number, static=_OUTER_INNER, ids=("1.18",)),
    Rule(composition, "chain_of", _number, static={"links": _LINKS}, ids=("1.19",)),
    Rule(examples, "linear_to_the_fourth", _number, ids=("1.21",)),
    Rule(examples, "exp_cos_square", _number, ids=("1.22",)),
    Rule(trigonometric, "sine", _number, ids=("1.23",)),
    Rule(trigonometric, "cosine", _number, ids=("1.23",)),
    Rule(
        composition,
        "inverse_of",
        _number,
        static={
            "df": _cubic_slope,
            "finv": composition.inverse_by_newton(_cubic, _cubic_slope),
        },
        ids=("1.24",),
    ),
    Rule(exponential, "exp", _number, ids=("1.27",)),
    Rule(exponential, "exp_rate", _number_and_rate, ids=("1.28",)),
    Rule(
        exponential, "exponential_of", _number, static={"g": jnp.sin, "dg": jnp.cos}, ids=("1.29",)
    ),
    Rule(exponential, "power_of_base", _number_and_base, ids=("1.30",)),
    Rule(exponential, "log", _positive, ids=("1.32",)),
)
