"""The gradient of one pixel's loss with respect to its samples: by hand, and by differences.

By hand it is taken apart as (2) and (7) of calculus.radiance.rendering read: what more of a sample
shows, and what it hides.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calculus.radiance.compositing import (
    optical_depth_bwd,
    optical_depth_fwd,
    weights_fwd,
    weights_jacobian,
)
from calculus.radiance.exposure import expose_bwd, expose_fwd
from calculus.radiance.photometric import huber_bwd, huber_fwd, squared_error_bwd, squared_error_fwd
from calculus.radiance.pixel import accumulate_bwd, accumulate_fwd
from calculus.radiance.rendering import volume_render_bwd
from nerf.microscope.samples import Samples

FILLED = 8
"""Samples come in multiples of it."""


class Judge(NamedTuple):
    """What a pixel is held against."""

    photograph: Float[np.ndarray, "3"] | None
    """Its colour over the background; None: the pixel's brightness is differentiated instead."""
    log_gain: Float[np.ndarray, "3"]
    """Of the picture's exposure; zeros where none is learnt."""
    threshold: float | None
    """Of the Huber loss; None: the squared error."""


class Slopes(NamedTuple):
    """A pixel and its loss, and their derivatives by what lies along the ray."""

    loss: float
    """Of this pixel alone; its brightness, the mean of its channels, without a photograph."""
    pixel: Float[np.ndarray, "3"]
    shown: Float[np.ndarray, "3"]
    """The pixel under the gains of its picture: what the loss sees."""
    opacity: float
    depth: float
    """Distance times opacity, as the field's space has it."""
    pixel_bar: Float[np.ndarray, "3"]
    """dloss/dpixel."""
    tau: Float[np.ndarray, " N"]
    transmittance: Float[np.ndarray, " N"]
    """Of the light, what gets as far as each sample."""
    left: float
    """What gets through to the background."""
    weights: Float[np.ndarray, " N"]
    sigma: Float[np.ndarray, " N"]
    """dloss/dsigma, by the rule of the whole: (8) there."""
    colour: Float[np.ndarray, "N 3"]
    shows: Float[np.ndarray, " N"]
    """delta_k T_{k+1} q_k: the part of dloss/dsigma that comes of showing more of sample k."""
    hides: Float[np.ndarray, " N"]
    """-delta_k (sum_{i>k} w_i q_i + T_N b . pixel_bar): of showing less of all behind it."""


def by_hand(samples: Samples, judge: Judge) -> Slopes:
    """The gradient by the rules of `calculus`, in float64."""
    n = len(samples.t)
    # filled up with some of no length and no density, so that there is one and few programs
    more = FILLED - n % FILLED
    t, delta, sigma = (np.pad(v, (0, more)) for v in samples[:3])
    colour = np.pad(samples.colour, ((0, more), (0, 0)))
    samples = Samples(t, delta, sigma, colour, samples.background)
    with jax.enable_x64(True):
        given = jax.tree.map(lambda v: jnp.asarray(v, float), (samples, judge))
        found = jax.tree.map(np.asarray, _by_hand(*given))
    of_samples = "tau", "transmittance", "weights", "sigma", "colour", "shows", "hides"
    return Slopes(**found | {name: found[name][:n] for name in of_samples})


@jax.jit
def _by_hand(samples: Samples, judge: Judge) -> dict[str, Array]:
    t, delta, sigma, colour, b = samples
    tau, kept = optical_depth_fwd(sigma, delta)
    (w, left), (_, T) = weights_fwd(tau)
    (pixel, opacity, depth), _ = accumulate_fwd(w, left, colour, t, b)
    shown, gained = expose_fwd(pixel, judge.log_gain)
    loss, shown_bar = _loss_and_slope(shown, judge)
    pixel_bar, _ = expose_bwd(gained, shown_bar)
    zero = jnp.zeros_like(opacity)
    cotangents = pixel_bar, zero, zero
    # what each sample is worth to the loss, and what the background is
    q, b_dot, *_ = accumulate_bwd((w, left, colour, t, b), cotangents)
    # (5)(6) of compositing: the diagonal shows, what lies below it and T_N hide
    dw, dleft = weights_jacobian(tau)
    own = jnp.diag(dw)
    shows, _ = optical_depth_bwd(kept, own * q)
    hides, _ = optical_depth_bwd(kept, (dw - jnp.diag(own)).T @ q + dleft * b_dot)
    sigma_bar, _, colour_bar, *_ = volume_render_bwd((sigma, delta, colour, t, b), cotangents)
    return {
        "loss": loss,
        "pixel": pixel,
        "shown": shown,
        "opacity": opacity,
        "depth": depth,
        "pixel_bar": pixel_bar,
        "tau": tau,
        "transmittance": T[:-1],
        "left": left,
        "weights": w,
        "sigma": sigma_bar,
        "colour": colour_bar,
        "shows": shows,
        "hides": hides,
    }


def _loss_and_slope(shown, judge):
    one = jnp.ones(())
    if judge.photograph is None:
        return jnp.mean(shown), jnp.full(3, 1 / 3)
    if judge.threshold is None:
        loss, kept = squared_error_fwd(shown[None], judge.photograph[None], one[None])
        return loss, squared_error_bwd(kept, one)[0][0]
    loss, kept = huber_fwd(shown[None], judge.photograph[None], one[None], judge.threshold)
    return loss, huber_bwd(judge.threshold, kept, one)[0][0]


def by_differences(
    samples: Samples, judge: Judge
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
    """dloss/dsigma and dloss/dcolour by central differences, compositing written anew in numpy."""
    _, delta, sigma, colour, b = samples
    if not len(sigma):
        return sigma, colour
    step = 1e-5

    def loss_of(sigma, colour):
        tau = sigma * delta
        through = np.concatenate([np.zeros_like(tau[..., :1]), np.cumsum(tau, axis=-1)], axis=-1)
        T = np.exp(-through)
        w = T[..., :-1] * -np.expm1(-tau)
        return _loss(np.einsum("...n,...na->...a", w, colour) + T[..., -1:] * b, judge)

    # a density moves so far that its optical depth, which compositing is a function of, moves by
    # the same everywhere
    h = step / np.where(delta > 0, delta, 1)
    moves = np.diag(h)
    by_sigma = (loss_of(sigma + moves, colour) - loss_of(sigma - moves, colour)) / (2 * h)
    by_colour = np.zeros_like(colour)
    for a in range(3):
        moves = step * np.eye(len(sigma))[:, :, None] * np.eye(3)[a]
        there, back = loss_of(sigma, colour + moves), loss_of(sigma, colour - moves)
        by_colour[:, a] = (there - back) / (2 * step)
    return np.where(delta > 0, by_sigma, 0), by_colour


def _loss(pixel, judge):
    shown = pixel * np.exp(judge.log_gain)
    if judge.photograph is None:
        return shown.mean(-1)
    e = np.abs(shown - judge.photograph)
    h = judge.threshold
    if h is None:
        return (e**2).sum(-1)
    return np.where(e <= h, e**2 / 2, h * (e - h / 2)).sum(-1)


def gap(by_hand: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, relative to the largest entry; 0 where all is 0."""
    largest = max(np.abs(by_hand).max(initial=0), np.abs(other).max(initial=0))
    return float(np.abs(by_hand - other).max(initial=0) / largest) if largest else 0.0
