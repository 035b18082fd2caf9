r"""Scalars made from vectors and a matrix, and the unit vector.

Symbols      vectors are columns; each derivative of a scalar by a vector is read as a row
    a, y       vectors                                                     m
    x, b       vectors                                                     n
    X          any matrix                                                  m x n
    alpha      a number; in (4) 1 / |x|

Value
    x^T a = a^T x = sum_i a_i x_i = tr(x a^T)                              (1)
    a^T X b = sum_ij a_i X_ij b_j                                          (2)
    x^T x / 2                                                              (3)
    alpha x = x / |x|,  x not 0                                            (4)
    The quadratic form x^T M x is `quadratic` of `gradients.quadratics`.

Jacobian     (1) is linear in each argument, so the linear part is the whole of it:
    a^T (x + eps u) = a^T x + eps a^T u                 d/dx = a^T,  d/da = x^T            (5)
    (2) is linear in each of its three. a^T U b = sum_ij U_ij a_i b_j = <U, a b^T>, so
    d/dX = a b^T,   d/da = (X b)^T,   d/db = a^T X                         (6)
    (3) is a product of x with itself, by the product rule x^T dx/dx, where dx/dx = I:
    d/dx = x^T I = x^T                                                     (7)
    For a number alpha that does not depend on x, alpha x is `scalar_times_vector` of
    `elementwise.broadcasting`: d/dx = alpha I and d/dalpha = x, a column. In (4) both factors
    move: alpha I + x dalpha/dx. |x + eps u|^2 = |x|^2 + 2 eps x^T u + ... gives
    dalpha/dx = -x^T / |x|^3, so with the unit vector n = x / |x|
    d/dx = (I - n n^T) / |x|          what points along x changes nothing  (8)

Cotangent    contract; (8) is symmetric
    (1)  x_bar = y_bar a,  a_bar = y_bar x                                 (9)
    (2)  a_bar = y_bar X b,  X_bar = y_bar a b^T,  b_bar = y_bar X^T a     (10)
    (3)  x_bar = y_bar x                                                   (11)
    (4)  x_bar = (y_bar - n (n^T y_bar)) / |x|                             (12)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def linear_form(a: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, ""]:
    """a^T x = x^T a (1)."""
    return linear_form_fwd(a, x)[0]


def linear_form_fwd(a, x):
    return a @ x, (a, x)  # (1)


def linear_form_bwd(residuals, y_bar):
    a, x = residuals
    return y_bar * x, y_bar * a  # (9)


linear_form.defvjp(linear_form_fwd, linear_form_bwd)


def linear_form_jacobian(a, x):
    """d/da = x^T and d/dx = a^T, as (5) reads."""
    return x, a


@jax.custom_vjp
def bilinear_form(
    a: Float[Array, " m"], X: Float[Array, "m n"], b: Float[Array, " n"]
) -> Float[Array, ""]:
    """a^T X b (2), X of any shape."""
    return bilinear_form_fwd(a, X, b)[0]


def bilinear_form_fwd(a, X, b):
    return a @ X @ b, (a, X, b)  # (2)


def bilinear_form_bwd(residuals, y_bar):
    a, X, b = residuals
    return y_bar * (X @ b), y_bar * jnp.outer(a, b), y_bar * (a @ X)  # (10)


bilinear_form.defvjp(bilinear_form_fwd, bilinear_form_bwd)


def bilinear_form_jacobian(a, X, b):
    """d/da = (X b)^T, d/dX = a b^T and d/db = a^T X, as (6) reads."""
    return X @ b, jnp.outer(a, b), a @ X


@jax.custom_vjp
def half_square(x: Float[Array, " n"]) -> Float[Array, ""]:
    """x^T x / 2 (3): its derivative is x^T itself."""
    return half_square_fwd(x)[0]


def half_square_fwd(x):
    return x @ x / 2, x  # (3)


def half_square_bwd(x, y_bar):
    return (y_bar * x,)  # (11)


half_square.defvjp(half_square_fwd, half_square_bwd)


def half_square_jacobian(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """x^T I, where I = dx/dx, as (7) reads."""
    return x @ jnp.eye(x.shape[0], dtype=x.dtype)


@jax.custom_vjp
def unit_vector(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """x / |x| (4), x not 0: a scaled vector whose scale depends on the vector."""
    return unit_vector_fwd(x)[0]


def unit_vector_fwd(x):
    length = jnp.sqrt(x @ x)
    n = x / length  # (4)
    return n, (n, length)


def unit_vector_bwd(residuals, y_bar):
    n, length = residuals
    return ((y_bar - n * (n @ y_bar)) / length,)  # (12)


unit_vector.defvjp(unit_vector_fwd, unit_vector_bwd)


def unit_vector_jacobian(x: Float[Array, " n"]) -> Float[Array, "n n"]:
    """alpha I + x dalpha/dx with alpha = 1 / |x|, as (8) reads."""
    alpha = 1 / jnp.sqrt(x @ x)
    return alpha * jnp.eye(x.shape[0], dtype=x.dtype) + jnp.outer(x, -(alpha**3) * x)
