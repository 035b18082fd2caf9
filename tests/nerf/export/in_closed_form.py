"""A scene in closed form as a run of it would be: what exports are held against."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

import calculus.radiance
from data.analytic import MARBLES
from nerf.export.source import Source
from nerf.field import Model
from nerf.occupancy import Occupancy
from tests.nerf.conftest import small_grid

SOLIDS = [body for body in MARBLES.bodies if body.kind == "ball"]
SMOOTH = replace(small_grid(), field=replace(small_grid().field, encoding="positional"))
"""No grid whose cells would be averaged over."""


def density(u):
    """The solid bodies of the bundled scene."""
    return sum(body.density(u) for body in SOLIDS)


class Exact(Model):
    """A model whose field is a function, of what `there` makes of points of the world."""

    def __init__(self, config, scale, there=lambda w: w, extra=lambda u: 0.0):
        for name, value in (("config", config), ("graph", None), ("stages", calculus.radiance)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "sigma", lambda w: (exact(there(w)) + extra(there(w))) / scale)

    __eq__, __hash__ = object.__eq__, object.__hash__

    @property
    def compiled(self):
        """Itself: what its programs close over is its own."""
        return self

    def field(self, params, name="fine"):
        sigma, red = self.sigma, jnp.array([0.8, 0.2, 0.1])

        class Field:
            density = staticmethod(lambda x, stages: (sigma(x), x))
            view = staticmethod(lambda direction, stages: direction)

            def __call__(self, x, view, stages):
                return sigma(x), jnp.abs(view) * red

        return Field()


def exact(u):
    """`density`, for JAX."""
    total = 0.0
    for body in SOLIDS:
        q = jnp.linalg.norm((u - jnp.array(body.centre)) / jnp.array(body.radii), axis=-1)
        total = total + body.peak * jax.nn.sigmoid((1 - q) / body.soft)
    return total


def away(u):
    """Signed distance to the nearest of the bodies' surfaces q = 1, about; > 0 outside of all."""
    found = []
    for body in SOLIDS:
        q = body._q(u)
        slope = np.linalg.norm((u - body.centre) / np.square(body.radii), axis=-1) / q
        found.append((q - 1) / slope)
    return np.min(found, axis=0)


def angles(a, b):
    """Degrees between vectors."""
    cosine = np.sum(a * b, -1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def true_normals(u):
    """Outward, of the solid bodies."""
    return -sum(body.density_gradient(u) for body in SOLIDS)


def occupied(scale, cells=32):
    """Where the exact density is, by the corners and the middle of each cell."""
    at = (np.arange(2 * cells + 1) / cells - 1) / scale
    sigma = density(np.stack(np.meshgrid(at, at, at, indexing="ij"), -1))
    most = np.max(
        [
            sigma[a : a + 2 * cells - 1 : 2, b : b + 2 * cells - 1 : 2, c : c + 2 * cells - 1 : 2]
            for a in (0, 1, 2)
            for b in (0, 1, 2)
            for c in (0, 1, 2)
            if a + 2 * cells - 1 <= 2 * cells + 1
        ],
        axis=0,
    )
    return Occupancy(jnp.zeros((cells,) * 3), jnp.asarray(most > 0.05))


def source_of(scale, grid="found", **more):
    """The scene in closed form as a run of it would be."""
    config = replace(SMOOTH, sampling=replace(SMOOTH.sampling, steps=384))
    grid = occupied(scale) if isinstance(grid, str) else grid
    return Source(Exact(config, scale, lambda w: w / scale, **more), {}, grid)
