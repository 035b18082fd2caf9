"""Secants, their limit, and the expansion to first order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.univariate.quotient import (
    central_quotient,
    difference_quotient,
    first_order_remainder,
    quotient_table,
    richardson,
    tangent,
)
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SMOOTH = pytest.mark.parametrize(
    ("f", "df", "largest_second"),
    [
        (jnp.sin, jnp.cos, 1.0),
        (jnp.exp, jnp.exp, np.exp(0.8)),
        (lambda x: x**3, lambda x: 3 * x**2, 6 * 0.8),
    ],
    ids=["sin", "exp", "cubic"],
)


def at(x):
    return jnp.asarray(x, float)


@pytest.mark.parametrize("dx", [0.5, -0.25, 2.0**-20])
def test_secant_of_the_parabola_has_the_slope_2x_plus_dx(dx):
    x = at(1.5)  # dyadic numbers: no rounding anywhere
    assert difference_quotient(jnp.square, x, dx) == 2 * x + dx
    assert central_quotient(jnp.square, x, dx) == 2 * x


@SMOOTH
def test_forward_quotient_has_order_one_and_central_order_two(f, df, largest_second):
    x = at(0.7)
    assert_order(lambda h: difference_quotient(f, x, h) - df(x), 1)
    assert_order(lambda h: difference_quotient(f, x, -h) - df(x), 1)
    assert_order(lambda h: central_quotient(f, x, h) - df(x), 2)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_each_extrapolation_gains_two_orders(levels):
    x = at(0.7)

    def wrong(h):
        return richardson(jnp.sin, x, h, levels) - jnp.cos(x)

    assert_order(wrong, 2 * levels + 2, eps=(0.2, 0.05))
    assert abs(wrong(0.05)) < 0.05 ** (2 * levels + 2)


def test_error_falls_with_the_step_until_rounding_takes_over():
    steps = 10.0 ** -np.arange(1, 13)
    x = at(0.7)
    table = np.asarray(quotient_table(jnp.sin, x, list(steps)))
    assert table.shape == (12, 2)
    error = np.abs(table - np.cos(0.7))
    best = steps[np.argmin(error, axis=0)]
    assert 1e-9 <= best[0] <= 1e-7  # near u^{1/2}
    assert 1e-6 <= best[1] <= 1e-4  # near u^{1/3}
    assert np.all(np.diff(error[:7, 0]) < 0) and np.all(np.diff(error[:4, 1]) < 0)
    assert np.all(error[-1] > 100 * error.min(axis=0))


def test_both_sides_tend_to_the_same_slope_or_there_is_none():
    x, h = at(0.0), 1e-6
    left, right = (difference_quotient(jnp.sin, x, s * h) for s in (-1, 1))
    np.testing.assert_allclose([left, right], 1.0, rtol=1e-9)
    left, right = (difference_quotient(jnp.abs, x, s * h) for s in (-1, 1))
    assert (left, right) == (-1.0, 1.0)
    assert central_quotient(jnp.abs, x, h) == 0  # and is blind to the kink


@SMOOTH
def test_tangent_is_a_line_through_the_point_with_the_derivative_as_slope(f, df, largest_second):
    x = at(0.7)
    line = tangent(f, df, x)
    assert line(x) == f(x)
    for there in (-1.0, 2.0):
        np.testing.assert_allclose(line(at(there)) - f(x), df(x) * (there - x), rtol=1e-14)
    np.testing.assert_allclose(jax.grad(line)(at(5.0)), df(x), rtol=1e-14)


@SMOOTH
def test_remainder_is_of_order_two_and_below_its_bound(f, df, largest_second):
    x = at(0.7)
    assert_order(lambda eps: first_order_remainder(f, df, x, eps), 2)
    for eps in (0.1, -0.1, 0.01):  # x + eps stays within [0.6, 0.8]
        assert abs(first_order_remainder(f, df, x, eps)) <= eps**2 * largest_second / 2


def test_differentiable_alone_gives_less_than_order_two():
    f, df = lambda x: jnp.abs(x) ** 1.5, lambda x: 1.5 * jnp.sign(x) * jnp.sqrt(jnp.abs(x))
    zero = at(0.0)
    np.testing.assert_allclose(difference_quotient(f, zero, 1e-10), df(zero), atol=2e-5)
    assert_order(lambda eps: first_order_remainder(f, df, zero, eps), 1.5)
    assert_order(lambda eps: first_order_remainder(f, df, zero, eps) / eps, 0.5)  # still o(eps)


@pytest.mark.parametrize("x", [-2.0, -0.4, 0.3, 2.5])
def test_a_small_step_along_the_derivative_ascends(x):
    eta, x = 0.05, at(x)
    step = eta * jnp.cos(x)
    assert jnp.sin(x + step) > jnp.sin(x) > jnp.sin(x - step)
    assert (jnp.sin(x + eta) > jnp.sin(x)) == (jnp.cos(x) > 0)
