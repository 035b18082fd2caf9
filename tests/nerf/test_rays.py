"""Pixels are drawn evenly, rays fill a step's samples in their order, and none is lost unseen."""

from dataclasses import replace
from unittest.mock import patch

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


@pytest.fixture(scope="module")
def draw():
    """Compiled: the seed of a key -> 30,000 pixels, in numpy."""
    compiled = jax.jit(lambda seed: drawn(numbered(), jax.random.key(seed), 30000))
    return lambda seed: jax.device_get(compiled(seed))


def test_drawn_pixels_are_a_function_of_the_key(draw):
    a, b, other = draw(5), draw(5), draw(6)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(a.pixel, other.pixel)


def test_drawn_pixels_have_the_colours_of_their_pictures(draw):
    batch = draw(0)
    picture, column, row = batch.picture, *batch.pixel.T
    for values, size in ((picture, 3), (row, 4), (column, 5)):
        assert values.min() == 0 and values.max() == size - 1
    np.testing.assert_array_equal(batch.rgba, np.asarray(numbered().pictures)[picture, row, column])


@pytest.mark.parametrize("seed", [0, 1])
def test_pixels_are_drawn_evenly(draw, seed):
    """Sixty pixels, each drawn 500 times on average: chi-square of 59 degrees of freedom."""
    batch = draw(seed)
    column, row = batch.pixel.T
    which = (batch.picture * 4 + row) * 5 + column
    counts = np.bincount(which, minlength=60)
    assert np.sum((counts - 500) ** 2 / 500) < 110  # passed by chance but once in 20,000


def test_photographs_are_laid_over_the_background(photographs):
    step, state = prepared(small_grid(), photographs)
    batch, spread = step.batch(state), {"white": (1, 1), "black": (0, 0), "random": (0, 1)}

    @jax.jit
    def laid(batch, photographs):
        found = {}
        for name in spread:
            config = replace(step.config, data=replace(step.config.data, background=name))
            behind = backgrounds(config, jax.random.key(0), config.training.rays)
            found[name] = behind, rays_of(batch, photographs, config, behind)
        return found

    rgba = np.asarray(batch.rgba) / 255.0
    for name, (behind, rays) in jax.device_get(laid(batch, step.photographs)).items():
        expected = rgba[:, :3] * rgba[:, 3:] + behind * (1 - rgba[:, 3:])
        np.testing.assert_allclose(rays.photograph, expected, atol=1e-6)
        np.testing.assert_allclose(np.sum(rays.share), 1, rtol=1e-6)
        np.testing.assert_allclose((behind.min(), behind.max()), spread[name], atol=0.01)
        assert (np.ptp(behind, axis=0) > 0.5).all() == (name == "random")


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
    return 0 * x[:, 0]


def fog(x):
    """Thin here, opaque there."""
    return 25 * (1 + x[:, 0] + 0.5 * x[:, 1]) ** 2


find = jax.jit(occupancy.find, static_argnums=4)


