r"""What is seen looking on from each interval, and the pixel as the first of these views.

Symbols      one ray, cut into N intervals, from the near end to the far end
    alpha_k  opacity of interval k                                              1, in [0, 1]
    c_k      colour of interval k                                               RGB
    b        colour of the background                                           RGB
    V_k      view: the colour seen by an eye at the near end of interval k, k = 0..N     RGB
    T_k      transmittance prod_{i<k} (1 - alpha_i)                             1
    P_jk     the same from interval j on: prod_{j<=i<k} (1 - alpha_i), 0 for j > k       1
    G_k      all of the cotangent that has reached V_k

Value        an eye before interval k sees the interval, and through it what one behind it sees:
    V_N = b,    V_k = alpha_k c_k + (1 - alpha_k) V_{k+1}                      (1)
    C = V_0                                                                    (2)
    Unrolled, (1) is T_k V_k = sum_{i>=k} T_i alpha_i c_i + T_N b: what `rendering` calls S_k is
    T_{k+1} V_{k+1}, the view from behind interval k as it reaches the camera.

Jacobian     V_k takes alpha_k and c_k from (1) directly, and everything behind through V_{k+1}:
    dV_k/dalpha_k = c_k - V_{k+1},   dV_k/dc_k = alpha_k I,   dV_k/dV_{k+1} = (1 - alpha_k) I
    from V_j to V_k the last of these multiply up to P_jk, so
    dV_j/dalpha_k = P_jk (c_k - V_{k+1})                                       (3)
    dV_j/dc_k = P_jk alpha_k I,    dV_j/db = P_jN I                            (4)
    and with P_0k = T_k
    dC/dalpha_k = T_k (c_k - V_{k+1}),   dC/dc_k = T_k alpha_k I,   dC/db = T_N I           (5)
    a thicker interval k puts its colour in the place of the view behind it. Nothing is divided:
    the usual form of (5), T_k c_k - (sum_{i>k} w_i c_i + T_N b) / (1 - alpha_k), is 0 / 0 where
    the interval is opaque.

Cotangent    V is made from the far end to the near end, so its cotangents run the other way
    G_0 = V_bar_0,    G_{k+1} = V_bar_{k+1} + (1 - alpha_k) G_k                (6)
    alpha_bar_k = G_k . (c_k - V_{k+1}),   c_bar_k = alpha_k G_k,   b_bar = G_N             (7)
    for the pixel alone V_bar = (C_bar, 0, .., 0), and (6) gives G_k = T_k C_bar            (8)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def suffix_radiance(
    alpha: Float[Array, " N"], colours: Float[Array, "N 3"], background: Float[Array, "3"]
) -> Float[Array, "N+1 3"]:
    """The views V_0 .. V_N (1): the pixel first, the background last."""
    return suffix_radiance_fwd(alpha, colours, background)[0]


def suffix_radiance_fwd(alpha, colours, background):
    V = _views(alpha, colours, background)
    return V, (alpha, colours, V)


def suffix_radiance_bwd(residuals, V_bar):
    alpha, colours, V = residuals
    G_N, G = jax.lax.scan(_one_farther, V_bar[0], (alpha, V_bar[1:]))
    return jnp.sum(G * (colours - V[1:]), axis=1), alpha[:, None] * G, G_N  # (7)


suffix_radiance.defvjp(suffix_radiance_fwd, suffix_radiance_bwd)


def suffix_radiance_jacobian(
    alpha: Float[Array, " N"], colours: Float[Array, "N 3"], background: Float[Array, "3"]
) -> tuple[Float[Array, "N+1 3 N"], Float[Array, "N+1 3 N 3"], Float[Array, "N+1 3 3"]]:
    """dV/dalpha, dV/dcolours and dV/dbackground, as (3) and (4) read."""
    P = _between(alpha)
    replaced = colours - _views(alpha, colours, background)[1:]
    identity = jnp.eye(3)
    return (
        jnp.einsum("jk,ka->jak", P[:, :-1], replaced),
        jnp.einsum("jk,k,ab->jakb", P[:, :-1], alpha, identity),
        jnp.einsum("j,ab->jab", P[:, -1], identity),
    )


@jax.custom_vjp
def composite(
    alpha: Float[Array, " N"], colours: Float[Array, "N 3"], background: Float[Array, "3"]
) -> Float[Array, "3"]:
    """The pixel C (2) from opacities; an interval may be opaque, alpha = 1."""
    return composite_fwd(alpha, colours, background)[0]


def composite_fwd(alpha, colours, background):
    V = _views(alpha, colours, background)
    return V[0], (alpha, colours, V)  # (2)


def composite_bwd(residuals, C_bar):
    alpha, colours, V = residuals
    left = jnp.cumprod(1 - alpha)
    T = jnp.concatenate([jnp.ones_like(left[:1]), left])
    G = T[:-1, None] * C_bar[None, :]  # (8)
    return jnp.sum(G * (colours - V[1:]), axis=1), alpha[:, None] * G, T[-1] * C_bar  # (7)


composite.defvjp(composite_fwd, composite_bwd)


def composite_jacobian(
    alpha: Float[Array, " N"], colours: Float[Array, "N 3"], background: Float[Array, "3"]
) -> tuple[Float[Array, "3 N"], Float[Array, "3 N 3"], Float[Array, "3 3"]]:
    """dC/dalpha, dC/dcolours and dC/dbackground, as (5) reads."""
    T = _between(alpha)[0]
    V = _views(alpha, colours, background)
    identity = jnp.eye(3)
    return (
        (T[:-1, None] * (colours - V[1:])).T,
        jnp.einsum("k,ab->akb", T[:-1] * alpha, identity),
        T[-1] * identity,
    )


def _views(alpha, colours, background):
    _, V = jax.lax.scan(_one_nearer, background, (alpha, colours), reverse=True)
    return jnp.concatenate([V, background[None, :]])


def _one_nearer(V, interval):
    a, c = interval
    V = a * c + (1 - a) * V  # (1)
    return V, V


def _one_farther(G, given):
    a, bar = given
    return bar + (1 - a) * G, G  # (6)


def _between(alpha):
    """P_jk for j, k = 0..N, multiplied out: no quotient of transmittances, which may be 0 / 0."""
    N = alpha.size
    i = jnp.arange(N)[None, None, :]
    j, k = jnp.arange(N + 1)[:, None, None], jnp.arange(N + 1)[None, :, None]
    P = jnp.prod(jnp.where((j <= i) & (i < k), 1 - alpha[None, None, :], 1.0), axis=2)
    return jnp.where((j <= k)[:, :, 0], P, 0.0)
