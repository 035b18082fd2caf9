r"""The trace, products under it, and the Frobenius norm.

Symbols      <U, G> = tr(U^T G) = sum_ij U_ij G_ij: what reads a gradient off an expansion
    X          the variable; square in (1) and (4)                         n x m
    A, B       matrices whose product with their neighbour exists
    U          direction, of the shape of the variable
    |A|        Frobenius norm: the Euclidean length of all entries         >= 0

Value
    tr X = sum_i X_ii                                                      (1)
    tr AB = sum_ij A_ij B_ji = tr BA                                       (2)
    tr AXB                                                                 (3)
    tr XX                                                                  (4)
    |A|^2 = tr(A^T A) = sum_ij A_ij^2                                      (5)
    |A| = sqrt(tr(A^T A))                                                  (6)

Jacobian     (1), (2), (3) are linear: the change is the function of the direction
    tr U = <U, I>                                  d tr X/dX = I                           (7)
    tr UB = <U, B^T>,  tr AU = <U, A^T>            d/dA = B^T,  d/dB = A^T                 (8)
    tr AUB = tr B^T U^T A^T = tr U^T A^T B^T       d/dX = A^T B^T
                                    in the same way d/dA = (XB)^T,  d/dB = (AX)^T          (9)
    by entries: tr AXB = sum A_pi X_ij B_jp, the coefficient of X_ij is sum_p A_pi B_jp.
    (4): tr (X + eps U)(X + eps U) = tr XX + 2 eps tr XU + eps^2 tr UU
                                                   d/dX = 2 X^T                            (10)
    (5): |A + eps U|^2 = |A|^2 + 2 eps <A, U> + eps^2 |U|^2, no term left out
                                                   d|A|^2/dA = 2 A                         (11)
    (6): the root of (5), and (sqrt s)' = 1 / (2 sqrt s)
                                                   d|A|/dA = A / |A|,  A not 0             (12)
    At A = 0 the norm has a corner, like |x| at 0, and (12) is 0/0.

Cotangent    each is a scalar, so the Jacobian times y_bar                 (13)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def trace(X: Float[Array, "n n"]) -> Float[Array, ""]:
    """tr X (1)."""
    return trace_fwd(X)[0]


def trace_fwd(X):
    return jnp.einsum("ii->", X), X  # (1)


def trace_bwd(X, y_bar):
    return (y_bar * jnp.eye(X.shape[0], dtype=X.dtype),)  # (13)


trace.defvjp(trace_fwd, trace_bwd)


def trace_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """I, as (7) reads."""
    return jnp.eye(X.shape[0], dtype=X.dtype)


@jax.custom_vjp
def trace_of_product(A: Float[Array, "m n"], B: Float[Array, "n m"]) -> Float[Array, ""]:
    """tr AB = tr BA (2), without the product: m n multiplications."""
    return trace_of_product_fwd(A, B)[0]


def trace_of_product_fwd(A, B):
    return jnp.sum(A * B.T), (A, B)  # (2)


def trace_of_product_bwd(residuals, y_bar):
    A, B = residuals
    return y_bar * B.T, y_bar * A.T  # (13)


trace_of_product.defvjp(trace_of_product_fwd, trace_of_product_bwd)


def trace_of_product_jacobian(A, B):
    """d/dA = B^T and d/dB = A^T, as (8) reads."""
    return B.T, A.T


def trace_of_product_dot(
    A: Float[Array, "m n"],
    B: Float[Array, "n m"],
    A_dot: Float[Array, "m n"],
    B_dot: Float[Array, "n m"],
) -> Float[Array, ""]:
    """tr(B A_dot) + tr(A B_dot), the tangent of (2): the differential that (8) stands for."""
    return jnp.sum(A_dot * B.T) + jnp.sum(A * B_dot.T)


@jax.custom_vjp
def trace_axb(
    A: Float[Array, "p n"], X: Float[Array, "n m"], B: Float[Array, "m p"]
) -> Float[Array, ""]:
    """tr AXB (3)."""
    return trace_axb_fwd(A, X, B)[0]


def trace_axb_fwd(A, X, B):
    return jnp.sum((A @ X) * B.T), (A, X, B)  # (3) by (2)


def trace_axb_bwd(residuals, y_bar):
    A, X, B = residuals
    return y_bar * (X @ B).T, y_bar * (B @ A).T, y_bar * (A @ X).T  # (13)


trace_axb.defvjp(trace_axb_fwd, trace_axb_bwd)


def trace_axb_jacobian(A, X, B):
    """d/dA = (XB)^T, d/dX = A^T B^T and d/dB = (AX)^T, as (9) reads."""
    return B.T @ X.T, A.T @ B.T, X.T @ A.T


@jax.custom_vjp
def trace_of_square(X: Float[Array, "n n"]) -> Float[Array, ""]:
    """tr XX (4), which is no sum of squares unless X is symmetric."""
    return trace_of_square_fwd(X)[0]


def trace_of_square_fwd(X):
    return jnp.sum(X * X.T), X  # (4) by (2)


def trace_of_square_bwd(X, y_bar):
    return (2 * y_bar * X.T,)  # (13)


trace_of_square.defvjp(trace_of_square_fwd, trace_of_square_bwd)


def trace_of_square_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """2 X^T, as (10) reads."""
    return 2 * X.T


@jax.custom_vjp
def squared_frobenius(A: Float[Array, "m n"]) -> Float[Array, ""]:
    """|A|^2 (5)."""
    return squared_frobenius_fwd(A)[0]


def squared_frobenius_fwd(A):
    return jnp.sum(A * A), A  # (5)


def squared_frobenius_bwd(A, y_bar):
    return (2 * y_bar * A,)  # (13)


squared_frobenius.defvjp(squared_frobenius_fwd, squared_frobenius_bwd)


def squared_frobenius_jacobian(A: Float[Array, "m n"]) -> Float[Array, "m n"]:
    """2 A, as (11) reads."""
    return 2 * A


@jax.custom_vjp
def frobenius_norm(A: Float[Array, "m n"]) -> Float[Array, ""]:
    """|A| (6); its derivative is asked for at A not 0."""
    return frobenius_norm_fwd(A)[0]


def frobenius_norm_fwd(A):
    y = jnp.sqrt(jnp.sum(A * A))  # (6)
    return y, (A, y)


def frobenius_norm_bwd(residuals, y_bar):
    A, y = residuals
    return (y_bar * (A / y),)  # (13)


frobenius_norm.defvjp(frobenius_norm_fwd, frobenius_norm_bwd)


def frobenius_norm_jacobian(A: Float[Array, "m n"]) -> Float[Array, "m n"]:
    """A / |A|, as (12) reads."""
    return A / jnp.sqrt(jnp.sum(A * A))
