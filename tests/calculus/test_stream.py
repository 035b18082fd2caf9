"""Sums over the rays of a packed stream, and what padding must not do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.differences import primitives
from calculus.radiance import volume_render_packed, weights_packed
from calculus.radiance.stream import Stream

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def stream(seed, size=40):
    return Stream.of(jax.random.randint(jax.random.key(seed), (11,), 0, 6), size)


def samples(seed, rays=11, size=40):
    keys = jax.random.split(jax.random.key(seed), 5)
    return (
        jax.random.uniform(keys[0], (size,), maxval=3.0),
        jax.random.uniform(keys[1], (size,)),
        jax.random.uniform(keys[2], (size, 3)),
        jax.random.uniform(keys[3], (size,), maxval=5.0),
        jax.random.uniform(keys[4], (rays, 3)),
    )


def test_rays_stand_one_behind_another():
    packed = Stream.of(jnp.array([0, 3, 0, 2, 0]), 8)
    np.testing.assert_array_equal(packed.ray, [1, 1, 1, 3, 3, 5, 5, 5])
    np.testing.assert_array_equal(packed.first, [0, 0, 3, 3, 5, 5])
    assert packed.rays == 5 and packed.ray.dtype == packed.first.dtype == jnp.int32


def test_what_does_not_fit_is_cut_off():
    packed = Stream.of(jnp.array([2, 3, 4]), 4)
    np.testing.assert_array_equal(packed.ray, [0, 0, 1, 1])
    np.testing.assert_array_equal(packed.first, [0, 2, 4, 4])


@SEEDS
@pytest.mark.parametrize("channels", [(), (3,)])
def test_sums_are_those_of_loops(seed, channels):
    packed = stream(seed)
    v = jax.random.normal(jax.random.key(seed), (40, *channels))
    through, behind, totals = np.zeros((3, 40, *channels))
    ray, v_, last = np.asarray(packed.ray), np.asarray(v), np.full((11, *channels), -7.0)
    for i in range(40):
        through[i] = sum(v_[j] for j in range(i + 1) if ray[j] == ray[i])
        behind[i] = sum(v_[j] for j in range(i + 1, 40) if ray[j] == ray[i])
        if ray[i] < 11:
            totals[ray[i]] += v_[i]
            last[ray[i]] = v_[i]
    np.testing.assert_allclose(packed.sums_through(v), through, atol=1e-14)
    np.testing.assert_allclose(packed.sums_behind(v), behind, atol=1e-14)
    np.testing.assert_allclose(packed.totals(v), totals[:11], atol=1e-14)
    np.testing.assert_array_equal(packed.last(v, without=-7.0), last)
    np.testing.assert_array_equal(packed.spread(v[:11])[ray < 11], v_[ray[ray < 11]])
    assert not np.any(packed.spread(v[:11])[ray == 11]) and not np.any(packed.owned(v)[ray == 11])


@SEEDS
def test_previous_does_not_leave_its_ray(seed):
    packed, v = stream(seed), jnp.arange(40.0)
    first = np.append(True, np.diff(packed.ray) != 0)
    np.testing.assert_array_equal(packed.previous(v, at_first=-1.0), np.where(first, -1, v - 1))


@SEEDS
def test_what_is_shown_and_what_is_left_sum_to_one_ray_by_ray(seed):
    packed = stream(seed)
    w, left = weights_packed(samples(seed)[0], packed)
    np.testing.assert_allclose(packed.totals(w) + left, np.ones(11), rtol=1e-14)


def pulled(arguments, packed):
    value, pull = jax.vjp(lambda *v: volume_render_packed(*v, packed), *arguments)
    bar = jax.tree.map(lambda v: jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape), value)
    return value, pull(bar)


@SEEDS
@pytest.mark.parametrize("rubbish", [jnp.nan, jnp.inf, -1e300])
def test_what_stands_at_padding_reaches_nothing(seed, rubbish):
    packed = stream(seed)
    *numbers, background = samples(seed)
    padding = packed.ray == packed.rays
    assert np.any(padding)
    spoilt = [jnp.where(padding.reshape(-1, *[1] * (v.ndim - 1)), rubbish, v) for v in numbers]
    clean, dirty = pulled((*numbers, background), packed), pulled((*spoilt, background), packed)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    for bar in dirty[1][:-1]:
        assert not np.any(bar[padding])


def test_a_batch_of_streams_is_its_streams():
    """As on several devices: each has its own rays in a row of the same length."""
    streams = [stream(seed) for seed in range(3)]
    arguments = [samples(seed) for seed in range(3)]
    one_by_one = [pulled(a, s) for a, s in zip(arguments, streams, strict=True)]
    stacked = jax.tree.map(lambda *v: jnp.stack(v), *zip(arguments, streams, strict=True))
    wanted = jax.tree.map(lambda *v: jnp.stack(v), *one_by_one)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13),
        jax.vmap(pulled)(*stacked),
        wanted,
    )


def test_nothing_is_scattered():
    """On a GPU the order of scattered additions is that of their arrival."""
    packed, arguments = stream(0), samples(0)
    steps = primitives(jax.make_jaxpr(pulled)(arguments, packed).jaxpr)
    assert "gather" in steps and not any("scatter" in step for step in steps)


def test_only_inputs_are_kept():
    packed, arguments = stream(0), samples(0)
    _, kept = volume_render_packed.fwd(*arguments, packed)
    assert all(a is b for a, b in zip(kept, (*arguments, packed), strict=True))


def test_the_rays_of_samples_have_no_derivative():
    packed, arguments = stream(0), samples(0)
    value, pull = jax.vjp(volume_render_packed, *arguments, packed)
    *_, of_stream = pull(value)
    assert all(bar.dtype == jax.dtypes.float0 for bar in of_stream)
