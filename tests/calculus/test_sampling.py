"""Cutting a ray: edges that cover it, samples that follow the mass, and no derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import sampling

box_interval, stratified, edges_between, by_importance = map(
    jax.jit,
    (sampling.box_interval, sampling.stratified, sampling.edges_between, sampling.by_importance),
)
pytestmark = pytest.mark.usefixtures("strict_float64")


@pytest.mark.parametrize("seed", [0, 1])
def test_box_interval_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    origin = 2 * rng.normal(size=(200, 3))
    aim = rng.uniform(-1.2, 1.2, (200, 3)) - origin
    direction = aim / np.linalg.norm(aim, axis=-1, keepdims=True)
    near, far = box_interval(origin, direction)
    t = np.linspace(0, 12, 24001)
    for o, d, low, high in zip(*map(np.asarray, (origin, direction, near, far)), strict=True):
        inside = np.all(np.abs(o + t[:, None] * d) <= 1, axis=-1)
        if inside.any():
            np.testing.assert_allclose([low, high], [t[inside].min(), t[inside].max()], atol=1e-3)
        else:
            assert high - low < 2e-3


def test_a_ray_along_an_axis_and_one_that_misses():
    origin = np.array([[0.5, 0.0, 5.0], [3.0, 0.0, 5.0], [0.0, 0.0, -5.0]])
    direction = np.array([[0.0, 0.0, -1.0]] * 3)
    near, far = box_interval(origin, direction)
    np.testing.assert_allclose(near[0], 4.0)
    np.testing.assert_allclose(far[0], 6.0)
    assert far[1] == near[1]
    assert far[2] == near[2], "the cube lies behind the camera"


@pytest.mark.parametrize("seed", [0, 1])
def test_stratified_samples_and_their_edges_cover_the_ray_in_order(seed):
    near, far = np.array([1.0, 2.0]), np.array([3.0, 7.0])
    t = stratified(near, far, np.random.default_rng(seed).uniform(size=(2, 16)))
    edges = edges_between(t, near, far)
    assert edges.shape == (2, 17)
    np.testing.assert_allclose(edges[:, 0], near)
    np.testing.assert_allclose(edges[:, -1], far)
    t, edges = np.asarray(t), np.asarray(edges)
    assert np.all((edges[:, :-1] <= t) & (t <= edges[:, 1:]))
    bins = np.floor((t - near[:, None]) / (far - near)[:, None] * 16)
    np.testing.assert_array_equal(bins, np.tile(np.arange(16), (2, 1)))
    middles = stratified(near, far, np.full((2, 16), 0.5))
    even = np.diff(edges_between(middles, near, far), axis=-1)
    np.testing.assert_allclose(even, (far - near)[:, None] / 16 * np.ones((1, 16)))


def test_random_samples_are_spread_evenly_to_the_very_ends():
    u = np.random.default_rng(0).uniform(size=(20000, 4))
    t = stratified(np.zeros(20000), np.ones(20000), u)
    found, _ = np.histogram(t, bins=20, range=(0, 1))
    np.testing.assert_allclose(found / found.sum(), 1 / 20, rtol=0.05)


def test_importance_samples_follow_the_mass():
    edges = np.array([0.0, 1.0, 1.5, 3.0, 4.0])
    mass = np.array([1.0, 4.0, 0.0, 3.0])
    u = (np.arange(8000.0) + 0.5) / 8000
    t = by_importance(edges, mass, u)
    found, _ = np.histogram(t, bins=np.asarray(edges))
    np.testing.assert_allclose(found / 8000, mass / 8.0, atol=1e-3)
    assert np.all(np.diff(t) >= 0)


def test_importance_slope_is_the_inverse_function_rule():
    edges, mass = np.array([0.0, 1.0, 1.5, 4.0]), np.array([1.0, 3.0, 4.0])
    u, h = np.array([0.05, 0.3, 0.9]), 1e-6
    up, down = (np.asarray(by_importance(edges, mass, u + s)) for s in (h, -h))
    slope, p = (up - down) / (2 * h), mass / 8.0
    np.testing.assert_allclose(slope, (edges[1:] - edges[:-1]) / p, rtol=1e-6)


def test_a_ray_without_mass_is_sampled_evenly():
    edges = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    u = np.array([[0.25, 0.75]] * 2)
    t = by_importance(edges, np.zeros((2, 2)), u)
    np.testing.assert_allclose(t, [[1.5, 2.5], [1.0, 1.0]])


def test_no_cotangent_passes():
    def total(mass):
        edges = jnp.array([0.0, 1.0, 2.0])
        t = sampling.by_importance(edges, mass, jnp.array([0.3, 0.6]))
        return jnp.sum(t * sampling.edges_between(t, edges[0], edges[-1])[1:])

    np.testing.assert_array_equal(jax.jit(jax.grad(total))(np.array([1.0, 2.0])), np.zeros(2))
