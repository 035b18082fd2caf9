"""Tangents of products of vectors and matrices."""

import jax
import numpy as np
import pytest

from calculus.foundations.identities import differentials
from calculus.foundations.matrices.gram import gram_tangent
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")


def _is_the_tangent(by_hand, f, primals, tangents):
    _, by_jax = jax.jvp(f, primals, tangents)
    assert by_hand.shape == by_jax.shape
    np.testing.assert_allclose(by_hand, by_jax, rtol=1e-11, atol=1e-13)


def test_differential_of_an_inner_product():
    u, v, u_dot, v_dot = drawn(0, (3,), (3,), (3,), (3,))
    tangent = differentials.inner_product_dot(u, v, u_dot, v_dot)
    _is_the_tangent(tangent, lambda u, v: u @ v, (u, v), (u_dot, v_dot))
    own = differentials.inner_product_dot(v, v, v_dot, v_dot)
    _is_the_tangent(own, lambda v: v @ v, (v,), (v_dot,))
    np.testing.assert_allclose(own, 2 * v @ v_dot, rtol=1e-13)


def test_differential_of_a_transposed_product_of_matrices():
    U, V, U_dot, V_dot = drawn(1, (3, 2), (3, 4), (3, 2), (3, 4))
    tangent = differentials.transposed_product_dot(U, V, U_dot, V_dot)
    _is_the_tangent(tangent, lambda U, V: U.T @ V, (U, V), (U_dot, V_dot))


def test_matrices_of_one_column_are_vectors():
    U, V, U_dot, V_dot = drawn(2, (3, 1), (3, 1), (3, 1), (3, 1))
    np.testing.assert_allclose(
        differentials.transposed_product_dot(U, V, U_dot, V_dot)[0, 0],
        differentials.inner_product_dot(U[:, 0], V[:, 0], U_dot[:, 0], V_dot[:, 0]),
        rtol=1e-12,
    )


def test_differential_of_a_gram_matrix():
    A, A_dot = drawn(3, (3, 2), (3, 2))
    tangent = gram_tangent(A, A_dot)
    _is_the_tangent(tangent, lambda A: A.T @ A, (A,), (A_dot,))
    np.testing.assert_allclose(tangent, tangent.T, rtol=1e-13)
    same = differentials.transposed_product_dot(A, A, A_dot, A_dot)
    np.testing.assert_allclose(tangent, same, rtol=1e-12)
    # without a remainder beyond eps^2 A_dot^T A_dot
    moved = A + 0.3 * A_dot
    left = moved.T @ moved - A.T @ A - 0.3 * tangent
    np.testing.assert_allclose(left, 0.09 * A_dot.T @ A_dot, rtol=1e-10)


def test_under_the_trace_both_terms_of_a_gram_matrix_are_one_number():
    A, A_dot = drawn(4, (3, 2), (3, 2))
    tangent = differentials.trace_of_gram_dot(A, A_dot)
    _is_the_tangent(tangent, lambda A: (A * A).sum(), (A,), (A_dot,))
    np.testing.assert_allclose(tangent, np.trace(gram_tangent(A, A_dot)), rtol=1e-12)


def test_differential_of_a_row_times_a_matrix_and_of_its_transpose():
    x, A, x_dot, A_dot = drawn(5, (3,), (3, 2), (3,), (3, 2))
    row = differentials.row_times_matrix_dot(x, A, x_dot, A_dot)
    _is_the_tangent(row, lambda x, A: x[None, :] @ A, (x, A), (x_dot, A_dot))
    column = differentials.matrix_times_column_dot(A, x, A_dot, x_dot)
    _is_the_tangent(column, lambda A, x: A.T @ x[:, None], (A, x), (A_dot, x_dot))
    np.testing.assert_allclose(row.T, column, rtol=1e-12)
