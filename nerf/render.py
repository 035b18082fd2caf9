"""Rays -> pixels: cut the ray, ask the field, composite. Whole pictures in chunks under a bound."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calculus.radiance import sampling
from calculus.radiance.stream import Stream
from data.scene import Camera
from nerf import occupancy
from nerf.cameras import Cameras
from nerf.config import Config
from nerf.field import Field, Model, Params, direction_features, position_features
from nerf.occupancy import Occupancy
from nerf.space import Space

BACKGROUNDS = {"white": 1.0, "black": 0.0}
OPAQUE = 1e-4
"""Transmittance below which a ray asks no more: what is behind can't be seen."""
SAMPLES_A_ROUND = 8
"""Samples that a ray is asked at before it is known whether it needs more."""
RAYS_THAT_LOOK = 16384
"""Rays that look for occupied cells at once, at most."""


class Pixels(NamedTuple):
    """What rays show."""

    colour: Float[Array, "*rays 3"]
    """RGB over the background, in [0, 1]."""
    opacity: Float[Array, "*rays"]
    depth: Float[Array, "*rays"]
    """Distance times opacity, scene units: divide by the opacity for the mean distance."""


class Picture(NamedTuple):
    """What a camera sees, in numpy; as `Pixels`."""

    colour: Float[np.ndarray, "h w 3"]
    opacity: Float[np.ndarray, "h w"]
    depth: Float[np.ndarray, "h w"]


def shade(
    field: Field,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    view: Float[Array, "rays 3"],
    t: Float[Array, "rays N"],
    delta: Float[Array, "rays N"],
    background: Float[Array, "rays 3"],
    space: Space,
    stages: ModuleType,
) -> tuple[Pixels, Float[Array, "rays N"]]:
    """The pixels of rays that are asked at distances t, and the densities found there.

    Origin and direction are those of the field's space, `view` is the direction in the world.
    """
    x = space.cube(stages.points(origin, direction, t), stages)
    seen = field.view(view, stages)[:, None, :]
    sigma, colours = field(x, jnp.broadcast_to(seen, (*x.shape[:-1], seen.shape[-1])), stages)
    return Pixels(*stages.volume_render(sigma, delta, colours, t, background)), sigma


def shade_packed(
    field: Field,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    view: Float[Array, "rays 3"],
    t: Float[Array, " M"],
    delta: Float[Array, " M"],
    background: Float[Array, "rays 3"],
    stream: Stream,
    space: Space,
    stages: ModuleType,
) -> tuple[Pixels, Float[Array, " M"]]:
    """As `shade`, of rays whose samples lie one behind another in a stream."""
    ray = jnp.minimum(stream.ray, stream.rays - 1)
    x = space.cube(stages.points(origin[ray], direction[ray], t[:, None])[:, 0], stages)
    features = field.view(view, stages)
    background = field.behind(features, background, stages)
    sigma, colours = field(x, features[ray], stages)
    seen_through = stages.volume_render_packed(sigma, delta, colours, t, background, stream)
    return Pixels(*seen_through), sigma


class Draws(NamedTuple):
    """Where samples lie within their shares of a ray, in [0, 1)."""

    coarse: Float[Array, "rays C"]
    fine: Float[Array, "rays F"]

    @classmethod
    def of(cls, config: Config, rays: int, key: jax.Array | None) -> "Draws":
        """Random ones of a key for training; without a key the middles."""
        shapes = (rays, config.sampling.coarse), (rays, config.sampling.fine)
        if key is None:
            return cls(*(jnp.full(shape, 0.5) for shape in shapes))
        keys = jax.random.split(key)
        return cls(*(jax.random.uniform(k, s) for k, s in zip(keys, shapes, strict=True)))


