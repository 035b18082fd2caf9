r"""The Gram matrix K = R^T R: every inner product of two columns, and its derivative.

Symbols      one matrix
    R        M rows, N columns; r_p is column p
    K        N x N, symmetric
    P        permutation of N^2 places that takes vec of a matrix to vec of its transpose
    (x)      Kronecker product

Value
    K_pq = r_p . r_q = sum_m R_mp R_mq                                                    (1)

Jacobian     with U in the place of R_dot, multiplied out
    K(R + eps U) = K + eps (U^T R + R^T U) + eps^2 U^T U                                  (2)
    K_dot = R_dot^T R + R^T R_dot                                                         (3)
    Entry (p, q) of (3) is sum_m (U_mp R_mq + R_mp U_mq). What stands before U_ij there:
    the first term when p = j, the second when q = j, with m = i in both. So
    dK_pq/dR_ij = [p = j] R_iq + [q = j] R_ip                                             (4)
    which is (N x N) x (M x N) and says four things at once:
                  R_iq    j = p /= q
                  R_ip    j = q /= p
                  2 R_iq  j = p = q: both brackets hold
                  0       otherwise                                                       (5)
    Flattened by rows: vec(R^T U) = (R^T (x) I) vec U, and U^T R is its transpose, so
    dvec K/dvec R = (I + P) (R^T (x) I), N^2 x M N                                        (6)

Cotangent    contract (4) with K_bar: sum_q K_bar_jq R_iq + sum_p K_bar_pj R_ip
    R_bar = R (K_bar + K_bar^T)                                                           (7)
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calculus.foundations.matrices.flattening import row_to_column


@jax.custom_vjp
def gram(R: Float[Array, "M N"]) -> Float[Array, "N N"]:
    """R^T R (1)."""
    return gram_fwd(R)[0]


def gram_fwd(R):
    return R.T @ R, R  # (1)


def gram_bwd(R, K_bar):
    return (R @ (K_bar + K_bar.T),)  # (7)


gram.defvjp(gram_fwd, gram_bwd)


def gram_jacobian(R: Float[Array, "M N"]) -> Float[Array, "N N M N"]:
    """dK/dR, as (4) reads."""
    I = jnp.eye(R.shape[1], dtype=R.dtype)
    return jnp.einsum("pj,iq->pqij", I, R) + jnp.einsum("qj,ip->pqij", I, R)


def gram_jacobian_by_cases(R: Float[Array, "M N"]) -> Float[Array, "N N M N"]:
    """dK/dR, case by case, as (5) reads."""
    M, N = R.shape
    entry = np.zeros((N, N, M, N), R.dtype)
    for p, q, i, j in np.ndindex(N, N, M, N):
        if j == p and p != q:
            entry[p, q, i, j] = R[i, q]
        elif j == q and q != p:
            entry[p, q, i, j] = R[i, p]
        elif j == p and p == q:
            entry[p, q, i, j] = 2 * R[i, q]
    return jnp.asarray(entry)


def gram_flat_jacobian(R: Float[Array, "M N"]) -> Float[Array, "N*N M*N"]:
    """dvec K/dvec R by rows, as (6) reads."""
    N = R.shape[1]
    I = jnp.eye(N, dtype=R.dtype)
    both = jnp.eye(N * N, dtype=R.dtype) + row_to_column(N, N).astype(R.dtype)
    return both @ jnp.kron(R.T, I)


def gram_tangent(R: Float[Array, "M N"], R_dot: Float[Array, "M N"]) -> Float[Array, "N N"]:
    """K_dot (3), without the tensor."""
    half = R.T @ R_dot
    return half + half.T
