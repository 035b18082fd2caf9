r"""From pixels and photographs to one number: how wrong a rendering is.

Symbols      R rays with three colour channels each
    C_ra     rendered colour of ray r, channel a          RGB in [0, 1]
    Y_ra     photographed colour                          RGB in [0, 1]
    e_ra     residual  C_ra - Y_ra                        1
    m_r      how much ray r counts: 1/R for a mean        1
    h        where the Huber loss turns from a parabola into its tangent, > 0

Value
    squared_error = sum_r m_r sum_a e_ra^2                                      (1)
    huber = sum_r m_r sum_a rho(e_ra),
        rho(e) = e^2 / 2 for |e| <= h,   h (|e| - h/2) for |e| > h              (2)
    coarse_and_fine = squared_error(C^c, Y, m) + squared_error(C^f, Y, m)       (3)
    psnr(q) = -10 log10 q    decibels, q the mean squared error of colours in [0, 1]      (4)

Jacobian     rays and channels do not meet
    d squared_error/dC_ra = 2 m_r e_ra = -d squared_error/dY_ra                 (5)
    d squared_error/dm_r = sum_a e_ra^2                                         (6)
    d huber/dC_ra = m_r clip(e_ra, -h, h) = -d huber/dY_ra,    d huber/dm_r = sum_a rho(e_ra)    (7)
    (3) is a sum: (5) for C^c and for C^f, both of them for -Y                  (8)
    d psnr/dq = -10 / (q log 10)                                                (9)

Cotangent    the loss is one number, so its cotangent multiplies (5)-(9)        (10)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def squared_error(
    colours: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
) -> Float[Array, ""]:
    """The sum over rays of `share` times the squared distance of two colours (1).

    Mildenhall et al. 2020 sum over rays: share = 1. Training takes a mean: share = 1/R, so that
    the step does not grow with the batch. A ray that is not to count has share = 0.
    """
    return squared_error_fwd(colours, photograph, share)[0]


def squared_error_fwd(colours, photograph, share):
    e = colours - photograph
    return jnp.sum(share * jnp.sum(e * e, axis=-1)), (e, share)  # (1)


def squared_error_bwd(residuals, loss_bar):
    e, share = residuals
    colours_bar = 2 * loss_bar * share[..., None] * e  # (5)
    return colours_bar, -colours_bar, loss_bar * jnp.sum(e * e, axis=-1)  # (6)


squared_error.defvjp(squared_error_fwd, squared_error_bwd)


def squared_error_jacobian(
    colours: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
) -> tuple[Float[Array, "*batch a"], Float[Array, "*batch a"], Float[Array, "*batch"]]:
    """d loss/d(colours, photograph, share), as (5) and (6) read."""
    e = colours - photograph
    slope = 2 * share[..., None] * e
    return slope, -slope, jnp.sum(e**2, axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def huber(
    colours: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
    threshold: float,
) -> Float[Array, ""]:
    """The Huber loss (2) with h = `threshold`: a wild pixel pulls no harder than h."""
    return huber_fwd(colours, photograph, share, threshold)[0]


def huber_fwd(colours, photograph, share, threshold):
    e = colours - photograph
    rho = _rho(e, threshold)
    return jnp.sum(share * jnp.sum(rho, axis=-1)), (e, share)  # (2)


def huber_bwd(threshold, residuals, loss_bar):
    e, share = residuals
    colours_bar = loss_bar * share[..., None] * jnp.clip(e, -threshold, threshold)
    share_bar = loss_bar * jnp.sum(_rho(e, threshold), axis=-1)
    return colours_bar, -colours_bar, share_bar  # (7)


huber.defvjp(huber_fwd, huber_bwd)


def huber_jacobian(
    colours: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
    threshold: float,
) -> tuple[Float[Array, "*batch a"], Float[Array, "*batch a"], Float[Array, "*batch"]]:
    """d loss/d(colours, photograph, share), as (7) reads."""
    e = colours - photograph
    slope = share[..., None] * jnp.where(jnp.abs(e) <= threshold, e, threshold * jnp.sign(e))
    return slope, -slope, jnp.sum(_rho(e, threshold), axis=-1)


@jax.custom_vjp
def coarse_and_fine(
    coarse: Float[Array, "*batch a"],
    fine: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
) -> Float[Array, ""]:
    """The NeRF loss (3): both networks are held to the photograph, each by itself."""
    return coarse_and_fine_fwd(coarse, fine, photograph, share)[0]


def coarse_and_fine_fwd(coarse, fine, photograph, share):
    of_coarse, kept_coarse = squared_error_fwd(coarse, photograph, share)
    of_fine, kept_fine = squared_error_fwd(fine, photograph, share)
    return of_coarse + of_fine, (kept_coarse, kept_fine)  # (3)


def coarse_and_fine_bwd(residuals, loss_bar):
    kept_coarse, kept_fine = residuals
    coarse_bar, photograph_bar_c, share_bar_c = squared_error_bwd(kept_coarse, loss_bar)
    fine_bar, photograph_bar_f, share_bar_f = squared_error_bwd(kept_fine, loss_bar)
    return coarse_bar, fine_bar, photograph_bar_c + photograph_bar_f, share_bar_c + share_bar_f


coarse_and_fine.defvjp(coarse_and_fine_fwd, coarse_and_fine_bwd)


def coarse_and_fine_jacobian(
    coarse: Float[Array, "*batch a"],
    fine: Float[Array, "*batch a"],
    photograph: Float[Array, "*batch a"],
    share: Float[Array, "*batch"],
) -> tuple[Array, Array, Array, Array]:
    """d loss/d(coarse, fine, photograph, share), as (8) reads."""
    e_c, e_f, m = coarse - photograph, fine - photograph, share[..., None]
    return (
        2 * m * e_c,
        2 * m * e_f,
        -2 * m * (e_c + e_f),
        jnp.sum(e_c**2 + e_f**2, axis=-1),
    )


@jax.custom_vjp
def psnr(mean_squared_error: Float[Array, "..."]) -> Float[Array, "..."]:
    """Peak signal-to-noise ratio (4) in dB of colours in [0, 1]; infinite for error 0."""
    return psnr_fwd(mean_squared_error)[0]


def psnr_fwd(mean_squared_error):
    return -10 * jnp.log10(mean_squared_error), mean_squared_error  # (4)


def psnr_bwd(mean_squared_error, psnr_bar):
    return (-10 / (jnp.log(10.0) * mean_squared_error) * psnr_bar,)  # (9)


psnr.defvjp(psnr_fwd, psnr_bwd)


def psnr_jacobian(mean_squared_error: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag(-10 / (q log 10)), as (9) reads."""
    return jnp.diag(-10 / (jnp.log(10.0) * mean_squared_error))


def _rho(e, threshold):
    size = jnp.abs(e)
    return jnp.where(size <= threshold, e * e / 2, threshold * (size - threshold / 2))
