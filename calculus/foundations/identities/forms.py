r"""Scalars made from vectors and a matrix, and a vector times a scalar.

Symbols      vectors are columns; each derivative of a scalar by a vector is read as a row
    a, y       vectors                                                     m
    x, b       vectors                                                     n
    X          any matrix                                                  m x n
    B          a square matrix, symmetric or not                           n x n
    alpha      a number

Value
    x^T a = a^T x = sum_i a_i x_i = tr(x a^T)                              (1)
    a^T X b = sum_ij a_i X_ij b_j                                          (2)
    x^T B x = sum_ij B_ij x_i x_j = tr(B x x^T)                            (3)
    x^T x / 2                                                              (4)
    alpha x                                                                (5)
    x / |x|, which is (5) with alpha = 1 / |x|,  x not 0                   (6)

Jacobian     (1) is linear in each argument, so the linear part is the whole of it:
    a^T (x + eps u) = a^T x + eps a^T u                 d/dx = a^T,  d/da = x^T            (7)
    (2) is linear in each of its three. a^T U b = sum_ij U_ij a_i b_j = <U, a b^T>, so
    d/dX = a b^T,   d/da = (X b)^T,   d/db = a^T X                         (8)
    (3) by entries: B_ij x_i x_j holds x_k once as i and once as j, so d/dx_k =
    sum_j B_kj x_j + sum_i B_ik x_i. By expansion: (x + eps u)^T B (x + eps u) =
    x^T B x + eps (u^T B x + x^T B u) + eps^2 u^T B u, and u^T B x = x^T B^T u. Both say
    d/dx = x^T (B + B^T),   d/dB = x x^T                                   (9)
    (4) is (3) with B = I/2; or the chain rule with dx/dx = I:
    d/dx = x^T I = x^T                                                     (10)
    (5) by entries: d(alpha x_i)/dx_j = alpha [i = j], and d(alpha x_i)/dalpha = x_i:
    d/dx = alpha I,   d/dalpha = x, a column                               (11)
    (6) both factors move: alpha I + x dalpha/dx. |x + eps u|^2 = |x|^2 + 2 eps x^T u + ... gives
    dalpha/dx = -x^T / |x|^3, so with the unit vector n = x / |x|
    d/dx = (I - n n^T) / |x|          what points along x changes nothing  (12)

Cotangent    contract; (12) is symmetric
    (1)  x_bar = y_bar a,  a_bar = y_bar x                                 (13)
    (2)  a_bar = y_bar X b,  X_bar = y_bar a b^T,  b_bar = y_bar X^T a     (14)
    (3)  x_bar = y_bar (B x + B^T x),  B_bar = y_bar x x^T                 (15)
    (4)  x_bar = y_bar x                                                   (16)
    (5)  alpha_bar = x^T y_bar,  x_bar = alpha y_bar                       (17)
    (6)  x_bar = (y_bar - n (n^T y_bar)) / |x|                             (18)
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
    return y_bar * x, y_bar * a  # (13)


linear_form.defvjp(linear_form_fwd, linear_form_bwd)


def linear_form_jacobian(a, x):
    """d/da = x^T and d/dx = a^T, as (7) reads."""
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
    return y_bar * (X @ b), y_bar * jnp.outer(a, b), y_bar * (a @ X)  # (14)


bilinear_form.defvjp(bilinear_form_fwd, bilinear_form_bwd)


def bilinear_form_jacobian(a, X, b):
    """d/da = (X b)^T, d/dX = a b^T and d/db = a^T X, as (8) reads."""
    return X @ b, jnp.outer(a, b), a @ X


@jax.custom_vjp
def square_form(x: Float[Array, " n"], B: Float[Array, "n n"]) -> Float[Array, ""]:
    """x^T B x (3), B symmetric or not, differentiable in both."""
    return square_form_fwd(x, B)[0]


def square_form_fwd(x, B):
    return x @ B @ x, (x, B)  # (3)


def square_form_bwd(residuals, y_bar):
    x, B = residuals
    return y_bar * (B @ x + x @ B), y_bar * jnp.outer(x, x)  # (15)


square_form.defvjp(square_form_fwd, square_form_bwd)


def square_form_jacobian(x, B):
    """d/dx = x^T (B + B^T) and d/dB = x x^T, as (9) reads."""
    return x @ (B + B.T), jnp.outer(x, x)


@jax.custom_vjp
def half_square(x: Float[Array, " n"]) -> Float[Array, ""]:
    """x^T x / 2 (4): its derivative is x^T itself."""
    return half_square_fwd(x)[0]


def half_square_fwd(x):
    return x @ x / 2, x  # (4)


def half_square_bwd(x, y_bar):
    return (y_bar * x,)  # (16)


half_square.defvjp(half_square_fwd, half_square_bwd)


def half_square_jacobian(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """x^T I, where I = dx/dx, as (10) reads."""
    return x @ jnp.eye(x.shape[0], dtype=x.dtype)


@jax.custom_vjp
def scaled_vector(alpha: Float[Array, ""], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """alpha x (5), alpha independent of x."""
    return scaled_vector_fwd(alpha, x)[0]


def scaled_vector_fwd(alpha, x):
    return alpha * x, (alpha, x)  # (5)


def scaled_vector_bwd(residuals, y_bar):
    alpha, x = residuals
    return x @ y_bar, alpha * y_bar  # (17)


scaled_vector.defvjp(scaled_vector_fwd, scaled_vector_bwd)


def scaled_vector_jacobian(alpha, x):
    """d/dalpha = x and d/dx = alpha I, as (11) reads."""
    return x, alpha * jnp.eye(x.shape[0], dtype=x.dtype)


@jax.custom_vjp
def unit_vector(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """x / |x| (6), x not 0: a scaled vector whose scale depends on the vector."""
    return unit_vector_fwd(x)[0]


def unit_vector_fwd(x):
    length = jnp.sqrt(x @ x)
    n = x / length  # (6)
    return n, (n, length)


def unit_vector_bwd(residuals, y_bar):
    n, length = residuals
    return ((y_bar - n * (n @ y_bar)) / length,)  # (18)


unit_vector.defvjp(unit_vector_fwd, unit_vector_bwd)


def unit_vector_jacobian(x: Float[Array, " n"]) -> Float[Array, "n n"]:
    """alpha I + x dalpha/dx with alpha = 1 / |x|, as (12) reads."""
    alpha = 1 / jnp.sqrt(x @ x)
    return alpha * jnp.eye(x.shape[0], dtype=x.dtype) + jnp.outer(x, -(alpha**3) * x)
