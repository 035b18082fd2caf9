r"""Where the numbers of a derivative are stored: the layouts in use, and the ways between.

A derivative is a linear map: it takes a small change of the input to the change of the output, to
first order. Layouts are ways to write its numbers down. This package has one, and converts by name.

    numerator layout        output axes first, input axes last: shape `output.shape + input.shape`.
                            This is what `jax.jacobian` returns, and every `f_jacobian` here.
                            A number of n variables has a row 1 x n; a vector of one variable has
                            a column m x 1; the chain rule reads from the outermost map inwards. (1)
    the leading 1           JAX gives a number the shape (), so the row of a number of n variables
                            has shape (n,): it is the 1 x n row with its leading 1 dropped.      (2)
    column gradient         nabla f is the transpose of the row, n x 1. The chain rule then runs
                            the other way, nabla (f o g) = J_g^T nabla f: a pullback.            (3)
    generalised gradient    a number of an n x m matrix W has its derivative in the shape of W,
                            [dL/dW]_ij = dL/dW_ij, so that L changes by eps <U, dL/dW> when W
                            changes by eps U, with <U, G> = sum_ij U_ij G_ij. By (1) the derivative
                            is a 1 x (n x m) tensor: this is that tensor without its leading 1.
                            For an n x 1 matrix it is the column gradient (3).                   (4)
    strict matrix layout    some texts want dL/dW to be m x n, inputs along the columns as in a
                            Jacobian matrix: the transpose of (4). Used nowhere here.            (5)
    flattened               the (m x n) x (p x q) tensor as an mn x pq matrix, both groups of axes
                            run through in C order: the tensor's chain rule is a matrix product. (6)

A symbol d collects all partial derivatives of a function, a symbol del names one of them; for one
variable the two are the same.
"""

import itertools
import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

Shape = tuple[int, ...]


def as_row(g: Shaped[Array, " n"]) -> Shaped[Array, "1 n"]:
    """The row 1 x n of the derivative g of a number of n variables (1)(2)."""
    return g[None, :]


def as_column(g: Shaped[Array, " n"]) -> Shaped[Array, "n 1"]:
    """The column n x 1 of the same numbers: the column gradient of a number (3)."""
    return g[:, None]


def row_to_column(row: Shaped[Array, "1 n"]) -> Shaped[Array, "n 1"]:
    """nabla f = (df/dx)^T (3)."""
    return row.T


def column_to_row(column: Shaped[Array, "n 1"]) -> Shaped[Array, "1 n"]:
    """df/dx = (nabla f)^T (3)."""
    return column.T


def column_chain(J: Float[Array, "m n"], column: Float[Array, "m 1"]) -> Float[Array, "n 1"]:
    """nabla (f o g) = J^T nabla f (3): J the Jacobian of g, `column` the gradient of f at g(x)."""
    return J.T @ column


def restore_leading_one(derivative: Shaped[Array, "..."]) -> Shaped[Array, "1 ..."]:
    """The derivative of a number with its output axis written out: (*in,) becomes (1, *in) (2)."""
    return derivative[None]


def drop_leading_one(derivative: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """(1, *in) becomes (*in,) (2)(4). ValueError if the output has more than one number."""
    if derivative.ndim == 0 or derivative.shape[0] != 1:
        raise ValueError(f"no leading 1 to drop in shape {derivative.shape}")
    return derivative[0]


def strict_matrix_layout(gradient: Shaped[Array, "n m"]) -> Shaped[Array, "m n"]:
    """The generalised gradient (4) of a number as texts with strict layout have it (5)."""
    return gradient.T


def derivative_shape(output: Shape, input: Shape) -> Shape:
    """Numerator layout (1): the axes of the output, then those of the input."""
    return (*output, *input)


def chain_shape(*factors: Shape) -> Shape:
    """The shape of a product of Jacobian matrices, outermost first (1).

    ValueError, naming the two neighbours, where the columns of one are not the rows of the next.
    """
    for left, right in itertools.pairwise(factors):
        if left[1] != right[0]:
            raise ValueError(f"{left} does not chain with {right}: {left[1]} is not {right[0]}")
    return (factors[0][0], factors[-1][1])


def flatten_derivative(derivative: Shaped[Array, "..."], output_axes: int) -> Shaped[Array, "a b"]:
    """The derivative as a matrix (6): outputs along the rows, inputs along the columns.

    `output_axes` says how many of the axes in front belong to the output.
    """
    output, input = derivative.shape[:output_axes], derivative.shape[output_axes:]
    return jnp.reshape(derivative, (math.prod(output), math.prod(input)))


def unflatten_derivative(
    matrix: Shaped[Array, "a b"], output: Shape, input: Shape
) -> Shaped[Array, "..."]:
    """The tensor of shape `output + input` whose flattened form (6) is `matrix`."""
    return jnp.reshape(matrix, derivative_shape(output, input))
