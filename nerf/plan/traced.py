"""What JAX keeps for a way back that it derives itself: counted by tracing, nothing is made."""

from typing import Any

import jax
import jax.numpy as jnp

from calculus.radiance.stream import Stream
from nerf.config import Config
from nerf.field import Model
from nerf.loss import loss_of_rays
from nerf.plan.sizes import Sizes
from nerf.rays import Packed, Rays
from nerf.shading import Draws


def handed_on(config: Config, sizes: Sizes) -> int:
    """Bytes that the way there hands to the way back, for one part of a step, parameters aside.

    With `derivatives` hand these are what the rules keep; the compiler may keep less, or more.
    """
    models: list[Model] = []

    def parameters():
        model, params = Model.create(config)
        models.append(model)
        return params

    params = jax.eval_shape(parameters)
    R, S = sizes.rays, sizes.samples
    rays = Rays(*(_f(R, 3),) * 4, _f(R), _f(R, 3), _i(R))
    asked: Draws | Packed
    if config.sampling.strategy == "hierarchical":
        asked = Draws(_f(R, config.sampling.coarse), _f(R, config.sampling.fine))
    else:
        asked = Packed(Stream(_i(S), _i(R + 1)), _f(S), _f(S), _f(S), _i(), _i())

    def way_back(params, rays, asked):
        def loss(params):
            return loss_of_rays(params, models[0], rays, asked)

        return jax.vjp(loss, params, has_aux=True)[1]

    kept = jax.tree.leaves(jax.eval_shape(way_back, params, rays, asked))
    given = {leaf.shape for leaf in jax.tree.leaves(params)}
    return sum(leaf.size * leaf.dtype.itemsize for leaf in kept if leaf.shape not in given)


def _f(*shape: int) -> Any:  # a shape in the place of an array
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _i(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, jnp.int32)
