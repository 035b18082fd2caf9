"""A batch of pixels -> rays on the device, and which of them are worth rendering."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance import camera
from data.batches import Batch
from nerf import occupancy
from nerf.config import Config
from nerf.occupancy import Occupancy
from nerf.render import BACKGROUNDS


class Lenses(NamedTuple):
    """The cameras of a split, on the device."""

    intrinsics: Float[Array, "pictures 4"]
    poses: Float[Array, "pictures 3 4"]


class Rays(NamedTuple):
    """The rays of a batch and what they ought to show."""

    origin: Float[Array, "rays 3"]
    direction: Float[Array, "rays 3"]
    photograph: Float[Array, "rays 3"]
    background: Float[Array, "rays 3"]
    share: Float[Array, " rays"]
    """How much each counts in the loss."""


def rays_of(batch: Batch, lenses: Lenses, config: Config, key: jax.Array) -> Rays:
    """A batch's rays, made on the device, and its colours over the background of the config."""
    pixel = jnp.asarray(batch.pixel, float) + 0.5
    origin, direction = camera.rays(
        pixel, lenses.intrinsics[batch.picture], lenses.poses[batch.picture]
    )
    rgba = jnp.asarray(batch.rgba, float) / 255
    if config.data.background == "random":
        background = jax.random.uniform(key, origin.shape)
    else:
        background = jnp.full(origin.shape, BACKGROUNDS[config.data.background])
    alpha = rgba[:, 3:]
    rays = len(origin)
    photograph = rgba[:, :3] * alpha + background * (1 - alpha)
    return Rays(origin, direction, photograph, background, jnp.full(rays, 1 / rays))


def chosen(
    rays: Rays, grid: Occupancy, config: Config, key: jax.Array
) -> tuple[Rays, occupancy.Probed, Array, Array]:
    """Those rays that meet something, in a fixed number of slots; what the others tell.

    A ray through empty cells shows its background whatever the field is, so it has no gradient:
    leaving it out changes nothing. Returns the chosen rays, what they meet, and of the others the
    sum of squared errors and the number dropped for want of a slot.
    """
    slots = config.training.slots
    jitter = jax.random.uniform(key, rays.share.shape)
    probed = occupancy.probe(grid, rays.origin, rays.direction, config.sampling.probes, jitter)
    hit = probed.hit
    order = jnp.argsort(~hit, stable=True)[:slots]
    taken = hit[order]
    dropped = jnp.sum(hit) - jnp.sum(taken)
    empty_error = jnp.sum((rays.background - rays.photograph) ** 2 * ~hit[:, None])
    kept = jax.tree.map(lambda values: values[order], rays)
    # every drawn ray counts alike, those that meet nothing with an error that nothing can change
    counted = jnp.maximum(len(rays.share) - dropped, 1)
    kept = kept._replace(share=taken / counted)
    return kept, jax.tree.map(lambda values: values[order], probed), empty_error, dropped
