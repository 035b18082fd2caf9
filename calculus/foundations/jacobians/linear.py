r"""Linear maps: the case in which the Jacobian is the map.

Symbols      vectors and matrices
    x          input                                    R^N
    A          matrix of the map                        M x N
    B, C       two bases, one vector per column         n x n
    y_bar      cotangent of the output                  R^M

Value
    f(x) = A x,   f_i = sum_k A_ik x_k                  R^N -> R^M              (1)
    y = (-2 x_1 + x_2, x_1 + x_2)                       R^2 -> R^2              (2)
    (1) is `apply_matrix` of `matrices.linear_map`, which moves the matrix as well.

Jacobian     J_ij = df_i/dx_j: outputs along the rows, inputs along the columns
    (1) the letter k is summed over, j says which variable moves, and dx_k/dx_j = [k = j]:
            df_i/dx_j = sum_k A_ik [k = j] = A_ij,   so   df/dx = A             (3)
        From the expansion A (x + eps u) = A x + eps A u: nothing remains.
    (2) four partial derivatives, -2, 1, 1, 1: the matrix of the map itself
            J = [-2  1]
                [ 1  1]                                                         (4)

    A linear map is known by what it does to a basis. If J b_i = c_i for every i, then J B = C,
    so J = C B^{-1} wherever the b_i are a basis, that is det B is not 0.       (5)

Cotangent    of (1) x_bar = A^T y_bar; for (2)
             x_bar = J^T y_bar = (-2 y_bar_1 + y_bar_2, y_bar_1 + y_bar_2)      (6)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def flip_and_stretch(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """(-2 x_1 + x_2, x_1 + x_2) (2): R^2 -> R^2, derivative 2 x 2. Areas triple, flipped."""
    return flip_and_stretch_fwd(x)[0]


def flip_and_stretch_fwd(x):
    return jnp.stack([-2 * x[0] + x[1], x[0] + x[1]]), None  # (2): the way back needs no x


def flip_and_stretch_bwd(_, y_bar):
    return (jnp.stack([-2 * y_bar[0] + y_bar[1], y_bar[0] + y_bar[1]]),)  # (6): J is symmetric


flip_and_stretch.defvjp(flip_and_stretch_fwd, flip_and_stretch_bwd)


def flip_and_stretch_jacobian(x: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """The same matrix at every x, as (4) reads."""
    return jnp.array([[-2, 1], [1, 1]], x.dtype)


def jacobian_from_bases(B: Float[Array, "n n"], C: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The matrix J = C B^{-1} (5) that takes column i of B to column i of C; B of rank n."""
    return jnp.linalg.solve(B.T, C.T).T
