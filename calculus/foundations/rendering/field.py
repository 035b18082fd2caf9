r"""The density of a small field at a point, and the direction in which it thins out.

Symbols      one point; a network with one hidden layer of H neurons
    x          the point                                            half sides of the cube
    gamma      its encoding, see `encoding`                         1
    W          weights 6L x H of the hidden layer                   1
    h, M       hidden layer, and the mask [h > 0]                   1
    u          weights of the output                                1
    z          raw density                                          1
    sigma      density                                              1 / length
    n          surface normal                                       1

Value
    gamma = gamma(x),   h = max(gamma W, 0),   z = h . u,   sigma = softplus(z)              (1)

Jacobian     one factor a step, from the output inwards; s is the sigmoid
    dsigma/dz = s(z),   dz/dh = u,   dh/d(gamma W) = diag M                    (2)
    B = s(z) M u  is what a change before the mask is worth to sigma           (3)
    dsigma/dx = B^T W^T dgamma/dx                                              (4)
    dsigma/dW_fk = gamma_f B_k,   dsigma/du = s(z) h                           (5)
    Density falls fastest along minus (4): away from matter, across its surface,
    n = -dsigma/dx / |dsigma/dx|                                               (6)

Cotangent    sigma is one number, so its cotangent multiplies (4) and (5); in (4) the row B^T W^T
             goes through the pullback of the encoding, and dgamma/dx is never built       (7)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance.activation import relu_fwd, sigmoid_fwd, softplus_fwd
from calculus.radiance.encoding import encode_bwd, encode_fwd, encode_jacobian


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def field_density(
    x: Float[Array, "3"],
    W: Float[Array, "6*{frequencies} H"],
    u: Float[Array, " H"],
    frequencies: int,
) -> Float[Array, ""]:
    """The density sigma (1) at the point `x`, encoded with `frequencies` = L."""
    return field_density_fwd(x, W, u, frequencies)[0]


@functools.partial(jax.jit, static_argnums=(3,))  # many small steps, compiled as one
def field_density_fwd(x, W, u, frequencies):
    gamma, _ = encode_fwd(x, frequencies)
    h, _ = relu_fwd(gamma @ W)
    z = jnp.dot(h, u)
    return softplus_fwd(z)[0], (x, gamma, h, z, W, u)  # (1)


@functools.partial(jax.jit, static_argnums=(0,))
def field_density_bwd(frequencies, residuals, sigma_bar):
    x, gamma, h, z, W, u = residuals
    z_bar = sigmoid_fwd(z)[0] * sigma_bar
    B = jnp.where(h > 0, u, 0) * z_bar  # (3)
    (x_bar,) = encode_bwd(frequencies, x, W @ B)  # (7)
    return x_bar, jnp.outer(gamma, B), h * z_bar  # (5)


field_density.defvjp(field_density_fwd, field_density_bwd)


@functools.partial(jax.jit, static_argnums=(3,))
def field_density_jacobian(
    x: Float[Array, "3"],
    W: Float[Array, "6*{frequencies} H"],
    u: Float[Array, " H"],
    frequencies: int,
) -> tuple[Float[Array, "3"], Float[Array, "6*{frequencies} H"], Float[Array, " H"]]:
    """dsigma/d(x, W, u), as the products of (2), (4) and (5) read."""
    _, (_, gamma, h, z, _, _) = field_density_fwd(x, W, u, frequencies)
    slope = sigmoid_fwd(z)[0]
    B = slope * (u @ jnp.diag((h > 0).astype(u.dtype)))  # (2)(3)
    return B @ W.T @ encode_jacobian(x, frequencies), jnp.outer(gamma, B), slope * h


def normal(slope: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """The surface normal n (6), of length one, where density has the slope dsigma/dx /= 0."""
    return -slope / jnp.linalg.norm(slope, axis=-1, keepdims=True)
