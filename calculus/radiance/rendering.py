r"""From densities and colours to a pixel in one rule: compositing, then the pixel, contracted.

Symbols      those of `compositing` (sigma, delta, tau, T, w) and `pixel` (c, t, b, C, A, D), and
    S_k      the colour that is seen looking on from the far side of interval k, times T_{k+1}

Value
    tau = sigma delta,  (w, T_N) = weights(tau),  (C, A, D) = accumulate(w, T_N, c, t, b)      (1)

Jacobian     dC/dtau_k = sum_i c_i dw_i/dtau_k + b dT_N/dtau_k; put in dw_i/dtau_k = T_{k+1} for
             i = k, -w_i for i > k, and dT_N/dtau_k = -T_N:
    dC/dtau_k = T_{k+1} c_k - S_k,    S_k = sum_{i>k} w_i c_i + T_N b                     (2)
    more of interval k shows more of its own colour and less of everything behind it.
    With 1 and t_i in the place of c_i, and nothing in the place of b,
    dA/dtau_k = T_{k+1} - sum_{i>k} w_i = T_N                                             (3)
    dD/dtau_k = T_{k+1} t_k - sum_{i>k} w_i t_i                                           (4)
    d/dsigma_k = delta_k d/dtau_k,    d/ddelta_k = sigma_k d/dtau_k                       (5)
    dC_a/dc_kb = w_k [a = b],    dD/dt_k = w_k,    dC_a/db_b = T_N [a = b]                (6)

Cotangent    contract (2)-(4) at once: a sample is worth q_k = c_k . C_bar + A_bar + t_k D_bar to
             the loss, the background b . C_bar, and by (2)
    tau_bar_k = T_{k+1} q_k - sum_{i>k} w_i q_i - T_N b . C_bar                           (7)
    sigma_bar = delta tau_bar,    delta_bar = sigma tau_bar                               (8)
    and c_bar, t_bar, b_bar from (6).

Only the inputs are kept; weights and transmittance cost two exponentials a sample to make again,
which is less than to fetch them from memory.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance.compositing import (
    optical_depth_bwd,
    optical_depth_fwd,
    weights_bwd,
    weights_fwd,
)
from calculus.radiance.pixel import accumulate_bwd, accumulate_fwd


@jax.custom_vjp
def volume_render(
    sigma: Float[Array, "*batch N"],
    delta: Float[Array, "*batch N"],
    colours: Float[Array, "*batch N 3"],
    t: Float[Array, "*batch N"],
    background: Float[Array, "*batch 3"],
) -> tuple[Float[Array, "*batch 3"], Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Colour, opacity and depth times opacity (1) of a ray, from what its intervals hold.

    Densities in 1 / scene unit, interval lengths and distances in scene units. Its derivatives
    reach densities, interval lengths, colours, distances and background: all that a pose, a
    focal length or a background network needs, and not only what a field needs.
    """
    return volume_render_fwd(sigma, delta, colours, t, background)[0]


def volume_render_fwd(sigma, delta, colours, t, background):
    tau, _ = optical_depth_fwd(sigma, delta)
    (w, T_N), _ = weights_fwd(tau)
    return accumulate_fwd(w, T_N, colours, t, background)[0], (sigma, delta, colours, t, background)


def volume_render_bwd(residuals, cotangents):
    sigma, delta, colours, t, background = residuals
    tau, _ = optical_depth_fwd(sigma, delta)
    (w, T_N), kept = weights_fwd(tau)
    # the w_bar that the pixel hands back is q of (7), its T_bar is b . C_bar
    q, b_dot, colours_bar, t_bar, background_bar = accumulate_bwd(
        (w, T_N, colours, t, background), cotangents
    )
    (tau_bar,) = weights_bwd(kept, (q, b_dot))  # (7)
    sigma_bar, delta_bar = optical_depth_bwd((sigma, delta), tau_bar)  # (8)
    return sigma_bar, delta_bar, colours_bar, t_bar, background_bar


volume_render.defvjp(volume_render_fwd, volume_render_bwd)


def volume_render_jacobian(
    sigma: Float[Array, " N"],
    delta: Float[Array, " N"],
    colours: Float[Array, "N 3"],
    t: Float[Array, " N"],
    background: Float[Array, "3"],
) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
    """d(colour, opacity, depth)/d(sigma, delta, colours, t, background), as (2)-(6) read."""
    (w, T_N), (_, T) = weights_fwd(sigma * delta)
    identity, zeros = jnp.eye(3), jnp.zeros_like(sigma)
    behind = jnp.triu(jnp.ones((sigma.size, sigma.size)), k=1)  # [k, i] = 1 where i > k
    S = behind @ (w[:, None] * colours) + T_N * background[None, :]
    dC = (T[1:, None] * colours - S).T  # (2)
    dA = T_N * jnp.ones_like(sigma)  # (3)
    dD = T[1:] * t - behind @ (w * t)  # (4)
    colour = (
        dC * delta[None, :],
        dC * sigma[None, :],  # (5)
        jnp.einsum("i,ab->aib", w, identity),
        jnp.zeros((3, sigma.size)),
        T_N * identity,  # (6)
    )
    opacity = (dA * delta, dA * sigma, jnp.zeros_like(colours), zeros, jnp.zeros(3))
    depth = (dD * delta, dD * sigma, jnp.zeros_like(colours), w, jnp.zeros(3))
    return colour, opacity, depth
