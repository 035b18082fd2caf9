"""Which cells of space are worth asking, and where along a ray they lie.

The cube [-1, 1]^3 is cut into cells. Each remembers the largest density it was seen to have,
fading, as the optical depth across it; a cell below the threshold is taken for empty, and no ray
asks the field there.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from calculus.radiance import camera, sampling
from nerf.config import OccupancyConfig

Density = Callable[[Float[Array, "n 3"]], Float[Array, " n"]]


class Occupancy(NamedTuple):
    """What is known of the cells; index [x, y, z]."""

    depth: Float[Array, "G G G"]
    """Optical depth across a cell, the largest seen of late."""
    occupied: Bool[Array, "G G G"]


class March(NamedTuple):
    """Where rays are asked: samples within occupied cells."""

    t: Float[Array, "rays N"]
    """Distances, scene units, rising."""
    delta: Float[Array, "rays N"]
    """Length that each sample stands for: an equal share of the ray's occupied length."""


class Probed(NamedTuple):
    """What a ray finds in the occupancy grid."""

    edges: Float[Array, "rays E"]
    """Ends of the probed stretches, scene units."""
    mass: Float[Array, "rays P"]
    """1 where the stretch is occupied, 0 where it is empty."""

    @property
    def hit(self) -> Bool[Array, " rays"]:
        """Whether anything along the ray is worth asking."""
        return jnp.any(self.mass > 0, axis=-1)


def full(config: OccupancyConfig) -> Occupancy:
    """All cells occupied: nothing is known yet."""
    shape = (config.cells,) * 3
    return Occupancy(jnp.zeros(shape), jnp.ones(shape, bool))


def update(
    grid: Occupancy, density: Density, key: jax.Array, config: OccupancyConfig, everywhere: bool
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
    side = 2 / config.cells
    found = density(place * side - 1) * side
    faded = grid.depth.ravel().at[chosen].multiply(config.decay, unique_indices=everywhere)
    depth = faded.at[chosen].max(found).reshape(grid.depth.shape)
    return Occupancy(depth, depth > jnp.minimum(config.threshold, jnp.mean(depth)))


def probe(
    grid: Occupancy,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    probes: int,
    jitter: Float[Array, " rays"],
) -> Probed:
    """Looks along rays for occupied cells at even places, each shifted by `jitter` in [0, 1)."""
    t_near, t_far = sampling.box_interval(origin, direction)
    part = jnp.broadcast_to(jitter[:, None], (t_near.shape[0], probes))
    places = sampling.stratified(t_near, t_far, part)
    middles = sampling.stratified(t_near, t_far, jnp.full_like(part, 0.5))
    edges = sampling.edges_between(middles, t_near, t_far)
    x = jax.lax.stop_gradient(camera.points(origin, direction, places))
    cells = grid.occupied.shape[0]
    at = jnp.clip(((x + 1) * (cells / 2)).astype(jnp.int32), 0, cells - 1)
    occupied = grid.occupied.ravel()[(at[..., 0] * cells + at[..., 1]) * cells + at[..., 2]]
    return Probed(edges, (occupied & (t_far > t_near)[:, None]).astype(edges.dtype))


def march(probed: Probed, jitter: Float[Array, "rays N"]) -> March:
    """N samples a ray, spread evenly over its occupied length; `jitter` in [0, 1) within a share.

    A ray that met nothing gets samples of no length.
    """
    n = jitter.shape[-1]
    u = (jnp.arange(n)[None, :] + jitter) / n
    t = sampling.by_importance(probed.edges, probed.mass, u)
    stretch = probed.edges[:, 1:] - probed.edges[:, :-1]
    occupied = jnp.sum(probed.mass * stretch, axis=-1, keepdims=True)
    return March(t, jnp.broadcast_to(occupied / n, t.shape))
