r"""Squared norm and quadratic forms, each derived twice: entry by entry, and from the expansion.

Symbols      vectors of n numbers, and a matrix
    x, w       where the function is taken           in R^n
    u          a direction                           in R^n
    a          the linear part                       in R^n
    M          any square matrix                     n x n, not assumed symmetric
    delta_ik   1 if i = k, else 0: this is dx_i/dx_k

Value
    x^T x         = sum_i x_i^2                      R^n -> R                           (1)
    w^T M w       = sum_ij w_i M_ij w_j = tr(M w w^T)      R^n -> R for each M          (2)
    x^T M x + a^T x                                  R^n -> R for each M, a             (3)

Jacobian     rows 1 x n, or in the shape of M
    (1) entry by entry: d/dx_k sum_i x_i^2 = sum_i 2 x_i delta_ik = 2 x_k.
        From the expansion: (x + eps u)^T (x + eps u) = x^T x + eps 2 x^T u + eps^2 u^T u.
        The factor of eps is 2 x^T applied to u, so
            d(x^T x)/dx = 2 x^T                                                         (4)
    (2) entry by entry, by the product rule on w_i w_j:
            d/dw_k sum_ij w_i M_ij w_j = sum_ij (delta_ik M_ij w_j + w_i M_ij delta_jk)
                                       = sum_j M_kj w_j + sum_i w_i M_ik,
        the k-th entry of M w + M^T w. From the expansion:
            (w + eps u)^T M (w + eps u) = w^T M w + eps (u^T M w + w^T M u) + eps^2 u^T M u,
        and the number w^T M u equals its own transpose u^T M^T w, so the factor of eps is
        u^T (M w + M^T w). As a row
            d(w^T M w)/dw = w^T (M + M^T)                                               (5)
        It is linear in M: w^T (M + eps V) w = w^T M w + eps sum_ij V_ij w_i w_j, hence
            d(w^T M w)/dM_ij = w_i w_j                                                  (6)
        Only (M + M^T) / 2 is seen in (2) and (5); for a symmetric M (5) is 2 w^T M.
    (3) is (2) with x for w, plus a^T x, whose expansion is a^T x + eps a^T u: by the sum rule
            d/dx = x^T (M + M^T) + a^T,   d/dM_ij = x_i x_j,   d/da = x^T               (7)
        What the first order leaves of (3) along u is eps^2 u^T M u exactly, no more.   (8)
    Differentiating (5) or (7) in x once more: the Hessian M + M^T, the same everywhere. (9)

Cotangent    each of these times the number y_bar                                      (10)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def squared_norm(x: Float[Array, " n"]) -> Float[Array, ""]:
    """x^T x (1): R^n -> R, derivative 1 x n."""
    return squared_norm_fwd(x)[0]


def squared_norm_fwd(x):
    return x @ x, x  # (1)


def squared_norm_bwd(x, y_bar):
    return (2 * y_bar * x,)  # (4)(10)


squared_norm.defvjp(squared_norm_fwd, squared_norm_bwd)


def squared_norm_jacobian(x: Float[Array, " n"]) -> Float[Array, " n"]:
    """2 x^T, as (4) reads."""
    return 2 * x


@jax.custom_vjp
def quadratic(w: Float[Array, " n"], M: Float[Array, "n n"]) -> Float[Array, ""]:
    """w^T M w (2): derivative 1 x n in w, and n x n in M."""
    return quadratic_fwd(w, M)[0]


def quadratic_fwd(w, M):
    return w @ M @ w, (w, M)  # (2)


def quadratic_bwd(residuals, y_bar):
    w, M = residuals
    return y_bar * (M @ w + w @ M), y_bar * jnp.outer(w, w)  # (5)(6)(10)


quadratic.defvjp(quadratic_fwd, quadratic_bwd)


def quadratic_jacobian(
    w: Float[Array, " n"], M: Float[Array, "n n"]
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """w^T (M + M^T) and w w^T, as (5) and (6) read."""
    return w @ (M + M.T), jnp.outer(w, w)


def quadratic_hessian(M: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """M + M^T (9): the second derivatives of (2) and of (3) in their vector."""
    return M + M.T


@jax.custom_vjp
def quadratic_plus_linear(
    x: Float[Array, " n"], M: Float[Array, "n n"], a: Float[Array, " n"]
) -> Float[Array, ""]:
    """x^T M x + a^T x (3): derivative 1 x n in x and in a, n x n in M."""
    return quadratic_plus_linear_fwd(x, M, a)[0]


def quadratic_plus_linear_fwd(x, M, a):
    return x @ M @ x + a @ x, (x, M, a)  # (3)


def quadratic_plus_linear_bwd(residuals, y_bar):
    x, M, a = residuals
    return y_bar * (M @ x + x @ M + a), y_bar * jnp.outer(x, x), y_bar * x  # (7)(10)


quadratic_plus_linear.defvjp(quadratic_plus_linear_fwd, quadratic_plus_linear_bwd)


def quadratic_plus_linear_jacobian(
    x: Float[Array, " n"], M: Float[Array, "n n"], a: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, "n n"], Float[Array, " n"]]:
    """x^T (M + M^T) + a^T, x x^T and x^T, as (7) reads."""
    return x @ (M + M.T) + a, jnp.outer(x, x), x
