"""Scalars of a matrix: Frobenius product, expansion, what a minimum asks for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices.flattening import flatten
from calculus.foundations.matrices.generalised import (
    bilinear_square_loss,
    bilinear_square_loss_jacobian,
    frobenius_product,
    nearest_minimiser,
    read_off,
)
from tests.calculus.foundations.drawn import drawn
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _draw(seed):
    a, W, b, U = drawn(seed, (3,), (3, 4), (4,), (3, 4))
    return a, W, b, a @ W @ b + 1.5, U


@SEEDS
def test_gradient_of_a_scalar_has_the_shape_of_the_matrix(seed):
    a, W, b, c, _ = _draw(seed)
    G = np.asarray(bilinear_square_loss_jacobian(a, W, b, c)[1])
    assert G.shape == W.shape
    for i, j in np.ndindex(*W.shape):
        h = np.zeros(W.shape)
        h[i, j] = 1e-5
        rise = bilinear_square_loss(a, W + h, b, c) - bilinear_square_loss(a, W - h, b, c)
        np.testing.assert_allclose(G[i, j], rise / 2e-5, rtol=1e-6, atol=1e-8)
    by_jax = jax.grad(bilinear_square_loss.fun, argnums=1)(a, W, b, c)
    np.testing.assert_allclose(G, by_jax, rtol=1e-12)


@SEEDS
def test_frobenius_product_is_the_trace_and_the_dot_product_of_the_lists(seed):
    U, G = _draw(seed)[4], _draw(seed + 2)[4]
    product = frobenius_product(U, G)
    np.testing.assert_allclose(product, jnp.trace(U.T @ G), rtol=1e-12)
    np.testing.assert_allclose(product, sum((U.T @ G)[i, i] for i in range(4)), rtol=1e-12)
    np.testing.assert_allclose(product, jnp.vdot(U.ravel(), G.ravel()), rtol=1e-12)
    np.testing.assert_allclose(product, flatten(U, "column") @ flatten(G, "column"), rtol=1e-12)
    np.testing.assert_allclose(product, frobenius_product(G, U), rtol=1e-12)
    assert frobenius_product(U, U) > 0


@SEEDS
def test_reading_off_every_entry_finds_the_gradient(seed):
    a, W, b, c, U = _draw(seed)
    G = bilinear_square_loss_jacobian(a, W, b, c)[1]
    r = a @ W @ b - c
    np.testing.assert_allclose(read_off(lambda U: 2 * r * (a @ U @ b), W.shape), G, rtol=1e-13)
    np.testing.assert_allclose(2 * r * (a @ U @ b), frobenius_product(U, G), rtol=1e-12)


@SEEDS
def test_matrix_taylor_remainder_is_of_second_order(seed):
    _, W, _, _, U = _draw(seed)

    def L(W):
        return jnp.sum(jnp.sin(W)) * W[0, 0]

    linear = frobenius_product(U, jax.grad(L)(W))
    assert_order(lambda e: L(W + e * U) - L(W) - e * linear, 2, eps=(1e-3, 1e-4))


@SEEDS
def test_directional_derivative_is_the_product_with_the_gradient(seed):
    a, W, b, c, U = _draw(seed)
    G = bilinear_square_loss_jacobian(a, W, b, c)[1]

    def L(W):
        return bilinear_square_loss.fun(a, W, b, c)

    slope = frobenius_product(U, G)
    np.testing.assert_allclose(slope, jax.jvp(L, (W,), (U,))[1], rtol=1e-12)
    assert_order(lambda e: (L(W + e * U) - L(W)) / e - slope, 1)


@SEEDS
@pytest.mark.parametrize("eps", [1.0, 1e-2])
def test_bilinear_loss_remainder_is_exactly_a_square(seed, eps):
    a, W, b, c, U = _draw(seed)
    loss, G = bilinear_square_loss(a, W, b, c), bilinear_square_loss_jacobian(a, W, b, c)[1]
    left_over = bilinear_square_loss(a, W + eps * U, b, c) - loss - eps * frobenius_product(U, G)
    np.testing.assert_allclose(left_over, eps**2 * (a @ U @ b) ** 2, rtol=1e-8)


@SEEDS
def test_bilinear_gradient_has_rank_one(seed):
    a, W, b, c, _ = _draw(seed)
    assert np.linalg.matrix_rank(bilinear_square_loss_jacobian(a, W, b, c)[1]) == 1


@SEEDS
def test_at_a_minimiser_nothing_decreases_and_nothing_changes_to_first_order(seed):
    a, W, b, c, U = _draw(seed)
    at = nearest_minimiser(a, W, b, c)
    np.testing.assert_allclose(a @ at @ b, c, rtol=1e-12)
    np.testing.assert_allclose(
        bilinear_square_loss_jacobian(a, at, b, c)[1], jnp.zeros((3, 4)), atol=1e-12
    )

    def change(eps):
        return bilinear_square_loss(a, at + eps * U, b, c) - bilinear_square_loss(a, at, b, c)

    assert_order(change, 2)
    for eps in (-1.0, -1e-3, 1e-3, 1.0):
        assert change(eps) >= 0


@SEEDS
def test_nearest_minimiser_is_the_one_of_least_change(seed):
    a, W, b, c, U = _draw(seed)
    at = nearest_minimiser(a, W, b, c)
    within = U - (a @ U @ b) / ((a @ a) * (b @ b)) * jnp.outer(a, b)  # stays on the hyperplane
    np.testing.assert_allclose(a @ (at + within) @ b, c, rtol=1e-10)
    # at right angles to the step, so by Pythagoras any other minimiser is farther from W
    np.testing.assert_allclose(frobenius_product(within, at - W), 0.0, atol=1e-12)
    assert jnp.linalg.norm(at + within - W) > jnp.linalg.norm(at - W)


def test_stationary_does_not_mean_smallest():
    def saddle(w):
        return w[0] ** 2 - w[1] ** 2

    origin = jnp.zeros(2)
    np.testing.assert_array_equal(jax.grad(saddle)(origin), origin)
    assert_order(lambda e: saddle(jnp.asarray([e, 0.3 * e])), 2)
    assert saddle(jnp.asarray([0.1, 0.0])) > 0 > saddle(jnp.asarray([0.0, 0.1]))
