r"""Which way a surface faces: the direction in which density falls fastest.

Symbols      one point
    s        slope of the density, dsigma/dx                      1 / length^2
    n        unit normal                                          1

Value        A surface of constant density, sigma(x) = k, is left at no rate by a step v along it:
    s . v = 0. So s is across it, towards what is denser, and the normal that looks outwards is
    n = -s / |s|,    n = 0 where s = 0: nothing there faces any way              (1)

    s is a pullback: with y = contract(x), features e(y), network f and activation sigma(f),
    s = (dy/dx)^T (de/dy)^T (df/de)^T (dsigma/df)                                (2)
    each factor by the page of its own, from the right: one vector all the way, no matrix.
    Of a pixel: sum_i w_i n_i, (1) of `pixel` with n_i for c_i and nothing behind. It is as
    long as the samples agree: 1 on a wall that fills the pixel, less in fog and at rims.

Jacobian     d|s| = s . ds / |s| = -n . ds, so
    dn = -ds / |s| + s d|s| / |s|^2 = -(ds - n (n . ds)) / |s|
    dn/ds = -(I - n n^T) / |s|                                                   (3)
    Only what is across n turns it. By n . dn = 0 it stays of length one. Where s = 0 there is
    no derivative; 0 is taken.

Cotangent    contract (3), which is symmetric
    s_bar = -(n_bar - n (n . n_bar)) / |s|                                       (4)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def normal(slope: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """Unit normals, away from what is dense, of slopes dsigma/dx (1); 0 where the slope is 0."""
    return normal_fwd(slope)[0]


def normal_fwd(slope):
    # in units of the largest part, whose square fits in the float where that of |s| need not
    unit = jax.lax.stop_gradient(jnp.max(jnp.abs(slope), axis=-1, keepdims=True))
    flat = unit == 0
    scaled = jnp.where(flat, 1.0, slope / jnp.where(flat, 1.0, unit))
    length = jnp.sqrt(jnp.sum(scaled**2, axis=-1, keepdims=True))
    n = jnp.where(flat, 0.0, -scaled / length)  # (1)
    return n, (n, jnp.where(flat, jnp.inf, unit * length))


def normal_bwd(residuals, n_bar):
    n, length = residuals
    return (-(n_bar - n * jnp.sum(n * n_bar, axis=-1, keepdims=True)) / length,)  # (4)


normal.defvjp(normal_fwd, normal_bwd)


def normal_jacobian(slope: Float[Array, "3"]) -> Float[Array, "3 3"]:
    """dn/ds, as (3) reads."""
    n, (length,) = normal_fwd(slope)[1]
    return -(jnp.eye(3) - jnp.outer(n, n)) / length
