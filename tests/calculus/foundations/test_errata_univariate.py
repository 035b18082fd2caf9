"""Formulas of one variable that are found in print and are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.univariate.composition import inverse_derivative
from calculus.foundations.univariate.powers import binomial_terms, power_jacobian
from calculus.foundations.univariate.quotient import (
    difference_quotient,
    first_order_remainder,
    tangent,
)
from tests.calculus.orders import assert_order
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")


def at(x):
    return jnp.asarray(x, float)


def test_e_l1_04_a_derivative_is_a_limit_from_both_sides():
    """Printed: the limit for h > 0. Right: h of either sign, else |x| has the slope 1 at 0."""
    right, left = (difference_quotient(jnp.abs, at(0.0), h) for h in (1e-9, -1e-9))
    assert right == 1  # by the printed definition: the derivative
    assert_refuted(left, right)


def test_e_l1_06_the_derivative_is_the_slope_of_the_tangent():
    """Printed: the tangent is the derivative. Right: its slope is; the tangent is a line."""
    line = tangent(jnp.exp, jnp.exp, at(1.0))
    slope = jax.grad(jnp.exp)(at(1.0))
    assert_refuted(line(at(3.0)), slope)
    np.testing.assert_allclose(line(at(4.0)) - line(at(3.0)), slope, rtol=1e-14)


def test_e_l1_08_the_first_binomial_term_does_not_vanish():
    """Printed: the whole bracket C(n,1) x^{n-1} + sum -> 0. Right: only the sum from i = 2 on."""
    x, n, h = at(1.3), 4, 1e-6
    truth = jax.grad(lambda x: x**4)(x)
    assert_refuted(0 * truth, truth)
    terms = binomial_terms(x, at(h), n) / h
    np.testing.assert_allclose(terms[1], truth, rtol=1e-12)
    assert abs(jnp.sum(terms[2:])) < 1e-4


def test_e_l1_09_primes_are_no_exponents():
    """Printed: h'^(x) = g'^(f) f'^(x), arguments as superscripts. Right: h'(x) = g'(f) f'(x)."""
    x = at(0.3)
    f = 2 * x + 1
    truth = jax.grad(lambda x: (2 * x + 1) ** 4)(x)
    assert_refuted((4 * f**3) ** f * 2.0**x, truth)
    np.testing.assert_allclose(4 * f**3 * 2, truth, rtol=1e-13)


def test_e_l1_16_where_the_derivative_vanishes_it_points_nowhere():
    """Printed: the derivative points to steepest ascent. Right: its sign does, where f' /= 0."""
    for f, ascends_right in ((lambda x: x**3, True), (lambda x: -(x**3), False)):
        assert jax.grad(f)(at(0.0)) == 0  # the same for both
        assert bool(f(at(0.1)) > f(at(0.0))) is ascends_right
    step = 0.1 * jax.grad(lambda x: x**2)(at(0.0))
    assert step**2 == 0 and 0.1**2 > 0  # no ascent along it, and yet both sides rise


def test_e_l1_19_the_power_rule_starts_at_one():
    """Printed: for n in N, with 0. Right: n >= 1, since 0 x^{-1} is no number at x = 0."""
    assert jnp.isnan(power_jacobian(at(0.0), 0))
    assert jax.grad(lambda x: x**0)(at(0.0)) == 0


def test_e_l3_01_the_signs_of_the_logarithms_series_alternate():
    """Printed: log(1+x) = x + x^2/2 + ..; right: x - x^2/2 + ..; the first order is the same."""
    x = 0.5
    assert_refuted(x + x**2 / 2, jnp.log1p(at(x)))
    assert_order(lambda x: jnp.log1p(x) - (x + x**2 / 2), 2)  # no better than x alone
    assert_order(lambda x: jnp.log1p(x) - (x - x**2 / 2), 3)


def test_e_l3_08_a_derivative_alone_promises_no_second_order():
    """Printed: O(eps^2) by definition of f'. Right: o(eps); |x|^{3/2} at 0 has order 3/2."""
    f, zero = lambda x: jnp.abs(x) ** 1.5, at(0.0)
    assert jax.grad(f)(at(1e-12)) < 2e-6  # f'(0) = 0

    def remainder(eps):
        return first_order_remainder(f, jnp.zeros_like, zero, eps)

    assert_order(remainder, 1.5)
    with pytest.raises(AssertionError, match="order"):
        assert_order(remainder, 2)
    assert remainder(1e-8) / 1e-16 > 1e3  # no constant bounds it by eps^2


def test_e_l3_12_real_exponents_need_a_positive_base():
    """Printed: multiply a together b + c times. Right: whole exponents only, or a > 0."""
    assert_refuted(((-2.0) ** 2) ** 0.5, (-2.0) ** (2 * 0.5))  # (a^b)^c and a^{bc} differ
    np.testing.assert_allclose((2.0**2) ** 0.5, 2.0 ** (2 * 0.5))
    assert jnp.isnan(at(-2.0) ** 0.5)


def test_e_l3_14_the_inverse_rule_needs_a_slope():
    """Printed: g'(f(x)) = 1 / f'(x) always. Right: where f'(x) /= 0 and f is invertible."""
    slope = inverse_derivative(lambda x: 3 * x**2, jnp.cbrt)
    assert not jnp.isfinite(slope(at(0.0)))  # x^3 has an inverse, but that has no slope at 0
    assert difference_quotient(jnp.cbrt, at(0.0), 1e-12) > 1e7
    # x^2 is not invertible near 0: sqrt undoes it on the right side only
    assert_refuted(jax.grad(jnp.sqrt)(at(-1.0) ** 2), 1 / jax.grad(jnp.square)(at(-1.0)))
