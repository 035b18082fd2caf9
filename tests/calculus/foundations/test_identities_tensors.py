"""Transpose, trace, determinant and inverse of a matrix that depends on an array."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import tensors
from tests.calculus.foundations.drawn import drawn, well_conditioned
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")


def _entrywise_sine(X):
    return jnp.sin(X) + 2 * jnp.eye(3)


def _gram(R):  # 2 x 3 -> 3 x 3
    return R.T @ R + jnp.eye(3)


FUNCTIONS = pytest.mark.parametrize(
    ("f", "shape"), [(_entrywise_sine, (3, 3)), (_gram, (2, 3))], ids=["sine", "gram"]
)


@FUNCTIONS
def test_the_four_rules_hold_for_every_matrix_valued_function(f, shape):
    (X,) = drawn(0, shape)
    F, J = f(X), jax.jacfwd(f)(X)
    for by_hand, of_F in (
        (tensors.tensor_transpose(J), jnp.transpose),
        (tensors.tensor_trace(J), jnp.trace),
        (tensors.det_rule(F, J), jnp.linalg.det),
        (tensors.inverse_rule(F, J), jnp.linalg.inv),
    ):
        by_jax = jax.jacfwd(lambda X, of_F=of_F: of_F(f(X)))(X)
        assert by_hand.shape == by_jax.shape
        np.testing.assert_allclose(by_hand, by_jax, rtol=1e-9, atol=1e-11)


def test_for_one_fixed_input_entry_the_identities_are_about_matrices():
    X, A = (0.4 * m for m in drawn(1, (3, 3), (3, 3)))
    B = 2 * well_conditioned(1)
    F = X @ A @ X + B
    J, _, _ = tensors.quadratic_map_jacobian(X, A, B)
    transposed, _, _ = tensors.quadratic_map_transpose_jacobian(X, A, B)
    traced, _, _ = tensors.quadratic_map_trace_jacobian(X, A, B)
    det, _, _ = tensors.quadratic_map_det_jacobian(X, A, B)
    inverse, _, _ = tensors.quadratic_map_inverse_jacobian(X, A, B)
    Y = np.linalg.inv(F)
    for k, l in np.ndindex(3, 3):
        D = np.asarray(J)[:, :, k, l]
        np.testing.assert_allclose(transposed[:, :, k, l], D.T, rtol=1e-12)
        np.testing.assert_allclose(traced[k, l], np.trace(D), rtol=1e-12)
        np.testing.assert_allclose(det[k, l], np.linalg.det(F) * np.trace(Y @ D), rtol=1e-10)
        np.testing.assert_allclose(inverse[:, :, k, l], -Y @ D @ Y, rtol=1e-10, atol=1e-12)


def test_trace_of_a_tensor_contracts_its_first_two_axes_and_transpose_swaps_them():
    (T,) = drawn(2, (3, 3, 2, 4))
    traced, swapped = tensors.tensor_trace(T), tensors.tensor_transpose(T)
    assert traced.shape == (2, 4) and swapped.shape == (3, 3, 2, 4)
    for e, f in np.ndindex(2, 4):
        matrix = np.asarray(T)[:, :, e, f]
        np.testing.assert_allclose(traced[e, f], np.trace(matrix), rtol=1e-13)
        np.testing.assert_array_equal(swapped[:, :, e, f], matrix.T)
    assert tensors.tensor_transpose(T[:2]).shape == (3, 2, 2, 4)


def test_tensors_and_flattened_jacobians_hold_the_same_numbers():
    X, A = (0.4 * m for m in drawn(3, (3, 3), (3, 3)))
    B = 2 * well_conditioned(3)
    J, _, _ = tensors.quadratic_map_jacobian(X, A, B)
    flat = tensors.flat_quadratic_map_jacobian(X, A)
    np.testing.assert_allclose(flat.reshape(3, 3, 3, 3), J, rtol=1e-13)
    J, _, _ = tensors.quadratic_map_inverse_jacobian(X, A, B)
    flat = tensors.flat_quadratic_map_inverse_jacobian(X, A, B)
    np.testing.assert_allclose(flat.reshape(3, 3, 3, 3), J, rtol=1e-10, atol=1e-13)


def test_flattened_jacobian_of_a_rectangular_map_is_pq_by_pq():
    X, A, B = drawn(4, (3, 2), (2, 3), (3, 2))
    J, _, _ = tensors.quadratic_map_jacobian(X, A, B)
    flat = tensors.flat_quadratic_map_jacobian(X, A)
    assert flat.shape == (6, 6)
    np.testing.assert_allclose(flat.reshape(3, 2, 3, 2), J, rtol=1e-13)


def test_what_the_jacobian_of_the_quadratic_map_leaves_out_is_exactly_quadratic():
    X, A, B, U = drawn(5, (3, 2), (2, 3), (3, 2), (3, 2))
    J, _, _ = tensors.quadratic_map_jacobian(X, A, B)
    eps = 0.3
    left = tensors.quadratic_map(X + eps * U, A, B) - tensors.quadratic_map(X, A, B)
    left = left - eps * jnp.einsum("ijkl,kl->ij", J, U)
    np.testing.assert_allclose(left, eps**2 * U @ A @ U, rtol=1e-11, atol=1e-13)


def test_determinant_and_inverse_of_a_map_are_followed_to_first_order():
    X, A, U = (0.4 * m for m in drawn(6, (3, 3), (3, 3), (3, 3)))
    B = 2 * well_conditioned(6)
    for f, jacobian in (
        (tensors.quadratic_map_det, tensors.quadratic_map_det_jacobian),
        (tensors.quadratic_map_inverse, tensors.quadratic_map_inverse_jacobian),
    ):
        value, pushed = f(X, A, B), jnp.tensordot(jacobian(X, A, B)[0], U, 2)
        assert_order(lambda e, f=f, v=value, p=pushed: f(X + e * U, A, B) - v - e * p, 2)
