"""Wrong derivatives of the normal."""

import jax.numpy as jnp

from calculus.radiance import surface
from tests.mutants.mutant import Mutant


def _not_projected(residuals, n_bar):
    """Every turn of the slope is taken for one of the normal, also a change of its length."""
    _, length = residuals
    return (-n_bar / length,)


def _length_forgotten(residuals, n_bar):
    n, length = residuals
    return surface.normal_bwd((n, jnp.where(jnp.isinf(length), length, 1.0)), n_bar)


def _inwards(residuals, n_bar):
    return (-surface.normal_bwd(residuals, n_bar)[0],)


def _projected_on_the_normal(slope):
    n, (length,) = surface.normal_fwd(slope)[1]
    return -jnp.outer(n, n) / length


MUTANTS = (
    Mutant("the change of length not taken out", "normal", _not_projected),
    Mutant("the slope's length forgotten", "normal", _length_forgotten),
    Mutant("the normal turned inwards", "normal", _inwards),
    Mutant(
        "along the normal for across it",
        "normal",
        _projected_on_the_normal,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
