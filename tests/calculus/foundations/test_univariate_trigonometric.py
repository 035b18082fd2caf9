"""Sine and cosine: the squeeze at 0, the addition formulas, the expansions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.univariate.quotient import first_order_remainder
from calculus.foundations.univariate.trigonometric import (
    cosine,
    cosine_jacobian,
    sine,
    sine_jacobian,
)
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")


@pytest.mark.parametrize("eps", [1.5, 0.5, 1e-2, 1e-4])
def test_sine_lies_between_its_bounds_near_zero(eps):
    s, c = np.sin(eps), np.cos(eps)
    assert s < eps < np.tan(eps) and c < s / eps < 1
    assert 0 <= 1 - c <= eps**2 / 2
    assert 0 < eps - s < eps * (1 - c)
    np.testing.assert_allclose(1 - c, 2 * np.sin(eps / 2) ** 2, rtol=1e-6, atol=1e-16)


def test_near_zero_sine_is_the_angle_to_order_three_and_cosine_one_to_order_two():
    assert_order(lambda eps: jnp.sin(eps) - eps, 3, eps=(1e-1, 1e-2))
    assert_order(lambda eps: jnp.cos(eps) - 1, 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_expansions_follow_from_the_addition_formulas(seed):
    x = jnp.asarray(np.random.default_rng(seed).normal())
    eps = 0.3
    s, c = sine(x), cosine(x)
    np.testing.assert_allclose(sine(x + eps), s * np.cos(eps) + c * np.sin(eps), rtol=1e-13)
    np.testing.assert_allclose(cosine(x + eps), c * np.cos(eps) - s * np.sin(eps), rtol=1e-13)
    assert_order(lambda e: first_order_remainder(sine, sine_jacobian, x, e), 2, eps=(1e-3, 1e-4))
    assert_order(
        lambda e: first_order_remainder(cosine, cosine_jacobian, x, e), 2, eps=(1e-3, 1e-4)
    )


def test_four_derivatives_lead_back_to_the_function():
    x = jnp.asarray(0.7)
    d = jax.grad

    @jax.jit
    def derivatives(x):
        return [f(x) for f in (sine, d(sine), d(d(sine)), d(d(d(sine))), d(d(d(d(sine)))))]

    np.testing.assert_allclose(
        derivatives(x),
        [jnp.sin(x), jnp.cos(x), -jnp.sin(x), -jnp.cos(x), jnp.sin(x)],
        rtol=1e-14,
    )
