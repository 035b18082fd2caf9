"""A box that shows what lies in it: cells of the occupancy grid outside are taken for empty."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nerf.config import Config
from nerf.occupancy import Occupancy
from nerf.space import Space


class Box(NamedTuple):
    """Corners, scene units; infinite where nothing is cut."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


def reach(config: Config) -> float | None:
    """How far the sliders of a box go, scene units; None where a run can't be cut so.

    A field without an occupancy grid is asked everywhere, and the cells of a forward scene are no
    boxes in the world.
    """
    if config.sampling.strategy != "occupied" or config.data.space == "forward":
        return None
    return 4.0 if config.data.space == "unbounded" else 1.0


@partial(jax.jit, static_argnums=2)
def cropped(grid: Occupancy, box: Box, space: Space) -> Occupancy:
    """The grid without the cells whose middle lies outside of the box: exact to a cell."""
    cells = grid.occupied.shape[0]
    along = (jnp.arange(cells) + 0.5) * (2 / cells) - 1
    middle = jnp.stack(jnp.meshgrid(along, along, along, indexing="ij"), axis=-1)
    place = world(middle, space)
    inside = (place >= jnp.asarray(box.low)) & (place <= jnp.asarray(box.high))
    return grid._replace(occupied=grid.occupied & jnp.all(inside, axis=-1))


def world(cube: Float[Array, "*n 3"], space: Space) -> Float[Array, "*n 3"]:
    """Where in the scene the field's cube has a point: the contraction undone."""
    if space.kind != "unbounded":
        return cube
    y = 2 * cube
    r = jnp.linalg.norm(y, axis=-1, keepdims=True)
    away = 1 / jnp.maximum(2 - r, 1e-6)
    return jnp.where(r <= 1, y, y / jnp.maximum(r, 1e-6) * away)
