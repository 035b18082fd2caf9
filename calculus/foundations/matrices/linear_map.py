r"""A x as a function of the matrix A, and of x: the heart of every dense layer.

Symbols      one matrix and one vector
    A        M rows, N columns
    x        N numbers
    f        A x, M numbers
    a_k      row k of A

Value
    f_i = sum_j A_ij x_j                                                                  (1)

Jacobian     (A + eps U) x = A x + eps U x with nothing left over; entry i of U x is
             sum_q U_iq x_q, which has no other row of U in it. So
    df_i/dA_iq = x_q                                                                      (2)
    df_i/da_i = x^T,   df_i/da_k = 0^T for k /= i      each 1 x 1 x N                     (3)
    df_i/dA is an M x N slab, zero but for row i, which is x^T                            (4)
    df_i/dA_kq = [i = k] x_q                           the M slabs, M x (M x N)           (5)
    flattened: I (x) x^T in row order, x^T (x) I in column order, both M x M N            (6)
    and with A kept, df_i/dx_q = sum_j A_ij [j = q] = A_iq                                (7)

Cotangent    contract (5) and (7) with f_bar: [i = k] leaves one term of the sum
    A_bar_kq = f_bar_k x_q, that is A_bar = f_bar x^T                                     (8)
    x_bar = A^T f_bar                                                                     (9)
    (8) takes M N multiplications; the tensor (5) would hold M^2 N numbers, nearly all 0.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.matrices.flattening import Order


@jax.custom_vjp
def apply_matrix(A: Float[Array, "M N"], x: Float[Array, " N"]) -> Float[Array, " M"]:
    """A x (1): derivative M x N in x, M x (M x N) in A."""
    return apply_matrix_fwd(A, x)[0]


def apply_matrix_fwd(A, x):
    return A @ x, (A, x)  # (1)


def apply_matrix_bwd(residuals, f_bar):
    A, x = residuals
    return jnp.outer(f_bar, x), A.T @ f_bar  # (8)(9)


apply_matrix.defvjp(apply_matrix_fwd, apply_matrix_bwd)


def apply_matrix_jacobian(
    A: Float[Array, "M N"], x: Float[Array, " N"]
) -> tuple[Float[Array, "M M N"], Float[Array, "M N"]]:
    """df/dA and df/dx, as (5) and (7) read."""
    return jnp.einsum("ik,q->ikq", jnp.eye(A.shape[0], dtype=A.dtype), x), A


def slab(i: int, x: Float[Array, " N"], M: int) -> Float[Array, "{M} N"]:
    """df_i/dA (4): x in row i, zeros elsewhere."""
    return jnp.zeros((M, x.shape[0]), x.dtype).at[i].set(x)


def flat_jacobian(x: Float[Array, " N"], M: int, order: Order) -> Float[Array, "{M} {M}*N"]:
    """df/dA with A flattened in that order (6)."""
    identity = jnp.eye(M, dtype=x.dtype)
    return jnp.kron(identity, x[None, :]) if order == "row" else jnp.kron(x[None, :], identity)
