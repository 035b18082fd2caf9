r"""How widely a ray's weights are spread, as a loss that gathers them, in as many steps as samples.

Symbols      one ray, or many in one row with sums and differences within each of them
    w_i      weight of sample i                          1,        >= 0
    m_i      where its interval has its middle           length,   rising along the ray
    h_i      length of the interval                      length,   >= 0
    W_i      sum_{j<i} w_j, the weight before i          1
    V_i      sum_{j>i} w_j, the weight behind i          1
    A_i      sum_{j<i} w_j (m_i - m_j), how far what lies before is from i     length
    B_i      sum_{j>i} w_j (m_j - m_i), how far what lies behind is            length
    S        the spread                                  length

Value        the mean distance of two points that are drawn from the weights (Barron et al. 2022):
    S = sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 h_i                       (1)
    The second sum is that of two points in one interval: u, v even in [0, h] are h/3 apart.
    Since m rises, every pair is counted once from the farther one, and again from the nearer:
    S = 2 sum_i w_i A_i + 1/3 sum_i w_i^2 h_i                                  (2)
    From i - 1 to i everything before gets as much farther as the two are apart:
    A_i = A_{i-1} + W_i (m_i - m_{i-1}),    A_1 = 0                            (3)
    B_i = B_{i+1} + V_i (m_{i+1} - m_i),    B_N = 0                            (4)
    Both are sums of numbers >= 0. m_i W_i - sum_{j<i} w_j m_j is as short, and is a small
    difference of large numbers where the ray is long and its weights are near together.

Jacobian     from (1); |m_k - m_j| is A's or B's
    dS/dw_k = 2 sum_j w_j |m_k - m_j| + 2/3 w_k h_k = 2 (A_k + B_k) + 2/3 w_k h_k    (5)
    dS/dm_k = 2 w_k (W_k - V_k)      away from the side that weighs more       (6)
    dS/dh_k = w_k^2 / 3                                                        (7)
    Where m_i = m_j, (6) takes the order in which they stand for the one they have. Gradient
    descent on (5) draws the weights together; (6) moves samples, which few trainings let move.

Cotangent    S is one number for each ray: S_bar of the ray times (5), (6), (7)      (8)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance.stream import Stream


@jax.custom_vjp
def spread(
    w: Float[Array, "*batch N"], m: Float[Array, "*batch N"], h: Float[Array, "*batch N"]
) -> Float[Array, "*batch"]:
    """The spread S (1) of each ray: the mean distance of two points where it shows something.

    `m` and `h` are middles and lengths of the intervals, in any one unit, `m` rising along the
    ray; the result is in that unit. Times a number around 0.01, and `m` from 0 to 1 between the
    ray's ends, it is the distortion loss of Barron et al. 2022. With w that sum to less than one
    it shrinks with the square of their sum.
    """
    return spread_fwd(w, m, h)[0]


def spread_fwd(w, m, h):
    W = _before(jnp.cumsum(w, axis=-1))
    A = jnp.cumsum(W * (m - _before(m)), axis=-1)  # (3); W_1 = 0, whatever stands beside it
    return jnp.sum(w * (2 * A + w * h / 3), axis=-1), (w, m, h, W, A)  # (2)


def spread_bwd(residuals, S_bar):
    w, m, h, W, A = residuals
    V = _behind(_from_end(w))
    B = _from_end(V * (_behind(m) - m))  # (4); V_N = 0
    w_bar = 2 * (A + B) + 2 / 3 * w * h  # (5)
    m_bar = 2 * w * (W - V)  # (6)
    S_bar = S_bar[..., None]
    return S_bar * w_bar, S_bar * m_bar, S_bar * w * w / 3  # (8)


spread.defvjp(spread_fwd, spread_bwd)


def spread_jacobian(
    w: Float[Array, " N"], m: Float[Array, " N"], h: Float[Array, " N"]
) -> tuple[Float[Array, " N"], Float[Array, " N"], Float[Array, " N"]]:
    """dS/d(w, m, h), over all pairs, as (5)-(7) read."""
    behind = jnp.triu(jnp.ones((w.size, w.size)), k=1)  # [k, j] = 1 where j > k
    return _over_pairs(w, m, h, behind)


@jax.custom_vjp
def spread_packed(
    w: Float[Array, " M"], m: Float[Array, " M"], h: Float[Array, " M"], stream: Stream
) -> Float[Array, " R"]:
    """The spread S (1) of each ray of a stream, as `spread` has it ray by ray; 0 of no samples."""
    return spread_packed_fwd(w, m, h, stream)[0]


def spread_packed_fwd(w, m, h, stream):
    w, m, h = stream.owned(w), stream.owned(m), stream.owned(h)
    W = stream.previous(stream.sums_through(w), at_first=0.0)
    A = stream.sums_through(W * (m - _before(m)))  # (3); W = 0 for a ray's first sample
    return stream.totals(w * (2 * A + w * h / 3)), (w, m, h, W, A, stream)  # (2)


def spread_packed_bwd(residuals, S_bar):
    w, m, h, W, A, stream = residuals
    V = stream.sums_behind(w)
    step = V * (_behind(m) - m)  # V = 0 for a ray's last sample
    B = step + stream.sums_behind(step)  # (4)
    S_bar = stream.spread(jnp.asarray(S_bar))
    w_bar = S_bar * (2 * (A + B) + 2 / 3 * w * h)  # (5)
    return w_bar, S_bar * 2 * w * (W - V), S_bar * w * w / 3, None  # (6)-(8)


spread_packed.defvjp(spread_packed_fwd, spread_packed_bwd)


def spread_packed_jacobian(
    w: Float[Array, " M"], m: Float[Array, " M"], h: Float[Array, " M"], stream: Stream
) -> tuple[Float[Array, "R M"], Float[Array, "R M"], Float[Array, "R M"]]:
    """dS_r/d(w, m, h), over all pairs of a ray, as (5)-(7) read."""
    rays = jnp.arange(stream.rays, dtype=stream.ray.dtype)
    of_ray = (stream.ray[None, :] == rays[:, None]).astype(w.dtype)
    behind = jnp.triu(of_ray.T @ of_ray, k=1)  # [k, j] = 1 where j > k on one ray
    by_w, by_m, by_h = _over_pairs(w, m, h, behind)
    return of_ray * by_w[None, :], of_ray * by_m[None, :], of_ray * by_h[None, :]


def _over_pairs(w, m, h, behind):
    before = behind.T
    apart = (before + behind) * jnp.abs(m[:, None] - m[None, :])
    by_w = 2 * apart @ w + 2 / 3 * w * h  # (5)
    return by_w, 2 * w * ((before - behind) @ w), w * w / 3  # (6), (7)


def _before(v):
    """What the one before has, 0 for the first."""
    return jnp.concatenate([jnp.zeros_like(v[..., :1]), v[..., :-1]], axis=-1)


def _behind(v):
    """What the next one has, 0 for the last."""
    return jnp.concatenate([v[..., 1:], jnp.zeros_like(v[..., :1])], axis=-1)


def _from_end(v):
    """sum_{j>=i} v_j, added up from the far end."""
    return jax.lax.cumsum(v, axis=v.ndim - 1, reverse=True)
