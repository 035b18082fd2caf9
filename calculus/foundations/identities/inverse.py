r"""The inverse of a matrix, along a curve of matrices, and between two vectors.

Symbols      every matrix that is inverted is nonsingular
    X          the variable                                                n x n
    Y          X^-1, or A(t)^-1                                            n x n
    t          a number on which a matrix depends
    A(t)       A + B sin t, with dA/dt = B cos t                           n x n
    a, b       vectors                                                     n
    p, q       X^-1 b and X^-T a: two solves instead of an inverse         n

Value
    X^-1                                                                   (1)
    A(t)^-1 = (A + B sin t)^-1                                             (2)
    a^T X^-1 b                                                             (3)

Jacobian     A^-1 A = I does not change with t, so by the product rule
    A^-1 dA/dt + d(A^-1)/dt A = 0; times A^-1 from the right:
    d(A^-1)/dt = -A^-1 (dA/dt) A^-1                                        (4)
    Every inverse in (4) is an inverse and not a transpose. For (2)
    dY/dt = -Y B Y cos t,  dY_ij/dA_kl = -Y_ik Y_lj,
    dY_ij/dB_kl = -Y_ik Y_lj sin t                                         (5)
    (1) is (4) with the entry X_kl for t, dX/dX_kl = 1 at (k, l) and 0 elsewhere:
    dY_ij/dX_kl = -Y_ik Y_lj                                               (6)
    by expansion: (X + eps U)^-1 = (I + eps Y U)^-1 Y = Y - eps Y U Y + O(eps^2), which is (6).
    As a matrix on rows strung together: -(Y kron Y^T)                     (7)
    (3): the change of X^-1 between a and b is -a^T Y U Y b = -q^T U p = <U, -q p^T>:
    d/dX = -q p^T = -X^-T a b^T X^-T,    d/da = p^T,    d/db = q^T         (8)

Cotangent
    (1)  X_bar = -Y^T Y_bar Y^T                                            (9)
    (2)  A_bar = -Y^T Y_bar Y^T,  B_bar = A_bar sin t,  t_bar = <A_bar, B> cos t           (10)
    (3)  a_bar = y_bar p,  X_bar = -y_bar q p^T,  b_bar = y_bar q          (11)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def inverse(X: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """X^-1 (1)."""
    return inverse_fwd(X)[0]


def inverse_fwd(X):
    Y = _inverse(X)  # (1)
    return Y, Y


def inverse_bwd(Y, Y_bar):
    return (-Y.T @ Y_bar @ Y.T,)  # (9)


inverse.defvjp(inverse_fwd, inverse_bwd)


def inverse_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n n n n"]:
    """-Y_ik Y_lj, as (6) reads."""
    Y = _inverse(X)
    return -jnp.einsum("ik,lj->ijkl", Y, Y)


def flat_inverse_jacobian(X: Float[Array, "n n"]) -> Float[Array, "n*n n*n"]:
    """-(Y kron Y^T), (6) with rows strung together, as (7) reads."""
    Y = _inverse(X)
    return -jnp.kron(Y, Y.T)


@jax.custom_vjp
def inverse_along_curve(
    t: Float[Array, ""], A: Float[Array, "n n"], B: Float[Array, "n n"]
) -> Float[Array, "n n"]:
    """(A + B sin t)^-1 (2)."""
    return inverse_along_curve_fwd(t, A, B)[0]


def inverse_along_curve_fwd(t, A, B):
    Y = _inverse(A + B * jnp.sin(t))  # (2)
    return Y, (t, B, Y)


def inverse_along_curve_bwd(residuals, Y_bar):
    t, B, Y = residuals
    A_bar = -Y.T @ Y_bar @ Y.T
    return jnp.sum(A_bar * B) * jnp.cos(t), A_bar, A_bar * jnp.sin(t)  # (10)


inverse_along_curve.defvjp(inverse_along_curve_fwd, inverse_along_curve_bwd)


def inverse_along_curve_jacobian(t, A, B):
    """dY/dt, dY/dA and dY/dB, as (5) reads."""
    Y = _inverse(A + B * jnp.sin(t))
    J = -jnp.einsum("ik,lj->ijkl", Y, Y)
    return -Y @ B @ Y * jnp.cos(t), J, J * jnp.sin(t)


@jax.custom_vjp
def inverse_form(
    a: Float[Array, " n"], X: Float[Array, "n n"], b: Float[Array, " n"]
) -> Float[Array, ""]:
    """a^T X^-1 b (3), by a solve: the inverse is never formed."""
    return inverse_form_fwd(a, X, b)[0]


def inverse_form_fwd(a, X, b):
    p = jnp.linalg.solve(X, b)
    return a @ p, (a, X, p)  # (3)


def inverse_form_bwd(residuals, y_bar):
    a, X, p = residuals
    q = jnp.linalg.solve(X.T, a)
    return y_bar * p, -y_bar * jnp.outer(q, p), y_bar * q  # (11)


inverse_form.defvjp(inverse_form_fwd, inverse_form_bwd)


def inverse_form_jacobian(a, X, b):
    """d/da = p^T, d/dX = -q p^T and d/db = q^T, as (8) reads."""
    p, q = jnp.linalg.solve(X, b), jnp.linalg.solve(X.T, a)
    return p, -jnp.outer(q, p), q


def _inverse(X):
    return jnp.linalg.solve(X, jnp.eye(X.shape[0], dtype=X.dtype))
