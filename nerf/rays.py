"""Pixels drawn at random -> rays on the device, and where along them the field is worth asking."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Int32, UInt8

from calculus import radiance
from calculus.radiance import camera
from calculus.radiance.stream import Stream
from data.scene import Split
from nerf import devices, occupancy
from nerf.cameras import Cameras
from nerf.config import Config
from nerf.devices import Total, alone
from nerf.occupancy import Density, Occupancy
from nerf.render import BACKGROUNDS
from nerf.space import Space


class Photographs(NamedTuple):
    """The pictures of a split and their cameras, on the device, or some pictures on each."""

    pictures: UInt8[Array, "pictures h w 4"]
    """On a mesh as many for each device, with empty ones at the end."""
    cameras: Cameras
    """Of the pictures that there are."""
    masks: Bool[Array, "pictures h w"] | None = None
    """Pixels to learn from; None: all."""

    @classmethod
    def of(cls, split: Split, mesh: Mesh | None = None) -> "Photographs":
        """Those of a split, cameras in the default float type."""
        if mesh is None:
            masks = None if split.masks is None else jnp.asarray(split.masks)
            return cls(jnp.asarray(split.pictures), Cameras.of(split), masks)

        def dealt(held: np.ndarray) -> Array:
            return devices.dealt(held, len(split), split.first, mesh)

        masks = None if split.masks is None else dealt(split.masks)
        return cls(dealt(split.pictures), devices.placed(Cameras.of(split), mesh), masks)


class Batch(NamedTuple):
    """Pixels to learn from."""

    picture: Int32[Array, " rays"]
    """Which picture, and so which camera."""
    pixel: Int32[Array, "rays 2"]
    """Column and row; the centre of the pixel is half a pixel on."""
    rgba: UInt8[Array, "rays 4"]
    valid: Bool[Array, " rays"] | None = None
    """Whether to learn from it; None: from all."""


class Rays(NamedTuple):
    """The rays of a batch and what they ought to show."""

    origin: Float[Array, "rays 3"]
    direction: Float[Array, "rays 3"]
    """Both as the field's space has them (nerf/space.py)."""
    photograph: Float[Array, "rays 3"]
    background: Float[Array, "rays 3"]
    share: Float[Array, " rays"]
    """How much each counts in the loss."""
    view: Float[Array, "rays 3"]
    """Unit directions in the world, which is where the field's colours are looked at from."""
    picture: Int32[Array, " rays"]
    """Which picture each is of."""


class Packed(NamedTuple):
    """The samples of a step's rays, one behind another."""

    stream: Stream
    t: Float[Array, " M"]
    """Distances, scene units, rising along each ray; padding anywhere."""
    length: Float[Array, " M"]
    """Of the steps that the samples stand for, scene units."""
    part: Float[Array, " M"]
    """Where the middles of these lie, in parts of all steps of a ray."""
    taken: Int[Array, ""]
    """Rays that count."""
    dropped: Int[Array, ""]
    """Rays that were looked along and found no room: left out whole."""

    @property
    def filled(self) -> Int[Array, "*parts"]:
        """Samples that are no padding; of several parts, stacked, of each."""
        return self.stream.first[..., -1]


def drawn(photographs: Photographs, key: jax.Array, rays: int, axis: str | None = None) -> Batch:
    """So many pixels, each drawn evenly from all: a function of the key alone.

    Over an `axis` of devices each gets its own part of them, in the order of the devices: all draw
    the same, and whoever holds a pixel says its colour.
    """
    sizes = len(photographs.cameras.poses), *photographs.pictures.shape[1:3]
    keys = jax.random.split(key, 3)
    picture, row, column = (
        jax.random.randint(k, (rays,), 0, size, jnp.int32)
        for k, size in zip(keys, sizes, strict=True)
    )
    pixel = jnp.stack([column, row], axis=-1)
    if axis is None:
        rgba = photographs.pictures[picture, row, column]
        valid = None if photographs.masks is None else photographs.masks[picture, row, column]
        return Batch(picture, pixel, rgba, valid)
    here = len(photographs.pictures)
    number = picture - here * jax.lax.axis_index(axis)
    held = (number >= 0) & (number < here)
    at = jnp.clip(number, 0, here - 1), row, column

    def told(value: Array) -> Array:  # one of the terms is not zero: the sum is exact
        return jax.lax.psum_scatter(jnp.where(held, value, 0), axis, tiled=True)

    words = jax.lax.bitcast_convert_type(photographs.pictures[at], jnp.uint32)
    rgba = jax.lax.bitcast_convert_type(told(words), jnp.uint8)
    masks = photographs.masks
    valid = None if masks is None else told(masks[at].astype(jnp.uint32)) > 0
    return Batch(devices.own(picture, axis), devices.own(pixel, axis), rgba, valid)


def backgrounds(config: Config, key: jax.Array, rays: int) -> Float[Array, "rays 3"]:
    """What is laid behind transparent pixels: of the config, or drawn for each ray."""
    if config.data.background == "random":
        return jax.random.uniform(key, (rays, 3))
    return jnp.full((rays, 3), BACKGROUNDS[config.data.background])


def rays_of(
    batch: Batch,
    photographs: Photographs,
    config: Config,
    background: Float[Array, "rays 3"],
    total: Total = alone,
) -> Rays:
    """A batch's rays, made on the device, and its colours over the background.

    Each counts the same; `total` adds up over all that share the step.
    """
    pixel = jnp.asarray(batch.pixel, float) + 0.5
    origin, view = photographs.cameras.rays(batch.picture, pixel)
    origin, direction = Space.of(config).entered(origin, view, radiance)
    rgba = jnp.asarray(batch.rgba, float) / 255
    alpha = rgba[:, 3:]
    photograph = rgba[:, :3] * alpha + background * (1 - alpha)
    valid = jnp.ones(len(origin), bool) if batch.valid is None else batch.valid
    share = valid / jnp.maximum(total(jnp.sum(valid)), 1).astype(origin.dtype)
    return Rays(origin, direction, photograph, background, share, view, batch.picture)


