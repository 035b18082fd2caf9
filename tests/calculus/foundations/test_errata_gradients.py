"""Formulas on gradients and Jacobians that are found in print and are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import conventions as layout
from calculus.foundations.gradients import (
    mixed_cubic,
    mixed_cubic_jacobian,
    squared_norm,
)
from calculus.foundations.jacobians import (
    curves,
    jacobian_by_columns,
    polar,
    polar_jacobian,
)
from calculus.foundations.matrices.linear_map import apply_matrix
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")


def draw(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def test_e_l0_01_the_spirals_second_velocity_has_a_plus():
    """Printed sin t - t cos t in the last factor; it is sin t + t cos t."""
    t = jnp.asarray(1.0)
    row = curves.exp_product_jacobian(curves.spiral(t))
    printed = row[0] * (jnp.cos(t) - t * jnp.sin(t)) + row[1] * (jnp.sin(t) - t * jnp.cos(t))
    right = jax.grad(curves.exp_along_spiral.fun)(t)
    np.testing.assert_allclose(printed, 0.088846, atol=5e-7)
    np.testing.assert_allclose(right, 1.529377, atol=5e-7)
    assert_refuted(printed, right)


def test_e_l0_02_a_matrix_takes_as_many_numbers_as_it_has_columns():
    """Printed x in R^n beside an M x N matrix; x is in R^N, or A x does not exist."""
    A = np.ones((3, 4))
    for n in (2, 3, 5):
        with pytest.raises(ValueError, match="mismatch"):
            A @ np.ones(n)
    x = draw(4)
    assert jax.jacrev(lambda x: apply_matrix(jnp.asarray(A), x))(x).shape == (3, 4)


def test_e_l0_03_the_summed_letter_is_not_the_one_that_moves():
    """Printed d/dx_j of sum_j A_ij x_j: read as written, every j gets the row sum; it is A_ij."""
    A, x = draw(3, 4), draw(4, seed=1)
    printed = jnp.broadcast_to(jnp.sum(A, axis=1, keepdims=True), (3, 4))
    assert_refuted(printed, jax.jacfwd(lambda x: A @ x)(x))


def test_e_l0_04_a_vector_is_a_column():
    """Printed x = [x_1 .. x_n], a row, for which A x does not exist; x is its transpose."""
    A, x = np.ones((3, 4)), np.arange(4.0)
    with pytest.raises(ValueError, match="mismatch"):
        A @ x[None, :]
    assert (A @ x[:, None]).shape == (3, 1)


def test_e_l0_07_a_gradient_of_two_variables_has_two_entries():
    """Printed 1 x n for a function of x_1 and x_2; it is 1 x 2 and there is no other n."""
    row = layout.as_row(mixed_cubic_jacobian(draw(2)))
    assert row.shape == layout.as_row(jax.jacfwd(mixed_cubic.fun)(draw(2))).shape == (1, 2)
    n = 3
    assert_refuted(jnp.zeros((1, n)), row)


def test_e_l0_08_a_vector_of_parameters_gives_a_row():
    """Printed df/dt, one number, for t = (t_1, t_2); it is a row 1 x 2."""
    st = jnp.array([0.4, 0.9])
    right = layout.as_row(jax.jacfwd(curves.exp_two_parameters.fun)(st))
    printed = jax.jvp(curves.exp_two_parameters.fun, (st,), (jnp.ones(2),))[1]
    assert printed.shape == ()
    assert right.shape == (1, 2)
    assert_refuted(printed, right)


def test_e_l0_10_the_matrix_case_is_not_in_strict_matrix_layout():
    """Printed a b^T for d(a^T X b)/dX without a word on layout; the strict one would be b a^T."""
    a, b, X = draw(3), draw(3, seed=1), draw(3, 3, seed=2)
    by_jax = jax.jacrev(lambda X: a @ X @ b)(X)
    np.testing.assert_allclose(by_jax, jnp.outer(a, b), rtol=1e-12)
    assert_refuted(layout.strict_matrix_layout(jnp.outer(a, b)), by_jax)


def test_e_l1_01_the_second_entry_of_a_gradient_is_the_second_partial():
    """Printed [df/dx_1, df/dx_n, .., df/dx_n]; the second entry is df/dx_2."""
    x = draw(3)
    right = jax.grad(squared_norm)(x)
    assert_refuted(right[jnp.array([0, 2, 2])], right)


def test_e_l1_02_two_minus_signs_are_missing_on_the_circle():
    """Printed 2 sin t cos t 2 sin t = 2 sin t (cos t 1); it is 2 sin t cos t - 2 sin t."""
    t = jnp.asarray(0.8)
    right = jax.grad(curves.parabola_along_circle.fun)(t)
    s, c = jnp.sin(t), jnp.cos(t)
    assert_refuted(2 * s * c * 2 * s, right)
    assert_refuted(2 * s * (c * 1), right)
    np.testing.assert_allclose(2 * s * c - 2 * s, right, rtol=1e-12)


def test_e_l1_03_the_matrix_of_the_chain_is_that_of_the_point():
    """Printed df/d(s,t) under the 2 x 2 matrix, df/dx_1 under the row: dx/d(s,t) and df/dx."""
    st = jnp.array([0.4, 0.9])
    x = curves.two_parameters(st)
    matrix = jax.jacfwd(curves.two_parameters.fun)(st)
    row = jax.jacfwd(curves.exp_product.fun)(x)
    f_by_st = jax.jacfwd(curves.exp_two_parameters.fun)(st)
    assert_refuted(matrix, f_by_st)  # not what the brace says
    assert_refuted(row[0], row)  # the row, not its first entry
    np.testing.assert_allclose(row @ matrix, f_by_st, rtol=1e-12)


def test_e_l1_05_the_image_may_be_smaller_than_the_codomain():
    """Printed image and codomain as one thing; x^T x is never -1, which is in R."""
    values = jax.vmap(squared_norm)(3 * draw(500, 2))
    assert jnp.min(values) >= 0
    assert jnp.max(values) > 1


def test_e_l1_11_a_curve_takes_one_number():
    """Printed g: R -> R R^2, an arrow lost; g: R -> R^2, velocity 2 x 1."""
    t = jnp.asarray(0.8)
    assert curves.spiral(t).shape == jax.jacfwd(curves.spiral.fun)(t).shape == (2,)
    assert layout.as_column(curves.spiral_jacobian(t)).shape == (2, 1)


def test_e_l1_17_a_vector_field_can_be_followed_and_other_maps_can_not():
    """Printed "vector field" for any R^n -> R^m; a step x + eps f(x) needs m = n."""
    p, wide = jnp.array([0.8, 0.5]), lambda x: jnp.stack([x[0], x[1], x[0] * x[1]])
    assert (p + 0.1 * polar(p)).shape == p.shape
    with pytest.raises(TypeError, match="incompatible shapes"):
        p + 0.1 * wide(p)


def test_e_l1_18_an_entry_maps_into_the_numbers_and_not_onto_them():
    """Printed f_i onto R; the entry x_2 = s^2 + t for t >= 0 never is negative."""
    st = jnp.abs(draw(500, 2))
    second = jax.vmap(curves.two_parameters)(st)[:, 1]
    assert jnp.min(second) >= 0


def test_e_l4_01_the_first_row_belongs_to_the_first_output():
    """Printed dg_i/dx_j in the first row, and y a matrix; g_1 stands there, and y is a vector."""
    p = jnp.array([0.8, 0.5])
    right = jacobian_by_columns(polar.fun, p)
    i = 1  # the printed row names no output: take it for any but the first
    assert_refuted(jnp.stack([polar_jacobian(p)[i], polar_jacobian(p)[1]]), right)
    np.testing.assert_allclose(right[0], jax.grad(lambda p: polar.fun(p)[0])(p), rtol=1e-12)
    assert polar(p).ndim == 1


def test_e_l4_02_a_gradient_is_one_row():
    """Printed an n x m matrix for the gradient of a number; it is the row of m partials."""
    x = draw(3)
    right = layout.as_row(jax.jacfwd(squared_norm.fun)(x))
    assert right.shape == (1, 3)
    assert_refuted(jnp.broadcast_to(right, (3, 3)), right)


def test_e_l4_03_a_jacobian_has_each_column_once():
    """Printed n x 2m, every column twice; n x m."""
    p = jnp.array([0.8, 0.5])
    right = jacobian_by_columns(polar.fun, p)
    assert_refuted(jnp.repeat(right, 2, axis=1), right)
