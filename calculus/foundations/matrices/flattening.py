r"""A matrix as the list of its entries, in both orders.

Symbols      one matrix; rows and columns are counted from 0
    X        m rows, n columns
    order    "row": one row after the other, as numpy and JAX lay an array out
             "column": one column after the other, the vec of textbooks
    vec X    the m n entries in a line
    P        permutation of m n places that takes the row order to the column order

Value
    vec_row(X)_{k n + l} = X_kl                                                           (1)
    vec_col(X)_{l m + k} = X_kl,          so vec_col(X) = vec_row(X^T)                    (2)
    vec_col(X) = P vec_row(X),            P has a one in row l m + k, column k n + l      (3)
    Both can be undone, so m x n matrices and vectors of m n numbers are the same space.

Jacobian     each is linear, vec(X + eps U) = vec X + eps vec U with nothing left over, so
    dvec_row_p/dX_kl = [p = k n + l]                                                      (4)
    dvec_col_p/dX_kl = [p = l m + k]                                                      (5)
    Flattened in their own order both are the identity: a flattening is its own derivative.

Cotangent    (4) and (5) hand each entry of v_bar to the one X_kl it came from
    X_bar_kl = v_bar_{k n + l}  or  v_bar_{l m + k},     v_bar folded back                (6)
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Order = Literal["row", "column"]


@functools.partial(jax.custom_vjp, nondiff_argnames=("order",))
def flatten(X: Float[Array, "m n"], order: Order) -> Float[Array, " m*n"]:
    """The entries of X in a line, row after row (1) or column after column (2)."""
    return flatten_fwd(X, order)[0]


def flatten_fwd(X, order):
    return (X if order == "row" else X.T).reshape(-1), X  # (1)(2)


def flatten_bwd(order, X, v_bar):
    return (jnp.take(v_bar, _places(X.shape, order)),)  # (6), of X only the shape is needed


flatten.defvjp(flatten_fwd, flatten_bwd)


def flatten_jacobian(X: Float[Array, "m n"], order: Order) -> Float[Array, "m*n m n"]:
    """The identity with its columns folded, as (4) and (5) read."""
    m, n = X.shape
    identity = jnp.eye(m * n, dtype=X.dtype)
    return identity.reshape(-1, m, n) if order == "row" else identity.reshape(-1, n, m).mT


def unflatten(v: Float[Array, " mn"], shape: tuple[int, int], order: Order) -> Float[Array, "m n"]:
    """The matrix of that shape whose entries v lists: `flatten` undone."""
    m, n = shape
    return v.reshape(m, n) if order == "row" else v.reshape(n, m).T


def row_to_column(m: int, n: int) -> Float[Array, "{m}*{n} {m}*{n}"]:
    """P of (3): vec_col(X) = P vec_row(X) for an m x n matrix X."""
    return jnp.eye(m * n)[_places((m, n), "row").T.reshape(-1)]


def _places(shape, order):
    """Where in vec X each X_kl stands: k n + l (1) or l m + k (2)."""
    k, l = np.indices(shape)
    return k * shape[1] + l if order == "row" else l * shape[0] + k
