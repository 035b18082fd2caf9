"""Wrong derivatives of volume rendering on a packed stream: what belongs to another ray."""

import jax
import jax.numpy as jnp

from calculus.radiance import packed
from tests.mutants.mutant import Mutant

_ANYWHERE = ("pullback_is_jax", "batch_is_its_rays")
_IN_FLOAT32 = ("float32_survives_the_limits", "batch_is_its_rays")


def _no_reset_between_rays(tau, stream):
    """The sum runs on over the row: each ray stands in the shadow of all before it."""
    tau = stream.owned(tau)
    T_behind = jnp.exp(-jnp.cumsum(tau))
    w = -jnp.concatenate([jnp.ones_like(tau[:1]), T_behind[:-1]]) * jnp.expm1(-tau)
    T_left = stream.last(T_behind, without=1.0)
    return (w, T_left), (w, T_behind, T_left, stream)


def _one_sum_over_all_rays(tau, stream):
    """The sum over the row less what it was where the ray begins: after some walls no digit."""
    tau = stream.owned(tau)
    through = jnp.cumsum(tau)
    before = jnp.concatenate([jnp.zeros_like(tau[:1]), through])
    start = stream.spread(before[stream.first[:-1]])
    w = -jnp.exp(start - before[:-1]) * jnp.expm1(-tau)
    T_left = jnp.exp(before[stream.first[:-1]] - before[stream.first[1:]])
    return (w, T_left), (w, jnp.exp(start - through), T_left, stream)


def _one_suffix_over_all_rays(residuals, cotangents):
    """The same for what lies behind: the row's sum from the far end, less the next ray's."""
    (w, T_behind, T_left, stream), (w_bar, T_bar) = residuals, cotangents
    worth = stream.owned(w * w_bar)
    behind = jnp.concatenate([jax.lax.cumsum(worth, reverse=True), jnp.zeros_like(worth[:1])])
    hidden = behind[1:] - stream.spread(behind[stream.first[1:]])
    hidden = hidden + stream.spread(T_left * T_bar)
    return stream.owned(T_behind * w_bar - hidden), None


def _hidden_by_the_next_ray(residuals, cotangents):
    """The suffix runs on through the next ray's samples."""
    (w, _, _, stream), (w_bar, _) = residuals, cotangents
    tau_bar, _ = packed.weights_packed_bwd(residuals, cotangents)
    next_ray = jnp.append(stream.totals(w * w_bar)[1:], 0)
    return tau_bar - stream.spread(next_ray), None


def _left_of_the_next_ray(residuals, cotangents):
    """The background term of ray r + 1: one off, where `first` is taken for where rays end."""
    (_, _, T_left, stream), (_, T_bar) = residuals, cotangents
    tau_bar, _ = packed.weights_packed_bwd(residuals, cotangents)
    left = T_left * T_bar
    return tau_bar + stream.spread(left - jnp.roll(left, -1)), None


def _nothing_left_of_a_ray_without_samples(tau, stream):
    """exp(-sum) read off the ray's last sample, where there is one, and else 0 in place of 1."""
    (w, T_left), (_, T_behind, _, _) = packed.weights_packed_fwd(tau, stream)
    T_left = jnp.where(stream.first[1:] > stream.first[:-1], T_left, 0)
    return (w, T_left), (w, T_behind, T_left, stream)


def _padding_pulled(residuals, cotangents):
    """Padding keeps the cotangent of one more ray: it trains the field wherever padding points."""
    (_, T_behind, _, stream), (w_bar, _) = residuals, cotangents
    tau_bar, _ = packed.weights_packed_bwd(residuals, cotangents)
    return jnp.where(stream.ray == stream.rays, T_behind * w_bar, tau_bar), None


def _a_full_triangle(tau, stream):
    """(5) without its blocks: a sample hides what lies behind it in the row, of whatever ray."""
    dw, dT = packed.weights_packed_jacobian(tau, stream)
    (w, _), _ = packed.weights_packed_fwd(tau, stream)
    return jnp.diag(jnp.diag(dw)) - jnp.tril(jnp.outer(w, jnp.ones_like(w)), k=-1), dT


