r"""The determinant and the logarithm of its size.

Symbols
    X          the variable, nonsingular where its inverse is named        n x n
    U          direction                                                   n x n
    m_kl       minor: determinant of X without row k and column l
    v          free entries of a symmetric S(v): its upper triangle, row after row     n (n + 1) / 2

Value
    det X                                                                  (1)
    log |det X|,    X nonsingular; the bars are an absolute value          (2)
    log |det S(v)|, S(v) nonsingular                                       (3)

Jacobian     by entries: expanded along row k, det X = sum_l (-1)^(k+l) X_kl m_kl, and no m_kl of
             that row holds an entry of row k. So the derivative is the cofactor
    d det X/dX_kl = (-1)^(k+l) m_kl                                        (4)
    by expansion: X + eps U = X (I + eps X^-1 U), and det(I + eps M) = 1 + eps tr M + O(eps^2);
    det(X + eps U) = det X (1 + eps tr X^-1 U + O(eps^2)), and tr X^-1 U = <U, X^-T>:
    d det X/dX = det X X^-T            so the cofactors are det X X^-T     (5)
    log |det|: divide by det, for (log |t|)' = 1 / t on both sides of 0; or take the logarithm
    of the product, log(1 + t) = t + O(t^2):
    log |det(X + eps U)| - log |det X| = eps tr X^-1 U + O(eps^2)          (6)
    d log |det X|/dX = X^-T            entries of X free of each other     (7)
    S(v): an entry of v off the diagonal stands at two places of S, one on it at one place.
    The chain rule adds the places up, and S^-1 is symmetric:
    d log |det S|/dv = the upper triangle of 2 S^-1 - diag(S^-1)           (8)

Cotangent
    X_bar = y_bar det X X^-T  for (1),   y_bar X^-T  for (2),   v_bar = y_bar (8)  for (3)   (9)

(5) wants a nonsingular X, (4) does not: the determinant is a polynomial and has a derivative
everywhere. A logarithm of a determinant is never taken as log(det X): det runs out of the range
of floating point long before its logarithm does.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@jax.custom_vjp
def det(X: Float[Array, "n n"]) -> Float[Array, ""]:
    """det X (1); the pullback asks for a nonsingular X."""
    return det_fwd(X)[0]


def det_fwd(X):
    y = jnp.linalg.det(X)  # (1)
    return y, (X, y)


def det_bwd(residuals, y_bar):
    X, y = residuals
    return (y_bar * y * _inverse(X.T),)  # (9)


det.defvjp(det_fwd, det_bwd)


def det_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The matrix of cofactors, minor by minor as (4) reads: also where X is singular. n >= 2."""
    n = X.shape[0]
    without = np.array([[i for i in range(n) if i != k] for k in range(n)])
    rows, columns = without[:, None, :, None], without[None, :, None, :]
    sign = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return jnp.asarray(sign, X.dtype) * jnp.linalg.det(X[rows, columns])


@jax.custom_vjp
def log_abs_det(X: Float[Array, "n n"]) -> Float[Array, ""]:
    """log |det X| (2), either sign of the determinant."""
    return log_abs_det_fwd(X)[0]


def log_abs_det_fwd(X):
    return jnp.linalg.slogdet(X)[1], X  # (2)


def log_abs_det_bwd(X, y_bar):
    return (y_bar * _inverse(X.T),)  # (9)


log_abs_det.defvjp(log_abs_det_fwd, log_abs_det_bwd)


def log_abs_det_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """X^-T, as (7) reads."""
    return _inverse(X).T


def log_abs_det_dot(X: Float[Array, "n n"], X_dot: Float[Array, "n n"]) -> Float[Array, ""]:
    """tr(X^-1 X_dot): the derivative of (2) in the direction X_dot, as (6) reads."""
    return jnp.trace(jnp.linalg.solve(X, X_dot))


def symmetric(v: Float[Array, " k"]) -> Float[Array, "n n"]:
    """S(v): the symmetric matrix whose upper triangle, row after row, is v."""
    n, rows, columns = _triangle(v)
    place = np.zeros((n, n), int)  # which entry of v stands at (i, j)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return v[place]


@jax.custom_vjp
def log_abs_det_symmetric(v: Float[Array, " k"]) -> Float[Array, ""]:
    """log |det S(v)| (3), a function of the free entries alone."""
    return log_abs_det_symmetric_fwd(v)[0]


def log_abs_det_symmetric_fwd(v):
    return jnp.linalg.slogdet(symmetric(v))[1], v  # (3)


def log_abs_det_symmetric_bwd(v, y_bar):
    return (y_bar * log_abs_det_symmetric_jacobian(v),)  # (9)


log_abs_det_symmetric.defvjp(log_abs_det_symmetric_fwd, log_abs_det_symmetric_bwd)


def log_abs_det_symmetric_jacobian(v: Float[Array, " k"]) -> Float[Array, " k"]:
    """2 S^-1 - diag(S^-1) on the upper triangle, as (8) reads."""
    _, rows, columns = _triangle(v)
    S_inv = _inverse(symmetric(v))
    return (2 * S_inv - jnp.diag(jnp.diagonal(S_inv)))[rows, columns]


def _triangle(v):
    n = (math.isqrt(8 * v.shape[0] + 1) - 1) // 2
    assert n * (n + 1) // 2 == v.shape[0], f"{v.shape[0]} entries are no triangle"
    return n, *np.triu_indices(n)


def _inverse(X):
    return jnp.linalg.solve(X, jnp.eye(X.shape[0], dtype=X.dtype))
