"""Functions of functions, and functions undone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.univariate import composition
from calculus.foundations.univariate.composition import (
    chain,
    chain_of,
    chain_rule,
    compose,
    inverse_by_newton,
    inverse_derivative,
    inverse_of,
)
from calculus.ledger.rule import Rule, uniform
from tests.calculus.laws import is_the_standard_derivative, pullback_is_jax
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
LINKS = (
    (lambda x: 1 + x**2, lambda x: 2 * x),
    (jnp.sin, jnp.cos),
    (jnp.exp, jnp.exp),
    (lambda x: x**3, lambda x: 3 * x**2),
    (jnp.log, lambda x: 1 / x),
)


def cubic(x):
    return x**3 + x


def cubic_slope(x):
    return 3 * x**2 + 1


def cubic_root(y):
    """The real x with x^3 + x = y, by the formula with hyperbolic sines."""
    return 2 / jnp.sqrt(3.0) * jnp.sinh(jnp.arcsinh(1.5 * jnp.sqrt(3.0) * y) / 3)


def at(seed):
    return jnp.asarray(np.random.default_rng(seed).normal())


def test_composition_is_associative_and_not_commutative():
    f, g, h = (link[0] for link in LINKS[:3])
    x = at(0)
    assert compose(g, f)(x) == g(f(x)) == jnp.sin(1 + x**2)
    assert compose(h, compose(g, f))(x) == compose(compose(h, g), f)(x)
    assert abs(compose(g, f)(x) - compose(f, g)(x)) > 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_slope_of_a_composition_is_the_product_of_the_slopes(seed):
    (f, df), (g, dg) = LINKS[0], LINKS[1]
    x = at(seed)
    slope = chain_rule(dg, f, df)
    np.testing.assert_allclose(slope(x), jax.grad(compose(g, f))(x), rtol=1e-12)
    assert_order(lambda eps: g(f(x + eps)) - g(f(x)) - eps * slope(x), 2, eps=(1e-3, 1e-4))
    # the outer slope is taken where the inner function arrives, and not at x
    assert abs(dg(x) * df(x) - slope(x)) > 0.05


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_chain_of_any_length_multiplies_one_factor_per_link(length):
    links, x = LINKS[:length], at(7)
    f, df = chain(*links)
    factors, arrived = [], x
    for g, dg in links:
        factors.append(jax.grad(g)(arrived))
        np.testing.assert_allclose(factors[-1], dg(arrived), rtol=1e-12)
        arrived = g(arrived)
    np.testing.assert_allclose(f(x), arrived, rtol=1e-14)
    np.testing.assert_allclose(df(x), np.prod(factors), rtol=1e-12)
    np.testing.assert_allclose(df(x), jax.grad(f)(x), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(chain_of)(x, links), df(x), rtol=1e-12)


INVERSES = {
    "ln": (jnp.exp, jnp.log),
    "arcsinh": (jnp.cosh, jnp.arcsinh),
    "cubic by newton": (cubic_slope, inverse_by_newton(cubic, cubic_slope)),
    "cubic by formula": (cubic_slope, cubic_root),
}


def above_zero(key):
    return (uniform(key, low=0.3, high=3.0),)


@pytest.mark.parametrize("name", INVERSES)
def test_inverse_rule_is_the_standard_derivative(name):
    df, finv = INVERSES[name]
    static = {"df": df, "finv": finv}
    rule = Rule(composition, "inverse_of", above_zero, static=static)
    is_the_standard_derivative(rule)
    pullback_is_jax(rule)


@pytest.mark.parametrize("y", [-3.0, 0.0, 0.5, 8.0])
def test_newton_undoes_the_cubic_and_the_rule_gives_the_slope_of_its_root(y):
    finv, y = inverse_by_newton(cubic, cubic_slope), jnp.asarray(y)
    np.testing.assert_allclose(cubic(finv(y)), y, atol=1e-14)
    np.testing.assert_allclose(finv(y), cubic_root(y), atol=1e-14)
    slope = inverse_derivative(cubic_slope, finv)(y)
    np.testing.assert_allclose(slope, jax.grad(cubic_root)(y), rtol=1e-12)
    np.testing.assert_allclose(slope * cubic_slope(finv(y)), 1.0, rtol=1e-14)


def test_the_way_back_through_an_inverse_does_not_run_it_again():
    finv = inverse_by_newton(cubic, cubic_slope)
    y = jnp.asarray(2.0)
    _, by_hand = jax.vjp(lambda y: inverse_of(y, cubic_slope, finv), y)
    assert "while" not in str(jax.make_jaxpr(by_hand)(y))
    _, by_jax = jax.vjp(finv, y)
    assert any(loop in str(jax.make_jaxpr(by_jax)(y)) for loop in ("while", "scan"))


def test_in_more_dimensions_the_jacobian_of_the_inverse_is_the_inverse_matrix():
    def polar(p):
        return jnp.stack([p[0] * jnp.cos(p[1]), p[0] * jnp.sin(p[1])])

    def back(q):
        return jnp.stack([jnp.hypot(q[0], q[1]), jnp.arctan2(q[1], q[0])])

    p = jnp.asarray([1.7, 0.6])
    np.testing.assert_allclose(back(polar(p)), p, rtol=1e-14)
    J, J_back = jax.jacfwd(polar)(p), jax.jacfwd(back)(polar(p))
    np.testing.assert_allclose(J_back, np.linalg.inv(J), rtol=1e-12)