def hierarchical(
    model: Model,
    params: Params,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    view: Float[Array, "rays 3"],
    background: Float[Array, "rays 3"],
    draws: Draws,
) -> tuple[Pixels, Pixels]:
    """Coarse and fine pixels (Mildenhall et al. 2020).

    The fine network is asked at the coarse samples, and at more where the coarse one saw something.
    """
    stages, space = model.stages, Space.of(model.config)
    t_near, t_far = space.interval(origin, direction)
    at = origin, direction, view
    t = sampling.stratified(t_near, t_far, draws.coarse)
    edges = sampling.edges_between(t, t_near, t_far)
    delta = jnp.diff(edges, axis=-1)
    coarse = model.field(params, "coarse")
    seen, sigma = shade(coarse, *at, t, delta, background, space, stages)
    w, _ = stages.weights(jax.lax.stop_gradient(sigma) * delta)
    fine = draws.fine.shape[-1]
    u = (jnp.arange(fine)[None, :] + draws.fine) / fine
    t = jnp.sort(jnp.concatenate([t, sampling.by_importance(edges, w, u)], axis=-1), axis=-1)
    delta = jnp.diff(sampling.edges_between(t, t_near, t_far), axis=-1)
    sharper, _ = shade(model.field(params), *at, t, delta, background, space, stages)
    return seen, sharper


