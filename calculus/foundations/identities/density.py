r"""Two log-densities that are made of a quadratic form of an inverse and a log-determinant.

Symbols      covariances are symmetric, but each entry is treated as free of the others
    K          covariance between the observations of a Gaussian process   N x N
    sigma      standard deviation of the noise                             number, not 0
    C          K + sigma^2 I                                               N x N
    y          observations                                                N
    x          a point                                                     D
    log_w_k    log of the weight of component k; the weights sum to 1      K
    mu_k, S_k  mean and covariance of component k                          K x D, K x D x D
    d_k        x - mu_k                                                    D
    r_k        responsibility: the share of component k in p(x)            K, sum 1

Value
    log p(y) = -y^T C^-1 y / 2 - log |C| / 2 - (N / 2) log 2 pi            (1)
    l_k = log_w_k - d_k^T S_k^-1 d_k / 2 - log |S_k| / 2 - (D / 2) log 2 pi            (2)
    log p(x) = log sum_k e^{l_k},   r_k = e^{l_k} / p(x)                   (3)

Jacobian     for any nonsingular C, with p = C^-1 y and q = C^-T y,
    d(y^T C^-1 y)/dC = -q p^T,   d log |C|/dC = C^-T,   so
    d log p/dC = (q p^T - C^-T) / 2          C symmetric: (p p^T - C^-1) / 2           (4)
    dC/dK is the identity, and C holds sigma^2 on its diagonal:
    d log p/dK = (4),   d log p/dy = -(p + q)^T / 2,   d log p/dsigma = 2 sigma tr (4) (5)
    (3): d log sum_k e^{l_k} / dl_k = r_k; what is left is (4) for one component, and dd_k/dx = I,
    dd_k/dmu_k = -I. With p_k = S_k^-1 d_k and q_k = S_k^-T d_k (both S_k^-1 d_k if symmetric)
    d/dx      = -sum_k r_k (p_k + q_k)^T / 2                               (6)
    d/dlog_w_k = r_k                                                       (7)
    d/dmu_k   = r_k (p_k + q_k)^T / 2        symmetric: r_k (S_k^-1 d_k)^T             (8)
    d/dS_k    = r_k (q_k p_k^T - S_k^-T) / 2                               (9)

Cotangent    each is a scalar, so the Jacobian times c_bar                 (10)

The two terms of (4) pull against each other: the first wants a covariance that is large where the
data are, the second wants it small. The log-determinant alone has no maximum.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

LOG_2_PI = math.log(2 * math.pi)


@jax.custom_vjp
def log_evidence(
    K: Float[Array, "N N"], sigma: Float[Array, ""], y: Float[Array, " N"]
) -> Float[Array, ""]:
    """log p(y) (1) of observations with Gaussian noise from a Gaussian process of mean 0."""
    return log_evidence_fwd(K, sigma, y)[0]


def log_evidence_fwd(K, sigma, y):
    C = K + sigma**2 * jnp.eye(K.shape[0], dtype=K.dtype)
    p = jnp.linalg.solve(C, y)
    value = -(y @ p + jnp.linalg.slogdet(C)[1] + y.shape[0] * LOG_2_PI) / 2  # (1)
    return value, (C, sigma, y, p)


def log_evidence_bwd(residuals, c_bar):
    C, sigma, y, p = residuals
    C_inv_T = jnp.linalg.solve(C.T, jnp.eye(C.shape[0], dtype=C.dtype))
    q = C_inv_T @ y
    C_bar = c_bar * (jnp.outer(q, p) - C_inv_T) / 2  # (4)
    return C_bar, 2 * sigma * jnp.trace(C_bar), -c_bar * (p + q) / 2  # (5)


log_evidence.defvjp(log_evidence_fwd, log_evidence_bwd)


def log_evidence_jacobian(K, sigma, y):
    """d/dK, d/dsigma and d/dy, as (4) and (5) read."""
    _, (C, _, _, p) = log_evidence_fwd(K, sigma, y)
    q = jnp.linalg.solve(C.T, y)
    by_C = (jnp.outer(q, p) - jnp.linalg.solve(C.T, jnp.eye(C.shape[0], dtype=C.dtype))) / 2
    return by_C, 2 * sigma * jnp.trace(by_C), -(p + q) / 2


@jax.custom_vjp
def mixture_log_density(
    x: Float[Array, " D"],
    log_w: Float[Array, " K"],
    mu: Float[Array, "K D"],
    S: Float[Array, "K D D"],
) -> Float[Array, ""]:
    """log p(x) (3) of a mixture of K Gaussians."""
    return mixture_log_density_fwd(x, log_w, mu, S)[0]


@jax.jit  # many small steps: one program compiles in half the time
def mixture_log_density_fwd(x, log_w, mu, S):
    d = x[None, :] - mu
    p = jnp.linalg.solve(S, d[..., None])[..., 0]
    quadratic = jnp.sum(d * p, axis=1)
    l = log_w - (quadratic + jnp.linalg.slogdet(S)[1] + x.shape[0] * LOG_2_PI) / 2  # (2)
    value = jax.nn.logsumexp(l)  # (3)
    return value, (jnp.exp(l - value), d, p, S)


def mixture_log_density_bwd(residuals, c_bar):
    by_x, r, by_mu, by_S = _by_arguments(*residuals)
    return c_bar * by_x, c_bar * r, c_bar * by_mu, c_bar * by_S  # (10)


mixture_log_density.defvjp(mixture_log_density_fwd, mixture_log_density_bwd)


def mixture_log_density_jacobian(x, log_w, mu, S):
    """The derivatives by x, log_w, mu and S, as (6)-(9) read."""
    return _by_arguments(*mixture_log_density_fwd(x, log_w, mu, S)[1])


def responsibilities(
    x: Float[Array, " D"],
    log_w: Float[Array, " K"],
    mu: Float[Array, "K D"],
    S: Float[Array, "K D D"],
) -> Float[Array, " K"]:
    """r (3): which component explains x, in shares that sum to 1."""
    return mixture_log_density_fwd(x, log_w, mu, S)[1][0]


@jax.jit
def _by_arguments(r, d, p, S):
    S_inv_T = jnp.linalg.inv(jnp.swapaxes(S, 1, 2))
    q = jnp.einsum("kij,kj->ki", S_inv_T, d)
    by_mu = r[:, None] * (p + q) / 2  # (8)
    by_S = r[:, None, None] * (p[:, None, :] * q[:, :, None] - S_inv_T) / 2  # (9)
    return -jnp.sum(by_mu, axis=0), r, by_mu, by_S  # (6), (7)
