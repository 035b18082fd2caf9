r"""Tangents of products: what d(...) means when it is computed.

Symbols      a differential dA is the tangent A_dot: the direction in which A moves. d(F) is the
             part of F(A + eps A_dot) - F(A) that is linear in eps, divided by eps.
    u, v, x    vectors                                                     n
    U, V, A    matrices                                                    n x m, n x k, n x m

Every rule below is the product rule: (P + eps P_dot)(Q + eps Q_dot) =
PQ + eps (P_dot Q + P Q_dot) + eps^2 P_dot Q_dot, in this order of the factors; and transposing
is linear, so d(P^T) = (dP)^T.

    d(u^T v)  = u^T dv + v^T du          a number is its own transpose: du^T v = v^T du    (1)
    d(v^T v)  = 2 v^T dv                                                                   (2)
    d(U^T V)  = (dU)^T V + U^T dV        matrices: (dU)^T V is not V^T dU, but its transpose  (3)
    d(A^T A)  = (dA)^T A + A^T dA        a symmetric matrix: X + X^T with X = A^T dA       (4)
                                     computed by `gram_tangent` of `matrices.gram`
    d tr(A^T A) = 2 tr(A^T dA)           under the trace the two are the same number       (5)
    d(x^T A)  = (dx)^T A + x^T dA        rows, both                                        (6)
    d(A^T x)  = (dA)^T x + A^T dx        columns, both: the transpose of (6)               (7)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def inner_product_dot(
    u: Float[Array, " n"],
    v: Float[Array, " n"],
    u_dot: Float[Array, " n"],
    v_dot: Float[Array, " n"],
) -> Float[Array, ""]:
    """The tangent of u^T v (1), and with u = v of v^T v (2)."""
    return u @ v_dot + v @ u_dot


def transposed_product_dot(
    U: Float[Array, "n m"],
    V: Float[Array, "n k"],
    U_dot: Float[Array, "n m"],
    V_dot: Float[Array, "n k"],
) -> Float[Array, "m k"]:
    """The tangent of U^T V (3)."""
    return U_dot.T @ V + U.T @ V_dot


def trace_of_gram_dot(A: Float[Array, "n m"], A_dot: Float[Array, "n m"]) -> Float[Array, ""]:
    """The tangent of tr(A^T A) = |A|^2 (5)."""
    return 2 * jnp.sum(A * A_dot)


def row_times_matrix_dot(
    x: Float[Array, " n"],
    A: Float[Array, "n m"],
    x_dot: Float[Array, " n"],
    A_dot: Float[Array, "n m"],
) -> Float[Array, "1 m"]:
    """The tangent of the row x^T A (6)."""
    return x_dot[None, :] @ A + x[None, :] @ A_dot


def matrix_times_column_dot(
    A: Float[Array, "n m"],
    x: Float[Array, " n"],
    A_dot: Float[Array, "n m"],
    x_dot: Float[Array, " n"],
) -> Float[Array, "m 1"]:
    """The tangent of the column A^T x (7)."""
    return A_dot.T @ x[:, None] + A.T @ x_dot[:, None]
