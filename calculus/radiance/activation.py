r"""From the network's raw output to a density or a colour.

Symbols      one number; each function acts on every entry of an array by itself
    z          raw output of the network           1
    s(z)       sigmoid, 1 / (1 + e^-z)             1, in (0, 1)
    m          where the bounded exponential turns into its own tangent

Value
    softplus(z) = log(1 + e^z) = max(z, 0) + log1p(e^-|z|)                     (1)
    bounded_exp(z) = e^z for z <= m,   e^m (1 + z - m) for z > m               (2)
    sigmoid(z) = s(z)                                                          (3)
    relu(z) = max(z, 0)                                                        (4)

Jacobian     entry by entry, so diagonal
    softplus'(z) = e^z / (1 + e^z) = s(z)                                      (5)
    bounded_exp'(z) = e^min(z, m)         continuous at m, never above e^m     (6)
    s'(z) = s(z) (1 - s(z)) = s(z) s(-z)                                       (7)
    relu'(z) = [z > 0]                    no derivative at 0; 0 is taken       (8)

    In (7), 1 - s(z) has no correct digit once z > 17 in float32, s(-z) has them all.
    Fast renderers leave e^z alone and clip only its derivative; their gradient is then that
    of no function. (2) has the same values where training lives, and (6) is its derivative.

Cotangent    z_bar = f'(z) y_bar, each derivative taken from z alone           (9)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EXP_BOUND = 15.0
"""m in (2): e^15 = 3.3e6 is opaque at any interval length that a renderer uses."""


@jax.custom_vjp
def softplus(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 + e^z) (1), finite and accurate for every z."""
    return softplus_fwd(z)[0]


def softplus_fwd(z):
    return jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z))), z  # (1)


def softplus_bwd(z, y_bar):
    return (_sigmoid(z) * y_bar,)  # (5)


softplus.defvjp(softplus_fwd, softplus_bwd)


def softplus_jacobian(z: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag s(z), as (5) reads."""
    return jnp.diag(_sigmoid(z))


@jax.custom_vjp
def bounded_exp(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """e^z up to z = m, its tangent from there on (2): a density that can't overflow."""
    return bounded_exp_fwd(z)[0]


def bounded_exp_fwd(z):
    tangent = 1 + jnp.maximum(z - EXP_BOUND, 0)
    return jnp.exp(jnp.minimum(z, EXP_BOUND)) * tangent, z  # (2)


def bounded_exp_bwd(z, y_bar):
    return (jnp.exp(jnp.minimum(z, EXP_BOUND)) * y_bar,)  # (6)


bounded_exp.defvjp(bounded_exp_fwd, bounded_exp_bwd)


def bounded_exp_jacobian(z: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag e^min(z, m), as (6) reads."""
    return jnp.diag(jnp.exp(jnp.minimum(z, EXP_BOUND)))


@jax.custom_vjp
def sigmoid(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 / (1 + e^-z) (3), without overflow on either side."""
    return sigmoid_fwd(z)[0]


def sigmoid_fwd(z):
    return _sigmoid(z), z  # (3)


def sigmoid_bwd(z, y_bar):
    return (_sigmoid(z) * _sigmoid(-z) * y_bar,)  # (7)


sigmoid.defvjp(sigmoid_fwd, sigmoid_bwd)


def sigmoid_jacobian(z: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag s(z) s(-z), as (7) reads."""
    return jnp.diag(_sigmoid(z) * _sigmoid(-z))


@jax.custom_vjp
def relu(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """max(z, 0) (4): the NeRF paper's density. Dies where z < 0 for good."""
    return relu_fwd(z)[0]


def relu_fwd(z):
    return jnp.where(z <= 0, 0, z), z  # (4), with the choice of (8) at 0; NaN passes


def relu_bwd(z, y_bar):
    return (jnp.where(z > 0, y_bar, 0),)  # (8)


relu.defvjp(relu_fwd, relu_bwd)


def relu_jacobian(z: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag [z > 0], as (8) reads."""
    return jnp.diag((z > 0).astype(z.dtype))


def _sigmoid(z):
    """s(z) from e^-|z|, which can't overflow: 1/(1+q) for z >= 0, q/(1+q) below."""
    q = jnp.exp(-jnp.abs(z))
    return jnp.where(z >= 0, 1 / (1 + q), q / (1 + q))
