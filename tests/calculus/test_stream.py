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


packed_of = jax.jit(Stream.of, static_argnums=1)


def stream(seed, size=40):
    return packed_of(np.random.default_rng(seed).integers(0, 6, 11).astype(np.int32), size)


def samples(seed, rays=11, size=40):
    rng = np.random.default_rng(seed)
    shapes = (size,), (size,), (size, 3), (size,), (rays, 3)
    return tuple(
        rng.uniform(0, most, shape) for most, shape in zip((3, 1, 1, 5, 1), shapes, strict=True)
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
    v_ = np.random.default_rng(seed).normal(size=(40, *channels))

    @jax.jit
    def found(packed, v):
        sums = packed.sums_through(v), packed.sums_behind(v), packed.totals(v)
        return *sums, packed.last(v, without=-7.0), packed.spread(v[:11]), packed.owned(v)

    through, behind, totals = np.zeros((3, 40, *channels))
    ray, last = np.asarray(packed.ray), np.full((11, *channels), -7.0)
    for i in range(40):
        through[i] = sum(v_[j] for j in range(i + 1) if ray[j] == ray[i])
        behind[i] = sum(v_[j] for j in range(i + 1, 40) if ray[j] == ray[i])
        if ray[i] < 11:
            totals[ray[i]] += v_[i]
            last[ray[i]] = v_[i]
    *sums, found_last, spread, owned = map(np.asarray, found(packed, v_))
    for a, b in zip(sums, (through, behind, totals[:11]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
    np.testing.assert_array_equal(found_last, last)
    np.testing.assert_array_equal(spread[ray < 11], v_[ray[ray < 11]])
    assert not np.any(spread[ray == 11]) and not np.any(owned[ray == 11])


@SEEDS
def test_previous_does_not_leave_its_ray(seed):
    packed, v = stream(seed), np.arange(40.0)
    first = np.append(True, np.diff(packed.ray) != 0)
    found = jax.jit(lambda packed, v: packed.previous(v, at_first=-1.0))(packed, v)
    np.testing.assert_array_equal(found, np.where(first, -1, v - 1))


@SEEDS
def test_what_is_shown_and_what_is_left_sum_to_one_ray_by_ray(seed):
    packed = stream(seed)

    @jax.jit
    def total(tau, packed):
        w, left = weights_packed(tau, packed)
        return packed.totals(w) + left

    np.testing.assert_allclose(total(samples(seed)[0], packed), np.ones(11), rtol=1e-14)


@jax.jit
def pulled(arguments, packed):
    value, pull = jax.vjp(lambda *v: volume_render_packed(*v, packed), *arguments)
    bar = jax.tree.map(lambda v: jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape), value)
    return value, pull(bar)


@SEEDS
def test_what_stands_at_padding_reaches_nothing(seed):
    packed = stream(seed)
    *numbers, background = samples(seed)
    padding = np.asarray(packed.ray) == packed.rays
    assert np.any(padding)
    clean = pulled((*numbers, background), packed)
    for rubbish in (np.nan, np.inf, -1e300):
        spoilt = [v.copy() for v in numbers]
        for v in spoilt:
            v[padding] = rubbish
        dirty = pulled((*spoilt, background), packed)
        jax.tree.map(np.testing.assert_array_equal, clean, dirty)
        assert not any(np.any(np.asarray(bar)[padding]) for bar in dirty[1][:-1])


def test_a_batch_of_streams_is_its_streams():
    """As on several devices: each has its own rays in a row of the same length."""
    streams = [stream(seed) for seed in range(3)]
    arguments = [samples(seed) for seed in range(3)]
    one_by_one = [pulled(a, s) for a, s in zip(arguments, streams, strict=True)]
    stacked = jax.tree.map(lambda *v: np.stack(v), *zip(arguments, streams, strict=True))
    wanted = jax.tree.map(lambda *v: np.stack(v), *one_by_one)
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
    def keeps(*arguments):
        _, kept = volume_render_packed.fwd(*arguments)
        for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(arguments), strict=True):
            assert a is b

    jax.eval_shape(keeps, *samples(0), stream(0))


def test_the_rays_of_samples_have_no_derivative():
    def pulls(*arguments):
        value, pull = jax.vjp(volume_render_packed, *arguments)
        *_, of_stream = pull(value)
        assert all(bar.dtype == jax.dtypes.float0 for bar in of_stream)

    jax.eval_shape(pulls, *samples(0), stream(0))
