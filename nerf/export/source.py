r"""A run's field as an export asks it, and the way from there to the user's own units.

Symbols      x in the cube [-1, 1]^3 that is exported; w in the world, scene units; u the user's
    bounded, unbounded   w = x: of surroundings without end it is their inner part
    forward              x in normalised device coordinates, w by `Space.world`
    w = s (R u + m)      the scene's motion [R | m] and scale s, so u = R^T (w / s - m)         (1)
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from data.scene import Scene
from nerf.field import Model, Params
from nerf.normals import density_and_slope
from nerf.occupancy import Occupancy
from nerf.render import SAMPLES_A_ROUND, rays_in_memory
from nerf.space import Space

Points = Float[np.ndarray, "n 3"]
GRAIN = 4
"""Cells of the finest grid over which slopes are averaged."""
CORNERS = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)


class Frame(NamedTuple):
    """From the world to the user's own units and orientation."""

    scale: float
    """Scene units per unit of the files."""
    motion: Float[np.ndarray, "3 4"]
    """[R | m]."""

    @classmethod
    def of(cls, scene: Scene) -> "Frame":
        """That of a scene."""
        return cls(scene.scale, np.asarray(scene.motion, np.float64))

    def user(self, w: Points) -> Points:
        """Points of the world in the user's own units and orientation (1)."""
        return (np.asarray(w, np.float64) / self.scale - self.motion[:, 3]) @ self.motion[:, :3]

    def user_direction(self, v: Points) -> Points:
        """Directions of the world as the user's frame has them."""
        return np.asarray(v, np.float64) @ self.motion[:, :3]

    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """M of (u, 1) = M (w, 1)."""
        R, m = self.motion[:, :3], self.motion[:, 3]
        M = np.eye(4)
        M[:3, :3], M[:3, 3] = R.T / self.scale, -R.T @ m
        return M


class Source:
    """The density and colour of a run, asked at points of its cube a chunk at a time.

    Runs of one shape share their compiled programs.
    """

    def __init__(self, model: Model, params: Params, grid: Occupancy | None):
        self.model, self.params, self.grid = model, params, grid
        self.space = Space.of(model.config)
        self.chunk = points_in_memory(model)
        """Points that the field is asked at, at once."""
        self.tick: Callable[[int], object] = lambda points: None
        """Told the points that were just asked."""
        self._density, self._normals, self._colour = _programs(model.compiled)

    def density(self, x: Points) -> Float[np.ndarray, " n"]:
        """sigma, 1 / length of the cube."""
        return self._chunked(self._density, self.chunk, x)

    def normals(self, x: Points, cell: float = 0.0) -> Points:
        """Outward normals in the world: where the density falls fastest; 0 where it is even.

        By the gradient of the density through the rules that were derived by hand. A hash grid's
        density has slopes that are finer than anything it was shown: there it is the mean over the
        corners of a cube about x, GRAIN of the finest cells wide, but no wider than `cell`.
        """
        length, field = max(self.chunk // 2, 1), self.model.config.field
        cell = min(cell, GRAIN * 2 / field.finest) if field.encoding == "hash" else 0.0
        about = CORNERS * (cell / 2) if cell else np.zeros((1, 3))
        return self._chunked(self._normals, length, x, about=about).astype(np.float64)

    def colour(self, x: Points, view: Points) -> Points:
        """RGB in [0, 1] at x, as it is seen along unit directions `view` of the world."""
        return np.clip(self._chunked(self._colour, self.chunk, x, view), 0, 1)

    def world(self, x: Points) -> Points:
        """Points of the cube in the world, scene units."""
        return np.asarray(self.space.world(jnp.asarray(x, float)), np.float64)

    def occupied(self) -> Bool[np.ndarray, "G G G"] | None:
        """Which cells of the field's cube rays ask at all; None: everywhere."""
        return None if self.grid is None else np.asarray(self.grid.occupied)

    def cube(self, x: Points) -> Points:
        """Where points lie in the field's cube, whose cells `occupied` are."""
        return np.asarray(self.space.cube(jnp.asarray(x, float), self.model.stages))

    def _chunked(self, program, length, *given, **whole):
        """What a program says of many points, so many at once; the last chunk is filled up."""
        n = len(given[0])
        arrays = [np.asarray(v, np.float32) for v in given]
        whole = {name: np.asarray(v, np.float32) for name, v in whole.items()}
        parts = []
        for start in range(0, max(n, 1), length):
            cut = [v[start : start + length] for v in arrays]
            kept = len(cut[0])
            filled = [np.concatenate([v, np.zeros((length - kept, 3), np.float32)]) for v in cut]
            parts.append(np.asarray(program(self.params, *filled, **whole))[:kept])
            self.tick(kept)
        return np.concatenate(parts)


@lru_cache(maxsize=16)
def _programs(model: Model) -> tuple[Any, Any, Any]:
    """Compiled for all sources of one shape: density, normals and colour at points."""
    space, stages = Space.of(model.config), model.stages

    def density(params, x):
        return model.field(params).density(space.cube(x, stages), stages)[0]

    def normals(params, x, about):
        def slope(sum, corner):
            return sum + density_and_slope(model, params, space.world(x + corner))[1], None

        return stages.normal(jax.lax.scan(slope, jnp.zeros_like(x), about)[0])

    def colour(params, x, view):
        field = model.field(params)
        return field(space.cube(x, stages), field.view(view, stages), stages)[1]

    return jax.jit(density), jax.jit(normals), jax.jit(colour)


def points_in_memory(model: Model) -> int:
    """How many points may be asked at once within the config's memory."""
    sampling = model.config.sampling
    hierarchical = sampling.strategy == "hierarchical"
    samples = sampling.coarse + sampling.fine if hierarchical else SAMPLES_A_ROUND
    return rays_in_memory(model.config) * samples
