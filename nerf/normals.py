"""Which way surfaces face: the slope of the density by its hand-derived pullbacks."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nerf.field import Model, Params
from nerf.space import Space


def density_and_slope(
    model: Model, params: Params, x: Float[Array, "*batch 3"], name: str = "fine"
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 3"]]:
    """Density sigma (1 / scene unit) at points of the world, and dsigma/dx (1 / scene unit^2).

    Each factor of (2) of `calculus.radiance.surface` is the pullback of its page. In a scene of
    kind forward the density is that of the field's own space, which counts along rays there.
    """
    space, stages, field = Space.of(model.config), model.stages, model.field(params, name)
    sigma, pull = jax.vjp(lambda x: field.density(space.place(x, stages), stages)[0], x)
    return sigma, pull(jnp.ones_like(sigma))[0]


def normals(
    model: Model, params: Params, x: Float[Array, "*batch 3"], name: str = "fine"
) -> Float[Array, "*batch 3"]:
    """Unit normals at points of the world, away from what is dense; 0 where nothing falls."""
    return model.stages.normal(density_and_slope(model, params, x, name)[1])
