"""Formulas for operations entry by entry and for chains that are found in print, refuted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.elementwise import (
    add,
    divide,
    log_of_square_plus_one,
    multiply,
    power_of_first,
    scalar_times_vector,
    sin_times_exp,
    subtract,
    vector_chain_rule,
    vector_plus_scalar,
    y_sin_of_sum,
)
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")
W = np.array([0.5, -1.2, 2.0])  # numpy's: made before the fixture asks for float64
X = np.array([1.5, 0.7, -0.4])
Z = np.array(0.6)
IDENTITY = np.eye(3)


def by_jax(f, argument, *arguments):
    return jax.jacfwd(f.fun, argnums=argument)(*map(jnp.asarray, arguments))


def test_e_l4_06_a_power_of_an_entry_is_not_constant():
    """Printed: the derivative of x_1^m is 0. Right: m x_1^(m-1) in the first place."""
    right = jax.grad(lambda x: power_of_first.fun(x, 3))(jnp.asarray(X))
    assert_refuted(jnp.zeros(3), right)
    np.testing.assert_allclose(right, [3 * 1.5**2, 0, 0])


def test_e_l4_08_the_step_of_a_logarithm_is_one_over_its_argument():
    """Printed: the step's factor is 1/(2x+1) and equals 1/(x^2+1). Right: 1/u, u = x^2 + 1."""
    x = jnp.asarray(1.3)
    right = jax.grad(jnp.log)(x**2 + 1)
    assert_refuted(1 / (2 * x + 1), right)
    np.testing.assert_allclose(1 / (x**2 + 1), right, rtol=1e-12)
    assert_refuted(1 / (x**2 + 1), jax.grad(log_of_square_plus_one.fun)(x))  # nor the total


def test_e_l4_09_the_sum_of_reverse_mode_runs_over_the_children():
    """Printed: w_j = sum_j w_j dy/dx_i, j bound and free. Right: w_bar_i = sum_j w_bar_j dw_j/dw_i.

    Read as "what the node's own adjoint is, times its slope, over one child": it misses that y in
    y sin(x + y) has two children.
    """
    x, y = jnp.asarray(0.4), jnp.asarray(1.1)
    right = jax.grad(y_sin_of_sum.fun, argnums=1)(x, y)
    product_bar = 1.0
    over_product_only = product_bar * jnp.sin(x + y)
    over_sum_only = product_bar * y * jnp.cos(x + y)
    assert_refuted(over_product_only, right)
    assert_refuted(over_sum_only, right)
    np.testing.assert_allclose(over_product_only + over_sum_only, right, rtol=1e-12)


def test_e_l4_10_the_example_is_a_function_of_two_numbers():
    """Printed: f(y) = y sin(b(x)). Right, from its own steps: f(x, y) = y sin(x + y)."""
    x, y = jnp.asarray(0.4), jnp.asarray(1.1)
    right = jax.grad(y_sin_of_sum.fun, argnums=1)(x, y)
    assert_refuted(jnp.sin(x), right)  # the derivative by y alone where b does not contain y


def test_e_l4_11_there_is_one_diagonal_for_each_argument():
    """Printed: a list of several diag(..) for one derivative. Right: one n x n per argument."""
    right = by_jax(sin_times_exp, 0, W, X)
    several = jnp.concatenate([jnp.diag(jnp.cos(W)), jnp.diag(jnp.exp(X))])
    assert_refuted(several, right)
    np.testing.assert_allclose(jnp.diag(jnp.cos(W) * jnp.exp(X)), right, rtol=1e-12)


def test_e_l4_12_the_sum_has_two_operands_and_the_identity_for_each():
    """Printed: the letters of operands and result are mixed. Right: y = w + z, dy/dw = I."""
    for argument in (0, 1):
        right = by_jax(add, argument, W, X)
        np.testing.assert_array_equal(right, IDENTITY)
        assert_refuted(jnp.diag(W + X), right)  # were y itself differentiated as the slope


def test_e_l4_13_the_second_operand_of_a_difference_has_minus_one():
    """Printed: I for the difference, whichever the operand. Right: I, and -I for the second."""
    assert_refuted(IDENTITY, by_jax(subtract, 1, W, X))
    np.testing.assert_array_equal(by_jax(subtract, 0, W, X), IDENTITY)


def test_e_l4_14_a_diagonal_matrix_is_not_its_diagonal():
    """Printed: the derivative of the Hadamard product is the vector x. Right: diag(x)."""
    right = by_jax(multiply, 0, W, X)
    assert_refuted(X, right)
    np.testing.assert_array_equal(jnp.diag(X), right)


