r"""The exponential and its inverse.

Symbols      one number; each function acts on every entry of an array by itself
    x          any real number                                             1
    c          rate, a constant                                            1
    y          a positive number                                           1

Value
    e^x                                                                    (1)

Jacobian     read off the expansion e^{x+eps} = e^x (1 + eps + O(eps^2))
    (e^x)' = e^x                                                           (2)

Cotangent    x_bar = e^x y_bar                                             (3)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def exp(x: Float[Array, ""]) -> Float[Array, ""]:
    """e^x (1)."""
    return exp_fwd(x)[0]


def exp_fwd(x):
    y = jnp.exp(x)  # (1)
    return y, y


def exp_bwd(y, y_bar):
    return (y * y_bar,)  # (3)


exp.defvjp(exp_fwd, exp_bwd)


def exp_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """e^x, as (2) reads."""
    return jnp.exp(x)
