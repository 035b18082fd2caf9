"""The exponential, its relatives and its inverse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.univariate.composition import inverse_derivative
from calculus.foundations.univariate.exponential import (
    exp,
    exp_jacobian,
    exp_rate,
    exp_rate_jacobian,
    exponential_of,
    exponential_of_jacobian,
    log,
    log_jacobian,
    log_series,
    power_of_base,
    power_of_base_jacobian,
)
from calculus.foundations.univariate.quotient import difference_quotient, first_order_remainder
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def at(x):
    return jnp.asarray(x, float)


@SEEDS
def test_exponents_add_and_multiply(seed):
    rng = np.random.default_rng(seed)
    a, (b, c) = at(rng.uniform(0.3, 3)), (at(v) for v in rng.normal(size=2))
    sum_, product = power_of_base(b + c, a), power_of_base(b * c, a)
    np.testing.assert_allclose(sum_, power_of_base(b, a) * power_of_base(c, a), rtol=1e-13)
    np.testing.assert_allclose(product, power_of_base(c, power_of_base(b, a)), rtol=1e-13)
    for n in range(5):
        repeated = functools.reduce(lambda total, _: total * a, range(n), at(1.0))
        np.testing.assert_allclose(power_of_base(at(n), a), repeated, rtol=1e-13)


def test_exponential_near_zero_is_one_plus_eps():
    assert_order(lambda eps: jnp.expm1(eps) - eps, 2)
    for eps in (1.0, 0.3, -0.3, -1.0):
        assert 0 < np.expm1(eps) - eps <= (np.e - 2) * eps**2 * (1 + 1e-12)
    assert jax.grad(exp)(at(0.0)) == 1


def test_e_is_the_base_with_slope_one_at_zero():
    for base, slope in ((2.0, np.log(2)), (np.e, 1.0), (3.0, np.log(3))):
        quotient = difference_quotient(lambda x, a=base: a**x, at(0.0), 1e-7)
        np.testing.assert_allclose(quotient, slope, rtol=1e-6)


def test_opacity_of_thin_fog_keeps_its_digits_only_with_expm1():
    tau = jnp.float32(1e-8)
    assert 1 - jnp.exp(-tau) == 0  # every digit lost
    np.testing.assert_allclose(-jnp.expm1(-tau), 1e-8, rtol=1e-6)


@SEEDS
def test_exponential_is_its_series_and_turns_sums_into_products(seed):
    x, y = (at(v) for v in np.random.default_rng(seed).normal(size=2))
    series = sum(float(x) ** k / float(sympy.factorial(k)) for k in range(25))
    np.testing.assert_allclose(exp(x), series, rtol=1e-12)
    np.testing.assert_allclose(exp(x + y), exp(x) * exp(y), rtol=1e-13)


@SEEDS
def test_exponential_grows_at_the_rate_of_its_value(seed):
    x = at(np.random.default_rng(seed).normal())
    assert exp_jacobian(x) == exp(x)
    assert_order(lambda eps: first_order_remainder(exp, exp_jacobian, x, eps), 2, eps=(1e-3, 1e-4))


def test_light_in_homogeneous_fog_falls_off_at_the_rate_sigma():
    x, sigma = at(0.8), at(2.5)
    T, (slope, by_rate) = exp_rate(x, -sigma), exp_rate_jacobian(x, -sigma)
    np.testing.assert_allclose(slope, -sigma * T, rtol=1e-14)
    np.testing.assert_allclose(by_rate, x * T, rtol=1e-14)
    line = exponential_of_jacobian(x, lambda x: -sigma * x, lambda x: -sigma)
    np.testing.assert_allclose(line, slope, rtol=1e-14)


def test_exponential_of_minus_an_integral_obeys_the_law_of_transmittance():
    def sigma(t):
        return 1 + jnp.sin(t) ** 2

    def minus_depth(t):  # -int_0^t sigma
        return -(1.5 * t - jnp.sin(2 * t) / 4)

    for t in (at(0.4), at(2.0)):
        np.testing.assert_allclose(jax.grad(minus_depth)(t), -sigma(t), rtol=1e-12)
        T = exponential_of(t, minus_depth, lambda t: -sigma(t))
        found = jax.grad(exponential_of)(t, minus_depth, lambda t: -sigma(t))
        np.testing.assert_allclose(found, -sigma(t) * T, rtol=1e-12)
        np.testing.assert_allclose(
            found, jax.grad(lambda t: jnp.exp(minus_depth(t)))(t), rtol=1e-12
        )


def test_power_of_a_base_is_an_exponential_with_rate_log_a():
    x, a = at(1.7), at(0.6)
    np.testing.assert_allclose(power_of_base(x, a), exp_rate(x, jnp.log(a)), rtol=1e-14)
    slope, by_base = power_of_base_jacobian(x, a)
    np.testing.assert_allclose(slope, jnp.log(a) * power_of_base(x, a), rtol=1e-13)
    np.testing.assert_allclose(power_of_base_jacobian(x, at(np.e))[0], exp(x), rtol=1e-14)
    np.testing.assert_allclose(by_base, x * power_of_base(x, a) / a, rtol=1e-13)
    s, t = sympy.symbols("s t", positive=True)
    assert sympy.simplify((s**t).diff(t) - sympy.log(s) * s**t) == 0
    assert sympy.simplify((s**t).diff(s) - t * s ** (t - 1)) == 0


def test_logarithm_and_exponential_undo_each_other():
    for x in (-3.0, 0.0, 2.0):
        np.testing.assert_allclose(log(exp(at(x))), x, atol=1e-14)
    for y in (0.05, 1.0, 40.0):
        np.testing.assert_allclose(exp(log(at(y))), y, rtol=1e-14)


@pytest.mark.parametrize("y", [0.2, 1.0, 3.0])
def test_slope_of_the_logarithm_comes_from_the_inverse_rule(y):
    y = at(y)
    np.testing.assert_allclose(inverse_derivative(jnp.exp, jnp.log)(y), 1 / y, rtol=1e-13)
    np.testing.assert_allclose(log_jacobian(y), jax.grad(jnp.log)(y), rtol=1e-14)


@pytest.mark.parametrize("x", [-1.0, 0.0, 0.9])
def test_slopes_at_mirrored_points_are_reciprocal(x):
    x = at(x)
    np.testing.assert_allclose(exp_jacobian(x) * log_jacobian(exp(x)), 1.0, rtol=1e-14)


@SEEDS
def test_logarithm_turns_products_into_sums(seed):
    a, b = (at(v) for v in np.random.default_rng(seed).uniform(0.1, 5, size=2))
    np.testing.assert_allclose(log(a * b), log(a) + log(b), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_each_term_of_the_logarithms_series_gains_one_order(terms):
    eps = (1e-2, 1e-3)
    assert_order(lambda x: jnp.log1p(x) - log_series(at(x), terms), terms + 1, eps=eps)
    assert_order(lambda x: jnp.log1p(-x) - log_series(at(-x), terms), terms + 1, eps=eps)


def test_series_of_the_logarithm_converges_up_to_one_and_not_beyond():
    for terms in (10, 100):  # at 1, alternating: wrong by less than the first term left out
        assert abs(log_series(at(1.0), terms) - np.log(2)) < 1 / (terms + 1)
    wrong = [abs(float(log_series(at(1.5), n)) - np.log(2.5)) for n in (10, 20, 40)]
    assert wrong[0] < wrong[1] < wrong[2] and wrong[2] > 1e4
    for x in (-0.9, 0.5):
        np.testing.assert_allclose(log_series(at(x), 300), np.log1p(x), rtol=1e-10)
