"""Two chains worked out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.univariate.composition import chain
from calculus.foundations.univariate.examples import (
    exp_cos_square,
    exp_cos_square_jacobian,
    linear_to_the_fourth,
    linear_to_the_fourth_jacobian,
)

pytestmark = pytest.mark.usefixtures("strict_float64")
FOURTH = ((lambda x: 2 * x + 1, lambda x: 2.0), (lambda u: u**4, lambda u: 4 * u**3))
THREE_LINKS = (
    (lambda x: x**2, lambda x: 2 * x),
    (jnp.cos, lambda u: -jnp.sin(u)),
    (jnp.exp, jnp.exp),
)


@pytest.mark.parametrize("x", [-1.5, -0.5, 0.3, 1.1])
def test_examples_are_their_chains(x):
    x = jnp.asarray(x)
    for links, f, f_jacobian in (
        (FOURTH, linear_to_the_fourth, linear_to_the_fourth_jacobian),
        (THREE_LINKS, exp_cos_square, exp_cos_square_jacobian),
    ):
        value, slope = chain(*links)
        np.testing.assert_allclose(f(x), value(x), rtol=1e-14)
        np.testing.assert_allclose(f_jacobian(x), slope(x), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(f_jacobian(x), jax.grad(value)(x), rtol=1e-12, atol=1e-15)


def test_examples_hold_as_identities():
    x = sympy.symbols("x")
    assert sympy.expand(((2 * x + 1) ** 4).diff(x) - 8 * (2 * x + 1) ** 3) == 0
    # multiplied out by the binomial theorem first, term by term afterwards
    assert sympy.expand(8 * (2 * x + 1) ** 3) == 64 * x**3 + 96 * x**2 + 48 * x + 8
    value = sympy.exp(sympy.cos(x**2))
    assert sympy.simplify(value.diff(x) + 2 * x * sympy.sin(x**2) * value) == 0
