"""The occupancy grid: it finds what is there, forgets what is gone, and rays skip the rest."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nerf import occupancy
from nerf.config import OccupancyConfig

CONFIG = OccupancyConfig(cells=16)


def ball(x, radius=0.5):
    return jnp.where(jnp.linalg.norm(x, axis=-1) < radius, 50.0, 0.0)


def learned(density, seed=0, rounds=1, everywhere=True, grid=None):
    grid = grid or occupancy.full(CONFIG)
    for k in range(rounds):
        key = jax.random.fold_in(jax.random.key(seed), k)
        grid = occupancy.update(grid, density, key, CONFIG, everywhere)
    return grid


def middles():
    v = (np.arange(16) + 0.5) / 8 - 1
    return np.stack(np.meshgrid(v, v, v, indexing="ij"), axis=-1)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_a_ball(seed):
    grid = learned(ball, seed, rounds=8)
    distance = np.linalg.norm(middles(), axis=-1)
    half_diagonal = np.sqrt(3) / 16
    assert grid.occupied[distance < 0.5 - half_diagonal].all()
    assert not grid.occupied[distance > 0.5 + half_diagonal].any()


def test_axes_are_not_mixed_up():
    grid = learned(lambda x: jnp.where((x[:, 0] > 0) & (x[:, 2] < -0.5), 10.0, 0.0))
    x = middles()
    np.testing.assert_array_equal(grid.occupied, (x[..., 0] > 0) & (x[..., 2] < -0.5))


def test_it_forgets_what_is_gone():
    grid = learned(ball, rounds=3)
    assert grid.occupied.any()
    moved = learned(lambda x: ball(x - 0.6, 0.2), grid=grid, rounds=200)
    distance = np.linalg.norm(middles() - 0.6, axis=-1)
    assert not moved.occupied[distance > 0.2 + np.sqrt(3) / 16].any()


def test_partial_updates_find_what_appears():
    grid = learned(lambda x: jnp.zeros(len(x)), rounds=2)
    grid = learned(ball, grid=grid, rounds=40, everywhere=False)
    distance = np.linalg.norm(middles(), axis=-1)
    assert grid.occupied[distance < 0.5 - np.sqrt(3) / 16].all()


def some_rays(count=64, seed=0):
    a, b = jax.random.split(jax.random.key(seed))
    origin = jax.random.normal(a, (count, 3))
    origin = 3 * origin / jnp.linalg.norm(origin, axis=-1, keepdims=True)
    aim = jax.random.uniform(b, (count, 3), minval=-0.7, maxval=0.7) - origin
    return origin, aim / jnp.linalg.norm(aim, axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_lie_in_occupied_cells_and_add_up_to_their_length(seed):
    grid = learned(ball, rounds=6)
    origin, direction = some_rays(seed=seed)
    probed = occupancy.probe(grid, origin, direction, 512, jnp.full(64, 0.5))
    march = occupancy.march(probed, jnp.full((64, 40), 0.5))
    x = np.asarray(origin[:, None] + march.t[..., None] * direction[:, None])
    cell = np.clip(((x + 1) * 8).astype(int), 0, 15)
    inside = np.asarray(grid.occupied)[cell[..., 0], cell[..., 1], cell[..., 2]]
    hit = np.asarray(probed.hit)
    assert 10 < hit.sum() < 64
    assert inside[hit].mean() > 0.99
    assert (np.diff(np.asarray(march.t), axis=-1)[hit] >= 0).all()
    assert (np.asarray(march.delta)[~hit] == 0).all()
    # the occupied length by brute force
    t = np.linspace(0, 6, 60001)[:-1]
    for k in np.flatnonzero(hit)[:12]:
        points = np.asarray(origin[k]) + t[:, None] * np.asarray(direction[k])
        within = (np.abs(points) < 1).all(-1)
        at = np.clip(((points + 1) * 8).astype(int), 0, 15)
        length = (np.asarray(grid.occupied)[at[:, 0], at[:, 1], at[:, 2]] & within).mean() * 6
        np.testing.assert_allclose(float(march.delta[k].sum()), length, atol=0.02)


def test_a_full_grid_is_the_even_cut():
    origin, direction = some_rays(8)
    probed = occupancy.probe(occupancy.full(CONFIG), origin, direction, 32, jnp.full(8, 0.5))
    march = occupancy.march(probed, jnp.full((8, 10), 0.5))
    low, high = probed.edges[:, :1], probed.edges[:, -1:]
    expected = low + (high - low) * (jnp.arange(10) + 0.5)[None] / 10
    np.testing.assert_allclose(march.t, expected, atol=1e-5)


def test_the_threshold_bends_to_an_empty_scene():
    """At the start all is thin: the mean keeps the densest part occupied."""
    grid = learned(lambda x: 1e-3 * (x[:, 0] > 0))
    assert 0.4 < float(grid.occupied.mean()) < 0.6
    strict = replace(CONFIG, threshold=1e-9)
    key = jax.random.key(0)
    grid = occupancy.update(
        occupancy.full(strict), lambda x: 1e-3 * (x[:, 0] > 0), key, strict, True
    )
    assert 0.4 < float(grid.occupied.mean()) < 0.6
