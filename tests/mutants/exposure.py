"""Wrong derivatives of the exposure."""

import jax.numpy as jnp

from calculus.radiance import exposure
from tests.mutants.mutant import Mutant


def _gain_held(residuals, y_bar):
    """The colour is trained as if every picture had the same gain."""
    _, log_gain_bar = exposure.expose_bwd(residuals, y_bar)
    return y_bar, log_gain_bar


def _of_the_gain_itself(residuals, y_bar):
    """dy/d exp(g) = C in the place of dy/dg = C exp(g)."""
    colours, _ = residuals
    colours_bar, _ = exposure.expose_bwd(residuals, y_bar)
    return colours_bar, colours * y_bar


def _one_gain_for_three(residuals, y_bar):
    colours_bar, log_gain_bar = exposure.expose_bwd(residuals, y_bar)
    return colours_bar, jnp.broadcast_to(jnp.mean(log_gain_bar, -1, keepdims=True), y_bar.shape)


def _exchanged(colours, log_gain):
    by_colours, by_gain = exposure.expose_jacobian(colours, log_gain)
    return by_gain, by_colours


MUTANTS = (
    Mutant("the gain forgotten on the way back", "expose", _gain_held),
    Mutant("the gain's own derivative for its logarithm's", "expose", _of_the_gain_itself),
    Mutant("one gain for three channels", "expose", _one_gain_for_three),
    Mutant("colour and gain exchanged", "expose", _exchanged, ("jacobian_is_jax",), "jacobian"),
)
