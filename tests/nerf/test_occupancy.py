"""The occupancy grid: it finds what is there, forgets what is gone, and rays skip the rest."""

from dataclasses import replace

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


def learned(density, seed=0, rounds=1, everywhere=True, grid=None):
    one_round = jax.jit(
        lambda grid, key: occupancy.update(grid, density, key, CONFIG, everywhere, SPACE)
    )
    grid = grid or occupancy.full(CONFIG)
    for k in range(rounds):
        grid = one_round(grid, jax.random.fold_in(jax.random.key(seed), k))
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


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("at_once", [7, 100, 1024, 2**20])
def test_cells_asked_in_portions_are_found_to_the_bit(at_once, everywhere):
    """Though 100 divides neither the 4,096 cells nor the 2,048 of a partial update."""

    def density(x):
        return jnp.exp(3 * jnp.sin(7 * x[..., 0]) * x[..., 1] - x[..., 2] ** 2)

    key, before = jax.random.key(3), learned(ball)
    whole, portions = (
        jax.jit(lambda grid, n=n: occupancy.update(
            grid, density, key, replace(CONFIG, at_once=n), everywhere, SPACE
        ))(before)
        for n in (None, at_once)
    )  # fmt: skip
    assert len(np.unique(whole.depth)) > 500
    np.testing.assert_array_equal(portions.depth, whole.depth)
    np.testing.assert_array_equal(portions.occupied, whole.occupied)


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


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("steps", "part", "seed"), [(48, 0.5, 0), (48, 1.0, 1), (100, 0.1, 2), (32, 0.3, 3)]
)
def test_find_is_a_march_of_one_step_at_a_time(steps, part, seed):
    occupied = np.random.default_rng(seed).random((7, 7, 7)) < part
    origin, direction = some_rays(seed)
    jitter = np.random.default_rng(seed + 10).random(len(origin))
    grid = occupancy.Occupancy(jnp.zeros((7, 7, 7)), jnp.asarray(occupied))
    found = occupancy.find(
        grid, *map(jnp.asarray, (origin, direction, jitter)), Space("bounded", steps)
    )
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
    found = occupancy.select(jnp.asarray(WORDS), jnp.asarray(ray), jnp.asarray(rank))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("beyond", [0, 1, 40, 2**20])
def test_select_beyond_the_last_bit_stays_in_the_ray(beyond):
    rank = bits_of(WORDS).sum(axis=1).astype(np.int32) + beyond
    ray = np.arange(len(WORDS), dtype=np.int32)
    found = np.asarray(occupancy.select(jnp.asarray(WORDS), jnp.asarray(ray), jnp.asarray(rank)))
    assert (found >= 0).all() and (found < 96).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_lie_in_occupied_cells_and_add_up_to_their_length(seed):
    """In float32, as training has it; what is occupied is measured by a march of fine steps."""
    grid = learned(ball, rounds=6)
    origin, direction = map(jnp.float32, some_rays(seed))
    rays, steps = len(origin), 1000
    space = Space("bounded", steps)
    jitter = jax.random.uniform(jax.random.key(seed), (rays,))
    found = occupancy.find(grid, origin, direction, jitter, space)
    counts = np.asarray(found.counts)
    ray = np.repeat(np.arange(rays, dtype=np.int32), counts)
    rank = np.concatenate([np.arange(n, dtype=np.int32) for n in counts])
    t, _, _ = occupancy.distance(found, jnp.asarray(ray), jnp.asarray(rank), jitter, space)
    assert 5 < (counts > 0).sum() < rays
    x = np.asarray(origin)[ray] + np.asarray(t)[:, None] * np.asarray(direction)[ray]
    cell = np.clip(((x + 1) * 8).astype(int), 0, 15)
    assert np.asarray(grid.occupied)[tuple(cell.T)].mean() > 0.999
    assert (np.diff(t)[np.diff(ray) == 0] > 0).all()
    fine = np.linspace(0, 6, 60001)[:-1]
    for k in np.flatnonzero(counts)[:12]:
        points = np.asarray(origin[k]) + fine[:, None] * np.asarray(direction[k])
        within = (np.abs(points) < 1).all(-1)
        at = np.clip(((points + 1) * 8).astype(int), 0, 15)
        length = (np.asarray(grid.occupied)[tuple(at.T)] & within).mean() * 6
        np.testing.assert_allclose(counts[k] * 2 * np.sqrt(3) / steps, length, atol=0.02)


def test_distances_are_where_the_steps_look():
    words = jnp.asarray([[0b1010_0001, 0b1], [0, 0b100]], jnp.uint32)
    found = occupancy.Found(jnp.float32([1.5, 0.0]), words, jnp.int32([4, 1]))
    jitter = jnp.float32([0.25, 0.75])
    ray, rank = jnp.int32([0, 0, 0, 0, 1]), jnp.int32([0, 1, 2, 3, 0])
    t, _, _ = occupancy.distance(found, ray, rank, jitter, Space("bounded", 64))
    steps = np.array([0.25, 5.25, 7.25, 32.25, 34.75]) * 2 * np.sqrt(3) / 64
    begins = np.array([1.5, 1.5, 1.5, 1.5, 0.0])
    np.testing.assert_allclose(t, begins + steps, rtol=1e-6)


def test_the_threshold_bends_to_an_empty_scene():
    """At the start all is thin: the mean keeps the densest part occupied."""
    grid = learned(lambda x: 1e-3 * (x[:, 0] > 0))
    assert 0.4 < float(grid.occupied.mean()) < 0.6
    strict = replace(CONFIG, threshold=1e-9)
    key = jax.random.key(0)
    grid = occupancy.update(
        occupancy.full(strict), lambda x: 1e-3 * (x[:, 0] > 0), key, strict, True, SPACE
    )
    assert 0.4 < float(grid.occupied.mean()) < 0.6
