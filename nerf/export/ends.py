r"""Where rays end: the places at which their transmittance falls to a half.

Symbols      one ray, steps k of length delta_k with density sigma_k, t_k where step k ends
    tau(t)     int to t of sigma, sigma_k delta_k over each step                            1
    T          exp(-tau)                                                                    1
    t_half     where T = 1/2:  t_k - (tau(t_k) - log 2) / sigma_k, k the first step with
               tau(t_k) >= log 2                                                           (1)

It is the median of where light of the ray comes from. A ray whose transmittance stays above a half
has no end.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data.scene import Split
from nerf import occupancy
from nerf.cameras import Cameras
from nerf.export.source import Source
from nerf.field import Model
from nerf.occupancy import BITS, Found
from nerf.render import RAYS_THAT_LOOK, SAMPLES_A_ROUND
from nerf.space import Space

MORE = 16
"""Times as many rays as ends that are wanted are looked along at most."""
LOOKS = 4
"""Chunks of rays that look are held at once."""


class Ends(NamedTuple):
    """Where some rays end."""

    x: Float[np.ndarray, "n 3"]
    """In the cube that is exported, or beyond it where surroundings have no end."""
    view: Float[np.ndarray, "n 3"]
    """Unit directions of the rays in the world."""
    along: Float[np.ndarray, "n 3"]
    """The same in the cube: other ones where it is of device coordinates."""
    rays: int
    """Rays that were looked along, those without an end too."""


def ends(source: Source, split: Split, count: int, seed: int = 0) -> Ends:
    """Ends of rays through places drawn evenly from all pictures, until there are `count`.

    Fewer, where hardly any ray ends: no more than MORE times as many are looked along.
    """
    march = _March(source, split)
    rng = np.random.default_rng(seed)
    found: list[tuple[np.ndarray, ...]] = []
    rays = seen = 0
    while seen < count and rays < MORE * count:
        # few at first, then as many as are still wanted, by what came of those before
        want = count if not rays else (count - seen) * rays / max(seen, 1)
        many = int(min(max(1.05 * want, 256), LOOKS * march.look))
        picture = rng.integers(0, len(split), many)
        pixel = rng.random((many, 2)) * [split.width, split.height]
        found.append(march.ends(picture.astype(np.int32), pixel.astype(np.float32)))
        rays, before = rays + many, seen
        seen += len(found[-1][0])
        source.tick(min(seen, count) - before)
    told = zip(*found, strict=True)
    x, view, along = (np.concatenate(parts)[:count].astype(np.float64) for parts in told)
    return Ends(x, view, along, rays)


class _March:
    """Programs that take rays from the eye to their ends; those that have ended wait no more."""

    def __init__(self, source: Source, split: Split):
        self.params, space = source.params, source.space
        grid, config = source.grid, source.model.config
        if grid is None:  # nothing is known to be empty
            samples = config.sampling.coarse + config.sampling.fine
            space = space._replace(steps=samples)
            grid = occupancy.full(config.occupancy)
        words = -(-space.steps // BITS)
        within = config.rendering.memory * 2**20 // (4 * words * BITS + 64)
        self.look = min(max(within, 1), RAYS_THAT_LOOK)
        self.length = max(source.chunk // SAMPLES_A_ROUND, 1)
        self.cameras, self.grid = Cameras.of(split), grid
        self._find, self._advance = _programs(source.model.compiled, space)

    def ends(self, picture, pixel):
        """Places and directions of those rays that end."""
        parts = []
        for start in range(0, len(picture), self.look):
            cut = slice(start, start + self.look)
            kept = len(picture[cut])
            given = (_filled(v[cut], self.look) for v in (picture, pixel))
            said = self._find(self.grid, self.cameras, *given)
            parts.append([np.asarray(v)[:kept] for v in said])
        *state, view = map(np.concatenate, zip(*parts, strict=True))
        counts = state[-1]
        rank = np.zeros(len(counts), np.int32)
        tau, end = np.zeros(len(counts), np.float32), np.zeros((len(counts), 3), np.float32)
        alive = np.flatnonzero(counts)
        while len(alive):
            for start in range(0, len(alive), self.length):
                chunk = alive[start : start + self.length]
                held = (_filled(v[chunk], self.length) for v in (*state, rank, tau, end))
                said = self._advance(self.params, *held)
                tau[chunk], end[chunk] = (np.asarray(v)[: len(chunk)] for v in said)
            rank[alive] += SAMPLES_A_ROUND
            alive = alive[(rank[alive] < counts[alive]) & (tau[alive] < np.log(2))]
        ended = tau >= np.log(2)
        return end[ended], view[ended], state[1][ended]


@lru_cache(maxsize=16)
def _programs(model: Model, space: Space) -> tuple[Any, Any]:
    """Compiled for all runs of one shape: where rays begin, and a round of their way."""
    stages = model.stages

    def begin(grid, cameras, picture, pixel):
        origin, view = cameras.rays(picture, pixel)
        origin, direction = space.entered(origin, view, stages)
        middle = jnp.full(len(origin), 0.5)
        return origin, direction, *occupancy.find(grid, origin, direction, middle, space), view

    def advance(params, origin, direction, t_near, words, counts, rank, tau, end):
        rays = len(origin)
        ranks = rank[:, None] + jnp.arange(SAMPLES_A_ROUND, dtype=rank.dtype)[None, :]
        ray = jnp.repeat(jnp.arange(rays, dtype=jnp.int32), SAMPLES_A_ROUND)
        middle = jnp.full(rays, 0.5)
        t, length = (
            v.reshape(ranks.shape)
            for v in occupancy.distance(
                Found(t_near, words, counts), ray, ranks.ravel(), middle, space
            )[:2]
        )
        delta = jnp.where(ranks < counts[:, None], length, 0.0)
        x = space.cube(stages.points(origin, direction, t), stages)
        sigma = model.field(params).density(x, stages)[0]
        after = tau[:, None] + jnp.cumsum(sigma * delta, axis=-1)
        through = after >= jnp.log(2.0)
        first = jnp.argmax(through, axis=-1)[:, None]
        at, step, dense, behind = (
            jnp.take_along_axis(v, first, axis=-1)[:, 0] for v in (t, delta, sigma, after)
        )
        half = at + step / 2 - (behind - jnp.log(2.0)) / jnp.maximum(dense, 1e-30)  # (1)
        new = (through.any(axis=-1) & (tau < jnp.log(2.0)))[:, None]
        return after[:, -1], jnp.where(new, origin + half[:, None] * direction, end)

    return jax.jit(begin), jax.jit(advance)


def _filled(values: np.ndarray, length: int) -> np.ndarray:
    """Values filled up to one length, so that there is one program."""
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])
