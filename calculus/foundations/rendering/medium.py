r"""Fog of one density and one colour: the volume-rendering integral in closed form.

Symbols      one ray, nothing behind it
    sigma    density, the same everywhere                         1 / length,  >= 0
    D        length of the ray within the fog                     length,      >= 0
    c        colour of the fog                                    RGB
    q        transmittance of the whole ray, e^{-sigma D}         1

Value        int_0^D e^{-sigma t} sigma c dt  =  c [-e^{-sigma t}]_0^D
    C = c (1 - e^{-sigma D}) = c (1 - q)                                       (1)

Jacobian     e^{-(sigma + eps) D} = q e^{-eps D} = q (1 - eps D + O(eps^2)), so by (1)
    dC/dsigma = c D q                                                          (2)
    sigma and D stand in (1) only as their product, so what holds for the one holds for the other:
    dC/dD = c sigma q                                                          (3)
    and (1) is linear in c:
    dC_a/dc_b = (1 - q) [a = b]                                                (4)

Cotangent    contract (2), (3) and (4)
    sigma_bar = D q (c . C_bar),   D_bar = sigma q (c . C_bar),   c_bar = (1 - q) C_bar       (5)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def constant_medium(
    sigma: Float[Array, ""], D: Float[Array, ""], c: Float[Array, "3"]
) -> Float[Array, "3"]:
    """The colour (1) of a ray of length `D` through fog of density `sigma` and colour `c`."""
    return constant_medium_fwd(sigma, D, c)[0]


def constant_medium_fwd(sigma, D, c):
    return c * -jnp.expm1(-sigma * D), (sigma, D, c)  # (1)


def constant_medium_bwd(residuals, C_bar):
    sigma, D, c = residuals
    shown = jnp.exp(-sigma * D) * jnp.dot(c, C_bar)
    return D * shown, sigma * shown, -jnp.expm1(-sigma * D) * C_bar  # (5)


constant_medium.defvjp(constant_medium_fwd, constant_medium_bwd)


def constant_medium_jacobian(
    sigma: Float[Array, ""], D: Float[Array, ""], c: Float[Array, "3"]
) -> tuple[Float[Array, "3"], Float[Array, "3"], Float[Array, "3 3"]]:
    """dC/dsigma, dC/dD and dC/dc, as (2), (3) and (4) read."""
    q = jnp.exp(-sigma * D)
    return c * D * q, c * sigma * q, (1 - q) * jnp.eye(3)
