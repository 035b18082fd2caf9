"""What must hold whatever the numbers are, and what is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


def ray(seed, n=7):
    keys = jax.random.split(jax.random.key(seed), 5)
    delta = jax.random.uniform(keys[1], (n,), minval=0.05, maxval=0.6)
    return (
        4 * jax.random.uniform(keys[0], (n,)),
        delta,
        jax.random.uniform(keys[2], (n, 3)),
        1 + jnp.cumsum(delta),
        jax.random.uniform(keys[4], (3,)),
    )


@SEEDS
def test_weights_and_what_is_left_sum_to_one(seed):
    sigma, delta, *_ = ray(seed)
    w, T = weights(sigma * delta)
    np.testing.assert_allclose(jnp.sum(w) + T, 1, rtol=1e-14)
    dw, dT = weights_jacobian(sigma * delta)
    np.testing.assert_allclose(jnp.sum(dw, axis=0) + dT, jnp.zeros(7), atol=1e-15)


@SEEDS
@pytest.mark.parametrize("cut", [0, 3, 6])
def test_cutting_an_interval_in_two_leaves_the_pixel(seed, cut):
    sigma, delta, colours, t, background = ray(seed)
    part = 0.3 * delta[cut]
    twice = [jnp.insert(values, cut, values[cut], axis=0) for values in (sigma, colours, t)]
    shorter = jnp.insert(delta, cut, part).at[cut + 1].add(-part)
    whole = volume_render(sigma, delta, colours, t, background)
    halves = volume_render(twice[0], shorter, twice[1], twice[2], background)
    for a, b in zip(whole, halves, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


@SEEDS
def test_scene_units_cancel(seed):
    """In centimetres densities are a hundredth, lengths a hundredfold, and the pixel the same."""
    sigma, delta, colours, t, background = ray(seed)
    colour, opacity, depth = volume_render(sigma, delta, colours, t, background)
    scaled = volume_render(sigma / 100, delta * 100, colours, t * 100, background)
    for a, b in zip((colour, opacity, depth * 100), scaled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
    # Euler: what cancels has sum_k sigma_k df/dsigma_k = sum_k delta_k df/ddelta_k
    dC, _, _ = volume_render_jacobian(sigma, delta, colours, t, background)
    np.testing.assert_allclose(dC[0] @ sigma, dC[1] @ delta, rtol=1e-12, atol=1e-14)


@SEEDS
def test_one_rule_is_its_stages(seed):
    """Rendering in one rule has the value and the pullback of depth, weights and pixel in turn."""
    arguments = ray(seed)

    def in_stages(sigma, delta, colours, t, background):
        w, T = weights(optical_depth(sigma, delta))
        return accumulate(w, T, colours, t, background)

    value, pull = jax.vjp(volume_render, *arguments)
    staged, staged_pull = jax.vjp(in_stages, *arguments)
    bar = jax.tree.map(lambda v: jax.random.normal(jax.random.key(seed), v.shape), value)
    for a, b in zip(
        jax.tree.leaves((value, pull(bar))),
        jax.tree.leaves((staged, staged_pull(bar))),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def test_an_empty_ray_shows_the_background_and_learns_its_colours_worth():
    _, delta, colours, t, background = ray(0)
    sigma = jnp.zeros(7)
    colour, opacity, depth = volume_render(sigma, delta, colours, t, background)
    np.testing.assert_array_equal(colour, background)
    assert opacity == 0 and depth == 0
    dC, _, _ = volume_render_jacobian(sigma, delta, colours, t, background)
    np.testing.assert_allclose(dC[0].T, delta[:, None] * (colours - background[None, :]))


@SEEDS
@pytest.mark.parametrize("n", [1, 2, 64])
def test_constant_medium(seed, n):
    """Constant density and colour over a length D: C = c (1 - e^{-sigma D}), however it is cut."""
    a, b = jax.random.split(jax.random.key(seed))
    sigma, D = 1.7, 2.3
    cut = jax.random.uniform(a, (n,), minval=0.2)
    delta = D * cut / jnp.sum(cut)
    c = jax.random.uniform(b, (3,))

    def pixel(sigma):
        colours = jnp.broadcast_to(c, (n, 3))
        return volume_render(jnp.full(n, sigma), delta, colours, jnp.zeros(n), jnp.zeros(3))[0]

    np.testing.assert_allclose(pixel(sigma), c * -jnp.expm1(-sigma * D), rtol=1e-13)
    np.testing.assert_allclose(jax.jacrev(pixel)(sigma), c * D * jnp.exp(-sigma * D), rtol=1e-12)


@SEEDS
def test_encoding_is_conformal_and_stationary(seed):
    a, b = jax.random.split(jax.random.key(seed))
    p, q = (jax.random.uniform(key, (3,), minval=-1.0) for key in (a, b))
    L = 5
    np.testing.assert_allclose(jnp.sum(encode(p, L) ** 2), 3 * L)
    J = encode_jacobian(p, L)
    np.testing.assert_allclose(J.T @ J, jnp.pi**2 * (4**L - 1) / 3 * jnp.eye(3), atol=1e-9)
    kernel = sum(jnp.cos(2**k * jnp.pi * (p - q)) for k in range(L))
    np.testing.assert_allclose(encode(p, L) @ encode(q, L), jnp.sum(kernel), atol=1e-12)
    np.testing.assert_allclose(encode(p + 2.0, L), encode(p, L), atol=1e-12)


@SEEDS
def test_interpolation_is_exact_for_what_is_linear_along_each_axis(seed):
    a, b = jax.random.split(jax.random.key(seed))
    v = jnp.linspace(-1.0, 1.0, 6)
    x, y, z = jnp.meshgrid(v, v, v, indexing="ij")

    def f(x, y, z):
        return jnp.stack([1 + 2 * x - y + 3 * z, x * y - y * z + x * y * z], axis=-1)

    at = jax.random.uniform(a, (20, 3), minval=-1.0)
    np.testing.assert_allclose(interpolate(f(x, y, z), at), f(*at.T), atol=1e-14)
    at_vertices = jnp.stack([x, y, z], axis=-1).reshape(-1, 3)
    grid = jax.random.normal(b, (6, 6, 6, 2))
    np.testing.assert_allclose(interpolate(grid, at_vertices), grid.reshape(-1, 2), atol=1e-13)


@SEEDS
def test_a_ray_is_a_unit_direction_through_its_pixel(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    pixel = jax.random.uniform(keys[0], (2,), maxval=64.0)
    intrinsics = jnp.array([70.0, 80.0, 33.0, 30.0])
    R, _ = jnp.linalg.qr(jax.random.normal(keys[1], (3, 3)))
    R = R * jnp.sign(jnp.linalg.det(R))
    o = jax.random.normal(keys[2], (3, 1))
    origin, d = rays(pixel, intrinsics, jnp.concatenate([R, o], axis=1))
    np.testing.assert_allclose(jnp.linalg.norm(d), 1, rtol=1e-14)
    back = R.T @ d  # project a point on the ray again
    x = intrinsics[2] + intrinsics[0] * back[0] / -back[2]
    y = intrinsics[3] - intrinsics[1] * back[1] / -back[2]
    np.testing.assert_allclose(jnp.stack([x, y]), pixel, rtol=1e-12)
    np.testing.assert_array_equal(origin, o[:, 0])


@SEEDS
def test_se3_jacobian_is_that_of_a_moved_camera(seed):
    a, b = jax.random.split(jax.random.key(seed))
    R, _ = jnp.linalg.qr(jax.random.normal(a, (3, 3)))
    pose = jnp.concatenate([R, jax.random.normal(b, (3, 1))], axis=1)
    pixel, intrinsics = jnp.array([20.0, 50.0]), jnp.array([70.0, 80.0, 33.0, 30.0])

    def moved(xi):
        rho, phi = xi[:3], xi[3:]
        zero = jnp.zeros(())
        twist = jnp.stack(
            [
                jnp.stack([zero, -phi[2], phi[1], rho[0]]),
                jnp.stack([phi[2], zero, -phi[0], rho[1]]),
                jnp.stack([-phi[1], phi[0], zero, rho[2]]),
                jnp.zeros(4),
            ]
        )
        whole = jnp.concatenate([pose, jnp.array([[0.0, 0.0, 0.0, 1.0]])])
        return jnp.concatenate(rays(pixel, intrinsics, (jax.scipy.linalg.expm(twist) @ whole)[:3]))

    origin, direction = rays(pixel, intrinsics, pose)
    at_zero = jnp.zeros(6)
    h = 1e-6
    by_differences = jnp.stack(
        [(moved(at_zero.at[k].set(h)) - moved(at_zero.at[k].set(-h))) / (2 * h) for k in range(6)],
        axis=1,
    )
    np.testing.assert_allclose(rays_jacobian_se3(origin, direction), by_differences, atol=1e-8)


def test_bounded_exp_is_smooth_where_it_turns_and_bounded_beyond():
    slope = jax.grad(bounded_exp)
    below, above = EXP_BOUND - 1e-9, EXP_BOUND + 1e-9
    np.testing.assert_allclose(
        bounded_exp(jnp.array(below)), bounded_exp(jnp.array(above)), rtol=1e-8
    )
    np.testing.assert_allclose(slope(below), slope(above), rtol=1e-8)
    np.testing.assert_allclose(slope(1e4), np.exp(EXP_BOUND))


@SEEDS
def test_activations_mirror(seed):
    z = 5 * jax.random.normal(jax.random.key(seed), (9,))
    np.testing.assert_allclose(sigmoid(z) + sigmoid(-z), jnp.ones(9), rtol=1e-14)
    np.testing.assert_allclose(softplus(z) - softplus(-z), z, rtol=1e-13, atol=1e-14)


def test_psnr_of_a_hundredth_is_twenty_decibels():
    np.testing.assert_allclose(psnr(jnp.array(0.01)), 20.0, rtol=1e-14)


@pytest.mark.parametrize("points", [64, 65, 3 * 64 + 5])
def test_a_hash_encoding_in_blocks_is_the_encoding(points, monkeypatch):
    """The way back block by block adds up to the same, what fills the last one counts nothing."""
    keys = jax.random.split(jax.random.key(0), 4)
    tables = tuple(jax.random.normal(k, (rows, 2)) for k, rows in zip(keys, (64, 37), strict=False))
    x = jax.random.uniform(keys[2], (points, 3), minval=-1.0)
    y_bar = jax.random.normal(keys[3], (points, 4))

    def ways_back():
        return jax.vjp(lambda tables, x: hash_encode(tables, x, (4, 5)), tables, x)[1](y_bar)

    whole = ways_back()
    monkeypatch.setattr(grid, "BLOCK", 64)
    monkeypatch.setattr(grid, "BLOCK_ELSEWHERE", 64)
    for a, b in zip(jax.tree.leaves(ways_back()), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


@pytest.mark.parametrize("samples", [256, 257, 2 * 256 + 17])
def test_a_network_in_blocks_is_the_network(samples, monkeypatch):
    """Blocks, and the rows that fill the last one, change neither the value nor any cotangent."""
    monkeypatch.setattr(dense, "BLOCK", 256)
    monkeypatch.setattr(dense, "BLOCK_ELSEWHERE", 256)
    keys = jax.random.split(jax.random.key(0), 6)
    sizes = ((3, 16), (16, 16), (16 + 3, 2))
    layers = tuple(
        (jax.random.normal(k, s), jnp.ones(s[1])) for k, s in zip(keys[:3], sizes, strict=True)
    )
    x = jax.random.normal(keys[3], (samples, 3))
    y_bar = jax.random.normal(keys[4], (samples, 2))

    def plain(layers, x):
        h = x
        for number, (W, b) in enumerate(layers, start=1):
            h = jnp.concatenate([h, x], axis=-1) if number == 3 else h
            h = h @ W + b[None, :]
            h = jax.nn.relu(h) if number < 3 else h
        return h

    value, pull = jax.vjp(lambda layers, x: mlp(layers, x, 3), layers, x)
    wanted, wanted_pull = jax.vjp(plain, layers, x)
    np.testing.assert_allclose(value, wanted, atol=1e-12)
    for a, b in zip(jax.tree.leaves(pull(y_bar)), jax.tree.leaves(wanted_pull(y_bar)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
