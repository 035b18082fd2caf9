"""Rays -> pixels: cut the ray, ask the field, composite. Whole pictures in chunks under a bound."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calculus.radiance import camera, sampling
from data.scene import Camera
from nerf import occupancy
from nerf.field import Field, Model, Params, direction_features, position_features
from nerf.occupancy import Occupancy

BACKGROUNDS = {"white": 1.0, "black": 0.0}


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
    t: Float[Array, "rays N"],
    delta: Float[Array, "rays N"],
    background: Float[Array, "rays 3"],
    stages: ModuleType,
) -> tuple[Pixels, Float[Array, "rays N"]]:
    """The pixels of rays that are asked at distances t, and the densities found there."""
    x = stages.points(origin, direction, t)
    sigma, colours = field(x, direction, stages)
    return Pixels(*stages.volume_render(sigma, delta, colours, t, background)), sigma


def hierarchical(
    model: Model,
    params: Params,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    background: Float[Array, "rays 3"],
    key: jax.Array | None,
) -> tuple[Pixels, Pixels]:
    """Coarse and fine pixels (Mildenhall et al. 2020); with a key, samples are drawn for training.

    The fine network is asked at the coarse samples, and at more where the coarse one saw something.
    """
    coarse, fine = model.config.sampling.coarse, model.config.sampling.fine
    rays, stages = origin.shape[0], model.stages
    t_near, t_far = sampling.box_interval(origin, direction)
    if key is None:
        within, finely = jnp.full((rays, coarse), 0.5), jnp.full((rays, fine), 0.5)
    else:
        coarse_key, fine_key = jax.random.split(key)
        within = jax.random.uniform(coarse_key, (rays, coarse))
        finely = jax.random.uniform(fine_key, (rays, fine))
    t = sampling.stratified(t_near, t_far, within)
    edges = sampling.edges_between(t, t_near, t_far)
    delta = jnp.diff(edges, axis=-1)
    seen, sigma = shade(
        model.field(params, "coarse"), origin, direction, t, delta, background, stages
    )
    w, _ = stages.weights(jax.lax.stop_gradient(sigma) * delta)
    u = (jnp.arange(fine)[None, :] + finely) / fine
    t = jnp.sort(jnp.concatenate([t, sampling.by_importance(edges, w, u)], axis=-1), axis=-1)
    delta = jnp.diff(sampling.edges_between(t, t_near, t_far), axis=-1)
    sharper, _ = shade(model.field(params), origin, direction, t, delta, background, stages)
    return seen, sharper


def occupied(
    model: Model,
    params: Params,
    probed: occupancy.Probed,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    background: Float[Array, "rays 3"],
    jitter: Float[Array, "rays N"],
) -> Pixels:
    """Pixels of rays that ask the field within occupied cells only."""
    t, delta = occupancy.march(probed, jitter)
    field = model.field(params)
    return shade(field, origin, direction, t, delta, background, model.stages)[0]


class Renderer:
    """Renders whole pictures with a model; its programs are compiled once."""

    def __init__(self, model: Model, background: str = "white"):
        if background not in BACKGROUNDS:
            raise ValueError(f"background {background!r}: pictures have white or black behind them")
        self.model = model
        self._background = BACKGROUNDS[background]
        self.rays = rays_in_memory(model)
        """Rays in a chunk."""
        self._chunk = jax.jit(self._rays)
        self._hits = jax.jit(self._meets_something)

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
        colour = np.full((len(at), 3), self._background, np.float32)
        opacity, depth = np.zeros((2, len(at)), np.float32)
        asked = np.arange(len(at))
        if grid is not None:
            hits = [self._hits(grid, chunk, *_lens(view)) for chunk, _ in self._chunks(at)]
            asked = np.flatnonzero(np.concatenate(hits)[: len(at)])
        tick(len(at) - len(asked))
        done = 0
        for chunk, real in self._chunks(at[asked]):
            pixels = self._chunk(params, grid, chunk, *_lens(view))
            where = asked[done : done + real]
            for whole, part in zip((colour, opacity, depth), pixels, strict=True):
                whole[where] = np.asarray(part)[:real]
            done += real
            tick(real)
        shape = (view.height, view.width)
        return Picture(colour.reshape(*shape, 3), opacity.reshape(shape), depth.reshape(shape))

    def _chunks(self, at: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Chunks of one length, the last one filled up, each with its number of real pixels."""
        for start in range(0, len(at), self.rays):
            chunk = at[start : start + self.rays]
            filled = np.pad(chunk, ((0, self.rays - len(chunk)), (0, 0)), mode="edge")
            yield filled, len(chunk)

    def _meets_something(self, grid, pixel, intrinsics, pose):
        origin, direction = _rays_of_one_camera(pixel, intrinsics, pose)
        return self._probe(grid, origin, direction).hit

    def _probe(self, grid, origin, direction):
        probes = self.model.config.sampling.probes
        return occupancy.probe(grid, origin, direction, probes, jnp.full(len(origin), 0.5))

    def _rays(self, params, grid, pixel, intrinsics, pose):
        origin, direction = _rays_of_one_camera(pixel, intrinsics, pose)
        background = jnp.full((len(pixel), 3), self._background)
        if grid is None:
            return hierarchical(self.model, params, origin, direction, background, None)[1]
        jitter = jnp.full((len(pixel), self.model.config.sampling.render_samples), 0.5)
        probed = self._probe(grid, origin, direction)
        return occupied(self.model, params, probed, origin, direction, background, jitter)


def rays_in_memory(model: Model) -> int:
    """How many rays a chunk may have so that its samples stay within the config's memory."""
    config = model.config
    samples = config.sampling.render_samples
    if config.sampling.strategy == "hierarchical":
        samples = config.sampling.coarse + config.sampling.fine
    # What one sample holds: what the trunk is given, what it gives, what the head is given, each
    # as it is, joined to others, and cut into blocks; and what compositing reads. Hidden layers
    # live in blocks and do not count. The suite holds this against what the compiler says.
    given = position_features(config.field)
    handed_on = 2 * config.field.features + 1 + direction_features(config.field)
    numbers = (3 * (given + handed_on) + 16) * samples
    if config.sampling.strategy == "occupied":
        numbers += 32 * config.sampling.probes  # looked up before anything is asked
    rays = config.rendering.memory * 2**20 // (4 * numbers)
    return int(min(max(rays, 1), 32768))


def _rays_of_one_camera(pixel, intrinsics, pose):
    rays = len(pixel)
    return camera.rays(
        pixel, jnp.broadcast_to(intrinsics, (rays, 4)), jnp.broadcast_to(pose, (rays, 3, 4))
    )


def _lens(view: Camera) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(view.intrinsics, np.float32), np.asarray(view.pose, np.float32)
