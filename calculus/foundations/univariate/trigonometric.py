r"""Sine and cosine.

Symbols      one number
    x          an angle in radians
    eps        a small angle

Value
    sin x                                                                         (1)
    cos x                                                                         (2)

Jacobian     first at 0, from the unit circle, for 0 < eps < pi/2
    The triangle below the chord, the sector and the triangle below the tangent lie one in the
    other: sin(eps) < eps < tan(eps), so cos(eps) < sin(eps) / eps < 1            (3)
    1 - cos(eps) = 2 sin^2(eps / 2) <= eps^2 / 2, so cos(eps) = 1 + O(eps^2)      (4)
    (3) and (4): 0 < eps - sin(eps) < eps (1 - cos(eps)), so sin(eps) = eps + O(eps^3);
    sine is odd and cosine even, so both hold for eps < 0 too                     (5)
    then anywhere, by the addition formulas
    sin(x + eps) = sin x cos(eps) + cos x sin(eps) = sin x + eps cos x + O(eps^2)
    cos(x + eps) = cos x cos(eps) - sin x sin(eps) = cos x - eps sin x + O(eps^2)
    sin' = cos                                                                    (6)
    cos' = -sin                                                                   (7)

Cotangent    x_bar = cos x y_bar                                                  (8)
             x_bar = -sin x y_bar                                                 (9)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def sine(x: Float[Array, ""]) -> Float[Array, ""]:
    """sin x (1)."""
    return sine_fwd(x)[0]


def sine_fwd(x):
    return jnp.sin(x), x  # (1)


def sine_bwd(x, y_bar):
    return (jnp.cos(x) * y_bar,)  # (8)


sine.defvjp(sine_fwd, sine_bwd)


def sine_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """cos x, as (6) reads."""
    return jnp.cos(x)


@jax.custom_vjp
def cosine(x: Float[Array, ""]) -> Float[Array, ""]:
    """cos x (2)."""
    return cosine_fwd(x)[0]


def cosine_fwd(x):
    return jnp.cos(x), x  # (2)


def cosine_bwd(x, y_bar):
    return (-jnp.sin(x) * y_bar,)  # (9)


cosine.defvjp(cosine_fwd, cosine_bwd)


def cosine_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """-sin x, as (7) reads."""
    return -jnp.sin(x)
