r"""Polar coordinates: a change of coordinates that is linear only up close.

Symbols      one point of the plane
    p          (r, theta): distance from the origin, angle from the first axis, r > 0
    y          the same point in right-angled coordinates
    eps, u     a small number, and a direction in (r, theta)

Value
    y = phi(p) = (r cos theta, r sin theta)                       R^2 -> R^2          (1)

Jacobian     one column for each coordinate: how the point moves with r, and with theta
    J = [cos theta   -r sin theta]
        [sin theta    r cos theta]                                                    (2)
    from the expansion: (r + eps u_1) cos(theta + eps u_2) =
        r cos theta + eps (u_1 cos theta - u_2 r sin theta) + O(eps^2), the sine likewise.
    det J = r cos^2 theta + r sin^2 theta = r                                         (3)
    The columns have lengths 1 and r and are orthogonal: J^T J = diag(1, r^2). A small
    rectangle dr x dtheta becomes, to first order, one with the sides dr and r dtheta. (4)

Cotangent    p_bar = J^T y_bar                                                        (5)
    r_bar = cos theta y_bar_1 + sin theta y_bar_2,
    theta_bar = r (cos theta y_bar_2 - sin theta y_bar_1)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def polar(p: Float[Array, "2"]) -> Float[Array, "2"]:
    """The point (r cos theta, r sin theta) (1) of p = (r, theta): R^2 -> R^2, derivative 2 x 2."""
    return polar_fwd(p)[0]


def polar_fwd(p):
    r, theta = p
    return r * jnp.stack([jnp.cos(theta), jnp.sin(theta)]), p  # (1)


def polar_bwd(p, y_bar):
    r, theta = p
    c, s = jnp.cos(theta), jnp.sin(theta)
    return (jnp.stack([c * y_bar[0] + s * y_bar[1], r * (c * y_bar[1] - s * y_bar[0])]),)  # (5)


polar.defvjp(polar_fwd, polar_bwd)


def polar_jacobian(p: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """One column for r and one for theta, as (2) reads."""
    r, theta = p
    c, s = jnp.cos(theta), jnp.sin(theta)
    return jnp.array([[c, -r * s], [s, r * c]])
