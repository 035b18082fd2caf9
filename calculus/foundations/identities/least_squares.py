r"""Fitting a linear model: residuals, their squares, and where the gradient vanishes.

Symbols      y is what was observed, Phi theta is what the model predicts; they differ by e
    Phi        features, one row per observation                           N x D
    theta      parameters                                                  D
    y          observations                                                N
    e          residual  y - Phi theta                                     N
    W          weights, symmetric or not                                   N x N

Value
    e(theta) = y - Phi theta                                               (1)
    L(e) = e^T e = |e|^2,   `squared_norm` of `gradients.quadratics`       (2)
    L(e(theta)) = |y - Phi theta|^2                                        (3)
    e^T W e = (y - Phi theta)^T W (y - Phi theta)                          (4)

Jacobian     (1) is affine: e(theta + eps u) = e - eps Phi u; by entries
             e_i = y_i - sum_j Phi_ij theta_j
    de/dtheta = -Phi,    de_i/dPhi_kl = -[i = k] theta_l,    de/dy = I     (5)
    (2): (e + eps u)^T (e + eps u) = e^T e + 2 eps e^T u + eps^2 u^T u
    dL/de = 2 e^T                                                          (6)
    (3): the chain rule, (1 x N)(N x D) = 1 x D; and the same way to Phi and y
    dL/dtheta = 2 e^T (-Phi) = -2 (y - Phi theta)^T Phi
    dL/dPhi = -2 e theta^T,   dL/dy = 2 e^T                                (7)
    (4): d(e^T W e)/de = e^T (W + W^T), then the same chain
    d/dtheta = -e^T (W + W^T) Phi,  d/dPhi = -(W + W^T) e theta^T,
    d/dy = e^T (W + W^T),           d/dW = e e^T                           (8)
    With W symmetric, d/dtheta = -2 e^T W Phi                              (9)

Cotangent
    (1)  theta_bar = -Phi^T e_bar,  Phi_bar = -e_bar theta^T,  y_bar = e_bar               (10)
    (2)  e_bar = 2 L_bar e                                                                 (11)
    (3)  (11), then (10);   (4)  e_bar = L_bar (W + W^T) e, then (10);  W_bar = L_bar e e^T    (12)

Where it vanishes     (7) is 0 exactly if Phi^T Phi theta = Phi^T y, and (9) exactly if
Phi^T W Phi theta = Phi^T W y: the normal equations. The Hessian of (3) is 2 Phi^T Phi, and
u^T Phi^T Phi u = |Phi u|^2 >= 0, so what solves them is a minimum and no saddle.          (13)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def linear_model(Phi: Float[Array, "N D"], theta: Float[Array, " D"]) -> Float[Array, " N"]:
    """What the model predicts, Phi theta: near the observations y, not equal to them."""
    return Phi @ theta


def polynomial_features(x: Float[Array, " N"], degree: int) -> Float[Array, "N {degree}+1"]:
    """1, x, x^2, ... as columns: a polynomial is linear in its coefficients."""
    return jnp.stack([x**k for k in range(degree + 1)], axis=1)


@jax.custom_vjp
def residual(
    theta: Float[Array, " D"], Phi: Float[Array, "N D"], y: Float[Array, " N"]
) -> Float[Array, " N"]:
    """y - Phi theta (1)."""
    return residual_fwd(theta, Phi, y)[0]


def residual_fwd(theta, Phi, y):
    return y - Phi @ theta, (theta, Phi)  # (1)


def residual_bwd(residuals, e_bar):
    theta, Phi = residuals
    return -Phi.T @ e_bar, -jnp.outer(e_bar, theta), e_bar  # (10)


residual.defvjp(residual_fwd, residual_bwd)


def residual_jacobian(theta, Phi, y):
    """de/dtheta = -Phi, de/dPhi with three axes and de/dy = I, as (5) reads."""
    I = jnp.eye(y.shape[0], dtype=y.dtype)
    return -Phi, -jnp.einsum("ik,l->ikl", I, theta), I


@jax.custom_vjp
def least_squares(
    theta: Float[Array, " D"], Phi: Float[Array, "N D"], y: Float[Array, " N"]
) -> Float[Array, ""]:
    """|y - Phi theta|^2 (3)."""
    return least_squares_fwd(theta, Phi, y)[0]


def least_squares_fwd(theta, Phi, y):
    e, inner = residual_fwd(theta, Phi, y)
    return e @ e, (e, inner)  # (3)


def least_squares_bwd(residuals, L_bar):
    e, inner = residuals
    return residual_bwd(inner, 2 * L_bar * e)  # (12)


least_squares.defvjp(least_squares_fwd, least_squares_bwd)


def least_squares_jacobian(theta, Phi, y):
    """d/dtheta = -2 e^T Phi, d/dPhi = -2 e theta^T and d/dy = 2 e^T, as (7) reads."""
    e = y - Phi @ theta
    return -2 * e @ Phi, -2 * jnp.outer(e, theta), 2 * e


@jax.custom_vjp
def weighted_least_squares(
    theta: Float[Array, " D"],
    Phi: Float[Array, "N D"],
    y: Float[Array, " N"],
    W: Float[Array, "N N"],
) -> Float[Array, ""]:
    """(y - Phi theta)^T W (y - Phi theta) (4), W symmetric or not."""
    return weighted_least_squares_fwd(theta, Phi, y, W)[0]


def weighted_least_squares_fwd(theta, Phi, y, W):
    e, inner = residual_fwd(theta, Phi, y)
    return e @ W @ e, (e, W, inner)  # (4)


def weighted_least_squares_bwd(residuals, L_bar):
    e, W, inner = residuals
    e_bar = L_bar * (W @ e + e @ W)  # (12)
    return *residual_bwd(inner, e_bar), L_bar * jnp.outer(e, e)  # (12)


weighted_least_squares.defvjp(weighted_least_squares_fwd, weighted_least_squares_bwd)


def weighted_least_squares_jacobian(theta, Phi, y, W):
    """The derivatives by theta, Phi, y and W, as (8) reads."""
    e = y - Phi @ theta
    by_e = e @ (W + W.T)
    return -by_e @ Phi, -jnp.outer(by_e, theta), by_e, jnp.outer(e, e)


def symmetric_weights_gradient(
    theta: Float[Array, " D"],
    Phi: Float[Array, "N D"],
    y: Float[Array, " N"],
    W: Float[Array, "N N"],
) -> Float[Array, " D"]:
    """-2 e^T W Phi (9), right for a symmetric W and for no other."""
    return -2 * (y - Phi @ theta) @ W @ Phi


def solve_normal_equations(
    Phi: Float[Array, "N D"], y: Float[Array, " N"], W: Float[Array, "N N"] | None = None
) -> Float[Array, " D"]:
    """The theta at which the gradient vanishes (13): Phi^T W Phi theta = Phi^T W y, W = W^T.

    Phi must have full column rank (and W be positive definite). The condition of Phi^T Phi is
    the square of that of Phi; where that matters, `jnp.linalg.lstsq` is the better tool.
    """
    weighted = Phi if W is None else W @ Phi
    return jnp.linalg.solve(weighted.T @ Phi, weighted.T @ y)


def least_squares_hessian(Phi: Float[Array, "N D"]) -> Float[Array, "D D"]:
    """2 Phi^T Phi (13), the same at every theta."""
    return 2 * Phi.T @ Phi
