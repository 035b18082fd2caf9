"""Which cells of space are worth asking, and where along a ray they lie.

The cube [-1, 1]^3 is cut into cells. Each remembers the largest density it was seen to have,
fading, as the optical depth of one step through it; a cell below the threshold is taken for empty,
and no ray asks the field there.

A ray goes through space in steps. Whether a step lies in an occupied cell is one bit, and
32 of them are a word: a few words a ray say where all its samples are, and the q-th sample is where
the q-th bit is set, found by counting bits. So the samples of many rays can be written one behind
another without any of them being moved.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from calculus.radiance.blocks import in_blocks
from nerf.config import OccupancyConfig
from nerf.space import Space

Density = Callable[[Float[Array, "n 3"]], Float[Array, " n"]]

BITS = 32
"""In a word."""


class Occupancy(NamedTuple):
    """What is known of the cells; index [x, y, z]."""

    depth: Float[Array, "G G G"]
    """Optical depth of one step, the largest seen of late."""
    occupied: Bool[Array, "G G G"]


class Found(NamedTuple):
    """Where rays meet occupied cells."""

    t_near: Float[Array, " rays"]
    """Distance of the first step's beginning, scene units."""
    words: UInt32[Array, "rays W"]
    """Bit b of word w is set where step 32 w + b lies in an occupied cell."""
    counts: Int[Array, " rays"]
    """Bits set: samples of the ray."""


def full(config: OccupancyConfig) -> Occupancy:
    """All cells occupied: nothing is known yet."""
    shape = (config.cells,) * 3
    return Occupancy(jnp.zeros(shape), jnp.ones(shape, bool))


def update(
    grid: Occupancy,
    density: Density,
    key: jax.Array,
    config: OccupancyConfig,
    everywhere: bool,
    space: Space,
) -> Occupancy:
    """The grid after some cells were asked anew, each at a random place within it.

    All cells if `everywhere`; else a quarter of them drawn evenly, and as many drawn from the
    occupied ones (Mueller et al. 2022).
    """
    cells = config.cells**3
    place_key, even_key, occupied_key = jax.random.split(key, 3)
    if everywhere:
        chosen = jnp.arange(cells)
    else:
        evenly = jax.random.randint(even_key, (cells // 4,), 0, cells)
        rank = jnp.cumsum(grid.occupied.ravel())
        drawn = jax.random.randint(occupied_key, (cells // 4,), 0, jnp.maximum(rank[-1], 1))
        chosen = jnp.concatenate([evenly, jnp.searchsorted(rank, drawn, side="right")])
        chosen = jnp.minimum(chosen, cells - 1)
    corner = jnp.stack(jnp.unravel_index(chosen, grid.depth.shape), axis=-1)
    place = corner + jax.random.uniform(place_key, (chosen.size, 3))
    place = place * (2 / config.cells) - 1
    found = _in_portions(density, place, config.at_once) * space.length_at(place)
    faded = grid.depth.ravel().at[chosen].multiply(config.decay, unique_indices=everywhere)
    depth = faded.at[chosen].max(found).reshape(grid.depth.shape)
    return Occupancy(depth, depth > jnp.minimum(config.threshold, jnp.mean(depth)))


def _in_portions(density: Density, x: Float[Array, "n 3"], most: int | None) -> Float[Array, " n"]:
    """The density at all places, asked at no more than `most` at once."""
    if most is None or len(x) <= most:
        return density(x)
    return jax.lax.map(density, in_blocks(x, most)).ravel()[: len(x)]


def find(
    grid: Occupancy,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    jitter: Float[Array, " rays"],
    space: Space,
) -> Found:
    """Where rays meet occupied cells; they look at `jitter` in [0, 1) of each step."""
    t_near, t_far = space.interval(origin, direction)
    words = -(-space.steps // BITS)
    along = jnp.arange(words * BITS, dtype=t_near.dtype)
    t = space.distance(t_near[:, None], along[None, :] + jitter[:, None])
    cells = grid.occupied.shape[0]
    at = jnp.zeros(t.shape, jnp.int32)
    # as `points` has it, an axis at a time: what is looked up is one number
    axes = [origin[:, k : k + 1] + t * direction[:, k : k + 1] for k in range(3)]
    for x in space.cube_by_axes(axes):
        inside = jnp.clip((x + 1) * (cells / 2), 0, cells - 1)
        at = at * cells + inside.astype(jnp.int32)
    seen = grid.occupied.ravel().at[at].get(mode="promise_in_bounds") & (t < t_far[:, None])
    bits = seen.reshape(-1, words, BITS).astype(jnp.uint32) << np.arange(BITS, dtype=np.uint32)
    found = jnp.sum(bits, axis=-1, dtype=jnp.uint32)
    counts = jnp.sum(jax.lax.population_count(found), axis=-1, dtype=jnp.uint32)
    return Found(t_near, found, counts.astype(jnp.int32))


def select(
    words: UInt32[Array, "rays W"], ray: Int[Array, " M"], rank: Int[Array, " M"]
) -> Int[Array, " M"]:
    """The step of each ray's sample number `rank`: where that bit, counted from 0, is set.

    A ray with fewer bits gives some step or other.
    """
    through = jnp.cumsum(jax.lax.population_count(words).astype(jnp.int32), axis=-1)
    before = through[ray] <= rank[:, None]
    word = jnp.minimum(jnp.sum(before, axis=-1), words.shape[1] - 1).astype(jnp.int32)
    left = rank - jnp.max(jnp.where(before, through[ray], 0), axis=-1)
    bits = words.ravel()[ray * words.shape[1] + word]
    place = jnp.zeros_like(rank)
    for half in (16, 8, 4, 2, 1):  # is it in the lower half of what is left, or in the upper one?
        low = bits & np.uint32((1 << half) - 1)
        count = jax.lax.population_count(low).astype(jnp.int32)
        upper = left >= count
        bits = jnp.where(upper, bits >> np.uint32(half), low)
        left = jnp.where(upper, left - count, left)
        place = place + half * upper
    return word * BITS + place


def distance(
    found: Found,
    ray: Int[Array, " M"],
    rank: Int[Array, " M"],
    jitter: Float[Array, " rays"],
    space: Space,
) -> tuple[Float[Array, " M"], Float[Array, " M"], Float[Array, " M"]]:
    """How far along their rays samples lie, how long their steps are (scene units), and which.

    `rank` counts them along each ray.
    """
    step = select(found.words, ray, rank).astype(found.t_near.dtype)
    return space.distance(found.t_near[ray], step + jitter[ray]), space.length(step), step
