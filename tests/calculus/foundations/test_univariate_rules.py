"""Sums, products and quotients of functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.univariate import rules
from calculus.foundations.univariate.rules import (
    differentiation_matrix,
    linearity,
    product_rule,
    quotient_of_jacobian,
    quotient_rule,
    sum_rule,
)
from calculus.ledger.rule import Rule, normal
from tests.calculus.laws import is_the_standard_derivative
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
FUNCTIONS = {
    "sin": (jnp.sin, jnp.cos),
    "exp": (jnp.exp, jnp.exp),
    "cubic": (lambda x: x**3 - x, lambda x: 3 * x**2 - 1),
    "bell": (lambda x: 1 + x**2, lambda x: 2 * x),
}
PAIRS = pytest.mark.parametrize(
    ("first", "second"), [("sin", "exp"), ("cubic", "bell"), ("exp", "cubic"), ("bell", "sin")]
)


def at(seed):
    return jnp.asarray(np.random.default_rng(seed).normal())


@PAIRS
def test_combinators_give_the_derivative_of_the_combination(first, second):
    (f, df), (g, dg), x = FUNCTIONS[first], FUNCTIONS[second], at(3)
    a, b = 1.7, -0.6
    for derivative, combination in [
        (sum_rule(df, dg), lambda x: f(x) + g(x)),
        (linearity(a, df, b, dg), lambda x: a * f(x) + b * g(x)),
        (product_rule(f, df, g, dg), lambda x: f(x) * g(x)),
        (quotient_rule(f, df, g, dg), lambda x: f(x) / g(x)),
    ]:
        np.testing.assert_allclose(derivative(x), jax.grad(combination)(x), rtol=1e-12)


def a_number(key):
    return (normal(key),)


@PAIRS
@pytest.mark.parametrize("name", ["sum_of", "product_of", "quotient_of"])
def test_rules_hold_for_other_pairs_than_the_ledgers(name, first, second):
    (f, df), (g, dg) = FUNCTIONS[first], FUNCTIONS[second]
    static = {"f": f, "df": df, "g": g, "dg": dg}
    is_the_standard_derivative(Rule(rules, name, a_number, static=static))


def test_sums_of_any_length_differentiate_term_by_term():
    coefficients = [0.5, -2.0, 3.0, 1.5]
    terms = list(zip(coefficients, FUNCTIONS.values(), strict=True))
    x, derivative = at(5), jnp.zeros_like
    for c, (_, df) in terms:
        derivative = linearity(1.0, derivative, c, df)
    whole = jax.grad(lambda x: sum(c * f(x) for c, (f, _) in terms))
    np.testing.assert_allclose(derivative(x), whole(x), rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_differentiation_is_a_matrix_on_coefficients(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.normal(size=(2, 6))
    a, b = rng.normal(size=2)
    D = differentiation_matrix(5)
    assert D.shape == (5, 6)
    x = jnp.asarray(rng.normal())

    def polynomial(coefficients):
        return lambda x: sum(float(c) * x**i for i, c in enumerate(coefficients))

    for coefficients in (p, q, a * p + b * q):
        slope = jax.grad(polynomial(coefficients))(x)
        np.testing.assert_allclose(polynomial(D @ coefficients)(x), slope, rtol=1e-10)
        np.testing.assert_allclose(D @ coefficients, np.polynomial.polynomial.polyder(coefficients))
    np.testing.assert_allclose(D @ (a * p + b * q), a * (D @ p) + b * (D @ q), rtol=1e-10)


def test_product_of_two_expansions_leaves_eps_squared_times_both_slopes():
    (f, df), (g, dg), x = FUNCTIONS["sin"], FUNCTIONS["exp"], at(1)
    for eps in (1.0, 0.1, -0.01):
        expanded = (f(x) + eps * df(x)) * (g(x) + eps * dg(x))
        first_order = f(x) * g(x) + eps * product_rule(f, df, g, dg)(x)
        np.testing.assert_allclose(expanded - first_order, eps**2 * df(x) * dg(x), rtol=1e-9)

    def remainder(eps):
        return f(x + eps) * g(x + eps) - f(x) * g(x) - eps * product_rule(f, df, g, dg)(x)

    assert_order(remainder, 2)


def test_multiplying_dual_numbers_is_the_product_rule():
    (f, df), (g, dg), x = FUNCTIONS["cubic"], FUNCTIONS["exp"], at(2)
    # polynomials in eps, lowest first, everything from eps^2 on thrown away
    dual = np.polynomial.polynomial.polymul([f(x), df(x)], [g(x), dg(x)])[:2]
    np.testing.assert_allclose(dual, [f(x) * g(x), product_rule(f, df, g, dg)(x)], rtol=1e-12)


def test_product_and_quotient_rule_are_identities():
    x = sympy.symbols("x")
    f, g = (sympy.Function(name)(x) for name in "fg")
    df, dg = f.diff(x), g.diff(x)
    assert sympy.simplify((f * g).diff(x) - (df * g + f * dg)) == 0
    assert sympy.simplify((f / g).diff(x) - (df * g - f * dg) / g**2) == 0
    # by way of the product with 1/g, as derived
    assert sympy.simplify(df / g + f * (-dg / g**2) - (df * g - f * dg) / g**2) == 0


def test_quotient_rule_on_sine_over_one_plus_square():
    x = at(4)
    (f, df), (g, dg) = FUNCTIONS["sin"], FUNCTIONS["bell"]
    found = quotient_of_jacobian(x, f, df, g, dg)
    written_out = (jnp.cos(x) * (1 + x**2) - 2 * x * jnp.sin(x)) / (1 + x**2) ** 2
    np.testing.assert_allclose(found, written_out, rtol=1e-13)
    np.testing.assert_allclose(found, jax.grad(lambda x: jnp.sin(x) / (1 + x**2))(x), rtol=1e-12)
