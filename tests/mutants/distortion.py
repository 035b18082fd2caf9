"""Wrong derivatives of the spread of a ray's weights."""

import jax
import jax.numpy as jnp

from calculus.radiance import distortion
from tests.mutants.mutant import Mutant

_ANYWHERE = ("pullback_is_jax", "batch_is_its_rays")


def _one_side_alone(residuals, S_bar):
    """2 A: what a weight is from those before it, and not from those behind."""
    w, _, h, _, A = residuals
    _, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    return S_bar[..., None] * (2 * A + 2 / 3 * w * h), m_bar, h_bar


def _each_pair_once(residuals, S_bar):
    """A + B: the double sum has each pair twice, and each weight in two places."""
    w, h = residuals[0], residuals[2]
    w_bar, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    return (w_bar + S_bar[..., None] * 2 / 3 * w * h) / 2, m_bar, h_bar


def _square_not_doubled(residuals, S_bar):
    w, h = residuals[0], residuals[2]
    w_bar, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    return w_bar - S_bar[..., None] * w * h / 3, m_bar, h_bar


def _middles_held_fixed(residuals, S_bar):
    w_bar, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    return w_bar, jnp.zeros_like(m_bar), h_bar


def _own_weight_counted_before(residuals, S_bar):
    """W through k for W before k: as if a sample went away from itself."""
    w = residuals[0]
    w_bar, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    return w_bar, m_bar + S_bar[..., None] * 2 * w * w, h_bar


def _by_first_moments(residuals, S_bar):
    """m_k (W_k - V_k) less the moments before and behind: a difference of large numbers."""
    w, m, h, W, _ = residuals
    _, m_bar, h_bar = distortion.spread_bwd(residuals, S_bar)
    before = jnp.cumsum(w * m, axis=-1) - w * m
    behind = jax.lax.cumsum(w * m, axis=w.ndim - 1, reverse=True) - w * m
    V = jax.lax.cumsum(w, axis=w.ndim - 1, reverse=True) - w
    w_bar = 2 * (m * (W - V) - before + behind) + 2 / 3 * w * h
    return S_bar[..., None] * w_bar, m_bar, h_bar


def _middles_of_either_side(w, m, h):
    """(6) with the sides exchanged: away from the lighter one."""
    by_w, by_m, by_h = distortion.spread_jacobian(w, m, h)
    return by_w, -by_m, by_h


def _behind_over_all_rays(residuals, S_bar):
    """What lies behind runs on through the next rays' samples."""
    w, m, h, _, A, stream = residuals
    V = distortion._behind(distortion._from_end(w))
    B = distortion._from_end(V * (distortion._behind(m) - m))
    w_bar = stream.spread(S_bar) * (2 * (A + B) + 2 / 3 * w * h)
    return w_bar, *distortion.spread_packed_bwd(residuals, S_bar)[1:]


def _cotangent_of_the_next_ray(residuals, S_bar):
    return distortion.spread_packed_bwd(residuals, jnp.roll(S_bar, -1))


def _last_step_of_the_next_ray(residuals, S_bar):
    """The step from a ray's last sample to the next ray's first, with the weight of the last."""
    w, m, h, _, A, stream = residuals
    step = (stream.sums_behind(w) + w) * (distortion._behind(m) - m)
    B = stream.owned(step) + stream.sums_behind(step)
    w_bar = stream.spread(S_bar) * (2 * (A + B) + 2 / 3 * w * h)
    return w_bar, *distortion.spread_packed_bwd(residuals, S_bar)[1:]


def _every_pair_of_the_row(w, m, h, stream):
    by_w, by_m, by_h = distortion.spread_packed_jacobian(w, m, h, stream)
    through, _, _ = distortion.spread_jacobian(w, m, h)
    return jnp.where(by_w != 0, through, 0), by_m, by_h


MUTANTS = (
    Mutant("what lies before alone", "spread", _one_side_alone),
    Mutant("each pair once", "spread", _each_pair_once),
    Mutant("the square not doubled", "spread", _square_not_doubled),
    Mutant("middles held fixed", "spread", _middles_held_fixed),
    Mutant("farther from itself", "spread", _own_weight_counted_before),
    Mutant(
        "first moments, far away", "spread", _by_first_moments, ("float32_survives_the_limits",)
    ),
    Mutant(
        "away from the lighter side",
        "spread",
        _middles_of_either_side,
        ("jacobian_is_jax",),
        "jacobian",
    ),
    Mutant("behind over all rays", "spread_packed", _behind_over_all_rays, _ANYWHERE),
    Mutant(
        "the spread's cotangent of the next ray",
        "spread_packed",
        _cotangent_of_the_next_ray,
        _ANYWHERE,
    ),
    Mutant("a step into the next ray", "spread_packed", _last_step_of_the_next_ray, _ANYWHERE),
    Mutant(
        "every pair of the row",
        "spread_packed",
        _every_pair_of_the_row,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
