"""Formulas about traces, determinants, inverses and least squares that are found in print."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.elementwise.broadcasting import scalar_times_vector_jacobian
from calculus.foundations.gradients import quadratic
from calculus.foundations.identities import (
    density,
    determinants,
    differentials,
    expansion,
    forms,
    inverse,
    least_squares,
    tensors,
    traces,
)
from calculus.foundations.matrices.gram import gram_tangent
from tests.calculus.foundations.drawn import drawn, well_conditioned
from tests.calculus.orders import assert_order
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")


def _differences(f, x):
    """The derivative of f by central differences in numpy, one entry of x at a time."""
    x = np.asarray(x, float)
    columns = []
    for index in np.ndindex(x.shape):
        h = np.zeros_like(x)
        h[index] = 1e-5
        columns.append((np.asarray(f(x + h)) - np.asarray(f(x - h))) / 2e-5)
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + x.shape)


def test_e_l0_09_a_transpose_of_the_whole_tensor_is_not_the_derivative_of_the_transpose():
    """Printed: transpose and trace of dF/dX as of a matrix. Right: of its first two axes."""
    X, A, B = (np.asarray(m) for m in drawn(0, *[(3, 3)] * 3))
    J, _, _ = tensors.quadratic_map_jacobian(*map(jnp.asarray, (X, A, B)))
    right = _differences(lambda X: (X @ A @ X + B).T, X)
    assert_refuted(jnp.transpose(J), right)
    np.testing.assert_allclose(tensors.tensor_transpose(J), right, rtol=1e-6, atol=1e-8)
    right = _differences(lambda X: np.trace(X @ A @ X + B), X)
    assert_refuted(jnp.einsum("klii->kl", J), right)
    np.testing.assert_allclose(tensors.tensor_trace(J), right, rtol=1e-6, atol=1e-8)


def test_e_l1_12_prediction_and_observation_are_two_things():
    """Printed: y = Phi theta and e = y - Phi theta, so e = 0. Right: y is near Phi theta."""
    theta, Phi, y = drawn(1, (2,), (5, 2), (5,))
    assert_refuted(least_squares.linear_model(Phi, theta), y)
    printed = least_squares.residual(theta, Phi, least_squares.linear_model(Phi, theta))
    np.testing.assert_allclose(printed, np.zeros(5), atol=1e-14)  # nothing to learn from


def test_e_l1_15_the_features_are_a_factor_of_the_gradient():
    """Printed: -2(...) and then apart Phi in R^{1 x D}. Right: the product is 1 x D, Phi N x D."""
    theta, Phi, y = (np.asarray(m) for m in drawn(2, (2,), (5, 2), (5,)))
    right = _differences(lambda theta: np.sum((y - Phi @ theta) ** 2), theta)[None]
    factor = -2 * (y[None] - theta[None] @ Phi.T)
    assert_refuted(factor, right)
    assert right.shape == (1, 2) and Phi.shape == (5, 2)
    np.testing.assert_allclose(factor @ Phi, right, rtol=1e-6)


def test_e_l2_01_lost_minus_signs_of_inverses_and_residuals():
    """Printed: (5.102), (5.103), (5.108) without their minus. Right: -Y D Y, -q p^T, -2 e^T W A."""
    X, (a, b, theta, Phi, y) = well_conditioned(3), drawn(3, (3,), (3,), (2,), (5, 2), (5,))
    W = np.diag([1.0, 2.0, 3.0, 4.0, 5.0])
    for by_hand, right in (
        (inverse.inverse_jacobian(X), _differences(np.linalg.inv, X)),
        (
            inverse.inverse_form_jacobian(a, X, b)[1],
            _differences(lambda X: a @ np.linalg.inv(X) @ b, X),
        ),
        (
            least_squares.symmetric_weights_gradient(theta, Phi, y, jnp.asarray(W)),
            _differences(lambda s: (y - Phi @ s) @ W @ (y - Phi @ s), theta),
        ),
    ):
        np.testing.assert_allclose(by_hand, right, rtol=1e-6, atol=1e-8)
        assert_refuted(-by_hand, right)


def test_e_l2_03_the_trace_of_a_tensor_keeps_the_other_axes():
    """Printed: breaks off inside "the trace of a D...". Right: D x D x E x F leaves E x F."""
    (T,) = drawn(4, (3, 3, 2, 4))
    right = np.array([[np.trace(np.asarray(T)[:, :, e, f]) for f in range(4)] for e in range(2)])
    np.testing.assert_allclose(tensors.tensor_trace(T), right, rtol=1e-13)
    assert_refuted(jnp.sum(tensors.tensor_trace(T)), right)  # one number it is not


def test_e_l3_02_the_remainder_of_the_log_determinant_is_of_second_order():
    """Printed: O(eps) in the last line. Right: O(eps^2), without which the limit says nothing."""
    X, (U,) = well_conditioned(5), drawn(5, (3, 3))
    f, slope = determinants.log_abs_det, determinants.log_abs_det_dot(X, U)

    def remainder(e):
        return f(X + e * U) - f(X) - e * slope

    assert_order(remainder, 2)
    with pytest.raises(AssertionError, match="order"):
        assert_order(remainder, 1)


def test_e_l3_05_the_quotient_divides_the_difference_and_not_its_first_term():
    """Printed: tr A(X + eps U)B / eps - tr AXB. Right: (tr A(X + eps U)B - tr AXB) / eps."""
    A, X, B, U = drawn(6, (3, 2), (2, 3), (3, 3), (2, 3))
    eps = 1e-3
    there, here = traces.trace_axb(A, X + eps * U, B), traces.trace_axb(A, X, B)
    _, right = jax.jvp(lambda X: traces.trace_axb.fun(A, X, B), (X,), (U,))
    assert_refuted(there / eps - here, right)
    np.testing.assert_allclose((there - here) / eps, right, rtol=1e-9)


def test_e_l3_06_the_first_diagonal_entry_is_pushed_as_well():
    """Printed: 1 in the corner of I + eps M. Right: 1 + eps M_11, else M_11 drops out."""
    M = np.array(drawn(7, (5, 5))[0])
    M[0, 0] = 1.5
    pushed = np.eye(5) + 0.01 * M
    printed = pushed.copy()
    printed[0, 0] = 1.0
    assert_refuted(np.linalg.det(printed), np.linalg.det(pushed))
    right = _differences(lambda e: np.linalg.det(np.eye(5) + e * M), 0.0)
    assert_refuted(np.trace(M) - M[0, 0], right)
    np.testing.assert_allclose(np.trace(M), right, rtol=1e-6)


def test_e_l3_07_transposed_indices_give_another_matrix_with_the_same_determinant():
    """Printed: M_21 in row 1, column 2. Right: M_12 there; no harm to the determinant."""
    (M,) = drawn(8, (5, 5))
    pushed = expansion.identity_plus(jnp.asarray(0.1), M)
    assert_refuted(expansion.identity_plus(jnp.asarray(0.1), M.T), pushed)
    np.testing.assert_allclose(np.linalg.det(pushed.T), np.linalg.det(pushed), rtol=1e-12)


def test_e_l3_10_the_log_determinant_alone_is_no_likelihood():
    """Printed: choose K to maximise log|K + sigma^2 I|. Right: -log|.| / 2 beside the data."""
    root, (y,) = well_conditioned(9), drawn(9, (3,))
    K, sigma = root @ root.T, jnp.asarray(0.4)
    C = np.asarray(K) + 0.16 * np.eye(3)
    right = -y @ np.linalg.inv(C) @ y / 2 - np.log(np.linalg.det(C)) / 2 - 1.5 * np.log(2 * np.pi)
    alone = jnp.linalg.slogdet(jnp.asarray(C))[1]
    assert_refuted(alone, right)
    np.testing.assert_allclose(density.log_evidence(K, sigma, y), right, rtol=1e-11)
    gradient, _, _ = density.log_evidence_jacobian(K, sigma, y)
    assert_refuted(np.linalg.inv(C), gradient)


def test_e_l3_10_the_log_determinant_alone_grows_without_end():
    """Printed: its maximum. Right: there is none, it gains N log 10 with each factor of 10."""
    K = well_conditioned(9) @ well_conditioned(9).T
    sizes = [float(determinants.log_abs_det(10.0**k * K)) for k in range(4)]
    np.testing.assert_allclose(np.diff(sizes), 3 * np.log(10), rtol=1e-12)
    evidence = [
        float(density.log_evidence(10.0**k * K, jnp.asarray(0.4), jnp.ones(3))) for k in range(4)
    ]
    assert evidence[1] > evidence[2] > evidence[3]


def test_e_l3_11_a_logarithm_needs_the_size_of_the_determinant():
    """Printed: log|X| of any X with |X| a determinant. Right: log |det X|, X nonsingular."""
    X = well_conditioned(10, det=-1.0)
    assert bool(jnp.isnan(jnp.log(jnp.linalg.det(X))))
    np.testing.assert_allclose(
        determinants.log_abs_det(X), np.log(abs(np.linalg.det(np.asarray(X)))), rtol=1e-12
    )


def test_e_l3_16_with_written_signs_the_c_are_minors():
    """Printed: C_ij undefined beside explicit signs. Right: minors; cofactors hold the sign."""
    (X,) = drawn(11, (4, 4))
    right = np.linalg.det(np.asarray(X))
    cofactors = determinants.det_jacobian(X)
    assert_refuted(sum((-1) ** i * X[i, 0] * cofactors[i, 0] for i in range(4)), right)
    minors = [expansion.minor(X, i, 0) for i in range(4)]
    np.testing.assert_allclose(
        sum((-1) ** i * X[i, 0] * minors[i] for i in range(4)), right, rtol=1e-11
    )


def test_e_l3_17_a_covariance_has_fewer_free_entries():
    """Printed: K^-T for a covariance. Right for nine free entries; tied: 2 K^-1 - diag(K^-1)."""
    v = jnp.asarray([2.0, 0.3, -0.2, 1.5, 0.4, 3.0])
    S = determinants.symmetric(v)

    def log_det(v):
        return np.linalg.slogdet([[v[0], v[1], v[2]], [v[1], v[3], v[4]], [v[2], v[4], v[5]]])[1]

    right = _differences(log_det, v)
    assert_refuted(determinants.log_abs_det_jacobian(S)[jnp.triu_indices(3)], right)
    np.testing.assert_allclose(
        determinants.log_abs_det_symmetric_jacobian(v), right, rtol=1e-6, atol=1e-8
    )


def test_e_l4_07_exponents_do_not_vanish_under_a_derivative():
    """Printed: E = x_1^m x_2^m with exponents dropped. Right: m x_1^(m-1) x_2^m, ...; or x^T y."""
    x = np.asarray(drawn(12, (2,))[0])
    m = 3
    right = _differences(lambda x: x[0] ** m * x[1] ** m, x)
    assert_refuted(x[::-1], right)
    literal = [m * x[0] ** (m - 1) * x[1] ** m, m * x[0] ** m * x[1] ** (m - 1)]
    np.testing.assert_allclose(literal, right, rtol=1e-6, atol=1e-9)
    x, y = drawn(13, (3,), (3,))
    np.testing.assert_allclose(forms.linear_form_jacobian(y, x)[1], y, rtol=0)


def test_e_l4_22_the_derivative_of_a_linear_map_is_its_matrix():
    """Printed: d(Ax)/dx = Ax. Right: A; Ax itself is the vector sum_j a_ij x_j."""
    A, x = (np.asarray(m) for m in drawn(14, (3, 3), (3,)))
    right = _differences(lambda x: A @ x, x)
    assert_refuted(A @ x, right)
    assert_refuted(A * x[None], right)  # nor the matrix of the terms a_ij x_j
    np.testing.assert_allclose(A, right, rtol=1e-6)


def test_e_l4_23_a_bilinear_form_has_one_row_for_each_vector():
    """Printed: a = alpha A x with derivative a_i x_i. Right: y^T A and x^T A^T of y^T A x."""
    y, A, x = drawn(15, (3,), (3, 3), (3,))
    by_y, _, by_x = forms.bilinear_form_jacobian(y, A, x)
    y, A, x = (np.asarray(m) for m in (y, A, x))
    right = _differences(lambda x: y @ A @ x, x)
    assert_refuted((A @ x) * x, right)
    np.testing.assert_allclose(by_x, right, rtol=1e-6)
    np.testing.assert_allclose(by_y, x @ A.T, rtol=1e-12)
    assert_refuted((1.5 * A @ x) * x, _differences(lambda x: 1.5 * A @ x, x))  # read literally


def test_e_l4_25_an_exponent_m_was_a_transpose():
    """Printed: 2 x_i^m. Right: 2 x^T."""
    x = np.asarray(drawn(16, (3,))[0])
    right = _differences(lambda x: x @ x, x)
    for m in (2, 3):
        assert_refuted(2 * x**m, right)
        assert_refuted(2 * x[0] ** m * x, right)
    np.testing.assert_allclose(2 * x, right, rtol=1e-6)


def test_e_l4_26_a_norm_is_of_one_matrix():
    """Printed: Frob(AB) = sqrt(tr(A^T B)). Right: tr(A^T B) is <A, B>, the root is for A = B."""
    A, B = (np.abs(m) for m in drawn(17, (2, 3), (2, 3)))  # so that the root exists
    inner = np.sum(A * B)
    assert_refuted(np.sqrt(np.trace(A.T @ B)), inner)
    np.testing.assert_allclose(np.trace(A.T @ B), inner, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(np.trace(A.T @ A)), np.linalg.norm(A), rtol=1e-12)


def test_e_l4_27_the_differential_of_a_trace_is_a_number():
    """Printed: x^T dA + A^T dx, a vector. Right: tr(B dA) + tr(A dB)."""
    A, B, A_dot, B_dot, x, x_dot = drawn(18, *[(3, 3)] * 4, (3,), (3,))
    _, right = jax.jvp(lambda A, B: jnp.trace(A @ B), (A, B), (A_dot, B_dot))
    assert_refuted(x @ A_dot + A.T @ x_dot, right)
    np.testing.assert_allclose(traces.trace_of_product_dot(A, B, A_dot, B_dot), right, rtol=1e-12)


def test_e_l4_28_only_a_number_can_be_pulled_out_of_a_trace():
    """Printed: tr(CA) = C tr(A) with a capital C. Right: tr(cA) = c tr(A)."""
    A, C = drawn(19, (3, 3), (3, 3))
    right = np.trace(np.asarray(C) @ np.asarray(A))
    assert_refuted(C * jnp.trace(A), right)
    assert_refuted(jnp.trace(C) * jnp.trace(A), right)


def test_e_l4_29_a_quadratic_form_is_not_the_sum_of_squares():
    """Printed: tr(x^T A x) = sum x_i^2. Right: sum_ij A_ij x_i x_j."""
    x, A = drawn(20, (3,), (3, 3))
    right = sum(float(A[i, j] * x[i] * x[j]) for i in range(3) for j in range(3))
    assert_refuted(x @ x, right)
    np.testing.assert_allclose(quadratic(x, A), right, rtol=1e-12)


def test_e_l4_30_the_gram_differential_of_a_matrix_has_two_different_terms():
    """Printed: d(V^T V) = V^T dV + V^T dV. Right for vectors; matrices: (dV)^T V + V^T dV."""
    V, V_dot, v, v_dot = drawn(21, (3, 3), (3, 3), (3,), (3,))
    _, right = jax.jvp(lambda V: V.T @ V, (V,), (V_dot,))
    assert_refuted(2 * V.T @ V_dot, right)
    np.testing.assert_allclose(gram_tangent(V, V_dot), right, rtol=1e-12)
    _, right = jax.jvp(lambda v: v @ v, (v,), (v_dot,))
    np.testing.assert_allclose(2 * v @ v_dot, right, rtol=1e-12)


def test_e_l4_31_a_differential_keeps_its_transpose():
    """Printed: d(A^T A) = A^T dA + (dA) A. Right: A^T dA + (dA)^T A."""
    A, A_dot = drawn(22, (3, 3), (3, 3))
    _, right = jax.jvp(lambda A: A.T @ A, (A,), (A_dot,))
    assert_refuted(A.T @ A_dot + A_dot @ A, right)
    np.testing.assert_allclose(gram_tangent(A, A_dot), right, rtol=1e-12)


def test_e_l4_32_a_row_and_a_column_can_not_be_added():
    """Printed: d(x^T A) = x^T dA + A^T dx. Right: x^T dA + (dx)^T A, two rows."""
    x, A, x_dot, A_dot = drawn(23, (3,), (3, 2), (3,), (3, 2))
    _, right = jax.jvp(lambda x, A: x[None] @ A, (x, A), (x_dot, A_dot))
    row, column = x[None] @ A_dot, A.T @ x_dot[:, None]
    assert row.shape == (1, 2) and column.shape == (2, 1)
    assert_refuted(row + column, right)  # what broadcasting makes of them
    np.testing.assert_allclose(
        differentials.row_times_matrix_dot(x, A, x_dot, A_dot), right, rtol=1e-12
    )


def test_e_l4_33_the_trace_of_a_gram_matrix_is_not_the_square_of_a_trace():
    """Printed: tr(A^T A) = tr(A)^2. Right: the sum of squares; for I of size 2, 2 and not 4."""
    eye = jnp.eye(2)
    right = jnp.trace(eye.T @ eye)
    assert right == 2.0 and jnp.trace(eye) ** 2 == 4.0
    assert_refuted(jnp.trace(eye) ** 2, right)
    (A,) = drawn(24, (3, 3))
    assert_refuted(jnp.trace(A) ** 2, np.sum(np.asarray(A) ** 2))


def test_e_l4_34_three_factors_may_be_shifted_but_not_swapped():
    """Printed: tr(ABC) = tr(CAB) = tr(ACB). Right: the third is tr(BCA)."""
    A, B, C = (np.asarray(m) for m in drawn(25, (3, 3), (3, 3), (3, 3)))
    right = np.trace(A @ B @ C)
    assert_refuted(np.trace(A @ C @ B), right)
    np.testing.assert_allclose(np.trace(B @ C @ A), right, rtol=1e-12)


def test_e_l4_35_two_transposes_go_or_stay_together():
    """Printed: tr(A^T B^T) = tr(B^T A). Right: tr(AB)."""
    A, B = (np.asarray(m) for m in drawn(26, (3, 3), (3, 3)))
    right = np.trace(A.T @ B.T)
    assert_refuted(np.trace(B.T @ A), right)
    np.testing.assert_allclose(np.trace(A @ B), right, rtol=1e-12)


def test_e_l4_36_without_the_half_the_square_gives_two():
    """Printed: a square whose derivative is x^T. Right for x^T x / 2; x^T x gives 2 x^T."""
    (x,) = drawn(27, (3,))
    assert_refuted(x, _differences(lambda x: x @ x, x))
    half = _differences(lambda x: x @ x / 2, x)
    np.testing.assert_allclose(forms.half_square_jacobian(x), half, rtol=1e-6)


def test_e_l4_37_two_gram_matrices_of_two_sizes_have_one_trace():
    """Printed: tr(A^T A) = tr(A^T A), which says nothing. Right: tr(A^T A) = tr(A A^T)."""
    A = np.asarray(drawn(28, (2, 3))[0])
    assert_refuted(A.T @ A, A @ A.T)
    np.testing.assert_allclose(np.trace(A.T @ A), np.trace(A @ A.T), rtol=1e-12)


def test_e_l4_38_the_inverses_in_the_derivative_of_an_inverse_are_no_transposes():
    """Printed: A^T for A^-1, and a last line without the outer ones. Right: -A^-1 dA A^-1."""
    t, A, (B,) = jnp.asarray(0.4), 2 * well_conditioned(29), drawn(29, (3, 3))
    right = _differences(lambda t: np.linalg.inv(A + B * np.sin(t)), t)
    A_t, dA = A + B * jnp.sin(t), B * jnp.cos(t)
    assert_refuted(-A_t.T @ dA @ A_t.T, right)
    assert_refuted(-dA, right)
    by_t, _, _ = inverse.inverse_along_curve_jacobian(t, A, B)
    np.testing.assert_allclose(by_t, right, rtol=1e-6, atol=1e-8)


def test_e_l4_39_a_scaled_vector_has_a_matrix_for_a_derivative():
    """Printed: d(alpha x)/dx = alpha x. Right: alpha I, and x dalpha/dx where alpha moves."""
    alpha, x = drawn(30, (), (3,))
    right = _differences(lambda x: float(alpha) * x, x)
    assert_refuted(alpha * x, right)
    np.testing.assert_allclose(
        scalar_times_vector_jacobian(alpha, x)[1], right, rtol=1e-6, atol=1e-8
    )
    right = _differences(lambda x: x / np.linalg.norm(x), x)
    assert_refuted(np.eye(3) / np.linalg.norm(x), right)  # alpha I alone
    np.testing.assert_allclose(forms.unit_vector_jacobian(x), right, rtol=1e-6, atol=1e-8)


def test_e_l4_43_the_product_rule_of_vectors_is_not_that_of_matrices():
    """Printed: d(U^T V) = U^T dV + V^T dU. Right for vectors; matrices: U^T dV + (dU)^T V."""
    U, V, U_dot, V_dot = drawn(31, *[(3, 3)] * 4)
    _, right = jax.jvp(lambda U, V: U.T @ V, (U, V), (U_dot, V_dot))
    assert_refuted(U.T @ V_dot + V.T @ U_dot, right)
    by_hand = differentials.transposed_product_dot(U, V, U_dot, V_dot)
    np.testing.assert_allclose(by_hand, right, rtol=1e-12)


def test_e_l4_44_a_trace_sums_the_diagonal():
    """Printed: the sum of y_i. Right: the sum of a_ii, and of nothing off the diagonal."""
    (A,) = drawn(32, (3, 3))
    right = sum(float(A[i, i]) for i in range(3))
    assert_refuted(jnp.sum(A), right)
    assert_refuted(jnp.sum(A[:, 0]), right)
    np.testing.assert_allclose(traces.trace(A), right, rtol=1e-13)
