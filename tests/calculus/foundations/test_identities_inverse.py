"""The inverse, along a curve of matrices, and between two vectors."""

import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import inverse, tensors
from tests.calculus.foundations.drawn import drawn, well_conditioned
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_the_product_with_the_matrix_does_not_move_along_the_curve():
    """A^-1 dA + d(A^-1) A = 0, line by line of the proof."""
    t, A, (B,) = jnp.asarray(0.4), 2 * well_conditioned(0), drawn(0, (3, 3))
    A_t, dA = A + B * jnp.sin(t), B * jnp.cos(t)
    Y = inverse.inverse_along_curve(t, A, B)
    dY, _, _ = inverse.inverse_along_curve_jacobian(t, A, B)
    np.testing.assert_allclose(Y @ A_t, np.eye(3), atol=1e-13)
    np.testing.assert_allclose(Y @ dA + dY @ A_t, np.zeros((3, 3)), atol=1e-12)
    np.testing.assert_allclose(dY, tensors.inverse_rule(A_t, dA), rtol=1e-10, atol=1e-13)


def test_the_inverse_is_followed_to_first_order_and_then_to_second():
    """(X + eps U)^-1 = Y - eps Y U Y + eps^2 Y U Y U Y - ...: a geometric series."""
    X, (U,) = well_conditioned(1), drawn(1, (3, 3))
    Y = inverse.inverse(X)
    first = jnp.einsum("ijkl,kl->ij", inverse.inverse_jacobian(X), U)
    np.testing.assert_allclose(first, -Y @ U @ Y, rtol=1e-11)
    assert_order(lambda e: inverse.inverse(X + e * U) - Y - e * first, 2, eps=(1e-3, 1e-4))
    second = Y @ U @ Y @ U @ Y
    assert_order(
        lambda e: inverse.inverse(X + e * U) - Y - e * first - e**2 * second, 3, eps=(1e-3, 1e-4)
    )


def test_the_tensor_and_the_flattened_jacobian_hold_the_same_numbers():
    X = well_conditioned(2)
    flat = inverse.flat_inverse_jacobian(X)
    np.testing.assert_allclose(flat.reshape(3, 3, 3, 3), inverse.inverse_jacobian(X), rtol=1e-12)


def test_the_form_contracts_the_tensor_of_the_inverse():
    X, (a, b) = well_conditioned(3), drawn(3, (3,), (3,))
    _, by_X, _ = inverse.inverse_form_jacobian(a, X, b)
    contracted = jnp.einsum("i,ijkl,j->kl", a, inverse.inverse_jacobian(X), b)
    np.testing.assert_allclose(by_X, contracted, rtol=1e-11, atol=1e-13)
    Y = np.linalg.inv(np.asarray(X))
    np.testing.assert_allclose(by_X, -Y.T @ np.outer(a, b) @ Y.T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(inverse.inverse_form(a, X, b), a @ Y @ b, rtol=1e-12)


def test_a_scalar_change_of_the_inverse_is_a_trace_that_can_be_cycled():
    """-a^T Y U Y b = tr(U^T (-Y^T a b^T Y^T)): how the gradient is read off."""
    X, (a, b, U) = well_conditioned(4), drawn(4, (3,), (3,), (3, 3))
    Y = np.linalg.inv(np.asarray(X))
    _, by_X, _ = inverse.inverse_form_jacobian(a, X, b)
    np.testing.assert_allclose(-a @ Y @ U @ Y @ b, np.trace(U.T @ by_X), rtol=1e-11)
