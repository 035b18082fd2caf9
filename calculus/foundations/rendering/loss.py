r"""How wrong rays are, and the whole gradient of that: through pixel, field and encoding.

Symbols      R rays, each cut into N intervals; index r is left out where one ray is meant
    sigma_k, delta_k   density and length of interval k              1 / length, length
    c_k, b             colours of interval k and background          RGB
    T_k, w_k, V_k      transmittance, weight, view, see `suffix`     1, 1, RGB
    C, Y               the pixel, its photograph                     RGB
    g                  2 (C - Y)                                     RGB
    x_k                point of the ray within interval k            half sides of the cube
    gamma, h, z        encoding, hidden layer, raw output of the field at x_k: z in R^4
    theta              parameters: W, 6L x H, of the hidden layer, and U, H x 4, of the output

Value
    ray_loss = |C - Y|^2,    C = V_0(sigma, delta, c, b)                       (1)
    h = max(gamma(x) W, 0),   z = h U,   sigma = softplus(z_0),   c_a = sigmoid(z_{1+a})    (2)
    field_loss = sum_r |C_r - Y_r|^2        with nothing behind the rays, b = 0             (3)

Jacobian     |e + eps u|^2 = |e|^2 + eps 2 e . u + O(eps^2), so d|C - Y|^2/dC = g, and with the
             derivatives of C from `directions`:
    dL/dsigma_k = delta_k T_{k+1} g . (c_k - V_{k+1}),    dL/dc_k = w_k g
    dL/ddelta_k = sigma_k T_{k+1} g . (c_k - V_{k+1}),    dL/db = T_N g,   dL/dY = -g       (4)
    The field is asked at every x_k with the same theta: its answers are N variables with one
    origin, and the chain rule sums over them. This is the whole gradient:
    dL/dtheta = sum_r g^T [ sum_k delta_k T_{k+1} (c_k - V_{k+1}) dsigma_k/dtheta
                            + sum_k w_k dc_k/dtheta ]                          (5)
    dsigma/dtheta = s(z_0) dz_0/dtheta,   dc_a/dtheta = c_a (1 - c_a) dz_{1+a}/dtheta       (6)
    dz_o/dU_kp = h_k [o = p],    dz_o/dW_fk = gamma_f [h_k > 0] U_ko,
    dz_o/dx = sum_k U_ko [h_k > 0] W_k^T dgamma/dx                             (7)

Cotangent    (5) without its big arrays: the two numbers a sample has, dL/dsigma_k and dL/dc_k
             of (4), go back through (6) to z_bar, and z_bar through the layers    (8)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.rendering.opacity import alpha_fwd, transmittance_fwd
from calculus.foundations.rendering.suffix import suffix_radiance_fwd
from calculus.radiance.activation import (
    relu_bwd,
    relu_fwd,
    sigmoid_bwd,
    sigmoid_fwd,
    softplus_bwd,
    softplus_fwd,
)
from calculus.radiance.compositing import weights_bwd, weights_fwd
from calculus.radiance.encoding import encode_bwd, encode_fwd, encode_jacobian


@jax.custom_vjp
def ray_loss(
    sigma: Float[Array, "*batch N"],
    delta: Float[Array, "*batch N"],
    colours: Float[Array, "*batch N 3"],
    background: Float[Array, "*batch 3"],
    photograph: Float[Array, "*batch 3"],
) -> Float[Array, "*batch"]:
    """The squared error (1) of each ray."""
    return ray_loss_fwd(sigma, delta, colours, background, photograph)[0]


def ray_loss_fwd(sigma, delta, colours, background, photograph):
    (w, T_N), kept = weights_fwd(sigma * delta)
    C = jnp.einsum("...k,...ka->...a", w, colours) + T_N[..., None] * background
    e = C - photograph
    return jnp.sum(e * e, axis=-1), (sigma, delta, colours, background, kept, e)  # (1)


def ray_loss_bwd(residuals, loss_bar):
    sigma, delta, colours, background, kept, e = residuals
    w, T = kept
    g = 2 * e * loss_bar[..., None]
    worth = jnp.einsum("...ka,...a->...k", colours, g)
    # T_{k+1} g . (c_k - V_{k+1}), as the pullback of the weights of what each sample is worth
    (tau_bar,) = weights_bwd(kept, (worth, jnp.sum(background * g, axis=-1)))
    colours_bar = w[..., None] * g[..., None, :]
    return delta * tau_bar, sigma * tau_bar, colours_bar, T[..., -1:] * g, -g  # (4)


ray_loss.defvjp(ray_loss_fwd, ray_loss_bwd)


def ray_loss_jacobian(
    sigma: Float[Array, " N"],
    delta: Float[Array, " N"],
    colours: Float[Array, "N 3"],
    background: Float[Array, "3"],
    photograph: Float[Array, "3"],
) -> tuple[Array, Array, Array, Array, Array]:
    """dL/d(sigma, delta, colours, background, photograph), as (4) reads."""
    V = suffix_radiance_fwd(alpha_fwd(sigma, delta)[0], colours, background)[0]
    T = transmittance_fwd(sigma, delta)[0]
    g = 2 * (V[0] - photograph)
    worth = T[1:] * ((colours - V[1:]) @ g)
    return delta * worth, sigma * worth, jnp.outer(T[:-1] - T[1:], g), T[-1] * g, -g


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def field_loss(
    W: Float[Array, "6*{frequencies} H"],
    U: Float[Array, "H 4"],
    x: Float[Array, "R N 3"],
    delta: Float[Array, "R N"],
    photograph: Float[Array, "R 3"],
    frequencies: int,
) -> Float[Array, ""]:
    """The squared error (3) of rays through the field (2), asked at the points `x`."""
    return field_loss_fwd(W, U, x, delta, photograph, frequencies)[0]


@functools.partial(jax.jit, static_argnums=(5,))  # many small steps, compiled as one
def field_loss_fwd(W, U, x, delta, photograph, frequencies):
    gamma, _ = encode_fwd(x, frequencies)
    h, _ = relu_fwd(gamma @ W)
    z = h @ U  # (2)
    sigma, c = softplus_fwd(z[..., 0])[0], sigmoid_fwd(z[..., 1:])[0]
    errors, kept = ray_loss_fwd(sigma, delta, c, jnp.zeros_like(photograph), photograph)
    return jnp.sum(errors), (W, U, x, gamma, h, z, kept)  # (3)


@functools.partial(jax.jit, static_argnums=(0,))
def field_loss_bwd(frequencies, residuals, loss_bar):
    W, U, x, gamma, h, z, kept = residuals
    loss_bar = jnp.broadcast_to(loss_bar, x.shape[:1])
    sigma_bar, delta_bar, c_bar, _, photograph_bar = ray_loss_bwd(kept, loss_bar)  # (4)
    (z0_bar,) = softplus_bwd(z[..., 0], sigma_bar)
    (z1_bar,) = sigmoid_bwd(z[..., 1:], c_bar)
    z_bar = jnp.concatenate([z0_bar[..., None], z1_bar], axis=-1)
    U_bar = jnp.einsum("rnk,rno->ko", h, z_bar)
    (y_bar,) = relu_bwd(h, z_bar @ U.T)
    W_bar = jnp.einsum("rnf,rnk->fk", gamma, y_bar)
    (x_bar,) = encode_bwd(frequencies, x, y_bar @ W.T)  # (8)
    return W_bar, U_bar, x_bar, delta_bar, photograph_bar


field_loss.defvjp(field_loss_fwd, field_loss_bwd)


@functools.partial(jax.jit, static_argnums=(5,))
def field_loss_jacobian(
    W: Float[Array, "6*{frequencies} H"],
    U: Float[Array, "H 4"],
    x: Float[Array, "R N 3"],
    delta: Float[Array, "R N"],
    photograph: Float[Array, "R 3"],
    frequencies: int,
) -> tuple[Array, ...]:
    """dL/d(W, U, x, delta, photograph), as (5)-(7) read: every factor dense."""
    _, (_, _, _, gamma, h, z, _) = field_loss_fwd(W, U, x, delta, photograph, frequencies)
    sigma, c = softplus_fwd(z[..., 0])[0], sigmoid_fwd(z[..., 1:])[0]
    nothing = jnp.zeros_like(photograph)
    dL = jax.vmap(ray_loss_jacobian)(sigma, delta, c, nothing, photograph)  # (4)
    slopes = jnp.concatenate([sigmoid_fwd(z[..., :1])[0], c * (1 - c)], axis=-1)
    worth = jnp.concatenate([dL[0][..., None], dL[2]], axis=-1) * slopes  # (5)(6), [r, n, output]
    dgamma_dx = jax.vmap(jax.vmap(lambda p: encode_jacobian(p, frequencies)))(x)
    dz_dU = jnp.einsum("rnk,op->rnokp", h, jnp.eye(4))  # (7)
    dz_dy = jnp.einsum("rnk,ko->rnok", (h > 0).astype(h.dtype), U)
    dz_dW = jnp.einsum("rnf,rnok->rnofk", gamma, dz_dy)
    dz_dx = jnp.einsum("rnok,fk,rnfa->rnoa", dz_dy, W, dgamma_dx)
    return (
        jnp.einsum("rno,rnofk->fk", worth, dz_dW),
        jnp.einsum("rno,rnokp->kp", worth, dz_dU),
        jnp.einsum("rno,rnoa->rna", worth, dz_dx),
        dL[1],
        dL[4],
    )
