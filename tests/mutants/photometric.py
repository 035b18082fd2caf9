"""Wrong derivatives of the losses."""

import jax.numpy as jnp

from calculus.radiance import photometric
from tests.mutants.mutant import Mutant

_TWICE_SHOWN = ("pullback_is_jax", "agrees_with_finite_differences")
_JACOBIAN = ("jacobian_is_jax",)


def _half_the_slope(residuals, loss_bar):
    colours_bar, photograph_bar, share_bar = photometric.squared_error_bwd(residuals, loss_bar)
    return colours_bar / 2, photograph_bar / 2, share_bar


def _cotangent_ignored(residuals, loss_bar):
    """Hands back the gradient, as if the loss were the end of every program."""
    return photometric.squared_error_bwd(residuals, jnp.ones_like(loss_bar))


def _share_forgotten(residuals, loss_bar):
    """The mean is a sum on the way back: the step grows with the batch."""
    e, share = residuals
    _, _, share_bar = photometric.squared_error_bwd(residuals, loss_bar)
    colours_bar, photograph_bar, _ = photometric.squared_error_bwd(
        (e, jnp.ones_like(share)), loss_bar
    )
    return colours_bar, photograph_bar, share_bar


def _huber_not_clipped(threshold, residuals, loss_bar):
    e, share = residuals
    _, _, share_bar = photometric.huber_bwd(threshold, residuals, loss_bar)
    return loss_bar * share[..., None] * e, -loss_bar * share[..., None] * e, share_bar


def _smooth_absolute_error(threshold, residuals, loss_bar):
    """clip(e / h, -1, 1): the loss of the same shape that is Huber's divided by h."""
    return photometric.huber_bwd(threshold, residuals, loss_bar / threshold)


def _tangent_through_zero(colours, photograph, share, threshold):
    """h |e| for h (|e| - h/2): the slopes are right, what a ray counts is not."""
    slope, opposite, _ = photometric.huber_jacobian(colours, photograph, share, threshold)
    size = jnp.abs(colours - photograph)
    rho = jnp.where(size <= threshold, size * size / 2, threshold * size)
    return slope, opposite, jnp.sum(rho, axis=-1)


def _coarse_not_trained(residuals, loss_bar):
    coarse_bar, *others = photometric.coarse_and_fine_bwd(residuals, loss_bar)
    return (jnp.zeros_like(coarse_bar), *others)


def _exchanged(residuals, loss_bar):
    coarse_bar, fine_bar, *others = photometric.coarse_and_fine_bwd(residuals, loss_bar)
    return (fine_bar, coarse_bar, *others)


def _photograph_hears_fine_alone(residuals, loss_bar):
    """What both terms read is pulled by both: here the sum over uses is forgotten."""
    _, kept_fine = residuals
    coarse_bar, fine_bar, _, share_bar = photometric.coarse_and_fine_bwd(residuals, loss_bar)
    _, photograph_bar, _ = photometric.squared_error_bwd(kept_fine, loss_bar)
    return coarse_bar, fine_bar, photograph_bar, share_bar


def _natural_logarithm(mean_squared_error, psnr_bar):
    return (-10 / mean_squared_error * psnr_bar,)


def _amplitude_for_power(mean_squared_error, psnr_bar):
    """20 log10: the decibels of an amplitude, where q is a mean of squares."""
    return (-20 / (jnp.log(10.0) * mean_squared_error) * psnr_bar,)


def _rises_with_the_error(mean_squared_error):
    """The sign lost: following it makes the picture worse."""
    return -photometric.psnr_jacobian(mean_squared_error)


MUTANTS = (
    Mutant("the factor 2 of the square forgotten", "squared_error", _half_the_slope, _TWICE_SHOWN),
    Mutant("the loss's own cotangent ignored", "squared_error", _cotangent_ignored),
    Mutant("what a ray counts forgotten", "squared_error", _share_forgotten),
    Mutant("Huber's slope not clipped", "huber", _huber_not_clipped, _TWICE_SHOWN),
    Mutant("the smooth absolute error for Huber's", "huber", _smooth_absolute_error),
    Mutant("the tangent drawn through zero", "huber", _tangent_through_zero, _JACOBIAN, "jacobian"),
    Mutant("the coarse term not trained", "coarse_and_fine", _coarse_not_trained),
    Mutant("coarse and fine exchanged", "coarse_and_fine", _exchanged),
    Mutant("the photograph hears one term", "coarse_and_fine", _photograph_hears_fine_alone),
    Mutant("the natural logarithm for the decimal", "psnr", _natural_logarithm, _TWICE_SHOWN),
    Mutant("an amplitude's decibels", "psnr", _amplitude_for_power),
    Mutant(
        "quality that rises with the error", "psnr", _rises_with_the_error, _JACOBIAN, "jacobian"
    ),
)
