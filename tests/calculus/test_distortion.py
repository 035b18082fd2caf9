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
    rng = np.random.default_rng(seed)
    edges, w = np.cumsum(rng.uniform(0.02, 0.4, n + 1)), rng.uniform(size=n)
    return w / np.sum(w), edges


def cells(edges):
    """Middles and lengths of the intervals."""
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges)


spread_of = jax.jit(spread)
slopes_of = jax.jit(jax.grad(spread, argnums=(0, 1)))


@SEEDS
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_it_is_the_double_sum(seed, n):
    w, edges = ray(seed, n)
    m, h = cells(edges)
    pairs = np.sum(w[:, None] * w * np.abs(m[:, None] - m))
    np.testing.assert_allclose(spread_of(w, m, h), pairs + np.sum(w * w * h) / 3, rtol=1e-13)


@SEEDS
def test_it_is_the_mean_distance_of_two_points_drawn(seed):
    w, edges = ray(seed, 8)
    rng = np.random.default_rng(seed)
    k = rng.choice(8, size=(2, 400_000), p=np.asarray(w))
    at = np.asarray(edges)[k] + rng.uniform(size=k.shape) * np.diff(edges)[k]
    np.testing.assert_allclose(
        spread_of(w, *cells(edges)), np.mean(np.abs(at[0] - at[1])), rtol=5e-3
    )


@SEEDS
def test_cutting_an_interval_in_two_leaves_it(seed):
    w, edges = ray(seed, 9)
    cut = edges[4] + 0.3 * (edges[5] - edges[4])
    finer, halves = np.insert(edges, 5, cut), np.insert(w, 4, 0.3 * w[4])
    halves[5] = 0.7 * w[4]
    np.testing.assert_allclose(
        spread_of(halves, *cells(finer)), spread_of(w, *cells(edges)), rtol=1e-13
    )


@SEEDS
def test_it_moves_with_the_unit_and_not_with_the_place(seed):
    w, edges = ray(seed)
    S = spread_of(w, *cells(edges))
    np.testing.assert_allclose(spread_of(w, *cells(1000 + 30 * edges)), 30 * S, rtol=1e-11)
    np.testing.assert_allclose(spread_of(0.1 * w, *cells(edges)), 0.01 * S, rtol=1e-12)


def test_even_fog_is_a_third_as_wide_as_its_length():
    found = spread_of(np.full(64, 1 / 64), *cells(np.linspace(2.0, 5.0, 65)))
    np.testing.assert_allclose(found, 1.0, rtol=1e-13)


@SEEDS
def test_descent_gathers_the_weights(seed):
    w, edges = ray(seed)
    m, h = cells(edges)
    at = m[np.argmin(slopes_of(w, m, h)[0])]
    middle = m[np.searchsorted(np.cumsum(w), 0.5)]  # the median is nearest to all
    assert abs(at - middle) < 0.5


def test_in_float32_a_thin_sheet_far_away_keeps_its_digits():
    k, h = np.arange(64.0), np.full(64, 1 / 256, np.float32)
    m, w = ((1000 + k / 256).astype(np.float32), np.exp(-((k - 30) ** 2) / 50).astype(np.float32))
    wide = [v.astype(np.float64) for v in (w, m, h)]
    found, wanted = ((spread_of(*v), *slopes_of(*v)) for v in ((w, m, h), wide))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.max(np.abs(b)))
    sums = np.cumsum(w), np.cumsum(w * m)
    by_moments = 2 * np.sum(w * (m * sums[0] - sums[1])) + np.sum(w * w * h) / 3
    assert found[0].dtype == by_moments.dtype == np.float32
    assert abs(by_moments - float(wanted[0])) > 1e-4 * float(wanted[0])


@pytest.mark.parametrize("rubbish", [jnp.nan, jnp.inf])
def test_padding_and_rays_without_samples_have_no_spread(rubbish):
    stream = Stream.of(jnp.array([0, 3, 0, 2]), 8)
    w, m, h = np.cumsum(np.random.default_rng(0).uniform(size=(3, 8)), axis=-1)
    for v in (w, m, h):
        v[5:] = rubbish

    @jax.jit
    def pulled(*arguments):
        S, pull = jax.vjp(lambda *v: spread_packed(*v, stream), *arguments)
        return S, pull(jnp.ones(4))

    S, bars = pulled(w, m, h)
    np.testing.assert_array_equal(np.asarray(S)[[0, 2]], [0, 0])
    np.testing.assert_allclose(S[1], spread_of(w[:3], m[:3], h[:3]), rtol=1e-14)
    for bar in map(np.asarray, bars):
        assert np.all(np.isfinite(bar)) and not np.any(bar[5:])


def test_its_way_back_scatters_nothing_and_has_no_pairs():
    stream = Stream.of(jnp.full(16, 64), 1024)
    v = jnp.ones(1024)
    program = str(jax.make_jaxpr(jax.grad(lambda w: jnp.sum(spread_packed(w, v, v, stream))))(v))
    assert "scatter" not in program and "1024,1024" not in program