def _background_of_the_next_ray(residuals, cotangents):
    sigma, delta, colours, t, background, stream = residuals
    shifted = (sigma, delta, colours, t, jnp.roll(background, -1, axis=0), stream)
    return packed.volume_render_packed_bwd(shifted, cotangents)


def _no_background_without_samples(residuals, cotangents):
    *others, background_bar, _ = packed.volume_render_packed_bwd(residuals, cotangents)
    stream = residuals[-1]
    some = stream.first[1:] > stream.first[:-1]
    return (*others, jnp.where(some[:, None], background_bar, 0), None)


def _cotangent_by_place(residuals, cotangents):
    """The rays' cotangents read by the place of the sample in its ray, not by its ray."""
    stream = residuals[-1]
    *others, _, background_bar, _ = packed.volume_render_packed_bwd(residuals, cotangents)
    tau = residuals[0] * residuals[1]
    (w, _), _ = packed.weights_packed_fwd(tau, stream)
    start = stream.first[jnp.minimum(stream.ray, stream.rays - 1)]
    place = jnp.minimum(jnp.arange(len(tau), dtype=start.dtype) - start, stream.rays - 1)
    return (*others, w * cotangents[2][place], background_bar, None)


def _left_to_jax(residuals, cotangents):
    *numbers, stream = residuals
    f = packed.volume_render_packed.fun
    return (*jax.vjp(lambda *v: f(*v, stream), *numbers)[1](cotangents), None)


def _every_ray_over_the_same_background(sigma, delta, colours, t, background, stream):
    """dC_r/db_s as if all rays had one background."""
    colour, opacity, depth = packed.volume_render_packed_jacobian(
        sigma, delta, colours, t, background, stream
    )
    shared = jnp.sum(colour[-1], axis=2, keepdims=True) + jnp.zeros_like(colour[-1])
    return (*colour[:-1], shared), opacity, depth


MUTANTS = (
    Mutant(
        "the prefix runs on from the ray before",
        "weights_packed",
        _no_reset_between_rays,
        _ANYWHERE,
        "fwd",
    ),
    Mutant(
        "one prefix sum over all rays, less its start",
        "weights_packed",
        _one_sum_over_all_rays,
        _IN_FLOAT32,
        "fwd",
    ),
    Mutant(
        "one suffix sum over all rays, less the next ray's",
        "weights_packed",
        _one_suffix_over_all_rays,
        _IN_FLOAT32,
    ),
    Mutant(
        "the suffix runs on into the next ray",
        "weights_packed",
        _hidden_by_the_next_ray,
        _ANYWHERE,
    ),
    Mutant(
        "the background term of the next ray",
        "weights_packed",
        _left_of_the_next_ray,
        _ANYWHERE,
    ),
    Mutant(
        "nothing left of a ray without samples",
        "weights_packed",
        _nothing_left_of_a_ray_without_samples,
        ("batch_is_its_rays",),  # the value is wrong, and nothing is pulled from no samples
        "fwd",
    ),
    Mutant("padding is trained", "weights_packed", _padding_pulled, _ANYWHERE),
    Mutant(
        "rays that hide one another",
        "weights_packed",
        _a_full_triangle,
        ("jacobian_is_jax",),
        "jacobian",
    ),
    Mutant(
        "the background of the next ray",
        "volume_render_packed",
        _background_of_the_next_ray,
        _ANYWHERE,
    ),
    Mutant(
        "a ray without samples loses its background",
        "volume_render_packed",
        _no_background_without_samples,
        _ANYWHERE,
    ),
    Mutant(
        "the depth cotangent of another ray",
        "volume_render_packed",
        _cotangent_by_place,
        _ANYWHERE,
    ),
    Mutant(
        "the packed pullback left to JAX",
        "volume_render_packed",
        _left_to_jax,
        ("is_another_program",),
    ),
    Mutant(
        "one background for all rays",
        "volume_render_packed",
        _every_ray_over_the_same_background,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
