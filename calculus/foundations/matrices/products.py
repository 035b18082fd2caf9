r"""A X B as a function of each factor, with its Kronecker forms; and the block layout.

Symbols      three matrices
    A, X, B  m x p, p x q, q x n
    Y        A X B, m x n
    (x)      Kronecker product: S (x) T is the block matrix whose block (k, l) is S_kl T
    E_kl     the matrix with a one at (k, l) and zeros elsewhere

Value
    Y_ij = sum_kl A_ik X_kl B_lj                                                          (1)

Jacobian     one factor at a time, A (X + eps U) B = A X B + eps A U B, with nothing left over
    dY_ij/dX_kl = A_ik B_lj                                                               (2)
    dY_ij/dA_kl = [i = k] (X B)_lj                                                        (3)
    dY_ij/dB_kl = (A X)_ik [l = j]                                                        (4)

    Flattened, (2) is a Kronecker product; which one depends on the order of the entries.
    Rows: entry (i n + j, k q + l) is A_ik (B^T)_jl, so  vec_row(Y) = (A (x) B^T) vec_row(X)  (5)
    Columns: vec_col(Y) = vec_row(B^T X^T A^T), so        vec_col(Y) = (B^T (x) A) vec_col(X)  (6)

    Kronecker layout: a third arrangement of the same numbers, one block per input entry,
    sum_kl E_kl (x) dY/dX_kl, pm x qn, with dY_ij/dX_kl in row k m + i, column l n + j    (7)

Cotangent    contract (2), (3), (4) with Y_bar
    X_bar = A^T Y_bar B^T                                                                 (8)
    A_bar = Y_bar (X B)^T,   B_bar = (A X)^T Y_bar                                        (9)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.matrices.flattening import Order


@jax.custom_vjp
def two_sided_product(
    A: Float[Array, "m p"], X: Float[Array, "p q"], B: Float[Array, "q n"]
) -> Float[Array, "m n"]:
    """A X B (1)."""
    return two_sided_product_fwd(A, X, B)[0]


def two_sided_product_fwd(A, X, B):
    return A @ X @ B, (A, X, B)  # (1)


def two_sided_product_bwd(residuals, Y_bar):
    A, X, B = residuals
    left, right = A.T @ Y_bar, Y_bar @ B.T
    return right @ X.T, left @ B.T, X.T @ left  # (9)(8)(9)


two_sided_product.defvjp(two_sided_product_fwd, two_sided_product_bwd)


def two_sided_product_jacobian(
    A: Float[Array, "m p"], X: Float[Array, "p q"], B: Float[Array, "q n"]
) -> tuple[Float[Array, "m n m p"], Float[Array, "m n p q"], Float[Array, "m n q n"]]:
    """dY/dA, dY/dX and dY/dB, as (3), (2) and (4) read."""
    I_m, I_n = (jnp.eye(size, dtype=X.dtype) for size in (A.shape[0], B.shape[1]))
    dY_dA = jnp.einsum("ik,lj->ijkl", I_m, X @ B)
    dY_dX = jnp.einsum("ik,lj->ijkl", A, B)
    dY_dB = jnp.einsum("ik,lj->ijkl", A @ X, I_n)
    return dY_dA, dY_dX, dY_dB


def two_sided_flat(
    A: Float[Array, "m p"], B: Float[Array, "q n"], order: Order
) -> Float[Array, "m*n p*q"]:
    """The matrix that takes vec X to vec(A X B), both in that order (5)(6)."""
    return jnp.kron(A, B.T) if order == "row" else jnp.kron(B.T, A)


def to_kronecker_layout(J: Float[Array, "m n p q"]) -> Float[Array, "p*m q*n"]:
    """The block matrix with block (k, l) = dY/dX_kl (7)."""
    m, n, p, q = J.shape
    return J.transpose(2, 0, 3, 1).reshape(p * m, q * n)


def from_kronecker_layout(
    blocks: Float[Array, "pm qn"], output: tuple[int, int]
) -> Float[Array, "m n p q"]:
    """The tensor whose blocks (7) lists, for an output of that shape."""
    m, n = output
    p, q = blocks.shape[0] // m, blocks.shape[1] // n
    return blocks.reshape(p, m, q, n).transpose(1, 3, 0, 2)
