r"""The positional encoding: a coordinate as sines and cosines of rising frequency.

Symbols      one point p in R^D; every coordinate is treated alike
    p_j        coordinate j, meant to lie in [-1, 1)       half side of the scene's cube
    L          number of frequencies                       1
    k          0 .. L-1
    omega_k    2^k pi, the k-th angular frequency          1

Value
    gamma(p_j) = (sin omega_0 p_j, cos omega_0 p_j, .., sin omega_{L-1} p_j, cos omega_{L-1} p_j)
    gamma(p)   = (gamma(p_1), .., gamma(p_D))        in R^{2LD}               (1)

Jacobian     sin' = cos and cos' = -sin, and each coordinate feeds its own block only
    dgamma_{jk}/dp_j = (omega_k cos omega_k p_j, -omega_k sin omega_k p_j)
    dgamma_{jk}/dp_i = 0    for i /= j                                        (2)
    so J^T J = sum_k omega_k^2 I = pi^2 (4^L - 1)/3 I: a slope that grows like 2^L

Cotangent    contract (2) with gamma_bar = (s_bar, c_bar), sines and cosines
    p_bar_j = sum_k omega_k (s_bar_{jk} cos omega_k p_j - c_bar_{jk} sin omega_k p_j)      (3)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def encode(
    p: Float[Array, "*batch D"], frequencies: int
) -> Float[Array, "*batch 2*{frequencies}*D"]:
    """The encoding gamma(p) (1) of Mildenhall et al. 2020, with `frequencies` = L >= 1.

    Keeps p alone for the way back: D numbers a point, not 2LD.
    """
    return encode_fwd(p, frequencies)[0]


def encode_fwd(p, frequencies):
    angles = _angles(p, frequencies)
    gamma = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)  # (1)
    return gamma.reshape(*p.shape[:-1], -1), p


def encode_bwd(frequencies, p, gamma_bar):
    angles = _angles(p, frequencies)
    bar = gamma_bar.reshape(*angles.shape, 2)
    omega = _omega(frequencies, p.dtype).reshape((1,) * p.ndim + (-1,))
    slope = bar[..., 0] * jnp.cos(angles) - bar[..., 1] * jnp.sin(angles)
    return (jnp.sum(omega * slope, axis=-1),)  # (3)


encode.defvjp(encode_fwd, encode_bwd)


def encode_jacobian(p: Float[Array, " D"], frequencies: int) -> Float[Array, "2*{frequencies}*D D"]:
    """dgamma/dp, block diagonal, as (2) reads."""
    omega = _omega(frequencies, p.dtype)[None, :]
    angles = _angles(p, frequencies)
    block = jnp.stack([omega * jnp.cos(angles), -omega * jnp.sin(angles)], axis=-1)
    blocks = block.reshape(p.size, -1)
    return jnp.einsum("jm,ji->jmi", blocks, jnp.eye(p.size)).reshape(-1, p.size)


def _omega(frequencies, dtype):
    return jnp.pi * 2.0 ** jnp.arange(frequencies, dtype=dtype)


def _angles(p, frequencies):
    omega = _omega(frequencies, p.dtype).reshape((1,) * p.ndim + (-1,))
    return p[..., :, None] * omega