def test_e_l4_15_the_slope_by_the_divisor_keeps_the_numerator():
    """Printed: diag(-1/x_i^2) for the second operand of w / x. Right: diag(-w_i/x_i^2)."""
    right = by_jax(divide, 1, W, X)
    assert_refuted(jnp.diag(-1 / X**2), right)
    np.testing.assert_allclose(jnp.diag(-W / X**2), right, rtol=1e-12)


def test_e_l4_16_the_two_rows_of_division_belong_to_two_operands():
    """Printed: two results for w / x, operands not named. Right: by w first, then by x."""
    by_numerator, by_divisor = by_jax(divide, 0, W, X), by_jax(divide, 1, W, X)
    np.testing.assert_allclose(by_numerator, jnp.diag(1 / X), rtol=1e-12)
    assert_refuted(by_divisor, by_numerator)  # taken for one another


def test_e_l4_17_the_derivative_by_an_added_scalar_is_a_column_of_ones():
    """Printed: x + z has the Jacobian I, the same by z. Right: by z the column of ones."""
    right = by_jax(vector_plus_scalar, 1, X, Z)
    assert_refuted(IDENTITY, right)
    np.testing.assert_array_equal(right, jnp.ones(3))


def test_e_l4_18_the_derivative_by_a_scalar_factor_is_the_vector_as_a_column():
    """Printed: d(x z)/dz = diag(x) = x. Right: x for a scalar z; diag(x) is for a vector z."""
    right = by_jax(scalar_times_vector, 0, Z, X)
    assert_refuted(jnp.diag(X), right)
    np.testing.assert_array_equal(right, X)
    np.testing.assert_array_equal(by_jax(multiply, 0, W, X), jnp.diag(X))


def test_e_l4_19_the_derivative_by_the_vector_is_the_scalar_times_the_identity():
    """Printed: d(z y)/dy = diag(y) = I. Right: z I."""
    right = by_jax(scalar_times_vector, 1, Z, X)
    assert_refuted(jnp.diag(X), right)
    assert_refuted(IDENTITY, right)
    np.testing.assert_array_equal(right, Z * IDENTITY)


def test_e_l4_20_the_derivative_by_the_scalar_is_no_matrix():
    """Printed: d(x y)/dx = diag(y_i) = y for a scalar x. Right: the column y, n x 1."""
    right = by_jax(scalar_times_vector, 0, Z, W)
    assert_refuted(jnp.diag(W), right)
    assert right.shape == (3,)


def _inner(x):  # R^2 -> R^3
    return jnp.stack([x[0] * x[1], jnp.sin(x[0]), x[1] ** 2])


def _outer(f):  # R^3 -> R^4
    return jnp.stack([f[0] + f[1], f[1] * f[2], jnp.exp(f[2]), f[0]])


def test_e_l4_21_the_sizes_of_a_chain_are_k_by_m_times_m_by_n():
    """Printed: the sizes of x, f and g do not fit. Right: x in R^n, f in R^m, g in R^k."""
    x = jnp.array([0.3, -0.8])
    right = jax.jacfwd(lambda x: _outer(_inner(x)))(x)
    chained = vector_chain_rule(jax.jacfwd(_outer), _inner, jax.jacfwd(_inner))(x)
    np.testing.assert_allclose(chained, right, rtol=1e-12, atol=1e-14)
    assert right.shape == (4, 2)
    with pytest.raises(TypeError):  # x in R^n, f in R^n: the factors do not meet
        vector_chain_rule(jax.jacfwd(_outer), lambda x: x, jax.jacfwd(_inner))(x)


def test_e_l4_24_the_names_of_inner_and_outer_function_are_not_exchanged():
    """Printed: first x -> g -> f, then x -> f -> g with one formula. Right: choose one."""
    A, B = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([[0.3, 1.0], [2.0, 0.1]])
    x = jnp.array([0.3, -0.8])

    def f(x):
        return jnp.sin(A @ x)

    def g(x):
        return jnp.exp(B @ x)

    right = jax.jacfwd(lambda x: g(f(x)))(x)
    chained = vector_chain_rule(jax.jacfwd(g), f, jax.jacfwd(f))(x)
    exchanged = vector_chain_rule(jax.jacfwd(f), g, jax.jacfwd(g))(x)
    np.testing.assert_allclose(chained, right, rtol=1e-12)
    assert_refuted(exchanged, right)
