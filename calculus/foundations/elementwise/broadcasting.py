r"""A scalar that meets a vector.

Symbols      one vector of length n; i numbers an output, j an input
    z          a scalar
    x          a vector
    1          the vector of n ones

Value        a scalar combined with a vector stands for a vector of equal entries
    scalar_expansion:     y = z 1,          y_i = z                            (1)
    vector_plus_scalar:   y = x + z 1,      y_i = x_i + z                      (2)
    scalar_times_vector:  y = z x,          y_i = z x_i                        (3)

Jacobian     with respect to the scalar there is one input and n outputs: a column, n x 1. Every
    output hears the same eps:
    (z + eps) 1 = z 1 + eps 1                       dy/dz = 1                  (4)
    x + (z + eps) 1 = y + eps 1                     dy/dz = 1,   dy/dx = I     (5)
    (z + eps) x = y + eps x                         dy/dz = x                  (6)
    z (x + eps u) = y + eps z u  for every u        dy/dx = z I                (7)

    (2) and (3) are also (1) followed by an operation entry by entry, and the chain rule gives
    I 1 = 1 for the sum, diag(x) 1 = x for the product: the same columns.

Cotangent    contract the column with y_bar: what was copied to n places is summed from n places
    (4), (5)   z_bar = sum_i y_bar_i                                           (8)
    (6)        z_bar = sum_i x_i y_bar_i                                       (9)
    (5), (7)   x_bar = y_bar  and  x_bar = z y_bar                            (10)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@functools.partial(jax.custom_vjp, nondiff_argnames=("n",))
def scalar_expansion(z: Float[Array, ""], n: int) -> Float[Array, " {n}"]:
    """z 1 (1): the scalar, n times."""
    return scalar_expansion_fwd(z, n)[0]


def scalar_expansion_fwd(z, n):
    return jnp.full(n, z), None  # (1)


def scalar_expansion_bwd(n, _, y_bar):
    return (jnp.sum(y_bar),)  # (8)


scalar_expansion.defvjp(scalar_expansion_fwd, scalar_expansion_bwd)


def scalar_expansion_jacobian(z: Float[Array, ""], n: int) -> Float[Array, " {n}"]:
    """n ones, as (4) reads."""
    return jnp.ones(n, z.dtype)


@jax.custom_vjp
def vector_plus_scalar(x: Float[Array, " n"], z: Float[Array, ""]) -> Float[Array, " n"]:
    """x + z 1 (2)."""
    return vector_plus_scalar_fwd(x, z)[0]


def vector_plus_scalar_fwd(x, z):
    return x + z, None  # (2)


def vector_plus_scalar_bwd(_, y_bar):
    return y_bar, jnp.sum(y_bar)  # (10), (8)


vector_plus_scalar.defvjp(vector_plus_scalar_fwd, vector_plus_scalar_bwd)


def vector_plus_scalar_jacobian(
    x: Float[Array, " n"], z: Float[Array, ""]
) -> tuple[Float[Array, "n n"], Float[Array, " n"]]:
    """I and n ones, as (5) reads."""
    return jnp.eye(x.size, dtype=x.dtype), jnp.ones_like(x)


@jax.custom_vjp
def scalar_times_vector(z: Float[Array, ""], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """z x (3)."""
    return scalar_times_vector_fwd(z, x)[0]


def scalar_times_vector_fwd(z, x):
    return z * x, (z, x)  # (3)


def scalar_times_vector_bwd(residuals, y_bar):
    z, x = residuals
    return jnp.vdot(x, y_bar), z * y_bar  # (9), (10)


scalar_times_vector.defvjp(scalar_times_vector_fwd, scalar_times_vector_bwd)


def scalar_times_vector_jacobian(
    z: Float[Array, ""], x: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """x and z I, as (6) and (7) read."""
    return x, z * jnp.eye(x.size, dtype=x.dtype)