def packed(
    rays: Rays,
    grid: Occupancy,
    density: Density,
    config: Config,
    jitter: Float[Array, " rays"],
) -> tuple[Rays, Packed]:
    """As many of the rays of a part as fill its samples, and these samples.

    A ray is asked at `jitter`, in [0, 1), of each of its steps.

    Rays are taken in their order, some at a time, until the next does not fit: so their number
    follows what a ray needs at the moment, in one program. A ray without samples shows its
    background whatever the field is; it counts, and costs nothing.

    No gradient worth the name comes from where a ray is opaque already, and soon that is where most
    of it lies. So `density` is asked first, at one sample in `STRIDE`, each standing for so many:
    what lies behind an optical depth of -log DARK, as these few estimate it, is left out.
    """
    count, steps = len(rays.share), config.sampling.steps
    room = config.training.samples // (config.training.parts or 1)
    space = Space.of(config)
    wider = 1 if jax.default_backend() == "cpu" else WIDER
    at_once = min(wider * RAYS_AT_ONCE[space.kind], count)
    words = -(-steps // occupancy.BITS)
    asked_at_once = max(
        min(wider * SAMPLES_ASKED_AT_ONCE, room), words * occupancy.BITS // STRIDE + 1
    )

    def ahead(v):  # so that the last rays are a full number of rays too
        return jnp.pad(v, ((0, at_once), *((0, 0),) * (v.ndim - 1)))

    given = tuple(ahead(v) for v in (rays.origin, rays.direction, jitter, rays.share > 0))
    found = occupancy.Found(
        ahead(jnp.zeros_like(jitter)),
        ahead(jnp.zeros((count, words), jnp.uint32)),
        ahead(jnp.zeros(count, jnp.int32)),
    )

    def room_left(at):
        done, filled, _ = at
        return (done < count) & (filled < room)

    def look(at):
        done, filled, found = at
        origin, direction, part, valid = (
            jax.lax.dynamic_slice_in_dim(v, done, at_once) for v in given
        )
        here = occupancy.find(grid, origin, direction, part, space)
        here = here._replace(counts=jnp.where(valid, here.counts, 0))
        few = -(-here.counts // STRIDE)
        fits = (jnp.cumsum(few) <= asked_at_once) & (done + jnp.arange(at_once) < count)
        stream = Stream.of(jnp.where(fits, few, 0), asked_at_once)
        ray, rank = _places(stream)
        t, length, _ = occupancy.distance(here, ray, STRIDE * rank, part, space)
        x = camera.points(origin[ray], direction[ray], t[:, None])[:, 0]
        tau = density(space.cube(x)) * (STRIDE * length)
        depth = stream.previous(stream.sums_through(tau), 0.0)
        # depth rises, so what a ray needs is its first samples; whole numbers subtract exactly
        clear = jnp.cumsum((depth < -math.log(DARK)) & (stream.ray < at_once), dtype=jnp.int32)
        clear = jnp.diff(jnp.pad(clear, (1, 0))[stream.first])
        here = here._replace(counts=jnp.minimum(STRIDE * clear, here.counts))
        found = jax.tree.map(
            lambda all, some: jax.lax.dynamic_update_slice_in_dim(all, some, done, 0), found, here
        )
        filled += jnp.sum(jnp.where(fits, here.counts, 0), dtype=jnp.int32)
        return done + jnp.sum(fits, dtype=jnp.int32), filled, found

    done, _, found = jax.lax.while_loop(room_left, look, (jnp.int32(0), jnp.int32(0), found))
    found = jax.tree.map(lambda v: v[:count], found)
    seen = jnp.arange(count) < done
    fits = jnp.cumsum(jnp.where(seen, found.counts, 0)) <= room
    kept = fits & seen & (rays.share > 0)
    stream = Stream.of(jnp.where(kept, found.counts, 0), room)
    ray, rank = _places(stream)
    t, length, step = occupancy.distance(found, ray, rank, jitter, space)
    taken = jnp.sum(kept)
    dropped = jnp.sum(seen & ~fits)
    share = kept / jnp.maximum(taken, 1).astype(rays.share.dtype)
    return rays._replace(share=share), Packed(
        stream, t, length, (step + 0.5) / steps, taken, dropped
    )


RAYS_AT_ONCE = {"bounded": 2048, "forward": 2048, "unbounded": 256}
"""Rays that look for occupied cells together, before it is known whether more are needed: about as
many as have room among the samples asked together, since the rest looks again."""
SAMPLES_ASKED_AT_ONCE = 16384
"""Samples whose density is asked together, to see where their rays are opaque."""
WIDER = 16
"""Times as many of both on an accelerator: it wants few and large portions."""
DARK = 1e-3
"""Transmittance below which a sample is left out: its colour is worth about as little."""
STRIDE = 4
"""One sample in so many is asked for that."""


def _places(stream: Stream) -> tuple[Array, Array]:
    """For each sample its ray, and its number along it; at padding those of some ray."""
    ray = jnp.minimum(stream.ray, stream.rays - 1)
    return ray, jnp.arange(stream.ray.shape[0], dtype=jnp.int32) - stream.first[ray]