class Renderer:
    """Renders whole pictures with a model; its programs are compiled once."""

    def __init__(self, model: Model, background: str = "white"):
        if background not in BACKGROUNDS:
            raise ValueError(f"background {background!r}: pictures have white or black behind them")
        self.model, self._space = model, Space.of(model.config)
        self._background = BACKGROUNDS[background]
        self.rays = rays_in_memory(model)
        """Rays in a chunk."""
        words = -(-model.config.sampling.steps // occupancy.BITS)
        each = 4 * words * occupancy.BITS + 64  # one number a bit, and what a ray is
        within = model.config.rendering.memory * 2**20 // each
        self.rays_that_look = min(max(within, 1), RAYS_THAT_LOOK)
        """Rays that look for occupied cells at once."""
        self._whole = jax.jit(self._coarse_and_fine)
        self._find = jax.jit(self._look)
        self._advance = jax.jit(self._next_samples)

    def picture(
        self,
        params: Params,
        grid: Occupancy | None,
        view: Camera,
        tick: Callable[[int], Any] = lambda pixels: None,
    ) -> Picture:
        """One whole picture; `tick` is told the pixels just done."""
        y, x = np.mgrid[0 : view.height, 0 : view.width].reshape(2, -1).astype(np.float32)
        at = np.stack([x, y], axis=-1) + np.float32(0.5)
        road = self._everywhere if grid is None else self._where_occupied
        colour, opacity, depth = road(params, grid, at, Cameras.of(view), tick)
        shape = (view.height, view.width)
        return Picture(colour.reshape(*shape, 3), opacity.reshape(shape), depth.reshape(shape))

    def _everywhere(self, params, grid, at, camera, tick):
        """Coarse and fine, a chunk at a time."""
        parts = []
        for chunk in _chunks(np.arange(len(at)), self.rays):
            pixels = self._whole(params, _filled(at, chunk, self.rays), camera)
            parts.append([np.asarray(part)[: len(chunk)] for part in pixels])
            tick(len(chunk))
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _where_occupied(self, params, grid, at, camera, tick):
        """Samples in occupied cells, a few a round; a ray that is opaque asks no more."""
        chunks = list(_chunks(np.arange(len(at)), self.rays_that_look))
        parts = [
            [
                np.asarray(v)[: len(chunk)]
                for v in self._find(params, grid, _filled(at, chunk, self.rays_that_look), camera)
            ]
            for chunk in chunks
        ]
        t_near, words, counts, behind = map(np.concatenate, zip(*parts, strict=True))
        seen = np.zeros((len(at), 5), np.float32)  # colour, opacity, depth
        rank = np.zeros(len(at), np.int32)
        alive = np.flatnonzero(counts)
        tick(len(at) - len(alive))
        while len(alive):
            for chunk in _chunks(alive, self.rays):
                cut = (
                    _filled(v, chunk, self.rays) for v in (at, t_near, words, counts, seen, rank)
                )
                seen[chunk] = np.asarray(self._advance(params, *cut, camera))[: len(chunk)]
            rank[alive] += SAMPLES_A_ROUND
            goes_on = (rank[alive] < counts[alive]) & (1 - seen[alive, 3] > OPAQUE)
            tick(len(alive) - int(goes_on.sum()))
            alive = alive[goes_on]
        colour = seen[:, :3] + (1 - seen[:, 3:4]) * behind
        return colour, seen[:, 3], seen[:, 4]

    def _coarse_and_fine(self, params, pixel, camera):
        at = self._rays(pixel, camera)
        background = jnp.full((len(pixel), 3), self._background)
        return hierarchical(
            self.model,
            params,
            *at,
            background,
            Draws.of(self.model.config, len(pixel), None),
        )[1]

    def _look(self, params, grid, pixel, camera):
        """Where rays meet occupied cells, and what is behind all of them."""
        origin, direction, view = self._rays(pixel, camera)
        middle, background = (
            jnp.full(len(origin), 0.5),
            jnp.full((len(origin), 3), self._background),
        )
        found = occupancy.find(grid, origin, direction, middle, self._space)
        field, stages = self.model.field(params), self.model.stages
        return (*found, field.behind(field.view(view, stages), background, stages))

    def _next_samples(self, params, pixel, t_near, words, counts, seen, rank, camera):
        """What rays have seen after a few samples more."""
        rays, space = len(pixel), self._space
        at = self._rays(pixel, camera)
        ranks = rank[:, None] + jnp.arange(SAMPLES_A_ROUND, dtype=rank.dtype)[None, :]
        ray = jnp.repeat(jnp.arange(rays, dtype=jnp.int32), SAMPLES_A_ROUND)
        found, middle = occupancy.Found(t_near, words, counts), jnp.full(rays, 0.5)
        t, length = (
            v.reshape(ranks.shape)
            for v in occupancy.distance(found, ray, ranks.ravel(), middle, space)[:2]
        )
        delta = jnp.where(ranks < counts[:, None], length, 0.0)
        nothing = jnp.zeros((rays, 3))
        field = self.model.field(params)
        pixels, _ = shade(field, *at, t, delta, nothing, space, self.model.stages)
        # behind what is there already: light that comes from it is let through by that
        more = jnp.concatenate([pixels.colour, pixels.opacity[:, None], pixels.depth[:, None]], -1)
        return seen + (1 - seen[:, 3:4]) * more

    def _rays(self, pixel: Array, camera: Cameras) -> tuple[Array, Array, Array]:
        """Rays in the field's space, and their directions in the world."""
        origin, view = camera.rays(jnp.zeros(len(pixel), jnp.int32), pixel)
        origin, direction = self._space.entered(origin, view, self.model.stages)
        return origin, direction, view


def rays_in_memory(model: Model) -> int:
    """How many rays a chunk may have so that its samples stay within the config's memory."""
    config = model.config
    samples = SAMPLES_A_ROUND
    if config.sampling.strategy == "hierarchical":
        samples = config.sampling.coarse + config.sampling.fine
    # What one sample holds: what the trunk is given, what it gives, what the head is given, each
    # as it is, joined to others, and cut into blocks; two hidden layers at a time; and what
    # compositing reads. The suite holds this against what the compiler says.
    given = position_features(config.field)
    handed_on = 2 * config.field.features + 1 + direction_features(config.field)
    widest = max(config.field.trunk_width, config.field.head_width)
    numbers = (3 * (given + handed_on) + 2 * widest + 16) * samples
    rays = config.rendering.memory * 2**20 // (4 * numbers)
    return int(min(max(rays, 1), 32768))


def _chunks(which: np.ndarray, length: int) -> Iterator[np.ndarray]:
    for start in range(0, len(which), length):
        yield which[start : start + length]


def _filled(values: np.ndarray, chunk: np.ndarray, length: int) -> np.ndarray:
    """Those of a chunk, filled up to one length, so that there is one program."""
    return values[np.pad(chunk, (0, length - len(chunk)), mode="edge")]
