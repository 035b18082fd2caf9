"""The rules of `calculus.foundations.jacobians`, with inputs to try them on."""

import jax

from calculus.foundations.jacobians import coordinates, curves, linear
from calculus.ledger.rule import Rule, normal, uniform


def _parameter(key):
    return (uniform(key, low=0.4, high=1.3),)


def _two(key):
    return (uniform(key, 2, low=0.3, high=1.1),)


def _ellipse(key):
    a, b, c = jax.random.split(key, 3)
    return uniform(a, low=0.2, high=1.2), normal(b, 2), normal(c, 2)


RULES: tuple[Rule, ...] = (
    Rule(linear, "flip_and_stretch", lambda key: (normal(key, 2),), ids=("3.15",)),
    Rule(curves, "along_ellipse", _ellipse, ids=("3.07",)),
    Rule(curves, "parabola_along_circle", _parameter, ids=("3.08",)),
    Rule(curves, "two_parameters", _two, ids=("3.09",)),
    Rule(curves, "exp_two_parameters", _two, ids=("3.09",)),
    Rule(curves, "exp_product", _two, ids=("3.10",)),
    Rule(curves, "spiral", _parameter, ids=("3.10",)),
    Rule(curves, "exp_along_spiral", _parameter, ids=("3.10",)),
    Rule(coordinates, "polar", _two, ids=("3.17", "3.18")),
)
