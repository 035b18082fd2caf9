"""Rays -> pixels: points on a ray, what the field says of them, and what is seen of it."""

from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance import sampling
from calculus.radiance.stream import Stream
from nerf.config import Config
from nerf.field import Field, Model, Params
from nerf.space import Space


class Pixels(NamedTuple):
    """What rays show."""

    colour: Float[Array, "*rays 3"]
    """RGB over the background, in [0, 1]."""
    opacity: Float[Array, "*rays"]
    depth: Float[Array, "*rays"]
    """Distance times opacity, scene units: divide by the opacity for the mean distance."""


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
    """Coarse and fine pixels (Mildenhall et al. 2020)."""
    at = origin, direction, view
    seen, t, delta = coarse_to_fine(model, params, *at, background, draws)
    field, space, stages = model.field(params), Space.of(model.config), model.stages
    return seen, shade(field, *at, t, delta, background, space, stages)[0]


def coarse_to_fine(
    model: Model,
    params: Params,
    origin: Float[Array, "rays 3"],
    direction: Float[Array, "rays 3"],
    view: Float[Array, "rays 3"],
    background: Float[Array, "rays 3"],
    draws: Draws,
) -> tuple[Pixels, Float[Array, "rays N"], Float[Array, "rays N"]]:
    """Coarse pixels, and where the fine network is asked: distances and lengths of intervals.

    At the coarse samples, and at more where the coarse one saw something.
    """
    stages, space = model.stages, Space.of(model.config)
    t_near, t_far = space.interval(origin, direction)
    t = sampling.stratified(t_near, t_far, draws.coarse)
    edges = sampling.edges_between(t, t_near, t_far)
    delta = jnp.diff(edges, axis=-1)
    coarse = model.field(params, "coarse")
    at = origin, direction, view
    seen, sigma = shade(coarse, *at, t, delta, background, space, stages)
    w, _ = stages.weights(jax.lax.stop_gradient(sigma) * delta)
    fine = draws.fine.shape[-1]
    u = (jnp.arange(fine)[None, :] + draws.fine) / fine
    t = jnp.sort(jnp.concatenate([t, sampling.by_importance(edges, w, u)], axis=-1), axis=-1)
    return seen, t, jnp.diff(sampling.edges_between(t, t_near, t_far), axis=-1)
