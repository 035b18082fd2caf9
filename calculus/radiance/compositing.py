r"""The volume-rendering integral along one ray, cut into intervals, and its derivative by hand.

Symbols      one ray, cut into N intervals; lengths in scene units
    sigma_i  density of interval i                      1 / length,  >= 0
    delta_i  length of interval i                       length,      >= 0
    tau_i    optical depth of interval i                1,           >= 0
    T_i      transmittance: the light let through by the intervals before i
    w_i      weight: the share of the pixel that interval i shows

Value
    tau_i = sigma_i delta_i                                                     (1)
    T_i = exp(-sum_{j<i} tau_j)             i = 0..N     T_0 = 1                (2)
    w_i = T_i - T_{i+1} = T_i (1 - exp(-tau_i))                                 (3)
    so sum_i w_i + T_N = 1: what is not shown is left for the background

Jacobian     (1) is a product:
    dtau_i/dsigma_k = delta_i [i = k],    dtau_i/ddelta_k = sigma_i [i = k]     (4)
             (2) gives dT_i/dtau_k = -T_i for k < i and 0 otherwise, so by (3)
    dw_i/dtau_k =  T_{k+1}    i = k     thicker, so it shows more of itself
                  -w_i        i > k     and hides what lies behind it
                   0          i < k     what lies before it does not change      (5)
    dT_N/dtau_k = -T_N        every k                                           (6)

Cotangent    contract (5) with w_bar and (6) with T_bar
    tau_bar_k = T_{k+1} w_bar_k - sum_{i>k} w_i w_bar_i - T_N T_bar             (7)
    sigma_bar = delta tau_bar,    delta_bar = sigma tau_bar                     (8)

What lies behind is summed from the far end. The same sum as "all minus what lies before" is
shorter, and in float32 behind an opaque wall has no correct digit left.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def optical_depth(
    sigma: Float[Array, "*batch N"], delta: Float[Array, "*batch N"]
) -> Float[Array, "*batch N"]:
    """tau (1), without unit: how much of the light an interval takes, as -log of what it leaves."""
    return optical_depth_fwd(sigma, delta)[0]


def optical_depth_fwd(sigma, delta):
    return sigma * delta, (sigma, delta)  # (1)


def optical_depth_bwd(residuals, tau_bar):
    sigma, delta = residuals
    return delta * tau_bar, sigma * tau_bar  # (8)


optical_depth.defvjp(optical_depth_fwd, optical_depth_bwd)


def optical_depth_jacobian(
    sigma: Float[Array, " N"], delta: Float[Array, " N"]
) -> tuple[Float[Array, "N N"], Float[Array, "N N"]]:
    """dtau/dsigma and dtau/ddelta, diagonal, as (4) reads."""
    return jnp.diag(delta), jnp.diag(sigma)


@jax.custom_vjp
def weights(
    tau: Float[Array, "*batch N"],
) -> tuple[Float[Array, "*batch N"], Float[Array, "*batch"]]:
    """The weights w (3) and the transmittance T_N left for the background (2)."""
    return weights_fwd(tau)[0]


def weights_fwd(tau):
    T = jnp.exp(-_sums_before(tau))  # (2), i = 0..N
    w = -T[..., :-1] * jnp.expm1(-tau)  # (3)
    return (w, T[..., -1]), (w, T)


def weights_bwd(residuals, cotangents):
    (w, T), (w_bar, T_bar) = residuals, cotangents
    shown = T[..., 1:] * w_bar
    hidden = _sum_behind(w * w_bar) + T[..., -1:] * T_bar[..., None]
    return (shown - hidden,)  # (7)


weights.defvjp(weights_fwd, weights_bwd)


def weights_jacobian(tau: Float[Array, " N"]) -> tuple[Float[Array, "N N"], Float[Array, " N"]]:
    """dw_i/dtau_k and dT_N/dtau_k, all of them, as (5) and (6) read."""
    (w, T_N), (_, T) = weights_fwd(tau)
    dw = jnp.diag(T[1:]) - jnp.tril(jnp.outer(w, jnp.ones_like(w)), k=-1)
    return dw, -T_N * jnp.ones_like(tau)


def _sums_before(tau):
    """sum_{j<i} tau_j for i = 0..N: one entry more than tau."""
    return jnp.concatenate([jnp.zeros_like(tau[..., :1]), jnp.cumsum(tau, axis=-1)], axis=-1)


def _sum_behind(v):
    """sum_{i>k} v_i, added up from the far end."""
    behind = jax.lax.cumsum(v, axis=v.ndim - 1, reverse=True)
    return jnp.concatenate([behind[..., 1:], jnp.zeros_like(v[..., :1])], axis=-1)
