"""Wrong derivatives of the optical depth and of the weights."""

import jax.numpy as jnp

from calculus.radiance import compositing
from tests.mutants.mutant import Mutant

_TWICE_SHOWN = ("pullback_is_jax", "agrees_with_finite_differences")
_LIMITS = ("float32_survives_the_limits",)


def _lengths_for_densities(residuals, tau_bar):
    sigma, delta = residuals
    return sigma * tau_bar, delta * tau_bar


def _length_forgotten(residuals, tau_bar):
    """The optical depth taken for the density: the step grows with the number of samples."""
    sigma, _ = residuals
    return tau_bar, sigma * tau_bar


def _slope_of_exponential_twice(residuals, tau_bar):
    """dtau/dlog sigma = tau: the activation's slope is in here, and in the activation again."""
    sigma, delta = residuals
    return sigma * delta * tau_bar, sigma * tau_bar


def _background_twice(residuals, cotangents):
    (_, T), (_, T_bar) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar - T[..., -1:] * T_bar[..., None],)


def _background_forgotten(residuals, cotangents):
    w_bar, T_bar = cotangents
    return compositing.weights_bwd(residuals, (w_bar, jnp.zeros_like(T_bar)))


def _product_scan(residuals, cotangents):
    """Recovers T_{k+1} as T_k (1 - alpha_k) and what is behind by dividing it out again."""
    (w, T), (w_bar, T_bar) = residuals, cotangents
    alpha = w / T[..., :-1]
    behind = compositing._sum_behind(w * w_bar) + T[..., -1:] * T_bar[..., None]
    d_alpha = T[..., :-1] * w_bar - behind / (1 - alpha)
    return (d_alpha * (1 - alpha),)


def _total_minus_prefix(residuals, cotangents):
    (w, T), (w_bar, T_bar) = residuals, cotangents
    worth = w * w_bar
    behind = jnp.sum(worth, axis=-1, keepdims=True) - jnp.cumsum(worth, axis=-1)
    return (T[..., 1:] * w_bar - behind - T[..., -1:] * T_bar[..., None],)


def _suffix_from_the_front(residuals, cotangents):
    """Sums what lies before instead of behind: the same under any loss that is symmetric in i."""
    (w, T), (w_bar, T_bar) = residuals, cotangents
    before = jnp.cumsum(w * w_bar, axis=-1) - w * w_bar
    return (T[..., 1:] * w_bar - before - T[..., -1:] * T_bar[..., None],)


def _suffix_counts_itself(residuals, cotangents):
    (w, _), (w_bar, _) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar - w * w_bar,)


def _light_before_instead_of_behind(residuals, cotangents):
    (_, T), (w_bar, _) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar + (T[..., :-1] - T[..., 1:]) * w_bar,)


def _padded_product(tau):
    """The product of 1 - alpha + 1e-10, kept from being zero: light goes through every wall."""
    alpha = -jnp.expm1(-tau)
    left = jnp.cumprod(1 - alpha + 1e-10, axis=-1)
    T = jnp.concatenate([jnp.ones_like(tau[..., :1]), left], axis=-1)
    w = alpha * T[..., :-1]
    return (w, T[..., -1]), (w, T)


def _lower_for_upper(tau):
    """What lies behind hides what lies before."""
    dw, dT = compositing.weights_jacobian(tau)
    return dw.T, dT


MUTANTS = (
    Mutant("sigma and delta exchanged", "optical_depth", _lengths_for_densities, _TWICE_SHOWN),
    Mutant("the length of the interval forgotten", "optical_depth", _length_forgotten),
    Mutant("the exponential's slope taken twice", "optical_depth", _slope_of_exponential_twice),
    Mutant("the background subtracted twice", "weights", _background_twice, _TWICE_SHOWN),
    Mutant("the background term T_N T_bar forgotten", "weights", _background_forgotten),
    Mutant("the product scan that divides by zero", "weights", _product_scan, _LIMITS),
    Mutant("what lies behind as total minus prefix", "weights", _total_minus_prefix, _LIMITS),
    Mutant("the suffix summed in the wrong order", "weights", _suffix_from_the_front, _TWICE_SHOWN),
    Mutant("the suffix counts its own sample", "weights", _suffix_counts_itself),
    Mutant("T_k in the place of T_{k+1}", "weights", _light_before_instead_of_behind),
    Mutant("1e-10 against a product of zero", "weights", _padded_product, _LIMITS, "fwd"),
    Mutant(
        "hiding and hidden exchanged",
        "weights",
        _lower_for_upper,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
