"""Pixels drawn at random -> rays on the device, and where along them the field is worth asking."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt8

from calculus.radiance import camera
from calculus.radiance.stream import Stream
from data.scene import Split
from nerf import occupancy
from nerf.config import Config
from nerf.occupancy import Occupancy
from nerf.render import BACKGROUNDS


class Photographs(NamedTuple):
    """The pictures of a split and their cameras, on the device."""

    pictures: UInt8[Array, "pictures h w 4"]
    intrinsics: Float[Array, "pictures 4"]
    poses: Float[Array, "pictures 3 4"]

    @classmethod
    def of(cls, split: Split) -> "Photographs":
        """Those of a split, cameras in the default float type."""
        return cls(
            jnp.asarray(split.pictures),
            jnp.asarray(split.intrinsics, float),
            jnp.asarray(split.poses, float),
        )


class Batch(NamedTuple):
    """Pixels to learn from."""

    picture: Int32[Array, " rays"]
    """Which picture, and so which camera."""
    pixel: Int32[Array, "rays 2"]
    """Column and row; the centre of the pixel is half a pixel on."""
    rgba: UInt8[Array, "rays 4"]


class Rays(NamedTuple):
    """The rays of a batch and what they ought to show."""

    origin: Float[Array, "rays 3"]
    direction: Float[Array, "rays 3"]
    photograph: Float[Array, "rays 3"]
    background: Float[Array, "rays 3"]
    share: Float[Array, " rays"]
    """How much each counts in the loss."""


class Packed(NamedTuple):
    """The samples of a step's rays, one behind another."""

    stream: Stream
    t: Float[Array, " M"]
    """Distances, scene units, rising along each ray; padding anywhere."""
    taken: Int[Array, ""]
    """Rays that count."""
    dropped: Int[Array, ""]
    """Rays that met something and found no room: left out whole."""

    @property
    def filled(self) -> Int[Array, ""]:
        """Samples that are no padding."""
        return self.stream.first[-1]


def drawn(photographs: Photographs, key: jax.Array, rays: int) -> Batch:
    """So many pixels, each drawn evenly from all: a function of the key alone."""
    sizes = photographs.pictures.shape[:3]
    keys = jax.random.split(key, 3)
    picture, row, column = (
        jax.random.randint(k, (rays,), 0, size, jnp.int32)
        for k, size in zip(keys, sizes, strict=True)
    )
    rgba = photographs.pictures[picture, row, column]
    return Batch(picture, jnp.stack([column, row], axis=-1), rgba)


def rays_of(batch: Batch, photographs: Photographs, config: Config, key: jax.Array) -> Rays:
    """A batch's rays, made on the device, and its colours over the background of the config."""
    pixel = jnp.asarray(batch.pixel, float) + 0.5
    origin, direction = camera.rays(
        pixel, photographs.intrinsics[batch.picture], photographs.poses[batch.picture]
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


def packed(rays: Rays, grid: Occupancy, config: Config, key: jax.Array) -> tuple[Rays, Packed]:
    """As many of the rays as fill the step's samples, and these samples.

    Rays are taken in their order, some at a time, until the next does not fit: so their number
    follows what a ray needs at the moment, in one program. A ray without samples shows its
    background whatever the field is; it counts, and costs nothing.
    """
    count, steps = len(rays.share), config.sampling.steps
    at_once = math.gcd(count, RAYS_AT_ONCE)
    jitter = jax.random.uniform(key, (count,))
    words = -(-steps // occupancy.BITS)
    nothing = occupancy.Found(
        jnp.zeros_like(rays.share),
        jnp.zeros((count, words), jnp.uint32),
        jnp.zeros(count, jnp.int32),
    )

    def room_left(at):
        asked, samples, _ = at
        return (asked < count) & (samples < config.training.samples)

    def look(at):
        asked, samples, found = at
        origin, direction, part = (
            jax.lax.dynamic_slice_in_dim(v, asked, at_once) for v in (*rays[:2], jitter)
        )
        more = occupancy.find(grid, origin, direction, part, steps)
        found = jax.tree.map(
            lambda whole, part: jax.lax.dynamic_update_slice_in_dim(whole, part, asked, 0),
            found,
            more,
        )
        return asked + at_once, samples + jnp.sum(more.counts, dtype=jnp.int32), found

    asked, _, found = jax.lax.while_loop(room_left, look, (np.int32(0), np.int32(0), nothing))
    fits = jnp.cumsum(found.counts) <= config.training.samples
    kept = fits & (jnp.arange(count) < asked)
    stream = Stream.of(jnp.where(kept, found.counts, 0), config.training.samples)
    ray = jnp.minimum(stream.ray, count - 1)
    rank = jnp.arange(config.training.samples, dtype=jnp.int32) - stream.first[ray]
    t = occupancy.distance(found, ray, rank, jitter, steps)
    taken = jnp.sum(kept)
    dropped = jnp.sum(~fits & (found.counts > 0))
    share = kept / jnp.maximum(taken, 1).astype(rays.share.dtype)
    return rays._replace(share=share), Packed(stream, t, taken, dropped)


RAYS_AT_ONCE = 1024
"""Rays that look for occupied cells together, before it is known whether more are needed."""
