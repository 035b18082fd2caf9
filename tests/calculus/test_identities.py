"""What must hold whatever the numbers are, and what is known in closed form."""

import functools
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from calculus.radiance import (
    accumulate,
    bounded_exp,
    dense,
    encode,
    grid,
    hash_encode,
    interpolate,
    mlp,
    optical_depth,
    psnr,
    rays,
    sigmoid,
    softplus,
    volume_render,
    weights,
)
from calculus.radiance.activation import EXP_BOUND
from calculus.radiance.camera import rays_jacobian_se3
from calculus.radiance.compositing import weights_jacobian
from calculus.radiance.encoding import encode_jacobian
from calculus.radiance.rendering import volume_render_jacobian

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])
INTRINSICS = np.array([70.0, 80.0, 33.0, 30.0])
close = np.testing.assert_allclose
render, render_jacobian = map(jax.jit, (volume_render, volume_render_jacobian))


def ray(seed, n=7):
    """Density, length, colour, distance and background, each drawn."""
    rng = np.random.default_rng(seed)
    delta = rng.uniform(0.05, 0.6, n)
    sigma, colours, t = rng.uniform(0, 4, n), rng.uniform(size=(n, 3)), 1 + np.cumsum(delta)
    return sigma, delta, colours, t, rng.uniform(size=3)


def all_close(found, wanted, rtol=1e-7, atol=0.0):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        close(a, b, rtol=rtol, atol=atol)


def pulled(f):
    """Value and cotangents of a function, compiled."""

    @jax.jit
    def both(bar, *arguments):
        value, pull = jax.vjp(f, *arguments)
        return value, pull(bar)

    return both


@SEEDS
def test_weights_and_what_is_left_sum_to_one(seed):
    sigma, delta, *_ = ray(seed)
    (w, T), (dw, dT) = (jax.jit(f)(sigma * delta) for f in (weights, weights_jacobian))
    close(np.sum(w) + T, 1, rtol=1e-14)
    close(np.sum(dw, axis=0) + dT, np.zeros(7), atol=1e-15)


@SEEDS
def test_cutting_an_interval_in_two_leaves_the_pixel(seed):
    sigma, delta, colours, t, background = ray(seed)
    whole = render(sigma, delta, colours, t, background)
    for cut in (0, 3, 6):
        part = 0.3 * delta[cut]
        twice = [np.insert(values, cut, values[cut], axis=0) for values in (sigma, colours, t)]
        shorter = np.insert(delta, cut, part)
        shorter[cut + 1] -= part
        all_close(whole, render(twice[0], shorter, *twice[1:], background), rtol=1e-13)


@SEEDS
def test_scene_units_cancel(seed):
    """In centimetres densities are a hundredth, lengths a hundredfold, and the pixel the same."""
    sigma, delta, colours, t, background = ray(seed)
    colour, opacity, depth = render(sigma, delta, colours, t, background)
    scaled = render(sigma / 100, delta * 100, colours, t * 100, background)
    all_close((colour, opacity, depth * 100), scaled, rtol=1e-13)
    # Euler: what cancels has sum_k sigma_k df/dsigma_k = sum_k delta_k df/ddelta_k
    dC, _, _ = render_jacobian(sigma, delta, colours, t, background)
    close(dC[0] @ sigma, dC[1] @ delta, rtol=1e-12, atol=1e-14)


@pulled
def in_one_rule(*arguments):
    return volume_render(*arguments)


@pulled
def in_stages(sigma, delta, colours, t, background):
    w, T = weights(optical_depth(sigma, delta))
    return accumulate(w, T, colours, t, background)


@SEEDS
def test_one_rule_is_its_stages(seed):
    """Rendering in one rule has the value and the pullback of depth, weights and pixel in turn."""
    rng = np.random.default_rng(seed)
    bar = tuple(np.asarray(rng.normal(size=shape)) for shape in ((3,), (), ()))
    all_close(in_one_rule(bar, *ray(seed)), in_stages(bar, *ray(seed)), rtol=1e-13, atol=1e-15)


def test_an_empty_ray_shows_the_background_and_learns_its_colours_worth():
    _, delta, colours, t, background = ray(0)
    arguments = np.zeros(7), delta, colours, t, background
    colour, opacity, depth = render(*arguments)
    np.testing.assert_array_equal(colour, background)
    assert opacity == 0 and depth == 0
    dC, _, _ = render_jacobian(*arguments)
    close(dC[0].T, delta[:, None] * (colours - background))


@pytest.mark.parametrize("n", [1, 2, 64])
def test_constant_medium(n):
    """Constant density and colour over a length D: C = c (1 - e^{-sigma D}), however it is cut."""
    sigma, D = 1.7, 2.3

    def pixel(sigma, delta, c):
        colours = jnp.broadcast_to(c, (n, 3))
        return volume_render(jnp.full(n, sigma), delta, colours, jnp.zeros(n), jnp.zeros(3))[0]

    both = jax.jit(lambda *at: (pixel(*at), jax.jacrev(pixel)(*at)))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        cut, c = rng.uniform(0.2, 1, n), rng.uniform(size=3)
        found, slope = both(sigma, D * cut / np.sum(cut), c)
        close(found, c * -np.expm1(-sigma * D), rtol=1e-13)
        close(slope, c * D * np.exp(-sigma * D), rtol=1e-12)


@functools.partial(jax.jit, static_argnums=1)
def encoded(p, L):
    return encode(p, L), encode_jacobian(p, L)


