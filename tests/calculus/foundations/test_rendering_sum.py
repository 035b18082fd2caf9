"""The sum that stands for the integral: opacities, views, and the pixel's derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import by_jax
from calculus.foundations.rendering.directions import colour_hessian, render_jvp
from calculus.foundations.rendering.opacity import (
    alpha,
    lengths,
    lengths_jacobian,
    transmittance,
    transmittance_jacobian,
)
from calculus.foundations.rendering.suffix import (
    composite,
    composite_jacobian,
    suffix_radiance,
)
from calculus.radiance import accumulate, optical_depth, volume_render, weights
from calculus.radiance.compositing import optical_depth_jacobian, weights_jacobian
from calculus.radiance.rendering import volume_render_jacobian
from tests.calculus.foundations.drawn import between, drawn
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])
N = 4


def ray(seed):
    colours, background = between(0.0, 1.0, seed, (N, 3), (3,))
    (sigma,), (delta,) = between(0.0, 3.0, seed + 1, (N,)), between(0.05, 0.7, seed + 2, (N,))
    return sigma, delta, colours, background


def pixel(sigma, delta, colours, background):
    return by_jax.volume_render(sigma, delta, colours, jnp.zeros(N), background)[0]


pixel_by_jax = jax.jit(pixel)
slopes_by_jax = jax.jit(jax.jacfwd(pixel, (0, 1, 2)))


@SEEDS
def test_opacity_lies_in_zero_to_one_and_keeps_the_digits_of_thin_fog(seed):
    sigma, delta, *_ = ray(seed)
    a = alpha(sigma, delta)
    assert jnp.all((a >= 0) & (a < 1))
    np.testing.assert_allclose(1 - a, jnp.exp(-sigma * delta), rtol=1e-14)
    np.testing.assert_allclose(alpha(1e-20 * sigma, delta), 1e-20 * sigma * delta, rtol=1e-14)


@SEEDS
def test_transmittance_as_exponential_of_a_sum_is_the_product_of_what_is_left(seed):
    sigma, delta, *_ = ray(seed)
    T, a = transmittance(sigma, delta), alpha(sigma, delta)
    np.testing.assert_allclose(T[1:], jnp.cumprod(1 - a), rtol=1e-13)
    np.testing.assert_allclose(T[1:], T[:-1] * (1 - a), rtol=1e-13)
    assert T[0] == 1


@SEEDS
def test_only_what_lies_before_dims(seed):
    sigma, delta, *_ = ray(seed)
    dT, _ = transmittance_jacobian(sigma, delta)
    np.testing.assert_array_equal(dT, jnp.tril(dT, k=-1))
    T = transmittance(sigma, delta)
    by_entries = [[-delta[k] * T[i] if k < i else 0.0 for k in range(N)] for i in range(N + 1)]
    np.testing.assert_allclose(dT, jnp.asarray(by_entries), rtol=1e-13)


@SEEDS
def test_a_weight_is_what_arrives_times_what_is_taken(seed):
    sigma, delta, *_ = ray(seed)
    w, T_N = weights(optical_depth(sigma, delta))
    T, a = transmittance(sigma, delta), alpha(sigma, delta)
    np.testing.assert_allclose(w, T[:-1] * a, rtol=1e-13)
    np.testing.assert_allclose(w, T[:-1] - T[1:], rtol=1e-13)
    np.testing.assert_allclose(jnp.sum(w), 1 - T_N, rtol=1e-13)


@SEEDS
def test_denser_anywhere_the_weights_gain_what_the_background_loses(seed):
    """Columns of dw/dsigma sum to delta_k T_N; the matrix is lower triangular."""
    sigma, delta, *_ = ray(seed)
    tau = optical_depth(sigma, delta)
    dw = weights_jacobian(tau)[0] @ optical_depth_jacobian(sigma, delta)[0]
    wanted = jax.jit(jax.jacfwd(lambda s: by_jax.weights(s * delta)[0]))(sigma)
    np.testing.assert_allclose(dw, wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(dw, jnp.tril(dw))
    np.testing.assert_allclose(jnp.sum(dw, axis=0), delta * weights(tau)[1], rtol=1e-12)


@SEEDS
def test_the_pixel_is_the_weights_times_the_colours(seed):
    sigma, delta, colours, background = ray(seed)
    w, T_N = weights(optical_depth(sigma, delta))
    C, _, _ = accumulate(w, T_N, colours, jnp.zeros(N), background)
    np.testing.assert_allclose(C, w @ colours + T_N * background, rtol=1e-14)
    _, _, dC_dc = slopes_by_jax(sigma, delta, colours, background)
    np.testing.assert_allclose(dC_dc, jnp.einsum("i,ab->aib", w, jnp.eye(3)), atol=1e-15)


@SEEDS
def test_the_view_of_the_whole_ray_is_the_pixel_and_each_view_what_lies_behind(seed):
    sigma, delta, colours, background = ray(seed)
    T, a = transmittance(sigma, delta), alpha(sigma, delta)
    V = suffix_radiance(a, colours, background)
    np.testing.assert_allclose(V[0], pixel_by_jax(sigma, delta, colours, background), rtol=1e-13)
    np.testing.assert_array_equal(V[-1], background)
    w = T[:-1] * a
    for k in range(N):
        behind = w[k + 1 :] @ colours[k + 1 :] + T[-1] * background
        np.testing.assert_allclose(T[k + 1] * V[k + 1], behind, rtol=1e-12)


@SEEDS
@pytest.mark.parametrize("with_background", [True, False])
def test_more_of_a_sample_replaces_the_view_behind_it_by_its_colour(seed, with_background):
    sigma, delta, colours, background = ray(seed)
    background = background * float(with_background)
    T = transmittance(sigma, delta)
    V = suffix_radiance(alpha(sigma, delta), colours, background)
    by_view = (T[1:, None] * (colours - V[1:])).T
    wanted = slopes_by_jax(sigma, delta, colours, background)
    np.testing.assert_allclose(delta[None, :] * by_view, wanted[0], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(sigma[None, :] * by_view, wanted[1], rtol=1e-11, atol=1e-14)
    (by_rule, *_), _, _ = volume_render_jacobian(sigma, delta, colours, jnp.zeros(N), background)
    np.testing.assert_allclose(by_rule, delta[None, :] * by_view, rtol=1e-11, atol=1e-14)


def test_behind_an_opaque_sample_the_usual_form_divides_zero_by_zero():
    _, _, colours, background = ray(0)
    a = jnp.array([0.3, 1.0, 0.5, 0.2])

    def loop(a):
        T, C = jnp.ones(()), jnp.zeros(3)
        for k in range(N):
            C, T = C + T * a[k] * colours[k], T * (1 - a[k])
        return C + T * background

    dC, _, _ = composite_jacobian(a, colours, background)
    np.testing.assert_allclose(dC, jax.jit(jax.jacfwd(loop))(a), rtol=1e-12, atol=1e-15)
    T = jnp.concatenate([jnp.ones(1), jnp.cumprod(1 - a)])
    w = T[:-1] * a
    behind = w[2:] @ colours[2:] + T[-1] * background
    usual = T[1] * colours[1] - behind / (1 - a[1])
    assert not jnp.any(jnp.isfinite(usual))
    assert jnp.max(jnp.abs(dC[:, 1])) > 0.1, "and the derivative there is not small"
    np.testing.assert_allclose(composite(a, colours, background), loop(a), rtol=1e-14)


@SEEDS
def test_a_cut_moves_the_end_of_one_interval_and_the_start_of_the_next(seed):
    sigma, delta, colours, background = ray(seed)
    t = jnp.concatenate([jnp.ones(1), 1 + jnp.cumsum(delta)])
    np.testing.assert_allclose(lengths(t), delta, rtol=1e-14)
    (_, dC_ddelta, *_), _, _ = volume_render_jacobian(
        sigma, delta, colours, jnp.zeros(N), background
    )
    moved = jax.jacfwd(lambda t: pixel(sigma, jnp.diff(t), colours, background))
    wanted = jax.jit(moved)(t)
    np.testing.assert_allclose(dC_ddelta @ lengths_jacobian(t), wanted, rtol=1e-11, atol=1e-14)
    # shifting the whole ray changes no length
    np.testing.assert_allclose(jnp.sum(wanted, axis=1), jnp.zeros(3), atol=1e-14)


@SEEDS
def test_any_quantity_of_the_samples_has_the_derivative_of_a_colour(seed):
    sigma, delta, _, _ = ray(seed)
    t = 1 + jnp.cumsum(delta)
    dC, dA, dD = volume_render_jacobian(
        sigma, delta, jnp.stack([t, jnp.ones(N), t**2], axis=-1), t, jnp.zeros(3)
    )
    np.testing.assert_allclose(dC[0][0], dD[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dC[0][1], dA[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(dA[0], delta * transmittance(sigma, delta)[-1], rtol=1e-12)


@SEEDS
def test_second_derivatives_of_a_pixel(seed):
    sigma, delta, colours, background = ray(seed)
    H = colour_hessian(sigma, delta, colours, background)
    wanted = jax.jit(jax.hessian(pixel))(sigma, delta, colours, background)
    np.testing.assert_allclose(H, wanted, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(H, jnp.swapaxes(H, 1, 2))


def test_value_slope_and_curvature_leave_a_remainder_of_third_order():
    sigma, delta, colours, background = ray(0)
    way = jnp.array([0.5, -1.0, 0.3, 0.8])
    still = jnp.zeros((N, 3)), jnp.zeros(3)
    C, C_dot = render_jvp(sigma, delta, colours, background, way, *still)
    bend = jnp.einsum("ajk,j,k->a", colour_hessian(sigma, delta, colours, background), way, way)

    def remainder(e):
        there = pixel_by_jax(sigma + e * way, delta, colours, background)
        return there - C - e * C_dot - e**2 / 2 * bend

    assert_order(remainder, 3, (1e-1, 1e-2))


@SEEDS
def test_pushing_a_direction_and_pulling_a_cotangent_meet(seed):
    sigma, delta, colours, background = ray(seed)
    *dots, C_bar = drawn(seed + 7, (N,), (N, 3), (3,), (3,))
    C, C_dot = render_jvp(sigma, delta, colours, background, *dots)

    def pushed(primals, tangents):
        return jax.jvp(lambda s, c, b: pixel(s, delta, c, b), primals, tangents)[1]

    wanted = jax.jit(pushed)((sigma, colours, background), tuple(dots))
    np.testing.assert_allclose(C, pixel_by_jax(sigma, delta, colours, background), rtol=1e-13)
    np.testing.assert_allclose(C_dot, wanted, rtol=1e-12)

    def pulled_back(*arguments):
        t = jnp.zeros(N)
        _, pull = jax.vjp(lambda s, c, b: volume_render(s, delta, c, t, b)[0], *arguments)
        return pull(C_bar)

    bars = jax.jit(pulled_back)(sigma, colours, background)
    pulled = sum(jnp.vdot(bar, dot) for bar, dot in zip(bars, dots, strict=True))
    np.testing.assert_allclose(C_bar @ C_dot, pulled, rtol=1e-12)
