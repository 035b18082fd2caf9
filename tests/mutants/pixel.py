"""Wrong derivatives of colour, opacity and depth."""

import jax.numpy as jnp

from calculus.radiance import pixel
from tests.mutants.mutant import Mutant


def _opacity_dropped(residuals, cotangents):
    colour_bar, opacity_bar, depth_bar = cotangents
    return pixel.accumulate_bwd(residuals, (colour_bar, jnp.zeros_like(opacity_bar), depth_bar))


def _background_untrained(residuals, cotangents):
    *others, background_bar = pixel.accumulate_bwd(residuals, cotangents)
    return (*others, jnp.zeros_like(background_bar))


def _background_taken_for_white(residuals, cotangents):
    """T_bar as the sum of C_bar: right for the one background that everybody tests on."""
    w, T, colours, t, background = residuals
    white = (w, T, colours, t, jnp.ones_like(background))
    return pixel.accumulate_bwd(white, cotangents)


def _mean_distance_for_depth(residuals, cotangents):
    """(t_i - D/A) / A, the slope of the mean distance D / A, where D itself is rendered."""
    w, _, _, t, _ = residuals
    _, _, depth_bar = cotangents
    w_bar, *others = pixel.accumulate_bwd(residuals, cotangents)
    A = jnp.sum(w, axis=-1, keepdims=True)
    mean = jnp.sum(w * t, axis=-1, keepdims=True) / A
    return (w_bar + ((t - mean) / A - t) * depth_bar[..., None], *others)


def _colours_share_alike(residuals, cotangents):
    """The mean of the three channels for each of them: a grey pixel trains right."""
    w_bar, T_bar, colours_bar, *others = pixel.accumulate_bwd(residuals, cotangents)
    grey = jnp.broadcast_to(jnp.mean(colours_bar, axis=-1, keepdims=True), colours_bar.shape)
    return (w_bar, T_bar, grey, *others)


MUTANTS = (
    Mutant(
        "the opacity gradient dropped",
        "accumulate",
        _opacity_dropped,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("the background gradient dropped", "accumulate", _background_untrained),
    Mutant("the background taken for white", "accumulate", _background_taken_for_white),
    Mutant("the mean distance for the depth", "accumulate", _mean_distance_for_depth),
    Mutant("the channels not told apart", "accumulate", _colours_share_alike),
)
