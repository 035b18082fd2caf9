"""Binomial theorem, square and power: each line of the two proofs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.univariate import powers
from calculus.foundations.univariate.powers import (
    binomial,
    binomial_terms,
    factorial,
    power,
    power_jacobian,
    square,
    square_jacobian,
)
from calculus.foundations.univariate.quotient import difference_quotient
from calculus.ledger.rule import Rule, normal
from tests.calculus.laws import is_the_standard_derivative, pullback_is_jax
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")


@pytest.mark.parametrize("n", range(13))
def test_power_of_a_sum_is_the_sum_of_the_binomial_terms(n):
    x, h = (float(v) for v in np.random.default_rng(n).normal(size=2))
    terms = binomial_terms(jnp.asarray(x), jnp.asarray(h), n)
    assert terms.shape == (n + 1,)
    np.testing.assert_allclose(np.sum(terms), (x + h) ** n, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", range(9))
def test_binomial_theorem_holds_as_an_identity_of_polynomials(n):
    x, h = sympy.symbols("x h")
    found = sum(binomial(n, i) * x ** (n - i) * h**i for i in range(n + 1))
    assert sympy.expand((x + h) ** n - found) == 0
    if n == 2:
        assert sympy.expand(found) == x**2 + 2 * x * h + h**2


@pytest.mark.parametrize("n", range(13))
def test_binomial_coefficient_counts_choices(n):
    for i in range(n + 1):
        assert binomial(n, i) == math.comb(n, i)
        assert binomial(n, i) * factorial(i) * factorial(n - i) == factorial(n)
    assert binomial(n, n + 1) == 0


@pytest.mark.parametrize("n", range(1, 13))
def test_factorial_is_n_times_the_one_before(n):
    assert factorial(n) == n * factorial(n - 1) == math.factorial(n) == math.prod(range(1, n + 1))
    assert factorial(0) == 1
    assert binomial(n, 1) == n


@pytest.mark.parametrize("eps", [0.5, 2.0**-10, -0.25])
def test_quotient_of_the_square_is_its_derivative_plus_eps(eps):
    x = jnp.asarray(1.25)  # dyadic: equal to the last bit
    assert difference_quotient(square, x, eps) == square_jacobian(x) + eps


def a_number(key):
    return (normal(key),)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_power_rule_is_the_standard_derivative(n):
    rule = Rule(powers, "power", a_number, static={"n": n})
    is_the_standard_derivative(rule)
    pullback_is_jax(rule)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_in_the_quotient_only_the_sum_from_two_on_vanishes(n):
    x = jnp.asarray(1.3)

    def lines(h):
        terms = binomial_terms(x, jnp.asarray(h), n) / h
        quotient = difference_quotient(lambda x: power(x, n), x, h)
        np.testing.assert_allclose(jnp.sum(terms[1:]), quotient, rtol=1e-10)  # i = 0 has cancelled
        np.testing.assert_allclose(terms[1], power_jacobian(x, n), rtol=1e-13)  # whatever h is
        return jnp.sum(terms[2:])

    assert_order(lines, 1, eps=(1e-3, 1e-4))


@pytest.mark.parametrize("n", [2, 3, 6])
def test_expansion_of_a_power_is_right_to_first_order(n):
    x = jnp.asarray(1.3)

    def remainder(eps):
        return power(x + eps, n) - power(x, n) - eps * power_jacobian(x, n)

    assert_order(remainder, 2, eps=(1e-3, 1e-4))
    second = binomial(n, 2) * x ** (n - 2)
    np.testing.assert_allclose(remainder(1e-5) / 1e-10, second, rtol=1e-4)
    if n == 2:
        np.testing.assert_allclose(remainder(0.5), 0.25, rtol=1e-14)  # exactly eps^2


@pytest.mark.parametrize("n", [0, -1])
def test_power_refuses_exponents_that_the_rule_does_not_cover(n):
    with pytest.raises(ValueError, match="n >= 1"):
        power(jnp.asarray(1.0), n)


def test_power_is_smooth_at_zero():
    zero = jnp.asarray(0.0)
    assert [float(jax.grad(power)(zero, n)) for n in (1, 2, 3)] == [1.0, 0.0, 0.0]