def occupied_steps(rays, grid, jitter):
    """Distances of each ray's steps in occupied cells."""
    found = find(grid, rays.origin, rays.direction, jitter, Space("bounded", STEPS))
    bits = (np.asarray(found.words)[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1
    return [
        float(near) + (np.flatnonzero(row) + part) * LENGTH
        for near, row, part in zip(
            np.asarray(found.t_near), bits.reshape(RAYS, -1), np.asarray(jitter), strict=True
        )
    ]


@pytest.mark.parametrize("density", [nothing, fog])
@pytest.mark.parametrize(("samples", "together"), [(200, 1024), (200, 7), (4096, 32)])
def test_rays_are_taken_in_their_order_until_the_next_does_not_fit(density, samples, together):
    rays, jitter = some_rays(1), jax.random.uniform(jax.random.key(2), (RAYS,))
    program = jax.jit(lambda grid: packed(rays, grid, density, with_room(samples), jitter))
    origin, direction = np.asarray(rays.origin), np.asarray(rays.direction)
    for part in (0.0, 0.03, 0.3, 1.0):
        grid = grid_of(part)
        with patch.dict(RAYS_AT_ONCE, bounded=together):
            kept, asked = program(grid)
        steps = occupied_steps(rays, grid, jitter)
        first, t, share = map(np.asarray, (asked.stream.first, asked.t, kept.share))
        taken, dropped, filled = int(asked.taken), int(asked.dropped), int(asked.filled)
        assert filled == first[-1] == first[taken] <= samples
        for r in range(RAYS):  # what a ray has are its first steps, and behind them it is opaque
            got, all_of_it = t[first[r] : first[r + 1]], steps[r] if r < taken else steps[r][:0]
            np.testing.assert_allclose(got, all_of_it[: len(got)], rtol=1e-5)
            x = origin[r] + got[:, None] * direction[r]
            through = np.exp(-np.sum(density(x) * LENGTH))
            # one sample in a few estimates how much
            assert len(got) == len(all_of_it) or through < 2 * DARK
        # none is lost unseen: taken, or dropped for want of room, or not looked at
        assert taken + dropped <= RAYS and dropped <= together
        if taken < RAYS:
            assert filled == samples or dropped > 0
            assert filled == samples or filled + len(steps[taken]) > samples, "the next has no room"
        if density is nothing:
            assert (taken == RAYS) == (sum(map(len, steps)) <= samples)
        # shares: each ray taken counts the same, one with nothing on its way too
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


def test_a_step_with_room_drops_no_ray_and_leaves_out_what_is_hidden(photographs):
    """A field that is dense everywhere: the gradient of all samples, and of those that are seen."""
    config = small_grid()
    config = replace(config, training=replace(config.training, rays=64, samples=64 * 48))
    step, state = prepared(config, photographs)
    batch, gradient = step.batch(state), jax.jit(step.gradient)
    metrics = gradient(state, batch)[1]
    assert int(metrics.rays) == 64 and int(metrics.rays_dropped) == 0
    assert 0 < int(metrics.samples) <= 64 * 48
    last = state.params["fine"]["trunk"][1]
    last["b"] = np.array(last["b"])
    last["b"][0] = 4.0
    cut, less = jax.device_get(gradient(state, batch))
    with patch("nerf.rays.DARK", 1e-38):
        whole, all_of_it = jax.device_get(
            jax.jit(lambda *given: step.gradient(*given))(state, batch)
        )
    assert int(less.samples) < 0.7 * int(all_of_it.samples)
    for a, b in zip(*map(jax.tree.leaves, (cut, whole)), strict=True):
        assert np.linalg.norm(a - b) <= 1e-2 * np.linalg.norm(b)


def occupied(state, cells):
    """A state that knows of something in a part of the cells, along each axis."""
    mask = np.zeros(state.grid.occupied.shape, bool)
    mask[cells, cells, cells] = True
    return state._replace(grid=state.grid._replace(occupied=jnp.asarray(mask)))


@pytest.fixture(scope="module")
def asked_and_slope(photographs):
    """Compiled: a state -> the rays of its step and their samples; all three -> the gradient."""
    step, _ = prepared(small_grid(), photographs)
    asked = jax.jit(lambda state: step._asked(state, step.batch(state), step.photographs))
    return asked, jax.jit(lambda state, *given: slope_of_rays(state.params, step.model, *given))


def test_rays_that_meet_nothing_show_their_background_and_count(photographs, asked_and_slope):
    step, state = prepared(small_grid(), photographs)
    state, (ask, slope) = occupied(state, slice(0)), asked_and_slope
    rays, asked = ask(state)
    (_, pixels), gradient = jax.device_get(slope(state, rays, asked))
    _, metrics = step.run(state, np.float32(0))
    assert int(metrics.rays) == 400 and int(metrics.samples) == int(asked.filled) == 0
    error = np.mean((np.asarray(rays.background) - np.asarray(rays.photograph)) ** 2)
    np.testing.assert_allclose(metrics.mean_squared_error, error, rtol=1e-5)
    np.testing.assert_allclose(metrics.opacity, 0)
    np.testing.assert_array_equal(pixels.colour, rays.background)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))


def test_what_lies_in_the_padding_reaches_nothing(photographs, asked_and_slope):
    """Distances at the end of the row may be anything, and change neither loss nor gradient."""
    _, state = prepared(small_grid(), photographs)
    state, (ask, slope) = occupied(state, slice(5, 11)), asked_and_slope
    rays, asked = ask(state)
    assert 0 < int(asked.filled) < 4096
    wild = np.where(np.arange(4096) >= asked.filled, np.float32(1e3), asked.t)
    a, b = slope(state, rays, asked), slope(state, rays, asked._replace(t=jnp.asarray(wild)))
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)
