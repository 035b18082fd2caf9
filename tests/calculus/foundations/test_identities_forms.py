"""Linear, bilinear and quadratic forms, and a vector times a scalar."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.elementwise.broadcasting import scalar_times_vector_jacobian
from calculus.foundations.gradients import quadratic, quadratic_jacobian
from calculus.foundations.identities import forms
from tests.calculus.foundations.drawn import drawn
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_a_linear_form_is_one_number_written_in_three_ways():
    a, x = drawn(0, (3,), (3,))
    for same in (x @ a, jnp.sum(a * x), jnp.trace(jnp.outer(x, a))):
        np.testing.assert_allclose(forms.linear_form(a, x), same, rtol=1e-13)
    by_a, by_x = forms.linear_form_jacobian(a, x)
    np.testing.assert_array_equal(by_x, a)
    np.testing.assert_array_equal(by_a, x)


def test_linear_forms_leave_no_remainder():
    a, X, b, U = drawn(1, (2,), (2, 3), (3,), (2, 3))
    _, by_X, _ = forms.bilinear_form_jacobian(a, X, b)
    change = forms.bilinear_form(a, X + 0.7 * U, b) - forms.bilinear_form(a, X, b)
    np.testing.assert_allclose(change, 0.7 * jnp.sum(U * by_X), rtol=1e-12)


def test_a_scalar_is_its_own_trace_so_that_it_can_be_cycled():
    a, X, b = drawn(2, (2,), (2, 3), (3,))
    cycled = jnp.trace(jnp.outer(b, a) @ X)
    np.testing.assert_allclose(forms.bilinear_form(a, X, b), cycled, rtol=1e-12)


def test_a_quadratic_form_is_a_trace_against_the_outer_product():
    x, B = drawn(3, (3,), (3, 3))
    double_sum = sum(float(B[i, j] * x[i] * x[j]) for i in range(3) for j in range(3))
    for same in (jnp.trace(B @ jnp.outer(x, x)), jnp.trace(x[None] @ B @ x[:, None]), double_sum):
        np.testing.assert_allclose(quadratic(x, B), same, rtol=1e-12)


def test_a_quadratic_form_sees_the_symmetric_part_alone():
    x, B = drawn(4, (3,), (3, 3))
    S = (B + B.T) / 2
    np.testing.assert_allclose(quadratic(x, B), quadratic(x, S), rtol=1e-12)
    by_x, _ = quadratic_jacobian(x, B)
    np.testing.assert_allclose(by_x, 2 * x @ S, rtol=1e-12)
    # the sum of squares x^T x comes from every B whose symmetric part is I
    np.testing.assert_allclose(quadratic(x, jnp.eye(3) + B - B.T), x @ x, rtol=1e-12)


def test_what_the_gradient_of_a_quadratic_form_leaves_out_is_exactly_quadratic():
    x, B, u = drawn(5, (3,), (3, 3), (3,))
    by_x, _ = quadratic_jacobian(x, B)
    left = quadratic(x + 0.3 * u, B) - quadratic(x, B) - 0.3 * by_x @ u
    np.testing.assert_allclose(left, 0.09 * u @ B @ u, rtol=1e-10)


def test_the_derivative_of_the_identity_map_is_the_identity_matrix():
    (x,) = drawn(6, (3,))
    np.testing.assert_array_equal(jax.jacfwd(lambda x: x)(x), jnp.eye(3))
    np.testing.assert_allclose(forms.half_square_jacobian(x), x, rtol=1e-14)


def test_scaling_has_one_derivative_by_the_vector_and_one_by_the_scale():
    alpha, x = drawn(7, (), (3,))
    by_alpha, by_x = scalar_times_vector_jacobian(alpha, x)
    assert by_alpha.shape == (3,) and by_x.shape == (3, 3)
    np.testing.assert_allclose(by_x @ x, alpha * x, rtol=1e-13)
    np.testing.assert_array_equal(by_alpha, x)


def test_the_scale_of_a_unit_vector_moves_with_the_vector():
    (x,) = drawn(8, (3,))
    n, J = forms.unit_vector(x), forms.unit_vector_jacobian(x)
    np.testing.assert_allclose(n @ n, 1.0, rtol=1e-13)
    np.testing.assert_allclose(J @ x, np.zeros(3), atol=1e-15)  # longer is no other direction
    np.testing.assert_allclose(n @ J, np.zeros(3), atol=1e-15)  # and the length stays 1
    np.testing.assert_allclose(J, (np.eye(3) - np.outer(n, n)) / np.linalg.norm(x), rtol=1e-12)


def test_a_unit_vector_is_followed_to_first_order():
    x, u = drawn(9, (3,), (3,))
    J = forms.unit_vector_jacobian(x)
    assert_order(lambda e: forms.unit_vector(x + e * u) - forms.unit_vector(x) - e * J @ u, 2)
