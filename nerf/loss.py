"""The loss of a batch of rays, and its gradient."""

import math
from types import ModuleType

import jax
import jax.numpy as jnp
from jaxtyping import Array

from nerf.field import Model, Params
from nerf.rays import Packed, Rays
from nerf.shading import Draws, Pixels, hierarchical, shade_packed
from nerf.space import Space


def loss_of_rays(
    params: Params, model: Model, rays: Rays, asked: Packed | Draws
) -> tuple[Array, Pixels]:
    """The loss that is differentiated, and the pixels that it judges: the fine ones,
    under the gains of their pictures.

    Every arithmetic stage from the parameters to the loss is one of `model.stages`.
    """
    stages, training = model.stages, model.config.training
    at = rays.origin, rays.direction, rays.view
    if isinstance(asked, Draws):
        coarse, fine = hierarchical(model, params, *at, rays.background, asked)
        colours = [coarse.colour, fine.colour]
    else:
        fine, sigma = shade_packed(
            model.field(params),
            *at,
            asked.t,
            asked.length,
            rays.background,
            asked.stream,
            Space.of(model.config),
            stages,
        )
        colours = [fine.colour]
    if training.exposure:
        log_gain = gains(params, rays.picture, stages)
        colours = [stages.expose(colour, log_gain) for colour in colours]
        fine = fine._replace(colour=colours[-1])
    if training.loss == "huber":
        terms = [
            stages.huber(colour, rays.photograph, rays.share, training.huber_threshold)
            for colour in colours
        ]
        loss = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    elif len(colours) == 2:
        loss = stages.coarse_and_fine(*colours, rays.photograph, rays.share)
    else:
        loss = stages.squared_error(*colours, rays.photograph, rays.share)
    if training.spread and isinstance(asked, Packed):
        # lengths in parts of a ray's steps: near and far count alike
        tau = stages.optical_depth(sigma, asked.length)
        w, _ = stages.weights_packed(tau, asked.stream)
        each = jnp.full(asked.part.shape, 1 / model.config.sampling.steps)
        wide = stages.spread_packed(w, asked.part, each, asked.stream)
        cost = (training.spread * rays.share)[:, None]
        loss = loss + stages.affine(wide[None, :], cost, jnp.zeros(1))[0, 0]
    return loss, fine


def gains(params: Params, picture: Array, stages: ModuleType) -> Array:
    """Logarithms of the gains of rays of these pictures, (2) of calculus.radiance.exposure."""
    table = params["exposure"]
    pick = jax.nn.one_hot(picture, len(table), dtype=table.dtype) - 1 / len(table)
    return stages.affine(pick, table, jnp.zeros(3, table.dtype))


def slope_of_rays(
    params: Params, model: Model, rays: Rays, asked: Packed | Draws
) -> tuple[tuple[Array, Pixels], Params]:
    """What `loss_of_rays` returns, and its gradient.

    The loss is a sum over rays, so its gradient is the sum of the gradients of parts. Where each
    ray has samples of its own, the way there and back is gone for a few rays at a time: what the
    way back needs is still in the cache then, and need neither be kept nor made again.
    """
    slope = jax.value_and_grad(loss_of_rays, has_aux=True)
    count = len(rays.share)
    if not isinstance(asked, Draws) or model.config.derivatives == "auto":
        return slope(params, model, rays, asked)
    each = 2 * asked.coarse.shape[1] + asked.fine.shape[1]
    limit = SAMPLES_TOGETHER.get(jax.default_backend(), ANYWHERE_ELSE)
    together = math.gcd(count, 2 ** max(0, (limit // each).bit_length() - 1))

    def part(total, given):
        (loss, pixels), gradient = slope(params, model, *given)
        return jax.tree.map(jnp.add, total, (loss, gradient)), pixels

    start = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
    parts = jax.tree.map(lambda v: v.reshape(-1, together, *v.shape[1:]), (rays, asked))
    (loss, gradient), pixels = jax.lax.scan(part, start, parts)
    return (loss, jax.tree.map(lambda v: v.reshape(count, *v.shape[2:]), pixels)), gradient


SAMPLES_TOGETHER = {"cpu": 4096}
"""Samples of rays whose gradient is made at once: few enough for a core's cache."""
ANYWHERE_ELSE = 2**18
