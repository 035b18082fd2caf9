r"""How a pixel answers when all densities and colours of its ray move at once.

Symbols      one ray, cut into N intervals, as in `suffix`; lengths in scene units
    sigma_k, delta_k   density and length of interval k           1 / length, length
    c_k, b             colours of interval k and background       RGB
    T_k, w_k           transmittance before interval k, weight    1
    V_k                view from the near end of interval k       RGB
    C                  the pixel                                  RGB
    sigma_dot, c_dot, b_dot   a direction to move in              as sigma, c, b

Value        C = V_0 with alpha_k = 1 - exp(-sigma_k delta_k), see `suffix`

Jacobian     dC/dalpha_k = T_k (c_k - V_{k+1}) and dalpha_k/dsigma_k = delta_k (1 - alpha_k), and
             T_k (1 - alpha_k) = T_{k+1}:
    dC/dsigma_k = delta_k T_{k+1} (c_k - V_{k+1})                              (1)
    and along a direction, with dC/dc_k = w_k I and dC/db = T_N I
    C_dot = sum_k delta_k T_{k+1} (c_k - V_{k+1}) sigma_dot_k + sum_k w_k c_dot_k + T_N b_dot (2)

    Once more, by sigma_j with j <= k. V_{k+1} lies behind interval j and does not know sigma_j;
    T_{k+1} = exp(-.. - sigma_j delta_j - ..) does, and gives the factor -delta_j:
    d^2C/dsigma_j dsigma_k = -delta_j dC/dsigma_k        j <= k                (3)
    and the order of the derivatives does not matter, so for j > k the names change places.

Cotangent    sigma_bar_k = delta_k T_{k+1} (c_k - V_{k+1}) . C_bar,  c_bar_k = w_k C_bar: that is
             what `rendering` runs, and (2) is its other side: C_bar . C_dot = sigma_bar . sigma_dot
             + c_bar . c_dot + b_bar . b_dot for every direction and every C_bar    (4)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.rendering.opacity import alpha_fwd, transmittance_fwd
from calculus.foundations.rendering.suffix import suffix_radiance_fwd


def render_jvp(
    sigma: Float[Array, " N"],
    delta: Float[Array, " N"],
    colours: Float[Array, "N 3"],
    background: Float[Array, "3"],
    sigma_dot: Float[Array, " N"],
    colours_dot: Float[Array, "N 3"],
    background_dot: Float[Array, "3"],
) -> tuple[Float[Array, "3"], Float[Array, "3"]]:
    """The pixel and its change (2) along a direction; one scan each way, no matrix."""
    T, V = _transmittances_and_views(sigma, delta, colours, background)
    w = T[:-1] - T[1:]
    per_density = (delta * T[1:])[:, None] * (colours - V[1:])  # (1)
    C_dot = sigma_dot @ per_density + w @ colours_dot + T[-1] * background_dot  # (2)
    return V[0], C_dot


def colour_hessian(
    sigma: Float[Array, " N"],
    delta: Float[Array, " N"],
    colours: Float[Array, "N 3"],
    background: Float[Array, "3"],
) -> Float[Array, "3 N N"]:
    """d^2C_a/dsigma_j dsigma_k (3), of every channel: the later of the two counts."""
    T, V = _transmittances_and_views(sigma, delta, colours, background)
    slope = ((delta * T[1:])[:, None] * (colours - V[1:])).T  # (1)
    upper = jnp.triu(-jnp.einsum("j,ak->ajk", delta, slope))  # (3), j <= k
    return upper + jnp.swapaxes(jnp.triu(upper, k=1), 1, 2)


def _transmittances_and_views(sigma, delta, colours, background):
    alpha, _ = alpha_fwd(sigma, delta)
    return (
        transmittance_fwd(sigma, delta)[0],
        suffix_radiance_fwd(alpha, colours, background)[0],
    )
