"""The trace, products under it, and the Frobenius norm."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import traces
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_trace_is_the_sum_of_the_diagonal():
    (A,) = drawn(0, (3, 3))
    np.testing.assert_allclose(traces.trace(A), sum(A[i, i] for i in range(3)), rtol=1e-13)
    np.testing.assert_array_equal(traces.trace_jacobian(A), np.eye(3))


def test_trace_is_linear():
    A, B = drawn(1, (3, 3), (3, 3))
    np.testing.assert_allclose(traces.trace(A + B), traces.trace(A) + traces.trace(B), rtol=1e-12)
    np.testing.assert_allclose(traces.trace(1.7 * A), 1.7 * traces.trace(A), rtol=1e-12)


def test_trace_of_the_transpose_is_the_trace():
    (A,) = drawn(2, (3, 3))
    assert traces.trace(A.T) == traces.trace(A)


def test_trace_of_a_product_commutes_even_where_the_product_does_not():
    A, B = (np.asarray(m) for m in drawn(3, (2, 3), (3, 2)))
    assert (A @ B).shape != (B @ A).shape
    double_sum = sum(A[i, j] * B[j, i] for i in range(2) for j in range(3))
    for same in (np.trace(A @ B), np.trace(B @ A), double_sum):
        np.testing.assert_allclose(
            traces.trace_of_product(jnp.asarray(A), jnp.asarray(B)), same, rtol=1e-12
        )


def test_trace_survives_cyclic_shifts_and_no_other_order():
    """Of the 24 orders of four factors, the 4 shifts of ABCD agree with it and no other does."""
    A, B, C, D = (np.asarray(m) for m in drawn(4, *[(3, 3)] * 4))
    named = dict(zip("ABCD", (A, B, C, D), strict=True))
    truth = np.trace(A @ B @ C @ D)
    same = {
        "".join(order)
        for order in itertools.permutations("ABCD")
        if np.isclose(np.trace(np.linalg.multi_dot([named[m] for m in order])), truth)
    }
    assert same == {"ABCD", "DABC", "CDAB", "BCDA"}
    abc = np.trace(A @ B @ C)
    np.testing.assert_allclose([np.trace(C @ A @ B), np.trace(B @ C @ A)], abc, rtol=1e-12)
    assert abs(np.trace(A @ C @ B) - abc) > 0.1


def test_trace_of_a_number_is_the_number():
    alpha = jnp.asarray([[2.5]])
    assert traces.trace(alpha) == 2.5


def test_trace_of_transposed_products():
    A, B = (np.asarray(m) for m in drawn(5, (3, 3), (3, 3)))
    for same in (np.trace(B.T @ A.T), np.trace(A @ B)):
        np.testing.assert_allclose(np.trace(A.T @ B.T), same, rtol=1e-12)
    np.testing.assert_allclose(np.trace(A.T @ B), np.trace(B.T @ A), rtol=1e-12)
    assert abs(np.trace(A.T @ B) - np.trace(A @ B)) > 0.1  # two different numbers


def test_trace_of_a_gram_matrix_is_the_same_from_both_sides():
    A, S = (np.asarray(m) for m in drawn(6, (2, 3), (3, 3)))
    squares = np.sum(A**2)
    np.testing.assert_allclose([np.trace(A.T @ A), np.trace(A @ A.T)], squares, rtol=1e-12)
    assert abs(np.trace(S.T @ S) - np.trace(S) ** 2) > 0.1
    assert abs(float(traces.trace_of_square(jnp.asarray(S))) - np.sum(S**2)) > 0.1
    np.testing.assert_allclose(
        traces.trace_of_square(jnp.asarray(S + S.T)), np.sum((S + S.T) ** 2), rtol=1e-12
    )


def test_the_frobenius_norm_is_the_length_of_all_entries():
    A, B = (np.asarray(m) for m in drawn(7, (2, 3), (2, 3)))
    norm = float(traces.frobenius_norm(jnp.asarray(A)))
    for same in (np.sqrt(np.trace(A.T @ A)), np.linalg.norm(A.ravel()), np.linalg.norm(A)):
        np.testing.assert_allclose(norm, same, rtol=1e-12)
    column = traces.frobenius_norm(jnp.asarray(A[:1].T))
    np.testing.assert_allclose(column, np.linalg.norm(A[0]), rtol=1e-12)
    np.testing.assert_allclose(np.trace(A.T @ B), np.sum(A * B), rtol=1e-12)
    assert abs(np.sum(A * B)) <= norm * np.linalg.norm(B)


def test_the_square_of_the_frobenius_norm_expands_without_remainder():
    A, U = drawn(8, (2, 3), (2, 3))
    eps = 0.3
    gradient = traces.squared_frobenius_jacobian(A)
    left = traces.squared_frobenius(A + eps * U) - traces.squared_frobenius(A)
    left = left - eps * jnp.sum(U * gradient)
    np.testing.assert_allclose(left, eps**2 * traces.squared_frobenius(U), rtol=1e-11)
    np.testing.assert_allclose(gradient, 2 * A, rtol=1e-14)


def test_the_frobenius_norm_has_no_derivative_at_zero():
    zero, (U,) = jnp.zeros((2, 3)), drawn(9, (2, 3))
    assert bool(jnp.all(jnp.isnan(jax.grad(traces.frobenius_norm.fun)(zero))))
    right, left = (traces.frobenius_norm(s * U) / s for s in (1e-6, -1e-6))
    np.testing.assert_allclose(right, -left, rtol=1e-12)  # two slopes: a corner
    assert right > 0.1


def test_trace_axb_is_linear_so_its_gradient_leaves_no_remainder():
    A, X, B, U = drawn(10, (3, 2), (2, 3), (3, 3), (2, 3))
    _, by_X, _ = traces.trace_axb_jacobian(A, X, B)
    change = traces.trace_axb(A, X + 0.3 * U, B) - traces.trace_axb(A, X, B)
    for same in (
        jnp.sum(U * by_X),
        jnp.trace(A @ U @ B),
        jnp.trace(B.T @ U.T @ A.T),
        jnp.trace(U.T @ A.T @ B.T),
    ):
        np.testing.assert_allclose(change, 0.3 * same, rtol=1e-11)


def test_the_differential_of_the_trace_of_a_product_is_its_tangent():
    A, B, A_dot, B_dot = drawn(11, (2, 3), (3, 2), (2, 3), (3, 2))
    _, tangent = jax.jvp(traces.trace_of_product.fun, (A, B), (A_dot, B_dot))
    np.testing.assert_allclose(traces.trace_of_product_dot(A, B, A_dot, B_dot), tangent, rtol=1e-12)
    by_name = jnp.trace(B @ A_dot) + jnp.trace(A @ B_dot)
    np.testing.assert_allclose(by_name, tangent, rtol=1e-12)


def test_the_trace_of_a_square_leaves_a_quadratic_remainder():
    X, U = drawn(12, (3, 3), (3, 3))
    gradient = traces.trace_of_square_jacobian(X)
    left = traces.trace_of_square(X + 0.3 * U) - traces.trace_of_square(X)
    left = left - 0.3 * jnp.sum(U * gradient)
    np.testing.assert_allclose(left, 0.09 * jnp.trace(U @ U), rtol=1e-10)
