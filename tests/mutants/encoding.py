"""Wrong derivatives of the positional encoding."""

import jax.numpy as jnp

from calculus.radiance import encoding
from tests.mutants.mutant import Mutant


def _frequency_without_pi(frequencies, p, gamma_bar):
    (p_bar,) = encoding.encode_bwd(frequencies, p, gamma_bar)
    return (p_bar / jnp.pi,)


def _cosine_sign(frequencies, p, gamma_bar):
    pairs = gamma_bar.reshape(*gamma_bar.shape[:-1], -1, 2)
    flipped = jnp.stack([pairs[..., 0], -pairs[..., 1]], axis=-1)
    return encoding.encode_bwd(frequencies, p, flipped.reshape(gamma_bar.shape))


def _every_frequency_the_first(frequencies, p, gamma_bar):
    """omega_0 before every cosine: the factor 2^k of the chain rule forgotten."""
    slopes = 2.0 ** -jnp.arange(frequencies, dtype=p.dtype)
    bar = gamma_bar.reshape(*p.shape, frequencies, 2)
    weakened = bar * slopes.reshape((1,) * p.ndim + (-1, 1))
    return encoding.encode_bwd(frequencies, p, weakened.reshape(gamma_bar.shape))


def _blocks_out_of_order(p, frequencies):
    """All sines first, then all cosines: the order of another code."""
    J = encoding.encode_jacobian(p, frequencies)
    return jnp.concatenate([J[0::2], J[1::2]])


MUTANTS = (
    Mutant("the factor pi of the frequency forgotten", "encode", _frequency_without_pi),
    Mutant(
        "the sign of the cosine's derivative",
        "encode",
        _cosine_sign,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("every frequency as slow as the first", "encode", _every_frequency_the_first),
    Mutant(
        "sines and cosines in another order",
        "encode",
        _blocks_out_of_order,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
