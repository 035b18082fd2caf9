"""Pixels are drawn evenly, rays fill a step's samples in their order, and none is lost unseen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.scene import Split
from nerf import occupancy
from nerf.loss import slope_of_rays
from nerf.occupancy import Occupancy
from nerf.rays import (
    DARK,
    RAYS_AT_ONCE,
    Photographs,
    Rays,
    backgrounds,
    drawn,
    packed,
    rays_of,
)
from nerf.space import Space
from tests.nerf.conftest import prepared, small_grid


def numbered(pictures=3, height=4, width=5):
    """Pictures whose every pixel has colours of its own."""
    values = np.arange(pictures * height * width * 4, dtype=np.uint8)
    poses = np.tile(np.eye(4, dtype=np.float32)[:3], (pictures, 1, 1))
    names = tuple(f"r_{k}" for k in range(pictures))
    split = Split(
        names,
        values.reshape(pictures, height, width, 4),
        np.ones((pictures, 4), np.float32),
        poses,
    )
    return Photographs.of(split)


def test_drawn_pixels_are_a_function_of_the_key():
    photographs = numbered()
    a, b = (drawn(photographs, jax.random.key(5), 40) for _ in range(2))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    other = drawn(photographs, jax.random.key(6), 40)
    assert not np.array_equal(a.pixel, other.pixel)


def test_drawn_pixels_have_the_colours_of_their_pictures():
    photographs = numbered()
    batch = drawn(photographs, jax.random.key(0), 200)
    picture, column, row = np.asarray(batch.picture), *np.asarray(batch.pixel).T
    for values, size in ((picture, 3), (row, 4), (column, 5)):
        assert values.min() == 0 and values.max() == size - 1
    expected = np.asarray(photographs.pictures)[picture, row, column]
    np.testing.assert_array_equal(batch.rgba, expected)


@pytest.mark.parametrize("seed", [0, 1])
def test_pixels_are_drawn_evenly(seed):
    """Sixty pixels, each drawn 500 times on average: chi-square of 59 degrees of freedom."""
    batch = drawn(numbered(), jax.random.key(seed), 30000)
    column, row = np.asarray(batch.pixel).T
    which = (np.asarray(batch.picture) * 4 + row) * 5 + column
    counts = np.bincount(which, minlength=60)
    assert np.sum((counts - 500) ** 2 / 500) < 110  # passed by chance but once in 20,000


@pytest.mark.parametrize("background", ["white", "black", "random"])
def test_photographs_are_laid_over_the_background(photographs, background):
    config = small_grid()
    config = replace(config, data=replace(config.data, background=background))
    step, state = prepared(config, photographs)
    batch = step.batch(state)
    behind = backgrounds(config, jax.random.key(0), config.training.rays)
    rays = rays_of(batch, step.photographs, config, behind)
    rgba = np.asarray(batch.rgba) / 255.0
    expected = rgba[:, :3] * rgba[:, 3:] + behind * (1 - rgba[:, 3:])
    np.testing.assert_allclose(rays.photograph, expected, atol=1e-6)
    np.testing.assert_allclose(np.sum(rays.share), 1, rtol=1e-6)
    spread = {"white": (1, 1), "black": (0, 0), "random": (0, 1)}[background]
    np.testing.assert_allclose((behind.min(), behind.max()), spread, atol=0.01)
    assert (np.ptp(behind, axis=0) > 0.5).all() == (background == "random")


RAYS, STEPS = 96, 40
LENGTH = 2 * np.sqrt(3) / STEPS


def some_rays(seed):
    """Towards the cube from all sides; a few look away."""
    rng = np.random.default_rng(seed)
    origin = rng.normal(size=(RAYS, 3))
    origin *= 3 / np.linalg.norm(origin, axis=-1, keepdims=True)
    aim = rng.uniform(-0.9, 0.9, (RAYS, 3)) - origin
    aim[::9] *= -1
    direction = aim / np.linalg.norm(aim, axis=-1, keepdims=True)
    background, photograph = rng.uniform(size=(2, RAYS, 3))
    share = np.full(RAYS, 1 / RAYS)
    given = map(jnp.float32, (origin, direction, photograph, background, share, direction))
    return Rays(*given, jnp.zeros(RAYS, jnp.int32))


def grid_of(part, seed=0):
    """About that part of the cells is occupied."""
    occupied = np.random.default_rng(seed).random((8, 8, 8)) < part
    return Occupancy(jnp.zeros((8, 8, 8)), jnp.asarray(occupied))


def with_room(samples):
    config = small_grid()
    return replace(
        config,
        sampling=replace(config.sampling, steps=STEPS),
        training=replace(config.training, rays=RAYS, samples=samples),
    )


def nothing(x):
    return jnp.zeros(len(x))


def fog(x):
    """Thin here, opaque there."""
    return 25 * jnp.square(1 + x[:, 0] + 0.5 * x[:, 1])


def occupied_steps(rays, grid, jitter):
    """Distances of each ray's steps in occupied cells."""
    found = occupancy.find(grid, rays.origin, rays.direction, jitter, Space("bounded", STEPS))
    jitter = np.asarray(jitter)
    bits = (np.asarray(found.words)[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    return [
        float(near) + (np.flatnonzero(row) + part) * LENGTH
        for near, row, part in zip(found.t_near, bits.reshape(RAYS, -1), jitter, strict=True)
    ]


@pytest.mark.parametrize("density", [nothing, fog])
@pytest.mark.parametrize("part", [0.0, 0.03, 0.3, 1.0])
@pytest.mark.parametrize(("samples", "together"), [(200, 1024), (200, 7), (4096, 32)])
def test_rays_are_taken_in_their_order_until_the_next_does_not_fit(
    density, part, samples, together, monkeypatch
):
    monkeypatch.setitem(RAYS_AT_ONCE, "bounded", together)
    rays, grid, key = some_rays(1), grid_of(part), jax.random.key(2)
    jitter = jax.random.uniform(key, (RAYS,))
    program = jax.jit(lambda grid: packed(rays, grid, density, with_room(samples), jitter))
    kept, asked = program(grid)
    steps = occupied_steps(rays, grid, jitter)
    first, t = np.asarray(asked.stream.first), np.asarray(asked.t)
    taken, dropped, filled = int(asked.taken), int(asked.dropped), int(asked.filled)
    assert filled == first[-1] == first[taken] <= samples
    for r in range(RAYS):  # what a ray has are its first steps, and behind them it is opaque
        got, all_of_it = t[first[r] : first[r + 1]], steps[r] if r < taken else steps[r][:0]
        np.testing.assert_allclose(got, all_of_it[: len(got)], rtol=1e-5)
        x = np.asarray(rays.origin[r]) + got[:, None] * np.asarray(rays.direction[r])
        through = np.exp(-np.sum(np.asarray(density(x)) * LENGTH))
        # one sample in a few estimates how much
        assert len(got) == len(all_of_it) or through < 2 * DARK
    # none is lost unseen: taken, or dropped for want of room, or not looked at
    assert taken + dropped <= RAYS and dropped <= together
    if taken < RAYS:
        assert filled == samples or dropped > 0
        assert filled == samples or filled + len(steps[taken]) > samples, "the next does not fit"
    if density is nothing:
        assert (taken == RAYS) == (sum(map(len, steps)) <= samples)
    # shares: each ray taken counts the same, one with nothing on its way too
    share = np.asarray(kept.share)
    assert (share[taken:] == 0).all()
    np.testing.assert_allclose(share[:taken], 1 / max(taken, 1), rtol=1e-6)
    for name in ("origin", "direction", "photograph", "background"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(rays, name))


def test_the_number_of_rays_follows_what_a_ray_needs():
    rays, config = some_rays(3), with_room(256)
    jitter = jax.random.uniform(jax.random.key(0), (RAYS,))
    program = jax.jit(lambda grid, sigma: packed(
        rays, grid, lambda x: jnp.full(len(x), sigma), config, jitter
    )[1])  # fmt: skip
    few, many = program(grid_of(1.0), 0.0), program(grid_of(0.02), 0.0)
    assert int(few.dropped) > 0 and int(few.filled) > 256 - STEPS
    assert int(many.taken) == RAYS and int(many.dropped) == 0
    assert int(few.taken) < RAYS / 4
    opaque = program(grid_of(1.0), 1e3)  # its first steps hide the rest of a ray
    assert int(opaque.taken) > 2 * int(few.taken)


def test_a_step_with_room_for_all_drops_none(photographs):
    config = small_grid()
    config = replace(config, training=replace(config.training, rays=64, samples=64 * 48))
    step, state = prepared(config, photographs)
    _, metrics = jax.jit(step.gradient)(state, step.batch(state))
    assert int(metrics.rays) == 64 and int(metrics.rays_dropped) == 0
    assert 0 < int(metrics.samples) <= 64 * 48


def test_what_is_left_out_behind_opaque_samples_changes_next_to_nothing(photographs, monkeypatch):
    """A field that is dense everywhere: the gradient of all samples, and of those that are seen."""
    config = small_grid()
    config = replace(config, training=replace(config.training, rays=64, samples=64 * 48))
    step, state = prepared(config, photographs)
    last = state.params["fine"]["trunk"][1]
    last["b"] = last["b"].at[0].set(4.0)
    found = {}
    for bound in (0.0, DARK):
        monkeypatch.setattr("nerf.rays.DARK", max(bound, 1e-38))
        found[bound] = jax.jit(step.gradient)(state, step.batch(state))
    (whole, all_of_it), (cut, less) = found[0.0], found[DARK]
    assert int(less.samples) < 0.7 * int(all_of_it.samples)
    for a, b in zip(*map(jax.tree.leaves, (cut, whole)), strict=True):
        assert jnp.linalg.norm(a - b) <= 1e-2 * jnp.linalg.norm(b)


def test_rays_that_meet_nothing_show_their_background_and_count(photographs):
    step, state = prepared(small_grid(), photographs)
    empty = state.grid._replace(occupied=jnp.zeros_like(state.grid.occupied))
    state = state._replace(grid=empty)
    batch = step.batch(state)
    rays, asked = step._asked(state, batch, step.photographs)
    gradient, metrics = jax.jit(step.gradient)(state, batch)
    assert int(metrics.rays) == 400 and int(metrics.samples) == int(asked.filled) == 0
    error = np.mean((np.asarray(rays.background) - np.asarray(rays.photograph)) ** 2)
    np.testing.assert_allclose(metrics.mean_squared_error, error, rtol=1e-5)
    np.testing.assert_allclose(metrics.opacity, 0)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))


def test_what_lies_in_the_padding_reaches_nothing(photographs):
    """Distances at the end of the row may be anything, and change neither loss nor gradient."""
    step, state = prepared(small_grid(), photographs)
    occupied = jnp.zeros_like(state.grid.occupied).at[5:11, 5:11, 5:11].set(True)
    state = state._replace(grid=state.grid._replace(occupied=occupied))
    rays, asked = step._asked(state, step.batch(state), step.photographs)
    padding = jnp.arange(4096) >= asked.filled
    assert 0 < int(asked.filled) < 4096
    wild = asked._replace(t=jnp.where(padding, 1e3, asked.t))
    slope = jax.jit(lambda at: slope_of_rays(state.params, step.model, rays, at))
    a, b = slope(asked), slope(wild)
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)
