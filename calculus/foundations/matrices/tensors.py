r"""The derivative of an array with respect to an array, as a tensor and flattened.

Symbols      an output Y = Y(X); i, j run over the axes of Y, k, l over those of X
    J        J_ijkl = dY_ij/dX_kl, axes of the output first, of the input last
    D, x     M directions of 3 numbers, one a row; a point with 3 coordinates             1
    phi_i    sum_k D_ik x_k, the phase of wave i                                          rad
    A        M x 2 matrix of a point: a sine and a cosine for each direction
    t, R     an angle and the matrix that turns the plane by it                           rad

                    scalar out             vector out (m)     matrix out (m x n)
    scalar in       a number               m                  m x n
    vector in (k)   k, the gradient row    m x k              (m x n) x k
    matrix (p x q)  p x q                  m x (p x q)        (m x n) x (p x q)           (1)

Value
    A_i0 = sin phi_i,   A_i1 = cos phi_i                                                  (2)
    R(t) = [[cos t, -sin t], [sin t, cos t]]                                              (3)

Jacobian     sin(phi + eps) = sin phi + eps cos phi + O(eps^2), cosine likewise, and
             phi_i(x + eps u) = phi_i + eps sum_k D_ik u_k; so, one partial per coordinate,
    dA/dx_k: dA_i0/dx_k = cos(phi_i) D_ik,   dA_i1/dx_k = -sin(phi_i) D_ik                (4)
    dA_i0/dD_kl = [i = k] cos(phi_i) x_l,    dA_i1/dD_kl = -[i = k] sin(phi_i) x_l        (5)
    Stack: (4) for k = 0, 1, 2 along a new last axis makes the M x 2 x 3 tensor.
    Flatten: A row by row is (sin phi_0, cos phi_0, sin phi_1, ...), 2M numbers, whose
    Jacobian has rows cos(phi_0) d_0, -sin(phi_0) d_0, cos(phi_1) d_1, ...; fold its 2M
    rows back into M x 2 and it is the same tensor.                                       (6)
    A matrix of one number is differentiated entry by entry and keeps its shape:
    dR/dt = [[-sin t, -cos t], [cos t, -sin t]]                                           (7)

    Chain rule. In Z(Y(X)) sum over every axis of what stands between:
    dZ_ab/dX_kl = sum_ij dZ_ab/dY_ij dY_ij/dX_kl                                          (8)

Cotangent    contract all the axes of the output
    Y_dot_ij = sum_kl J_ijkl X_dot_kl,       X_bar_kl = sum_ij Y_bar_ij J_ijkl            (9)
    For (2): phi_bar_i = A_bar_i0 cos phi_i - A_bar_i1 sin phi_i,
             x_bar = D^T phi_bar,   D_bar = phi_bar x^T                                   (10)
    For (3): t_bar = sum_ij R_bar_ij (dR/dt)_ij                                           (11)
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.conventions import flatten_derivative, unflatten_derivative
from calculus.foundations.matrices.flattening import Order


def push(J: Float[Array, "..."], X_dot: Float[Array, "..."]) -> Float[Array, "..."]:
    """The tangent of the output for a tangent of the input (9)."""
    return jnp.tensordot(J, X_dot, axes=X_dot.ndim)


def pull(Y_bar: Float[Array, "..."], J: Float[Array, "..."]) -> Float[Array, "..."]:
    """The cotangent of the input for a cotangent of the output (9)."""
    return jnp.tensordot(Y_bar, J, axes=Y_bar.ndim)


def chain(
    outer: Float[Array, "..."], inner: Float[Array, "..."], between: int
) -> Float[Array, "..."]:
    """dZ/dX from dZ/dY and dY/dX (8); `between` is how many axes Y has."""
    return jnp.tensordot(outer, inner, axes=between)


def collate(partials: Sequence[Float[Array, "..."]]) -> Float[Array, "... k"]:
    """The derivative with respect to a vector, from its partials: stacked on a new last axis."""
    return jnp.stack(partials, axis=-1)


def unfold(J: Float[Array, "..."], output_ndim: int, order: Order = "row") -> Float[Array, "p q"]:
    """A tensor as a matrix: the output's axes flattened into rows, the input's into columns."""
    if order == "column":  # the first axis runs fastest: reverse the axes of either group
        axes = [*reversed(range(output_ndim)), *reversed(range(output_ndim, J.ndim))]
        J = J.transpose(axes)
    return flatten_derivative(J, output_ndim)


def fold(
    J: Float[Array, "p q"], output: tuple[int, ...], inputs: tuple[int, ...], order: Order = "row"
) -> Float[Array, "..."]:
    """`unfold` undone: the tensor of shape output + inputs that the matrix J lists."""
    if order == "row":
        return unflatten_derivative(J, output, inputs)
    tensor = unflatten_derivative(J, output[::-1], inputs[::-1])
    ends = range(len(output)), range(len(output), len(output) + len(inputs))
    return tensor.transpose([axis for end in ends for axis in reversed(end)])


@jax.custom_vjp
def waves(D: Float[Array, "M 3"], x: Float[Array, "3"]) -> Float[Array, "M 2"]:
    """A(x): the sine and the cosine of each phase (2)."""
    return waves_fwd(D, x)[0]


def waves_fwd(D, x):
    A = jnp.stack([jnp.sin(D @ x), jnp.cos(D @ x)], axis=1)  # (2)
    return A, (D, x, A)


def waves_bwd(residuals, A_bar):
    D, x, A = residuals
    phi_bar = A_bar[:, 0] * A[:, 1] - A_bar[:, 1] * A[:, 0]
    return jnp.outer(phi_bar, x), D.T @ phi_bar  # (10)


waves.defvjp(waves_fwd, waves_bwd)


def waves_jacobian(
    D: Float[Array, "M 3"], x: Float[Array, "3"]
) -> tuple[Float[Array, "M 2 M 3"], Float[Array, "M 2 3"]]:
    """dA/dD, as (5) reads, and dA/dx, the partials (4) stacked."""
    slopes = _slopes(D, x)
    dA_dD = jnp.einsum("ij,ik,l->ijkl", slopes, jnp.eye(D.shape[0], dtype=D.dtype), x)
    return dA_dD, collate([waves_partial(D, x, k) for k in range(3)])


def waves_partial(D: Float[Array, "M 3"], x: Float[Array, "3"], k: int) -> Float[Array, "M 2"]:
    """dA/dx_k (4)."""
    return _slopes(D, x) * D[:, k][:, None]


def waves_flat_jacobian(D: Float[Array, "M 3"], x: Float[Array, "3"]) -> Float[Array, "2*M 3"]:
    """The Jacobian of A flattened row by row (6)."""
    rows = []
    for d in D:
        rows += [jnp.cos(d @ x) * d, -jnp.sin(d @ x) * d]
    return jnp.stack(rows)


@jax.custom_vjp
def plane_rotation(t: Float[Array, ""]) -> Float[Array, "2 2"]:
    """R(t) (3)."""
    return plane_rotation_fwd(t)[0]


def plane_rotation_fwd(t):
    c, s = jnp.cos(t), jnp.sin(t)
    return _two_by_two(c, -s, s, c), (c, s)  # (3)


def plane_rotation_bwd(residuals, R_bar):
    c, s = residuals
    return (c * (R_bar[1, 0] - R_bar[0, 1]) - s * (R_bar[0, 0] + R_bar[1, 1]),)  # (11)


plane_rotation.defvjp(plane_rotation_fwd, plane_rotation_bwd)


def plane_rotation_jacobian(t: Float[Array, ""]) -> Float[Array, "2 2"]:
    """dR/dt (7): of the shape of R."""
    c, s = jnp.cos(t), jnp.sin(t)
    return _two_by_two(-s, -c, c, -s)


def _slopes(D, x):
    """dA_ij/dphi_i."""
    return jnp.stack([jnp.cos(D @ x), -jnp.sin(D @ x)], axis=1)


def _two_by_two(a, b, c, d):
    return jnp.stack([jnp.stack([a, b]), jnp.stack([c, d])])
