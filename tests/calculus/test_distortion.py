"""The spread of a ray's weights: what it measures, and how exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import spread, spread_packed
from calculus.radiance.stream import Stream

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def ray(seed, n=40):
    keys = jax.random.split(jax.random.key(seed), 2)
    edges = jnp.cumsum(jax.random.uniform(keys[0], (n + 1,), minval=0.02, maxval=0.4))
    w = jax.random.uniform(keys[1], (n,))
    return w / jnp.sum(w), edges


def of_edges(w, edges):
    return spread(w, (edges[1:] + edges[:-1]) / 2, edges[1:] - edges[:-1])


@SEEDS
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_it_is_the_double_sum(seed, n):
    w, edges = ray(seed, n)
    m, h = (edges[1:] + edges[:-1]) / 2, edges[1:] - edges[:-1]
    pairs = jnp.sum(w[:, None] * w[None, :] * jnp.abs(m[:, None] - m[None, :]))
    np.testing.assert_allclose(spread(w, m, h), pairs + jnp.sum(w * w * h) / 3, rtol=1e-13)


@SEEDS
def test_it_is_the_mean_distance_of_two_points_drawn(seed):
    w, edges = ray(seed, 8)
    rng = np.random.default_rng(seed)
    k = rng.choice(8, size=(2, 400_000), p=np.asarray(w))
    at = np.asarray(edges)[k] + rng.uniform(size=k.shape) * np.diff(edges)[k]
    np.testing.assert_allclose(of_edges(w, edges), np.mean(np.abs(at[0] - at[1])), rtol=5e-3)


@SEEDS
def test_cutting_an_interval_in_two_leaves_it(seed):
    w, edges = ray(seed, 9)
    cut = edges[4] + 0.3 * (edges[5] - edges[4])
    finer = jnp.insert(edges, 5, cut)
    halves = jnp.insert(w, 4, 0.3 * w[4]).at[5].set(0.7 * w[4])
    np.testing.assert_allclose(of_edges(halves, finer), of_edges(w, edges), rtol=1e-13)


@SEEDS
def test_it_moves_with_the_unit_and_not_with_the_place(seed):
    w, edges = ray(seed)
    S = of_edges(w, edges)
    np.testing.assert_allclose(of_edges(w, 1000 + 30 * edges), 30 * S, rtol=1e-11)
    np.testing.assert_allclose(of_edges(0.1 * w, edges), 0.01 * S, rtol=1e-12)


def test_even_fog_is_a_third_as_wide_as_its_length():
    edges = jnp.linspace(2.0, 5.0, 65)
    np.testing.assert_allclose(of_edges(jnp.full(64, 1 / 64), edges), 1.0, rtol=1e-13)


@SEEDS
def test_descent_gathers_the_weights(seed):
    w, edges = ray(seed)
    pull = -jax.grad(of_edges)(w, edges)
    m = (edges[1:] + edges[:-1]) / 2
    at = m[jnp.argmax(pull)]
    middle = m[jnp.searchsorted(jnp.cumsum(w), 0.5)]  # the median is nearest to all
    assert abs(at - middle) < 0.5


def test_in_float32_a_thin_sheet_far_away_keeps_its_digits():
    m = (1000 + jnp.arange(64) / 256).astype(jnp.float32)
    w = jnp.exp(-((jnp.arange(64.0) - 30) ** 2) / 50).astype(jnp.float32)
    h = jnp.full(64, 1 / 256, jnp.float32)
    found = spread(w, m, h), *jax.grad(spread, argnums=(0, 1))(w, m, h)
    wide = [v.astype(jnp.float64) for v in (w, m, h)]
    wanted = spread(*wide), *jax.grad(spread, argnums=(0, 1))(*wide)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * jnp.max(jnp.abs(b)))
    by_moments = 2 * jnp.sum(w * (m * jnp.cumsum(w) - jnp.cumsum(w * m))) + jnp.sum(w * w * h) / 3
    assert abs(float(by_moments) - wanted[0]) > 1e-4 * wanted[0]


@pytest.mark.parametrize("rubbish", [jnp.nan, jnp.inf])
def test_padding_and_rays_without_samples_have_no_spread(rubbish):
    stream = Stream.of(jnp.array([0, 3, 0, 2]), 8)
    keys = jax.random.split(jax.random.key(0), 3)
    w, m, h = (jnp.cumsum(jax.random.uniform(key, (8,))).at[5:].set(rubbish) for key in keys)
    S, pull = jax.vjp(lambda *v: spread_packed(*v, stream), w, m, h)
    np.testing.assert_array_equal(S[jnp.array([0, 2])], [0, 0])
    np.testing.assert_allclose(S[1], spread(w[:3], m[:3], h[:3]), rtol=1e-14)
    for bar in pull(jnp.ones(4)):
        assert jnp.all(jnp.isfinite(bar)) and not np.any(bar[5:])


def test_its_way_back_scatters_nothing_and_has_no_pairs():
    stream = Stream.of(jnp.full(16, 64), 1024)
    v = jnp.ones(1024)
    program = str(jax.make_jaxpr(jax.grad(lambda w: jnp.sum(spread_packed(w, v, v, stream))))(v))
    assert "scatter" not in program and "1024,1024" not in program
