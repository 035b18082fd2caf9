"""Cutting a ray: edges that cover it, samples that follow the mass, and no derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import sampling

pytestmark = pytest.mark.usefixtures("strict_float64")


@pytest.mark.parametrize("seed", [0, 1])
def test_box_interval_by_brute_force(seed):
    a, b = jax.random.split(jax.random.key(seed))
    origin = 2 * jax.random.normal(a, (200, 3))
    aim = jax.random.uniform(b, (200, 3), minval=-1.2, maxval=1.2) - origin
    direction = aim / jnp.linalg.norm(aim, axis=-1, keepdims=True)
    near, far = sampling.box_interval(origin, direction)
    t = np.linspace(0, 12, 24001)
    for o, d, low, high in zip(*map(np.asarray, (origin, direction, near, far)), strict=True):
        inside = np.all(np.abs(o + t[:, None] * d) <= 1, axis=-1)
        if inside.any():
            np.testing.assert_allclose([low, high], [t[inside].min(), t[inside].max()], atol=1e-3)
        else:
            assert high - low < 2e-3


def test_a_ray_along_an_axis_and_one_that_misses():
    origin = jnp.array([[0.5, 0.0, 5.0], [3.0, 0.0, 5.0], [0.0, 0.0, -5.0]])
    direction = jnp.array([[0.0, 0.0, -1.0]] * 3)
    near, far = sampling.box_interval(origin, direction)
    np.testing.assert_allclose(near[0], 4.0)
    np.testing.assert_allclose(far[0], 6.0)
    assert far[1] == near[1]
    assert far[2] == near[2], "the cube lies behind the camera"


@pytest.mark.parametrize("seed", [0, 1])
def test_stratified_samples_and_their_edges_cover_the_ray_in_order(seed):
    near, far = jnp.array([1.0, 2.0]), jnp.array([3.0, 7.0])
    t = sampling.stratified(near, far, jax.random.uniform(jax.random.key(seed), (2, 16)))
    edges = sampling.edges_between(t, near, far)
    assert edges.shape == (2, 17)
    np.testing.assert_allclose(edges[:, 0], near)
    np.testing.assert_allclose(edges[:, -1], far)
    assert jnp.all((edges[:, :-1] <= t) & (t <= edges[:, 1:]))
    bins = jnp.floor((t - near[:, None]) / (far - near)[:, None] * 16)
    np.testing.assert_array_equal(bins, np.tile(np.arange(16), (2, 1)))
    middles = sampling.stratified(near, far, jnp.full((2, 16), 0.5))
    even = jnp.diff(sampling.edges_between(middles, near, far), axis=-1)
    np.testing.assert_allclose(even, (far - near)[:, None] / 16 * jnp.ones((1, 16)))


def test_random_samples_are_spread_evenly_to_the_very_ends():
    u = jax.random.uniform(jax.random.key(0), (20000, 4))
    t = sampling.stratified(jnp.zeros(20000), jnp.ones(20000), u)
    found, _ = np.histogram(t, bins=20, range=(0, 1))
    np.testing.assert_allclose(found / found.sum(), 1 / 20, rtol=0.05)


def test_importance_samples_follow_the_mass():
    edges = jnp.array([0.0, 1.0, 1.5, 3.0, 4.0])
    mass = jnp.array([1.0, 4.0, 0.0, 3.0])
    u = (jnp.arange(8000.0) + 0.5) / 8000
    t = sampling.by_importance(edges, mass, u)
    found, _ = np.histogram(t, bins=np.asarray(edges))
    np.testing.assert_allclose(found / 8000, mass / 8.0, atol=1e-3)
    assert jnp.all(jnp.diff(t) >= 0)


def test_importance_slope_is_the_inverse_function_rule():
    edges, mass = jnp.array([0.0, 1.0, 1.5, 4.0]), jnp.array([1.0, 3.0, 4.0])
    u, h = jnp.array([0.05, 0.3, 0.9]), 1e-6
    slope = (
        sampling.by_importance(edges, mass, u + h) - sampling.by_importance(edges, mass, u - h)
    ) / (2 * h)
    p = mass / 8.0
    np.testing.assert_allclose(slope, (edges[1:] - edges[:-1]) / p, rtol=1e-6)


def test_a_ray_without_mass_is_sampled_evenly():
    edges = jnp.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    u = jnp.array([[0.25, 0.75]] * 2)
    t = sampling.by_importance(edges, jnp.zeros((2, 2)), u)
    np.testing.assert_allclose(t, [[1.5, 2.5], [1.0, 1.0]])


def test_no_cotangent_passes():
    def total(mass):
        edges = jnp.array([0.0, 1.0, 2.0])
        t = sampling.by_importance(edges, mass, jnp.array([0.3, 0.6]))
        return jnp.sum(t * sampling.edges_between(t, edges[0], edges[-1])[1:])

    np.testing.assert_array_equal(jax.grad(total)(jnp.array([1.0, 2.0])), np.zeros(2))
