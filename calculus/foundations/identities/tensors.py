r"""Transpose, trace, determinant and inverse of a matrix that depends on a matrix.

Symbols      F may be any differentiable function; (1) is the one that is worked out
    X          the variable                                                p x q
    A, B       given matrices                                              q x p and p x q
    F(X)       a matrix; square where (3), (4), (5) are taken              m x n
    J          its Jacobian, J_ijkl = dF_ij/dX_kl                          (m x n) x (p x q)
    D          the slice of J at one input entry (k, l): a matrix          m x n
    Y          F^-1                                                        n x n

Value
    F(X) = X A X + B                                                       (1)
    F^T                                                                    (2)
    tr F                                                                   (3)
    det F                                                                  (4)
    F^-1 = Y                                                               (5)

Jacobian     of (1): F(X + eps U) = F + eps (U A X + X A U) + eps^2 U A U. The entry ij of U A X
             is sum_l U_il (AX)_lj, that of X A U is sum_k (XA)_ik U_kj; so, for X, A and B,
    dF_ij/dX_kl = [i = k] (AX)_lj + (XA)_ik [j = l]                        (6)
    dF_ij/dA_kl = X_ik X_lj,    dF_ij/dB_kl = [i = k] [j = l]              (7)

    of (2)-(5), for every F: a change of the one entry X_kl by eps changes F into
    F + eps D + O(eps^2), where D is a matrix like any other. Then
    (F + eps D)^T = F^T + eps D^T                     d(F^T)_ij/dX_kl = J_jikl             (8)
    tr(F + eps D) = tr F + eps tr D                   d tr F/dX_kl = sum_i J_iikl          (9)
    det(F + eps D) = det F det(I + eps Y D) = det F (1 + eps tr Y D + O(eps^2))
                                        d det F/dX_kl = det F sum_ij Y_ij J_jikl           (10)
    F Y = I, so D Y + F dY = 0 and dY = -Y D Y
                                        dY_ij/dX_kl = -sum_ab Y_ia J_abkl Y_bj             (11)

    The same with F and X written as vectors, row after row, where M N P turns into
    (M kron P^T) vec N:
    (6) is I kron (AX)^T + (XA) kron I,    (11) is -(Y kron Y^T) J         (12)

Cotangent    contract: <F_bar, U A X + X A U> = <F_bar (AX)^T + (XA)^T F_bar, U>, so
    X_bar = F_bar (AX)^T + (XA)^T F_bar,  A_bar = X^T F_bar X^T,  B_bar = F_bar            (13)
    and behind (2)-(5)
    F_bar = Y_bar^T;   y_bar I;   y_bar det F Y^T;   -Y^T Y_bar Y^T        (14)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def tensor_transpose(T: Float[Array, "m n *rest"]) -> Float[Array, "n m *rest"]:
    """The first two axes of T swapped: what a transpose means for more than two axes (8)."""
    return jnp.swapaxes(T, 0, 1)


def tensor_trace(T: Float[Array, "n n *rest"]) -> Float[Array, "*rest"]:
    """The first two axes of T contracted: a D x D x E x F tensor leaves E x F (9)."""
    return jnp.einsum("ii...->...", T)


def det_rule(F: Float[Array, "n n"], J: Float[Array, "n n *inputs"]) -> Float[Array, "*inputs"]:
    """The derivative of det F from the value F and its Jacobian J, whatever the input (10)."""
    return jnp.linalg.det(F) * tensor_trace(_solve(F, J))


def inverse_rule(
    F: Float[Array, "n n"], J: Float[Array, "n n *inputs"]
) -> Float[Array, "n n *inputs"]:
    """The derivative of F^-1 from the value F and its Jacobian J, whatever the input (11)."""
    left = _solve(F, J)  # Y J
    return -tensor_transpose(_solve(F.T, tensor_transpose(left)))  # ... Y from the right


@jax.custom_vjp
def quadratic_map(
    X: Float[Array, "p q"], A: Float[Array, "q p"], B: Float[Array, "p q"]
) -> Float[Array, "p q"]:
    """X A X + B (1)."""
    return quadratic_map_fwd(X, A, B)[0]


def quadratic_map_fwd(X, A, B):
    return X @ A @ X + B, (X, A)  # (1)


def quadratic_map_bwd(residuals, F_bar):
    X, A = residuals
    return F_bar @ (A @ X).T + (X @ A).T @ F_bar, X.T @ F_bar @ X.T, F_bar  # (13)


quadratic_map.defvjp(quadratic_map_fwd, quadratic_map_bwd)


def quadratic_map_jacobian(X, A, B):
    """dF/dX, dF/dA and dF/dB, each with four axes, as (6) and (7) read."""
    p, q = X.shape
    I_p, I_q = jnp.eye(p, dtype=X.dtype), jnp.eye(q, dtype=X.dtype)
    J_X = jnp.einsum("ik,lj->ijkl", I_p, A @ X) + jnp.einsum("ik,jl->ijkl", X @ A, I_q)
    return J_X, jnp.einsum("ik,lj->ijkl", X, X), jnp.einsum("ik,jl->ijkl", I_p, I_q)


def flat_quadratic_map_jacobian(X: Float[Array, "p q"], A: Float[Array, "q p"]):
    """(6) with rows strung together, a pq x pq matrix, as (12) reads."""
    p, q = X.shape
    return jnp.kron(jnp.eye(p, dtype=X.dtype), (A @ X).T) + jnp.kron(
        X @ A, jnp.eye(q, dtype=X.dtype)
    )


@jax.custom_vjp
def quadratic_map_transpose(
    X: Float[Array, "p q"], A: Float[Array, "q p"], B: Float[Array, "p q"]
) -> Float[Array, "q p"]:
    """(X A X + B)^T (2)."""
    return quadratic_map_transpose_fwd(X, A, B)[0]


def quadratic_map_transpose_fwd(X, A, B):
    F, residuals = quadratic_map_fwd(X, A, B)
    return F.T, residuals  # (2)


def quadratic_map_transpose_bwd(residuals, Y_bar):
    return quadratic_map_bwd(residuals, Y_bar.T)  # (14)


quadratic_map_transpose.defvjp(quadratic_map_transpose_fwd, quadratic_map_transpose_bwd)


def quadratic_map_transpose_jacobian(X, A, B):
    """J_jikl for X, A and B, as (8) reads."""
    return tuple(tensor_transpose(J) for J in quadratic_map_jacobian(X, A, B))


@jax.custom_vjp
def quadratic_map_trace(
    X: Float[Array, "n n"], A: Float[Array, "n n"], B: Float[Array, "n n"]
) -> Float[Array, ""]:
    """tr(X A X + B) (3)."""
    return quadratic_map_trace_fwd(X, A, B)[0]


def quadratic_map_trace_fwd(X, A, B):
    F, residuals = quadratic_map_fwd(X, A, B)
    return jnp.trace(F), residuals  # (3)


def quadratic_map_trace_bwd(residuals, y_bar):
    X, A = residuals
    # (14) in (13), where F_bar = y_bar I drops out of every product
    return (
        y_bar * (A @ X + X @ A).T,
        y_bar * (X @ X).T,
        y_bar * jnp.eye(X.shape[0], dtype=X.dtype),
    )


quadratic_map_trace.defvjp(quadratic_map_trace_fwd, quadratic_map_trace_bwd)


def quadratic_map_trace_jacobian(X, A, B):
    """sum_i J_iikl for X, A and B, as (9) reads."""
    return tuple(tensor_trace(J) for J in quadratic_map_jacobian(X, A, B))


@jax.custom_vjp
def quadratic_map_det(
    X: Float[Array, "n n"], A: Float[Array, "n n"], B: Float[Array, "n n"]
) -> Float[Array, ""]:
    """det(X A X + B) (4), the matrix within nonsingular."""
    return quadratic_map_det_fwd(X, A, B)[0]


def quadratic_map_det_fwd(X, A, B):
    F, residuals = quadratic_map_fwd(X, A, B)
    y = jnp.linalg.det(F)  # (4)
    return y, (F, y, residuals)


def quadratic_map_det_bwd(residuals, y_bar):
    F, y, inner = residuals
    return quadratic_map_bwd(inner, y_bar * y * _inverse(F.T))  # (14)


quadratic_map_det.defvjp(quadratic_map_det_fwd, quadratic_map_det_bwd)


def quadratic_map_det_jacobian(X, A, B):
    """det F tr(F^-1 D) for each input entry of X, A and B, as (10) reads."""
    F, _ = quadratic_map_fwd(X, A, B)
    return tuple(det_rule(F, J) for J in quadratic_map_jacobian(X, A, B))


@jax.custom_vjp
def quadratic_map_inverse(
    X: Float[Array, "n n"], A: Float[Array, "n n"], B: Float[Array, "n n"]
) -> Float[Array, "n n"]:
    """(X A X + B)^-1 (5), the matrix within nonsingular."""
    return quadratic_map_inverse_fwd(X, A, B)[0]


def quadratic_map_inverse_fwd(X, A, B):
    F, residuals = quadratic_map_fwd(X, A, B)
    Y = _inverse(F)  # (5)
    return Y, (Y, residuals)


def quadratic_map_inverse_bwd(residuals, Y_bar):
    Y, inner = residuals
    return quadratic_map_bwd(inner, -Y.T @ Y_bar @ Y.T)  # (14)


quadratic_map_inverse.defvjp(quadratic_map_inverse_fwd, quadratic_map_inverse_bwd)


def quadratic_map_inverse_jacobian(X, A, B):
    """-F^-1 D F^-1 for each input entry of X, A and B, as (11) reads."""
    F, _ = quadratic_map_fwd(X, A, B)
    return tuple(inverse_rule(F, J) for J in quadratic_map_jacobian(X, A, B))


def flat_quadratic_map_inverse_jacobian(
    X: Float[Array, "n n"], A: Float[Array, "n n"], B: Float[Array, "n n"]
):
    """(11) with rows strung together, an n^2 x n^2 matrix, as (12) reads."""
    Y = _inverse(quadratic_map_fwd(X, A, B)[0])
    return -jnp.kron(Y, Y.T) @ flat_quadratic_map_jacobian(X, A)


def _inverse(F):
    return _solve(F, jnp.eye(F.shape[0], dtype=F.dtype))


def _solve(F, T):
    """F^-1 T along the first axis of T, any number of axes."""
    return jnp.linalg.solve(F, T.reshape(T.shape[0], -1)).reshape(T.shape)
