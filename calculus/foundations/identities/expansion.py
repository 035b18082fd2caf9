r"""How a determinant answers a small change: det(I + eps M).

Symbols
    M          any square matrix                                           n x n
    eps        a number, small where it says O(eps^2)
    m_ij       minor: the determinant of what is left without row i and column j. A minor carries
               no sign; with the sign (-1)^(i+j) it is called a cofactor.

Two by two     |1 + eps M_11     eps M_12|
               |    eps M_21 1 + eps M_22|  =  (1 + eps M_11)(1 + eps M_22) - eps^2 M_21 M_12
                                            =  1 + eps tr M + eps^2 det M              (1)

Any size       down the first column, signs + - + - ...
    det(I + eps M) = (1 + eps M_11) m_11 - eps M_21 m_21 + eps M_31 m_31 - ...         (2)
    For i >= 2 the minor m_i1 keeps row 1 but not column 1, so it keeps the row
    (eps M_12, eps M_13, ...): a whole row of size eps makes m_i1 of size eps, and its term
    in (2) of size eps^2. Only the first term is left:
    det(I + eps M) = (1 + eps M_11) m_11 + O(eps^2)                                    (3)
    and m_11 is again a determinant of the form det(I + eps M'), one size smaller, so that
    det(I + eps M) = prod_i (1 + eps M_ii) + O(eps^2) = 1 + eps tr M + O(eps^2)        (4)

All of it      with the eigenvalues l_i of M, det(I + eps M) = prod_i (1 + eps l_i), a polynomial
    det(I + eps M) = 1 + e_1 eps + e_2 eps^2 + ... + e_n eps^n                         (5)
    whose e_k is the sum of all products of k different eigenvalues: e_1 = tr M, e_n = det M.
    Newton's identities give them from traces of powers, with no eigenvalue computed:
    k e_k = sum_{i=1..k} (-1)^(i-1) e_{k-i} tr(M^i)                                    (6)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def minor(X: Float[Array, "n n"], i: int, j: int) -> Float[Array, ""]:
    """m_ij: the determinant of X without row i and column j, counted from 0, without a sign."""
    return jnp.linalg.det(jnp.delete(jnp.delete(X, i, axis=0), j, axis=1))


def laplace_first_column(X: Float[Array, "n n"]) -> Float[Array, ""]:
    """det X down its first column, n >= 2: sum_i (-1)^i X_i0 m_i0 counted from 0, as (2) reads."""
    terms = [(-1) ** i * X[i, 0] * minor(X, i, 0) for i in range(X.shape[0])]
    return jnp.sum(jnp.stack(terms))


def identity_plus(eps: Float[Array, ""], M: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """I + eps M."""
    return jnp.eye(M.shape[0], dtype=M.dtype) + eps * M


def diagonal_product(eps: Float[Array, ""], M: Float[Array, "n n"]) -> Float[Array, ""]:
    """prod_i (1 + eps M_ii): det(I + eps M) up to eps^2 (4)."""
    return jnp.prod(1 + eps * jnp.diagonal(M))


def det_polynomial(M: Float[Array, "n n"]) -> Float[Array, " n+1"]:
    """The coefficients e_0 = 1, e_1 = tr M, ..., e_n = det M of det(I + eps M) (5), by (6)."""
    n = M.shape[0]
    powers = [M]
    for _ in range(n - 1):
        powers.append(powers[-1] @ M)
    traces = [jnp.trace(power) for power in powers]
    e = [jnp.ones((), M.dtype)]
    for k in range(1, n + 1):
        e.append(sum((-1) ** (i - 1) * e[k - i] * traces[i - 1] for i in range(1, k + 1)) / k)
    return jnp.stack(e)
