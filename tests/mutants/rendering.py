"""Wrong derivatives of volume rendering in one rule."""

import jax
import jax.numpy as jnp

from calculus.radiance import rendering
from tests.mutants.mutant import Mutant


def _lengths_dropped(residuals, cotangents):
    sigma_bar, delta_bar, *others = rendering.volume_render_bwd(residuals, cotangents)
    return (sigma_bar, jnp.zeros_like(delta_bar), *others)


def _depth_dropped(residuals, cotangents):
    colour_bar, opacity_bar, depth_bar = cotangents
    return rendering.volume_render_bwd(
        residuals, (colour_bar, opacity_bar, jnp.zeros_like(depth_bar))
    )


def _left_to_jax(residuals, cotangents):
    """No derivation at all: JAX differentiates the forward."""
    return jax.vjp(rendering.volume_render.fun, *residuals)[1](cotangents)


def _opacity_for_depth(residuals, cotangents):
    """d/dalpha_k where d/dtau_k belongs: dalpha/dtau = 1 - alpha = e^-tau forgotten."""
    sigma, delta, *_ = residuals
    sigma_bar, delta_bar, *others = rendering.volume_render_bwd(residuals, cotangents)
    undone = jnp.exp(sigma * delta)
    return (sigma_bar * undone, delta_bar * undone, *others)


def _own_light_for_the_last(sigma, delta, colours, t, background):
    """dA/dtau_k = T_{k+1}, not T_N: (3) without what k hides behind itself."""
    colour, (_, _, *others), depth = rendering.volume_render_jacobian(
        sigma, delta, colours, t, background
    )
    shown = jnp.exp(-jnp.cumsum(sigma * delta))
    return colour, (shown * delta, shown * sigma, *others), depth


MUTANTS = (
    Mutant(
        "the interval lengths dropped",
        "volume_render",
        _lengths_dropped,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("the depth gradient dropped", "volume_render", _depth_dropped),
    Mutant("the pullback left to JAX", "volume_render", _left_to_jax, ("is_another_program",)),
    Mutant("the slope by alpha for the slope by tau", "volume_render", _opacity_for_depth),
    Mutant(
        "an opacity that hides nothing",
        "volume_render",
        _own_light_for_the_last,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
