"""Residuals, their squares, and where the gradient vanishes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.gradients import squared_norm, squared_norm_jacobian
from calculus.foundations.identities import least_squares as ls
from tests.calculus.foundations.drawn import drawn, well_conditioned

pytestmark = pytest.mark.usefixtures("strict_float64")


def _problem(seed):
    return drawn(seed, (2,), (5, 2), (5,))


def test_observations_are_the_prediction_and_a_residual():
    theta, Phi, y = _problem(0)
    np.testing.assert_allclose(
        ls.linear_model(Phi, theta) + ls.residual(theta, Phi, y), y, rtol=1e-13
    )


def test_the_loss_is_the_square_of_the_residual():
    theta, Phi, y = _problem(1)
    composed = squared_norm(ls.residual(theta, Phi, y))
    np.testing.assert_allclose(ls.least_squares(theta, Phi, y), composed, rtol=1e-13)


def test_the_gradient_is_a_chain_of_a_row_and_a_matrix():
    theta, Phi, y = _problem(2)
    by_e = squared_norm_jacobian(ls.residual(theta, Phi, y))[None, :]  # 1 x N
    by_theta, _, _ = ls.residual_jacobian(theta, Phi, y)  # N x D
    assert by_e.shape == (1, 5) and by_theta.shape == (5, 2)
    gradient, _, _ = ls.least_squares_jacobian(theta, Phi, y)
    np.testing.assert_allclose((by_e @ by_theta)[0], gradient, rtol=1e-12)
    written_out = -2 * (y[None] - theta[None] @ Phi.T) @ Phi
    np.testing.assert_allclose(written_out[0], gradient, rtol=1e-12)


def test_equal_weights_change_nothing():
    theta, Phi, y = _problem(3)
    by_theta, by_Phi, by_y, _ = ls.weighted_least_squares_jacobian(theta, Phi, y, jnp.eye(5))
    for weighted, plain in zip(
        (by_theta, by_Phi, by_y), ls.least_squares_jacobian(theta, Phi, y), strict=True
    ):
        np.testing.assert_allclose(weighted, plain, rtol=1e-12)


def test_the_short_formula_holds_for_symmetric_weights_and_for_no_other():
    theta, Phi, y = _problem(4)
    (W,) = drawn(5, (5, 5))
    for weights, holds in ((W + W.T, True), (W, False)):
        general, _, _, _ = ls.weighted_least_squares_jacobian(theta, Phi, y, weights)
        by_jax = jax.grad(ls.weighted_least_squares.fun)(theta, Phi, y, weights)
        np.testing.assert_allclose(general, by_jax, rtol=1e-10)
        short = ls.symmetric_weights_gradient(theta, Phi, y, weights)
        assert np.allclose(short, by_jax, rtol=1e-6) == holds


def test_the_gradient_vanishes_where_the_normal_equations_hold():
    _, Phi, y = _problem(6)
    theta = ls.solve_normal_equations(Phi, y)
    np.testing.assert_allclose(theta, np.linalg.lstsq(Phi, y, rcond=None)[0], rtol=1e-10)
    gradient, _, _ = ls.least_squares_jacobian(theta, Phi, y)
    np.testing.assert_allclose(gradient, np.zeros(2), atol=1e-12)
    # geometrically: what is left is perpendicular to every feature
    np.testing.assert_allclose(Phi.T @ ls.residual(theta, Phi, y), np.zeros(2), atol=1e-12)


def test_weighted_normal_equations_are_plain_ones_of_scaled_rows():
    _, Phi, y = _problem(7)
    w = jnp.asarray([0.5, 1.0, 2.0, 3.0, 0.1])
    theta = ls.solve_normal_equations(Phi, y, jnp.diag(w))
    scaled = ls.solve_normal_equations(jnp.sqrt(w)[:, None] * Phi, jnp.sqrt(w) * y)
    np.testing.assert_allclose(theta, scaled, rtol=1e-11)
    root = well_conditioned(7, 5)
    W = root @ root.T  # weights that couple observations
    theta = ls.solve_normal_equations(Phi, y, W)
    gradient, _, _, _ = ls.weighted_least_squares_jacobian(theta, Phi, y, W)
    np.testing.assert_allclose(gradient, np.zeros(2), atol=1e-11)


def test_the_hessian_is_the_same_everywhere_and_never_negative():
    theta, Phi, y = _problem(8)
    (u,) = drawn(9, (2,))
    hessian = ls.least_squares_hessian(Phi)
    slope, _, _ = ls.least_squares_jacobian(theta, Phi, y)
    moved, _, _ = ls.least_squares_jacobian(theta + u, Phi, y)
    np.testing.assert_allclose(moved - slope, hessian @ u, rtol=1e-10)  # however long u is
    assert np.linalg.eigvalsh(hessian).min() > 0
    np.testing.assert_allclose(u @ hessian @ u, 2 * np.sum((Phi @ u) ** 2), rtol=1e-12)


def test_gradient_descent_by_hand_reaches_the_solution():
    theta, Phi, y = (np.asarray(m) for m in _problem(10))
    wanted = np.linalg.lstsq(Phi, y, rcond=None)[0]
    step = 1 / np.linalg.eigvalsh(ls.least_squares_hessian(jnp.asarray(Phi))).max()
    for _ in range(400):
        theta = theta - step * (-2 * (y - Phi @ theta) @ Phi)
    np.testing.assert_allclose(theta, wanted, rtol=1e-8)


def test_a_curve_fitted_by_the_gradient_is_the_curve_of_lstsq():
    """The regression figure: a cubic through crosses, steepest descent against a solver."""
    x = jnp.linspace(-1, 1, 15)
    y = jnp.sin(3 * x) + 0.1 * drawn(11, (15,))[0]
    Phi = ls.polynomial_features(x, 3)
    assert Phi.shape == (15, 4)
    np.testing.assert_allclose(Phi[:, 3], x**3, rtol=1e-13)
    step = 1 / np.linalg.eigvalsh(ls.least_squares_hessian(Phi)).max()

    @jax.jit
    def descend(theta):
        slope = jax.grad(ls.least_squares)  # through the rule by hand
        return jax.lax.fori_loop(0, 3000, lambda _, t: t - step * slope(t, Phi, y), theta)

    fitted = descend(jnp.zeros(4))
    np.testing.assert_allclose(fitted, np.linalg.lstsq(Phi, y, rcond=None)[0], rtol=1e-6)
