r"""From the cuts of a ray to lengths, opacities and transmittances, one step at a time.

Symbols      one ray, cut into N intervals; lengths in scene units
    t_i      distance of cut i, i = 0..N                            length, rising
    delta_i  length of interval i, i = 0..N-1                       length,      >= 0
    sigma_i  density of interval i                                  1 / length,  >= 0
    alpha_i  opacity: the share of the arriving light that interval i takes    1, in [0, 1)
    T_i      transmittance: the light let through by the intervals before i    1, in (0, 1]

Value
    delta_i = t_{i+1} - t_i                                                    (1)
    alpha_i = 1 - exp(-sigma_i delta_i)                                        (2)
    T_i = exp(-sum_{j<i} sigma_j delta_j) = prod_{j<i} (1 - alpha_j)           (3)

Jacobian     a cut is the end of the interval before it and the start of its own:
    ddelta_i/dt_k = [k = i+1] - [k = i]                                        (4)
    interval i knows nothing of the others, and (e^{-x})' = -e^{-x}:
    dalpha_i/dsigma_k = delta_i (1 - alpha_i) [i = k]
    dalpha_i/ddelta_k = sigma_i (1 - alpha_i) [i = k]                          (5)
    (3) is the exponential of minus a sum; sigma_k is in the sum for k < i:
    dT_i/dsigma_k = -delta_k T_i [k < i],   dT_i/ddelta_k = -sigma_k T_i [k < i]      (6)
    (6) as a product of matrices: diag(T) (-strictly lower ones) diag(delta): exp outside, the sum
    that came before, the product that came first.

Cotangent    contract (4), (5) and (6)
    t_bar_k = delta_bar_{k-1} - delta_bar_k          (what lies outside 0..N-1 is 0)         (7)
    sigma_bar = delta (1 - alpha) alpha_bar,   delta_bar = sigma (1 - alpha) alpha_bar      (8)
    tau_bar_k = -sum_{i>k} T_i T_bar_i,   sigma_bar = delta tau_bar,  delta_bar = sigma tau_bar (9)
    summed from the far end, so that small terms behind a wall are not lost beside large ones.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def lengths(t: Float[Array, " E"]) -> Float[Array, " E-1"]:
    """The lengths delta (1) of the intervals between rising distances `t`."""
    return lengths_fwd(t)[0]


def lengths_fwd(t):
    return t[1:] - t[:-1], None  # (1)


def lengths_bwd(residuals, delta_bar):
    outside = jnp.zeros_like(delta_bar[:1])
    return (jnp.concatenate([outside, delta_bar]) - jnp.concatenate([delta_bar, outside]),)  # (7)


lengths.defvjp(lengths_fwd, lengths_bwd)


def lengths_jacobian(t: Float[Array, " E"]) -> Float[Array, "E-1 E"]:
    """ddelta/dt: -1 on the diagonal and +1 beside it, as (4) reads."""
    N = t.size - 1
    return jnp.eye(N, N + 1, k=1) - jnp.eye(N, N + 1)


@jax.custom_vjp
def alpha(sigma: Float[Array, " N"], delta: Float[Array, " N"]) -> Float[Array, " N"]:
    """The opacities (2); `expm1` keeps the digits of thin intervals."""
    return alpha_fwd(sigma, delta)[0]


def alpha_fwd(sigma, delta):
    return -jnp.expm1(-sigma * delta), (sigma, delta)  # (2)


def alpha_bwd(residuals, alpha_bar):
    sigma, delta = residuals
    left = jnp.exp(-sigma * delta) * alpha_bar  # 1 - alpha, without its cancellation
    return delta * left, sigma * left  # (8)


alpha.defvjp(alpha_fwd, alpha_bwd)


def alpha_jacobian(
    sigma: Float[Array, " N"], delta: Float[Array, " N"]
) -> tuple[Float[Array, "N N"], Float[Array, "N N"]]:
    """dalpha/dsigma and dalpha/ddelta, diagonal, as (5) reads."""
    left = 1 - alpha_fwd(sigma, delta)[0]
    return jnp.diag(delta * left), jnp.diag(sigma * left)


@jax.custom_vjp
def transmittance(sigma: Float[Array, " N"], delta: Float[Array, " N"]) -> Float[Array, " N+1"]:
    """T_0 = 1 .. T_N (3): the light left before each interval, and behind the last."""
    return transmittance_fwd(sigma, delta)[0]


def transmittance_fwd(sigma, delta):
    tau = sigma * delta
    T = jnp.exp(-jnp.concatenate([jnp.zeros_like(tau[:1]), jnp.cumsum(tau)]))  # (3)
    return T, (sigma, delta, T)


def transmittance_bwd(residuals, T_bar):
    sigma, delta, T = residuals
    tau_bar = -jax.lax.cumsum(T[1:] * T_bar[1:], reverse=True)
    return delta * tau_bar, sigma * tau_bar  # (9)


transmittance.defvjp(transmittance_fwd, transmittance_bwd)


def transmittance_jacobian(
    sigma: Float[Array, " N"], delta: Float[Array, " N"]
) -> tuple[Float[Array, "N+1 N"], Float[Array, "N+1 N"]]:
    """dT/dsigma and dT/ddelta, strictly lower triangular, as the matrices under (6) read."""
    T = transmittance_fwd(sigma, delta)[0]
    before = jnp.tril(jnp.ones((T.size, sigma.size)), k=-1)
    return -jnp.diag(T) @ before @ jnp.diag(delta), -jnp.diag(T) @ before @ jnp.diag(sigma)