@SEEDS
def test_encoding_is_conformal_and_stationary(seed):
    p, q = np.random.default_rng(seed).uniform(-1, 1, (2, 3))
    L = 5
    (at_p, J), (at_q, _), (around, _) = (encoded(x, L) for x in (p, q, p + 2.0))
    close(np.sum(at_p**2), 3 * L)
    close(J.T @ J, np.pi**2 * (4**L - 1) / 3 * np.eye(3), atol=1e-9)
    kernel = sum(np.cos(2**k * np.pi * (p - q)) for k in range(L))
    close(at_p @ at_q, np.sum(kernel), atol=1e-12)
    close(around, at_p, atol=1e-12)


look_up = jax.jit(interpolate)


@SEEDS
def test_interpolation_is_exact_for_what_is_linear_along_each_axis(seed):
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1.0, 1.0, 6)] * 3, indexing="ij")

    def f(x, y, z):
        return np.stack([1 + 2 * x - y + 3 * z, x * y - y * z + x * y * z], axis=-1)

    at = rng.uniform(-1, 1, (216, 3))
    close(look_up(f(x, y, z), at), f(*at.T), atol=1e-14)
    at_vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    grid = rng.normal(size=(6, 6, 6, 2))
    close(look_up(grid, at_vertices), grid.reshape(-1, 2), atol=1e-13)


def pose_drawn(rng):
    R, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.concatenate([R * np.sign(np.linalg.det(R)), rng.normal(size=(3, 1))], axis=1)


rays_of = jax.jit(rays)


@SEEDS
def test_a_ray_is_a_unit_direction_through_its_pixel(seed):
    rng = np.random.default_rng(seed)
    pixel, pose = rng.uniform(0, 64, 2), pose_drawn(rng)
    origin, d = rays_of(pixel, INTRINSICS, pose)
    close(np.linalg.norm(d), 1, rtol=1e-14)
    back = pose[:, :3].T @ d  # project a point on the ray again
    x = INTRINSICS[2] + INTRINSICS[0] * back[0] / -back[2]
    y = INTRINSICS[3] - INTRINSICS[1] * back[1] / -back[2]
    close([x, y], pixel, rtol=1e-12)
    np.testing.assert_array_equal(origin, pose[:, 3])


@SEEDS
def test_se3_jacobian_is_that_of_a_moved_camera(seed):
    pose, pixel = pose_drawn(np.random.default_rng(seed)), np.array([20.0, 50.0])

    def moved(xi):
        (a, b, c), twist = xi[3:], np.zeros((4, 4))
        twist[:3, :3], twist[:3, 3] = [[0, -c, b], [c, 0, -a], [-b, a, 0]], xi[:3]
        whole = np.concatenate([pose, [[0.0, 0.0, 0.0, 1.0]]])
        return np.concatenate(rays_of(pixel, INTRINSICS, (expm(twist) @ whole)[:3]))

    h = 1e-6 * np.eye(6)
    by_differences = np.stack([(moved(e) - moved(-e)) / 2e-6 for e in h], axis=1)
    found = jax.jit(rays_jacobian_se3)(*rays_of(pixel, INTRINSICS, pose))
    close(found, by_differences, atol=1e-8)


def test_bounded_exp_is_smooth_where_it_turns_and_bounded_beyond():
    z = np.array([EXP_BOUND - 1e-9, EXP_BOUND + 1e-9, 1e4])
    value, (slope,) = pulled(bounded_exp)(np.ones(3), z)
    close(value[0], value[1], rtol=1e-8)
    close(slope[0], slope[1], rtol=1e-8)
    close(slope[2], np.exp(EXP_BOUND))


def test_activations_mirror():
    z = jnp.asarray(5 * np.random.default_rng(0).normal(size=27))
    close(sigmoid(z) + sigmoid(-z), np.ones(27), rtol=1e-14)
    close(softplus(z) - softplus(-z), z, rtol=1e-13, atol=1e-14)


def test_psnr_of_a_hundredth_is_twenty_decibels():
    close(psnr(jnp.asarray(0.01)), 20.0, rtol=1e-14)


@pytest.mark.parametrize("points", [64, 65, 3 * 64 + 5])
def test_a_hash_encoding_in_blocks_is_the_encoding(points):
    """The way back block by block adds up to the same, what fills the last one counts nothing."""
    rng = np.random.default_rng(0)
    tables = tuple(rng.normal(size=(rows, 2)) for rows in (64, 37))
    x, y_bar = rng.uniform(-1, 1, (points, 3)), rng.normal(size=(points, 4))

    def back(tables, x):
        return hash_encode(tables, x, (4, 5))

    whole = pulled(back)(y_bar, tables, x)
    with patch.object(grid, "BLOCK", 64), patch.object(grid, "BLOCK_ELSEWHERE", 64):
        all_close(pulled(back)(y_bar, tables, x), whole, atol=1e-13)


@pytest.mark.parametrize("samples", [256, 257, 2 * 256 + 17])
def test_a_network_in_blocks_is_the_network(samples):
    """Blocks, and the rows that fill the last one, change neither the value nor any cotangent."""
    rng = np.random.default_rng(0)
    layers = tuple(
        (rng.normal(size=size), np.ones(size[1])) for size in ((3, 16), (16, 16), (16 + 3, 2))
    )
    x, y_bar = rng.normal(size=(samples, 3)), rng.normal(size=(samples, 2))

    def plain(layers, x):
        h = x
        for number, (W, b) in enumerate(layers, start=1):
            h = jnp.concatenate([h, x], axis=-1) if number == 3 else h
            h = h @ W + b[None, :]
            h = jax.nn.relu(h) if number < 3 else h
        return h

    with patch.object(dense, "BLOCK", 256), patch.object(dense, "BLOCK_ELSEWHERE", 256):
        value, bars = pulled(lambda layers, x: mlp(layers, x, 3))(y_bar, layers, x)
    wanted, wanted_bars = pulled(plain)(y_bar, layers, x)
    close(value, wanted, atol=1e-12)
    all_close(bars, wanted_bars, atol=1e-9)
