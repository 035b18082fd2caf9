r"""A scalar of a matrix: expand, bring the linear part to the form tr U^T G, read off G.

Symbols      L, a number that depends on a matrix W
    W, U     n x m; U is any direction
    G        dL/dW, n x m: G_ij = dL/dW_ij, in the shape of W
    <U, G>   the Frobenius inner product, the dot product of the flattened matrices
    E_ij     the matrix with a one at (i, j) and zeros elsewhere
    a, b, c  n numbers, m numbers, a number
    r        a^T W b - c, by how much the bilinear form misses c

Value
    <U, G> = tr U^T G = sum_i [U^T G]_ii = sum_ij U_ij G_ij                               (1)
    L = r^2 = (a^T W b - c)^2                                                             (2)

Jacobian     for differentiable L, in every direction U
    L(W + eps U) = L(W) + eps <U, dL/dW> + o(eps)                                         (3)
    so a linear part in this form has its gradient standing there. Or ask it one entry at
    a time: the linear part at U = E_ij is G_ij                                           (4)

    (1) is linear in each of its matrices: d<U, G>/dU = G, d<U, G>/dG = U                 (5)
    (2), with r(W + eps U) = r + eps a^T U b, squared:
        L(W + eps U) = L + 2 eps r a^T U b + eps^2 (a^T U b)^2                            (6)
        a^T U b = sum_ij a_i U_ij b_j = tr U^T a b^T
        dL/dW = 2 r a b^T                of rank one, zero where a^T W b = c              (7)
        dL/da = 2 r W b,   dL/db = 2 r W^T a,   dL/dc = -2 r                              (8)

    Where L is smallest it does not decrease in any direction: (3) must hold for U and for
    -U, so dL/dW = 0. Maxima and saddles have dL/dW = 0 as well. For a and b other than 0
    the minimisers of (2) are the hyperplane a^T W b = c; the one of least change goes
    along (7), which is the normal of the hyperplane:
        W - r / (|a|^2 |b|^2) a b^T                                                       (9)

Cotangent    L_bar is one number: it multiplies (5), (7) and (8)                          (10)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def frobenius_product(U: Float[Array, "n m"], G: Float[Array, "n m"]) -> Float[Array, ""]:
    """<U, G> = tr U^T G (1), without the product."""
    return frobenius_product_fwd(U, G)[0]


def frobenius_product_fwd(U, G):
    return jnp.sum(U * G), (U, G)  # (1)


def frobenius_product_bwd(residuals, L_bar):
    U, G = residuals
    return L_bar * G, L_bar * U  # (5)(10)


frobenius_product.defvjp(frobenius_product_fwd, frobenius_product_bwd)


def frobenius_product_jacobian(
    U: Float[Array, "n m"], G: Float[Array, "n m"]
) -> tuple[Float[Array, "n m"], Float[Array, "n m"]]:
    """The other matrix, as (5) reads."""
    return G, U


def read_off(
    linear_part: Callable[[Float[Array, "n m"]], Float[Array, ""]], shape: tuple[int, int]
) -> Float[Array, "n m"]:
    """The G for which the linear part at U is tr U^T G, by asking it for every E_ij (4)."""
    n, m = shape
    directions = jnp.eye(n * m).reshape(n, m, n, m)
    return jnp.stack([jnp.stack([linear_part(E) for E in row]) for row in directions])


@jax.custom_vjp
def bilinear_square_loss(
    a: Float[Array, " n"], W: Float[Array, "n m"], b: Float[Array, " m"], c: Float[Array, ""]
) -> Float[Array, ""]:
    """(a^T W b - c)^2 (2)."""
    return bilinear_square_loss_fwd(a, W, b, c)[0]


def bilinear_square_loss_fwd(a, W, b, c):
    r = a @ W @ b - c
    return r**2, (a, W, b, r)  # (2)


def bilinear_square_loss_bwd(residuals, L_bar):
    a, W, b, r = residuals
    r_bar = 2 * r * L_bar
    return r_bar * (W @ b), r_bar * jnp.outer(a, b), r_bar * (a @ W), -r_bar  # (7)(8)(10)


bilinear_square_loss.defvjp(bilinear_square_loss_fwd, bilinear_square_loss_bwd)


def bilinear_square_loss_jacobian(
    a: Float[Array, " n"], W: Float[Array, "n m"], b: Float[Array, " m"], c: Float[Array, ""]
) -> tuple[Float[Array, " n"], Float[Array, "n m"], Float[Array, " m"], Float[Array, ""]]:
    """dL/da, dL/dW, dL/db and dL/dc, as (8) and (7) read."""
    slope = 2 * (a @ W @ b - c)
    return slope * (W @ b), slope * jnp.outer(a, b), slope * (a @ W), -slope


def nearest_minimiser(
    a: Float[Array, " n"], W: Float[Array, "n m"], b: Float[Array, " m"], c: Float[Array, ""]
) -> Float[Array, "n m"]:
    """The matrix with a^T W b = c that is closest to W (9), a and b not 0."""
    return W - (a @ W @ b - c) / ((a @ a) * (b @ b)) * jnp.outer(a, b)
