"""The loss, the whole gradient, and where the samples are put."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import by_jax
from calculus.foundations.rendering.field import field_density, field_density_jacobian, normal
from calculus.foundations.rendering.loss import (
    field_loss,
    field_loss_jacobian,
    ray_loss,
    ray_loss_jacobian,
)
from calculus.foundations.rendering.opacity import alpha, transmittance
from calculus.foundations.rendering.placement import (
    inverse_cdf,
    inverse_cdf_jacobian,
    normalised_weights,
    normalised_weights_jacobian,
)
from calculus.foundations.rendering.suffix import suffix_radiance
from calculus.radiance import coarse_and_fine, relu, sigmoid, softplus
from calculus.radiance.dense import affine_bwd
from calculus.radiance.photometric import coarse_and_fine_jacobian, squared_error_jacobian
from calculus.radiance.sampling import by_importance
from tests.calculus.foundations.drawn import between
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def drawn(seed, *shapes):
    return between(0.0, 1.0, seed, *shapes)


@SEEDS
def test_the_loss_is_a_sum_over_rays_of_two_squared_distances(seed):
    coarse, fine, Y = drawn(seed, (4, 3), (4, 3), (4, 3))
    c, f, y = map(np.asarray, (coarse, fine, Y))
    by_rays = sum(
        sum((c[r, a] - y[r, a]) ** 2 + (f[r, a] - y[r, a]) ** 2 for a in range(3)) for r in range(4)
    )
    np.testing.assert_allclose(coarse_and_fine(coarse, fine, Y, jnp.ones(4)), by_rays, rtol=1e-13)
    # a mean is the sum with share 1/R, and so is its gradient
    summed = coarse_and_fine_jacobian(coarse, fine, Y, jnp.ones(4))
    mean = coarse_and_fine_jacobian(coarse, fine, Y, jnp.full(4, 0.25))
    np.testing.assert_allclose(mean[0], summed[0] / 4, rtol=1e-14)


@SEEDS
def test_rays_and_networks_do_not_meet_in_the_loss(seed):
    coarse, fine, Y = drawn(seed, (4, 3), (4, 3), (4, 3))
    curved = jax.hessian(lambda c, f: by_jax.coarse_and_fine(c, f, Y, jnp.ones(4)), (0, 1))
    H = jax.jit(curved)(coarse, fine)
    np.testing.assert_array_equal(H[0][1], jnp.zeros((4, 3, 4, 3)))
    np.testing.assert_allclose(H[0][0].reshape(12, 12), 2 * jnp.eye(12), atol=1e-14)
    slope, _, _ = squared_error_jacobian(coarse, Y, jnp.ones(4))
    np.testing.assert_allclose(slope, 2 * (coarse - Y), rtol=1e-14)


@SEEDS
def test_a_sample_grows_where_its_colour_would_mend_the_pixel(seed):
    sigma, delta, colours, b, Y = drawn(seed, (4,), (4,), (4, 3), (3,), (3,))
    V = suffix_radiance(alpha(sigma, delta), colours, b)
    T = transmittance(sigma, delta)
    g = 2 * (V[0] - Y)
    slope = [delta[k] * T[k + 1] * g @ (colours[k] - V[k + 1]) for k in range(4)]
    found = ray_loss_jacobian(sigma, delta, colours, b, Y)
    np.testing.assert_allclose(found[0], jnp.stack(slope), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found[2], (T[:-1] - T[1:])[:, None] * g[None, :], rtol=1e-11)
    np.testing.assert_allclose(ray_loss(sigma, delta, colours, b, Y), g @ g / 4, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (softplus, lambda z: 1 / (1 + jnp.exp(-z))),
        (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
        (relu, lambda z: jnp.where(z > 0, 1.0, 0.0)),
    ],
    ids=["softplus", "sigmoid", "relu"],
)
def test_an_activation_acts_on_each_number_by_itself(f, slope):
    z = jnp.array([-2.0, -0.3, 0.4, 3.0])
    J = jax.jit(jax.jacrev(f))(z)
    np.testing.assert_allclose(J, jnp.diag(slope(z)), rtol=1e-12)


@SEEDS
def test_the_weights_of_a_layer_gather_one_outer_product_from_each_sample(seed):
    H, W, Z_bar = drawn(seed, (5, 4), (4, 3), (5, 3))
    H_bar, W_bar, b_bar = affine_bwd((H, W), Z_bar)
    H, W, Z_bar = map(np.asarray, (H, W, Z_bar))
    outer = sum(np.outer(H[s], Z_bar[s]) for s in range(5))
    np.testing.assert_allclose(W_bar, outer, rtol=1e-13)
    np.testing.assert_allclose(b_bar, sum(Z_bar), rtol=1e-13)
    np.testing.assert_allclose(H_bar[2], W @ Z_bar[2], rtol=1e-13)


def small_field(seed):
    W, U, x, delta, Y = drawn(seed, (6, 3), (3, 4), (2, 2, 3), (2, 2), (2, 3))
    return W - 0.5, U - 0.5, x, delta, Y


def sigma_and_colours(W, U, x):
    z = by_jax.relu(by_jax.encode(x, 1) @ W) @ U
    return by_jax.softplus(z[..., 0]), by_jax.sigmoid(z[..., 1:])


@SEEDS
def test_the_whole_gradient_is_the_formula_with_the_fields_own_jacobians(seed):
    """2 (C - Y)^T [sum_k delta_k T_{k+1} (c_k - V_{k+1}) dsigma_k/dW + sum_i w_i dc_i/dW]."""
    W, U, x, delta, Y = small_field(seed)
    sigma, c = jax.jit(sigma_and_colours)(W, U, x)
    dsigma, dc = jax.tree.map(np.asarray, jax.jit(jax.jacfwd(sigma_and_colours))(W, U, x))
    c, gaps = np.asarray(c), np.asarray(delta)
    whole = np.zeros(W.shape)
    for r in range(2):
        T = np.asarray(transmittance(sigma[r], delta[r]))
        V = np.asarray(suffix_radiance(alpha(sigma[r], delta[r]), jnp.asarray(c[r]), jnp.zeros(3)))
        inner = sum(
            gaps[r, k] * T[k + 1] * np.multiply.outer(c[r, k] - V[k + 1], dsigma[r, k])
            + (T[k] - T[k + 1]) * dc[r, k]
            for k in range(2)
        )
        whole += np.tensordot(2 * (V[0] - np.asarray(Y[r])), inner, 1)
    np.testing.assert_allclose(field_loss_jacobian(W, U, x, delta, Y, 1)[0], whole, rtol=1e-9)
    np.testing.assert_allclose(jax.grad(field_loss)(W, U, x, delta, Y, 1), whole, rtol=1e-9)


def test_a_short_step_down_the_gradient_lowers_the_loss_by_its_length_squared():
    W, U, x, delta, Y = small_field(0)
    g, *_ = field_loss_jacobian(W, U, x, delta, Y, 1)
    start = field_loss(W, U, x, delta, Y, 1)
    assert field_loss(W - 1e-2 * g, U, x, delta, Y, 1) < start

    def remainder(eta):
        return field_loss(W - eta * g, U, x, delta, Y, 1) - start + eta * jnp.sum(g * g)

    assert_order(remainder, 2, (1e-3, 1e-4))


@SEEDS
def test_density_falls_fastest_along_the_normal(seed):
    x, W, u = drawn(seed, (3,), (12, 4), (4,))
    slope, _, _ = field_density_jacobian(x, W - 0.5, u, 2)
    n = normal(slope)
    np.testing.assert_allclose(n @ n, 1, rtol=1e-14)

    def rate(direction):
        h = 1e-5
        ahead, back = (field_density(x + s * direction, W - 0.5, u, 2) for s in (h, -h))
        return (ahead - back) / (2 * h)

    np.testing.assert_allclose(rate(n), -jnp.linalg.norm(slope), rtol=1e-7)
    across = jnp.cross(n, jnp.array([0.3, 0.5, -0.2]))
    np.testing.assert_allclose(rate(across), 0, atol=1e-7)


@SEEDS
def test_probabilities_stay_a_distribution(seed):
    (w,) = drawn(seed, (4,))
    J = normalised_weights_jacobian(w)
    np.testing.assert_allclose(jnp.sum(normalised_weights(w)), 1, rtol=1e-14)
    np.testing.assert_allclose(jnp.sum(J, axis=0), jnp.zeros(4), atol=1e-14)
    np.testing.assert_allclose(J @ w, jnp.zeros(4), atol=1e-14)  # only proportions count


@SEEDS
def test_a_place_moves_with_one_over_the_probability_per_length(seed):
    w, gaps, u = drawn(seed, (4,), (5,), (3,))
    edges, p = jnp.cumsum(gaps), normalised_weights(w)
    t = inverse_cdf(u, edges, p)
    np.testing.assert_allclose(t, by_importance(edges, w, u), rtol=1e-12)
    per_length = p / jnp.diff(edges)
    here = jnp.searchsorted(edges, t, side="right") - 1
    dt_du, _, _ = inverse_cdf_jacobian(u, edges, p)
    np.testing.assert_allclose(jnp.diag(dt_du), 1 / per_length[here], rtol=1e-12)
    np.testing.assert_array_equal(
        jax.grad(lambda w: jnp.sum(by_importance(edges, w, u)))(w), jnp.zeros(4)
    )
