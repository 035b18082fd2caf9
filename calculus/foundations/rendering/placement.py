r"""From weights to a distribution along the ray, and from a number in [0, 1) to a place on it.

Symbols      one ray, N intervals with ends e_0 < .. < e_N; lengths in scene units
    w_i      weight of interval i, >= 0, not all 0                             1
    s        sum of the weights                                                1
    p_i      probability of interval i                                         1, > 0
    F_i      probability of all that lies before e_i: sum_{j<i} p_j            1
    u        a number, 0 <= u < F_N                                            1
    i(u)     the interval that u falls into: F_i <= u < F_{i+1}
    Delta_i  length of interval i, e_{i+1} - e_i                               length
    r        how far into it: (u - F_i) / p_i                                  1, in [0, 1)

Value
    p_i = w_i / s                                                              (1)
    t = F^{-1}(u) = e_i + r Delta_i           with i = i(u)                    (2)

Jacobian     the quotient rule; ds/dw_k = 1
    dp_i/dw_k = ([i = k] s - w_i) / s^2 = ([i = k] - p_i) / s                  (3)
    the probabilities stay a distribution: each column of (3) sums to zero.
    F is a straight line of slope p_i / Delta_i over interval i, so by the inverse-function rule
    dt/du = Delta_i / p_i: one over the probability per length                 (4)
    what lies before i shifts F_i, p_i tilts the line as well:
    dt/dp_j = -Delta_i / p_i for j < i,    -r Delta_i / p_i for j = i,    0 for j > i         (5)
    t lies between two ends and goes with both:
    dt/de_i = 1 - r,    dt/de_{i+1} = r                                        (6)
    i(u) jumps where u is one of the F: t is continuous there, its slope is not.

Cotangent    contract (3), and (4)-(6) summed over all u_m
    w_bar_k = (p_bar_k - p . p_bar) / s                                        (7)
    u_bar_m = t_bar_m Delta_i / p_i,    p_bar_j = -sum_m t_bar_m Delta_i / p_i (1 or r or 0),
    e_bar_i gains (1 - r) t_bar_m,    e_bar_{i+1} gains r t_bar_m              (8)

Training runs `sampling.by_importance`, which has the value (2) and stops every derivative: where
a ray is cut changes the error of the sum and not the integral. (4)-(6) are what it leaves out.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def normalised_weights(w: Float[Array, " N"]) -> Float[Array, " N"]:
    """The probabilities p (1) that go with weights."""
    return normalised_weights_fwd(w)[0]


def normalised_weights_fwd(w):
    s = jnp.sum(w)
    p = w / s  # (1)
    return p, (p, s)


def normalised_weights_bwd(residuals, p_bar):
    p, s = residuals
    return ((p_bar - jnp.dot(p, p_bar)) / s,)  # (7)


normalised_weights.defvjp(normalised_weights_fwd, normalised_weights_bwd)


def normalised_weights_jacobian(w: Float[Array, " N"]) -> Float[Array, "N N"]:
    """dp_i/dw_k, as (3) reads."""
    s = jnp.sum(w)
    return (jnp.eye(w.size) - jnp.outer(w / s, jnp.ones_like(w))) / s


@jax.custom_vjp
def inverse_cdf(
    u: Float[Array, " M"], edges: Float[Array, " E"], p: Float[Array, " N"]
) -> Float[Array, " M"]:
    """The places t = F^{-1}(u) (2), in scene units."""
    return inverse_cdf_fwd(u, edges, p)[0]


def inverse_cdf_fwd(u, edges, p):
    F = jnp.concatenate([jnp.zeros_like(p[:1]), jnp.cumsum(p)])
    i = jnp.clip(jnp.searchsorted(F, u, side="right") - 1, 0, p.size - 1)
    r = (u - F[i]) / p[i]
    Delta = edges[i + 1] - edges[i]
    return edges[i] + r * Delta, (i, r, Delta / p[i], edges, p)  # (2)


def inverse_cdf_bwd(residuals, t_bar):
    i, r, slope, edges, p = residuals
    u_bar = slope * t_bar  # (4)
    share = _share_of_p(i, r, p.size)
    edges_bar = jnp.zeros_like(edges).at[i].add((1 - r) * t_bar).at[i + 1].add(r * t_bar)
    return u_bar, edges_bar, -u_bar @ share  # (8)


inverse_cdf.defvjp(inverse_cdf_fwd, inverse_cdf_bwd)


def inverse_cdf_jacobian(
    u: Float[Array, " M"], edges: Float[Array, " E"], p: Float[Array, " N"]
) -> tuple[Float[Array, "M M"], Float[Array, "M E"], Float[Array, "M N"]]:
    """dt/du, dt/dedges and dt/dp, as (4), (6) and (5) read."""
    _, (i, r, slope, _, _) = inverse_cdf_fwd(u, edges, p)
    ends = jnp.eye(edges.size)
    return (
        jnp.diag(slope),
        (1 - r)[:, None] * ends[i] + r[:, None] * ends[i + 1],
        -slope[:, None] * _share_of_p(i, r, p.size),
    )


def _share_of_p(i, r, N):
    """How much of p_j lies below u_m: all of it, the part r, or none (5)."""
    j, i = jnp.arange(N, dtype=i.dtype)[None, :], i[:, None]
    return jnp.where(j < i, 1.0, jnp.where(j == i, r[:, None], 0.0))
