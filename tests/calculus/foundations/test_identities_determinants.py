"""The determinant and the logarithm of its size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import determinants
from tests.calculus.foundations.drawn import drawn, well_conditioned
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SIGNS = pytest.mark.parametrize("sign", [1.0, -1.0])


def test_the_determinant_of_a_product_is_the_product():
    A, B = drawn(0, (3, 3), (3, 3))
    np.testing.assert_allclose(
        determinants.det(A @ B), determinants.det(A) * determinants.det(B), rtol=1e-11
    )


@SIGNS
def test_the_cofactors_are_the_determinant_times_the_inverse_transposed(sign):
    X = well_conditioned(1, det=sign)
    det = determinants.det(X)
    assert jnp.sign(det) == sign
    cofactors = determinants.det_jacobian(X)
    np.testing.assert_allclose(cofactors, det * np.linalg.inv(X).T, rtol=1e-11, atol=1e-13)
    # divided by the determinant: the gradient of its logarithm
    np.testing.assert_allclose(
        cofactors / det, determinants.log_abs_det_jacobian(X), rtol=1e-11, atol=1e-13
    )


def test_a_singular_matrix_has_cofactors_and_a_determinant_with_a_derivative():
    X, U = drawn(2, (3, 3), (3, 3))
    X = X.at[2].set(X[0] + X[1])
    slope = jnp.sum(U * determinants.det_jacobian(X))
    assert_order(lambda e: determinants.det(X + e * U) - e * slope, 2)
    assert abs(slope) > 0.1


@SIGNS
def test_the_log_determinant_splits_off_its_matrix(sign):
    X, (U,) = well_conditioned(3, det=sign), drawn(3, (3, 3))
    eps = 0.1
    pushed = jnp.eye(3) + eps * jnp.linalg.solve(X, U)
    f = determinants.log_abs_det
    np.testing.assert_allclose(f(X + eps * U), f(X) + f(pushed), rtol=1e-11)
    signs = (jnp.sign(determinants.det(m)) for m in (X + eps * U, X, pushed))
    assert tuple(signs) == (sign, sign, 1.0)


@SIGNS
def test_the_log_determinant_is_followed_by_a_trace_to_first_order(sign):
    X, (U,) = well_conditioned(4, det=sign), drawn(4, (3, 3))
    slope = determinants.log_abs_det_dot(X, U)
    _, tangent = jax.jvp(determinants.log_abs_det.fun, (X,), (U,))
    X_inv_T = np.linalg.inv(np.asarray(X)).T
    np.testing.assert_allclose(slope, tangent, rtol=1e-10)
    np.testing.assert_allclose(slope, np.trace(np.asarray(U).T @ X_inv_T), rtol=1e-10)
    f = determinants.log_abs_det
    assert_order(lambda e: f(X + e * U) - f(X) - e * slope, 2)


@SIGNS
def test_the_gradient_is_the_inverse_transposed_for_both_signs_of_the_determinant(sign):
    X = well_conditioned(5, det=sign)
    assert jnp.sign(jnp.linalg.det(X)) == sign
    by_hand = jax.grad(determinants.log_abs_det)(X)
    by_jax = jax.grad(lambda X: jnp.linalg.slogdet(X)[1])(X)
    np.testing.assert_allclose(by_hand, by_jax, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(by_hand, np.linalg.inv(np.asarray(X)).T, rtol=1e-10, atol=1e-13)


def test_free_entries_of_a_symmetric_matrix_collect_both_their_places():
    v = jnp.asarray([2.0, 0.3, -0.2, 1.5, 0.4, 3.0])
    S = determinants.symmetric(v)
    np.testing.assert_array_equal(S, S.T)
    np.testing.assert_array_equal(S[jnp.triu_indices(3)], v)
    free = np.linalg.inv(np.asarray(S)).T  # the gradient by nine entries
    places = np.array([determinants.symmetric(unit) for unit in jnp.eye(6)])
    collected = np.einsum("ij,kij->k", free, places)
    tied = determinants.log_abs_det_symmetric_jacobian(v)
    np.testing.assert_allclose(tied, collected, rtol=1e-11, atol=1e-13)


def test_a_length_that_is_no_triangle_is_refused():
    with pytest.raises(AssertionError, match="no triangle"):
        determinants.symmetric(jnp.ones(5))


def test_the_logarithm_stays_where_the_determinant_has_overflowed():
    X = 100 * jnp.eye(30, dtype=jnp.float32)
    assert jnp.isinf(jnp.linalg.det(X))
    np.testing.assert_allclose(determinants.log_abs_det(X), 30 * np.log(100), rtol=1e-6)
