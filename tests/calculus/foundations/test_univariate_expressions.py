"""Three rules and a table differentiate whatever they can write."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.univariate.expressions import (
    TABLE,
    Applied,
    Constant,
    Expression,
    Variable,
)

pytestmark = pytest.mark.usefixtures("strict_float64")


def random_expression(rng, depth) -> Expression:
    """A random tree; every function is given arguments on which it is tame."""
    if depth == 0:
        return Variable() if rng.random() < 0.7 else Constant(float(rng.normal()))
    kind = rng.choice(["sum", "product", *TABLE])
    inner = random_expression(rng, depth - 1)
    if kind == "sum":
        return inner + random_expression(rng, depth - 1)
    if kind == "product":
        return inner * random_expression(rng, depth - 1)
    if kind == "exp":
        inner = Applied("sin", inner)
    elif kind in ("log", "reciprocal"):  # 1 + u^2 is positive
        inner = Constant(1.0) + inner * inner
    return Applied(str(kind), inner)


@pytest.mark.parametrize("seed", range(12))
def test_derivative_of_a_random_expression_is_jax_s(seed):
    rng = np.random.default_rng(seed)
    expression = random_expression(rng, 4)
    x = jnp.asarray(rng.normal())
    derivative = expression.derivative()
    assert isinstance(derivative, Expression)
    value, slope = jax.value_and_grad(expression)(x)
    np.testing.assert_allclose(expression(x), value, rtol=1e-12)
    np.testing.assert_allclose(derivative(x), slope, rtol=1e-10, atol=1e-12)


def test_random_expressions_use_all_there_is_to_use():
    text = " ".join(str(random_expression(np.random.default_rng(s), 4)) for s in range(12))
    assert all(name in text for name in (*TABLE, "x", "+"))


@pytest.mark.parametrize("name", TABLE)
def test_table_s_derivatives_are_jax_s(name):
    x = jnp.asarray(0.7)
    slope = jax.grad(TABLE[name][0])(x)
    np.testing.assert_allclose(TABLE[name][1](Variable())(x), slope, rtol=1e-13)


def test_the_derivative_of_a_derivative_is_there_too():
    x = Variable()
    bell = Applied("exp", Constant(-0.5) * x * x)
    at = jnp.asarray(0.4)
    second = bell.derivative().derivative()(at)
    np.testing.assert_allclose(second, (at**2 - 1) * jnp.exp(-(at**2) / 2), rtol=1e-12)


def test_an_expression_prints_as_the_formula_it_is():
    x = Variable()
    product = x * Applied("sin", x + Constant(2.0))
    assert str(product) == "x * sin((x + 2))"
    assert str((x * x).derivative()) == "(1 * x + x * 1)"
