"""The occupancy grid: it finds what is there, forgets what is gone, and rays skip the rest."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nerf import occupancy
from nerf.config import OccupancyConfig
from nerf.space import Space

CONFIG = OccupancyConfig(cells=16)
SPACE = Space("bounded", 48)


def ball(x, radius=0.5):
    return jnp.where(jnp.linalg.norm(x, axis=-1) < radius, 50.0, 0.0)


@cache
def _rounds(density, everywhere, config):
    """Compiled: grid, seed, number of rounds -> the grid after them, in numpy."""

    def one(k, at):
        grid, seed = at
        key = jax.random.fold_in(jax.random.key(seed), k)
        return occupancy.update(grid, density, key, config, everywhere, SPACE), seed

    return jax.jit(lambda grid, seed, rounds: jax.lax.fori_loop(0, rounds, one, (grid, seed))[0])


def learned(density, seed=0, rounds=1, everywhere=True, grid=None, config=CONFIG):
    grid = jax.tree.map(jnp.asarray, grid) if grid else occupancy.full(config)
    return jax.device_get(_rounds(density, everywhere, config)(grid, seed, rounds))


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
    grid = learned(lambda x: 10.0 * ((x[:, 0] > 0) & (x[:, 2] < -0.5)))
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


@pytest.mark.parametrize("everywhere", [True, False])
def test_cells_asked_in_portions_are_found_to_the_bit(everywhere):
    """Though 100 divides neither the 4,096 cells nor the 2,048 of a partial update."""

    def density(x):
        return jnp.exp(3 * jnp.sin(7 * x[..., 0]) * x[..., 1] - x[..., 2] ** 2)

    @jax.jit
    def in_portions(grid):
        portions = (replace(CONFIG, at_once=n) for n in (None, 7, 100, 1024, 2**20))
        given = grid, density, jax.random.key(3)
        return [occupancy.update(*given, config, everywhere, SPACE) for config in portions]

    whole, *portions = jax.device_get(in_portions(learned(ball)))
    assert len(np.unique(whole.depth)) > 500
    for found in portions:
        np.testing.assert_array_equal(found.depth, whole.depth)
        np.testing.assert_array_equal(found.occupied, whole.occupied)


def test_depth_is_that_of_one_step():
    grid = learned(lambda x: jnp.full(len(x), 3.0))
    np.testing.assert_allclose(grid.depth, 3.0 * 2 * np.sqrt(3) / 48, rtol=1e-6)


def some_rays(seed, count=40):
    """Through the cube, past it, from within it, and along its axes."""
    rng = np.random.default_rng(seed)
    origin = rng.normal(size=(count, 3))
    origin *= 3 / np.linalg.norm(origin, axis=-1, keepdims=True)
    aim = rng.uniform(-1, 1, (count, 3)) - origin
    aim[::8] *= -1  # away from it
    origin[1::8] = rng.uniform(-0.9, 0.9, origin[1::8].shape)
    direction = aim / np.linalg.norm(aim, axis=-1, keepdims=True)
    for axis in range(3):
        direction[2 + axis] = (-1) ** axis * np.eye(3)[axis]
        origin[2 + axis] = 0.37 - 2.9 * direction[2 + axis]
    return origin, direction


def marched(occupied, origin, direction, jitter, steps):
    """Which steps of one ray lie in occupied cells, one at a time."""
    near, far = 0.0, np.inf
    for o, d in zip(origin, direction, strict=True):
        if d == 0:
            if abs(o) > 1:
                return []
            continue
        near, far = (
            max(near, min((-1 - o) / d, (1 - o) / d)),
            min(far, max((-1 - o) / d, (1 - o) / d)),
        )
    cells, found = len(occupied), []
    for k in range(steps):
        t = near + (k + jitter) * 2 * np.sqrt(3) / steps
        x, y, z = np.clip(
            np.floor((origin + t * direction + 1) / 2 * cells).astype(int), 0, cells - 1
        )
        if t < far and occupied[x, y, z]:
            found.append(k)
    return found


def bits_of(words):
    return ((np.asarray(words)[:, :, None] >> np.arange(32, dtype=np.uint32)) & 1).reshape(
        len(words), -1
    )


find = jax.jit(occupancy.find, static_argnums=4)
select = jax.jit(occupancy.select)
distance = jax.jit(occupancy.distance, static_argnums=4)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("steps", "part", "seed"), [(48, 0.5, 0), (48, 1.0, 1), (100, 0.1, 2), (32, 0.3, 3)]
)
def test_find_is_a_march_of_one_step_at_a_time(steps, part, seed):
    occupied = np.random.default_rng(seed).random((7, 7, 7)) < part
    origin, direction = some_rays(seed)
    jitter = np.random.default_rng(seed + 10).random(len(origin))
    grid = occupancy.Occupancy(np.zeros((7, 7, 7)), occupied)
    found = jax.device_get(find(grid, origin, direction, jitter, Space("bounded", steps)))
    bits = bits_of(found.words)
    assert found.words.shape == (len(origin), -(-steps // 32))
    for r, given in enumerate(zip(origin, direction, jitter, strict=True)):
        expected = marched(occupied, *given, steps)
        assert list(np.flatnonzero(bits[r])) == expected, f"ray {r}"
        assert found.counts[r] == len(expected)
        assert len(expected) > 0 or part < 1 or r % 8 == 0
    assert (found.counts == 0).any() and (found.counts > 0).sum() > 20


WORDS = np.random.default_rng(0).integers(0, 2**32, (40, 3), np.uint32)
WORDS[0], WORDS[1], WORDS[2] = 0, 2**32 - 1, (0, 2**31, 0)
WORDS[3], WORDS[4] = (1, 0, 2**31 + 1), (0, 0, 2**32 - 1)
WORDS[5:12] &= WORDS[12:19] & WORDS[19:26]  # few bits
WORDS[30:36, 1] = 0


def test_select_counts_bits_as_python_does():
    where = [np.flatnonzero(row) for row in bits_of(WORDS)]
    pairs = [(r, q, step) for r, steps in enumerate(where) for q, step in enumerate(steps)]
    ray, rank, expected = np.array(pairs, np.int32).T
    found = select(WORDS, ray, rank)
    np.testing.assert_array_equal(found, expected)


def test_select_beyond_the_last_bit_stays_in_the_ray():
    beyond = np.int32([[0, 1, 40, 2**20]])
    rank = bits_of(WORDS).sum(axis=1, dtype=np.int32)[:, None] + beyond
    ray = np.indices(rank.shape, np.int32)[0]
    found = np.asarray(select(WORDS, ray.ravel(), rank.ravel()))
    assert (found >= 0).all() and (found < 96).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_lie_in_occupied_cells_and_add_up_to_their_length(seed):
    """In float32, as training has it; what is occupied is measured by a march of fine steps."""
    grid = learned(ball, rounds=6)
    origin, direction = map(np.float32, some_rays(seed))
    rays, steps = len(origin), 1000
    space, jitter = Space("bounded", steps), np.random.default_rng(seed).random(rays, np.float32)
    found = find(grid, origin, direction, jitter, space)
    counts = np.asarray(found.counts)
    of_all = np.indices((rays, steps), np.int32)
    ray, rank = (v[of_all[1] < counts[:, None]] for v in of_all)
    t = np.asarray(distance(found, *(v.ravel() for v in of_all), jitter, space)[0])
    t = t.reshape(rays, steps)[ray, rank]
    assert 5 < (counts > 0).sum() < rays
    x = origin[ray] + t[:, None] * direction[ray]
    cell = np.clip(((x + 1) * 8).astype(int), 0, 15)
    assert grid.occupied[tuple(cell.T)].mean() > 0.999
    assert (np.diff(t)[np.diff(ray) == 0] > 0).all()
    fine = np.linspace(0, 6, 60001)[:-1]
    for k in np.flatnonzero(counts)[:12]:
        points = origin[k] + fine[:, None] * direction[k]
        within = (np.abs(points) < 1).all(-1)
        at = np.clip(((points + 1) * 8).astype(int), 0, 15)
        length = (grid.occupied[tuple(at.T)] & within).mean() * 6
        np.testing.assert_allclose(counts[k] * 2 * np.sqrt(3) / steps, length, atol=0.02)


def test_distances_are_where_the_steps_look():
    words = np.uint32([[0b1010_0001, 0b1], [0, 0b100]])
    found = occupancy.Found(np.float32([1.5, 0.0]), words, np.int32([4, 1]))
    ray, rank, jitter = (
        np.int32([0, 0, 0, 0, 1]),
        np.int32([0, 1, 2, 3, 0]),
        np.float32([0.25, 0.75]),
    )
    t, _, _ = distance(found, ray, rank, jitter, Space("bounded", 64))
    steps = np.array([0.25, 5.25, 7.25, 32.25, 34.75]) * 2 * np.sqrt(3) / 64
    begins = np.array([1.5, 1.5, 1.5, 1.5, 0.0])
    np.testing.assert_allclose(t, begins + steps, rtol=1e-6)


def test_the_threshold_bends_to_an_empty_scene():
    """At the start all is thin: the mean keeps the densest part occupied."""
    for config in (CONFIG, replace(CONFIG, threshold=1e-9)):
        grid = learned(lambda x: 1e-3 * (x[:, 0] > 0), config=config)
        assert 0.4 < grid.occupied.mean() < 0.6
