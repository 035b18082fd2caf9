r"""Where to cut a ray into intervals: evenly with jitter, and by importance.

Symbols      one ray; lengths in scene units
    t_near t_far   where the ray enters and leaves the cube [-1, 1]^3        length
    t_0 .. t_{N-1} samples: where the field is asked, rising                 length
    e_0 .. e_N     edges of the intervals, one sample in each                length
    m_i            mass of interval i: how much there is to see in it, >= 0  1
    p_i            m_i / sum m                                               1
    F              distribution of the mass along the ray, piecewise linear  1, from 0 to 1
    u              a number in [0, 1), random or evenly spaced               1

Value
    box:         t_near = max_a min((-1-o_a)/d_a, (1-o_a)/d_a),  t_far = min_a max(..)    (1)
    stratified:  t_i = t_near + (t_far - t_near) (i + u_i) / N                            (2)
    edges:       e_0 = t_near,  e_i = (t_{i-1} + t_i) / 2,  e_N = t_far                   (3)
    F(e_i) = sum_{j<i} p_j,       by_importance: t = F^{-1}(u)                            (4)

No derivative, on purpose. Where a ray is cut is a choice of quadrature nodes: the integral does
not depend on it, only the error of the sum does. A derivative through the nodes would train the
field to make its own quadrature error look good, so every result here passes `stop_gradient`,
and no cotangent of the fine samples reaches the coarse network. For the record, where F has
slope p_i / (e_{i+1} - e_i) > 0, the inverse-function rule gives dt/du = (e_{i+1} - e_i) / p_i,
and the tests hold (4) to that.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_PARALLEL = 1e-9
"""A direction's component smaller than this counts as this: a ray along a face of the cube."""


def box_interval(
    origin: Float[Array, "*batch 3"], direction: Float[Array, "*batch 3"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Distances at which rays enter and leave the cube [-1, 1]^3 (1), in scene units.

    Never behind the camera; a ray that misses the cube has t_far = t_near.
    """
    away = jnp.where(direction < 0, -1.0, 1.0).astype(direction.dtype)
    slope = jnp.where(jnp.abs(direction) < _PARALLEL, away * _PARALLEL, direction)
    low, high = (-1 - origin) / slope, (1 - origin) / slope
    t_near = jnp.maximum(jnp.max(jnp.minimum(low, high), axis=-1), 0)
    t_far = jnp.maximum(jnp.min(jnp.maximum(low, high), axis=-1), t_near)
    return jax.lax.stop_gradient((t_near, t_far))  # (1)


def stratified(
    t_near: Float[Array, "*batch"],
    t_far: Float[Array, "*batch"],
    u: Float[Array, "*batch N"],
) -> Float[Array, "*batch N"]:
    """One sample (2) in each of N even bins of a ray, at the part `u` in [0, 1) of the bin.

    Random u lets training see the field at every distance; u = 1/2 gives the even cut with
    samples in the middle, which makes the sum of order two in the length of the intervals.
    """
    bins = jnp.arange(u.shape[-1], dtype=u.dtype).reshape((1,) * (u.ndim - 1) + (-1,))
    length = (t_far - t_near)[..., None]
    return jax.lax.stop_gradient(t_near[..., None] + length * (bins + u) / u.shape[-1])  # (2)


def edges_between(
    t: Float[Array, "*batch N"], t_near: Float[Array, "*batch"], t_far: Float[Array, "*batch"]
) -> Float[Array, "*batch N+1"]:
    """The ends of the intervals (3) that N rising samples stand for: half way to the next one."""
    inner = (t[..., :-1] + t[..., 1:]) / 2
    edges = jnp.concatenate([t_near[..., None], inner, t_far[..., None]], axis=-1)
    return jax.lax.stop_gradient(edges)  # (3)


def by_importance(
    edges: Float[Array, "*batch E"],
    mass: Float[Array, "*batch N"],
    u: Float[Array, "*batch K"],
) -> Float[Array, "*batch K"]:
    """Distances t = F^{-1}(u) (4): each interval is hit in proportion to its mass.

    A ray without mass is treated as if it were spread evenly over the intervals.
    """
    total = jnp.sum(mass, axis=-1, keepdims=True)
    p = jnp.where(total > 0, mass / jnp.where(total > 0, total, 1), 1 / mass.shape[-1])
    F = jnp.cumsum(p, axis=-1)
    F = jnp.concatenate([jnp.zeros_like(total), F[..., :-1], jnp.ones_like(total)], axis=-1)
    find = jnp.vectorize(
        lambda row, at: jnp.searchsorted(row, at, side="right", method="compare_all"),
        signature="(n),(k)->(k)",
    )
    i = jnp.clip(find(F, u) - 1, 0, mass.shape[-1] - 1)

    def at(values):
        return jnp.take_along_axis(values, i, axis=-1)

    low, rise = at(F), at(F[..., 1:] - F[..., :-1])
    part = jnp.where(rise > 0, (u - low) / jnp.where(rise > 0, rise, 1), 0.5)
    t = at(edges) + jnp.clip(part, 0, 1) * at(edges[..., 1:] - edges[..., :-1])
    return jax.lax.stop_gradient(t)  # (4)
