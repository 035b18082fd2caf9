r"""Volume rendering of many rays at once, their samples one behind another in one row.

Symbols      those of `rendering` (sigma, delta, tau, T, w, c, t, b, C, A, D), all with one index
             i = 1..M over the samples of all rays, and
    r(i)     the ray of sample i, never falling; at padding no ray at all
    T_i'     transmittance: the light of ray r(i) let through by its samples up to i, with i
    T_i      the same without i
    T_r      what ray r has left for its background b_r

Value
    T_i' = exp(-sum_{j: r(j) = r(i), j <= i} tau_j)                                     (1)
    T_i = T_{i-1}', but 1 for a ray's first sample
    w_i = T_i - T_i' = T_i (1 - exp(-tau_i)),   0 at padding                            (2)
    T_r = T_i' of its last sample i,    1 if it has no samples                          (3)
    C_r = sum_{i: r(i) = r} w_i c_i + T_r b_r,    A_r, D_r likewise with 1, t_i         (4)

Jacobian     that of `compositing` in blocks along the diagonal, one for each ray: a sample
             neither hides nor is hidden by those of another ray; 0 where i or k is padding
    dw_i/dtau_k = T_k' [i = k] - w_i [r(i) = r(k), i > k]                               (5)
    dT_r/dtau_k = -T_r [r(k) = r]                                                       (6)
             and that of `rendering`, in blocks as well
    dC_r/dtau_k = [r(k) = r] (T_k' c_k - S_k),  S_k = sum_{i: r(i) = r, i > k} w_i c_i + T_r b_r
    dA_r/dtau_k = [r(k) = r] T_r                                                        (7)
    dD_r/dtau_k = [r(k) = r] (T_k' t_k - sum_{i: r(i) = r, i > k} w_i t_i)
    d/dsigma_k = delta_k d/dtau_k,    d/ddelta_k = sigma_k d/dtau_k                     (8)
    dC_r/dc_k = w_k [r(k) = r] I,    dD_r/dt_k = w_k [r(k) = r],    dC_r/db_s = T_r [r = s] I   (9)

Cotangent    contract (5) and (6)
    tau_bar_k = T_k' w_bar_k - sum_{i: r(i) = r(k), i > k} w_i w_bar_i - T_r(k) T_bar_r(k)     (10)
             contract (7): a sample is worth q_k to the loss, the background b_r . C_bar_r
    q_k = c_k . C_bar_r(k) + A_bar_r(k) + t_k D_bar_r(k)                                (11)
    tau_bar by (10), q in the place of w_bar and b_r . C_bar_r in that of T_bar
    sigma_bar = delta tau_bar,    delta_bar = sigma tau_bar                             (12)
    c_bar_k = w_k C_bar_r(k),    t_bar_k = w_k D_bar_r(k),    b_bar_r = T_r C_bar_r     (13)

The sums are those of `stream`. Only the inputs are kept; the index of the rays has no derivative.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance.compositing import optical_depth_bwd, optical_depth_fwd
from calculus.radiance.stream import Stream


@jax.custom_vjp
def weights_packed(
    tau: Float[Array, " M"], stream: Stream
) -> tuple[Float[Array, " M"], Float[Array, " R"]]:
    """The weights w (2) of all samples, and the transmittance T_r (3) that each ray has left."""
    return weights_packed_fwd(tau, stream)[0]


def weights_packed_fwd(tau, stream):
    tau = stream.owned(tau)
    T_behind = jnp.exp(-stream.sums_through(tau))  # (1)
    w = -stream.previous(T_behind, at_first=1.0) * jnp.expm1(-tau)  # (2)
    T_left = stream.last(T_behind, without=1.0)  # (3)
    return (w, T_left), (w, T_behind, T_left, stream)


def weights_packed_bwd(residuals, cotangents):
    (w, T_behind, T_left, stream), (w_bar, T_bar) = residuals, cotangents
    shown = T_behind * w_bar
    hidden = stream.sums_behind(w * w_bar) + stream.spread(T_left * T_bar)
    return stream.owned(shown - hidden), None  # (10)


weights_packed.defvjp(weights_packed_fwd, weights_packed_bwd)


def weights_packed_jacobian(
    tau: Float[Array, " M"], stream: Stream
) -> tuple[Float[Array, "M M"], Float[Array, "R M"]]:
    """dw_i/dtau_k and dT_r/dtau_k, all of them, as (5) and (6) read."""
    (w, T_left), (_, T_behind, _, _) = weights_packed_fwd(tau, stream)
    of_ray, before = _blocks(stream, tau.dtype)
    dw = jnp.diag(stream.owned(T_behind)) - w[:, None] * before.T  # (5)
    return dw, -T_left[:, None] * of_ray  # (6)


@jax.custom_vjp
def volume_render_packed(
    sigma: Float[Array, " M"],
    delta: Float[Array, " M"],
    colours: Float[Array, "M 3"],
    t: Float[Array, " M"],
    background: Float[Array, "R 3"],
    stream: Stream,
) -> tuple[Float[Array, "R 3"], Float[Array, " R"], Float[Array, " R"]]:
    """Colour, opacity and depth times opacity (4) of each ray of a stream.

    As `volume_render` has them ray by ray: densities in 1 / scene unit, interval lengths and
    distances in scene units. A ray without samples is its background.
    """
    return volume_render_packed_fwd(sigma, delta, colours, t, background, stream)[0]


def volume_render_packed_fwd(sigma, delta, colours, t, background, stream):
    tau, _ = optical_depth_fwd(sigma, delta)
    (w, T_left), _ = weights_packed_fwd(tau, stream)
    seen = jnp.concatenate([colours, jnp.ones_like(t)[:, None], t[:, None]], axis=1)
    shown = stream.totals(w[:, None] * seen)  # (4), one sum for all five
    colour = shown[:, :3] + T_left[:, None] * background
    return (colour, shown[:, 3], shown[:, 4]), (sigma, delta, colours, t, background, stream)


def volume_render_packed_bwd(residuals, cotangents):
    sigma, delta, colours, t, background, stream = residuals
    colour_bar, opacity_bar, depth_bar = cotangents
    tau, _ = optical_depth_fwd(sigma, delta)
    (w, T_left), kept = weights_packed_fwd(tau, stream)
    of_ray = stream.spread(
        jnp.concatenate([colour_bar, opacity_bar[:, None], depth_bar[:, None]], axis=1)
    )
    C_bar, A_bar, D_bar = of_ray[:, :3], of_ray[:, 3], of_ray[:, 4]
    q = jnp.sum(colours * C_bar, axis=-1) + A_bar + t * D_bar  # (11)
    b_dot = jnp.sum(background * colour_bar, axis=-1)
    tau_bar, _ = weights_packed_bwd(kept, (q, b_dot))
    sigma_bar, delta_bar = optical_depth_bwd((sigma, delta), tau_bar)  # (12)
    return (
        stream.owned(sigma_bar),  # what stands at padding need not be a number
        stream.owned(delta_bar),
        w[:, None] * C_bar,
        w * D_bar,
        T_left[:, None] * colour_bar,  # (13)
        None,
    )


volume_render_packed.defvjp(volume_render_packed_fwd, volume_render_packed_bwd)


def volume_render_packed_jacobian(
    sigma: Float[Array, " M"],
    delta: Float[Array, " M"],
    colours: Float[Array, "M 3"],
    t: Float[Array, " M"],
    background: Float[Array, "R 3"],
    stream: Stream,
) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
    """d(colour, opacity, depth)/d(sigma, delta, colours, t, background), as (7)-(9) read."""
    (w, T_left), (_, T_behind, _, _) = weights_packed_fwd(sigma * delta, stream)
    of_ray, before = _blocks(stream, sigma.dtype)
    S = before @ (w[:, None] * colours) + of_ray.T @ (T_left[:, None] * background)
    dC = jnp.einsum("rk,ka->rak", of_ray, T_behind[:, None] * colours - S)
    dA = of_ray * T_left[:, None]
    dD = of_ray * (T_behind * t - before @ (w * t))[None, :]  # (7)
    identity, rays = jnp.eye(3), jnp.eye(stream.rays)
    wide, flat = jnp.zeros((*dA.shape, 3)), jnp.zeros((stream.rays, *background.shape))
    colour = (
        dC * delta[None, None, :],
        dC * sigma[None, None, :],  # (8)
        jnp.einsum("rk,k,ab->rakb", of_ray, w, identity),
        jnp.zeros_like(dC),
        jnp.einsum("r,rs,ab->rasb", T_left, rays, identity),  # (9)
    )
    opacity = (dA * delta[None, :], dA * sigma[None, :], wide, jnp.zeros_like(dA), flat)
    depth = (dD * delta[None, :], dD * sigma[None, :], wide, of_ray * w[None, :], flat)
    return colour, opacity, depth


def _blocks(stream, dtype):
    """[r(k) = r] of rays and samples, and [r(i) = r(k), i > k] of samples k and i."""
    of_ray = (
        jnp.arange(stream.rays, dtype=stream.ray.dtype)[:, None] == stream.ray[None, :]
    ).astype(dtype)
    return of_ray, jnp.triu(of_ray.T @ of_ray, k=1)
