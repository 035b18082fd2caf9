"""Wrong derivatives of the spherical harmonics."""

import jax.numpy as jnp

from calculus.radiance import harmonics
from tests.mutants.mutant import Mutant

Y_1_M1, Y_2_2 = 1, 8
"""Places of (1, -1) and of x^2 - y^2."""


def _pulled(J, Y_bar):
    return (jnp.sum(Y_bar[..., None] * J, axis=-2),)


def _table(degree, d):
    """dY/dd of a batch: the pullback of each unit vector."""
    n = degree**2
    bars = jnp.broadcast_to(jnp.eye(n, dtype=d.dtype), (*d.shape[:-1], n, n))
    rows = [harmonics.spherical_harmonics_bwd(degree, d, bars[..., k, :])[0] for k in range(n)]
    return jnp.stack(rows, axis=-2)


def _sign(degree, d, Y_bar):
    """d(x^2 - y^2)/dy taken as +2y."""
    J = _table(degree, d)
    return _pulled(J.at[..., Y_2_2, 1].multiply(-1), Y_bar)


def _exchanged(degree, d, Y_bar):
    """x and y change places on the way back: band one is (y, z, x)."""
    (d_bar,) = harmonics.spherical_harmonics_bwd(degree, d, Y_bar)
    return (jnp.stack([d_bar[..., 1], d_bar[..., 0], d_bar[..., 2]], axis=-1),)


def _square_without_two(degree, d, Y_bar):
    """d(x^2 - y^2) taken as (x, -y)."""
    J = _table(degree, d)
    return _pulled(J.at[..., Y_2_2, :].multiply(0.5), Y_bar)


def _constant_with_a_slope(degree, d, Y_bar):
    """The value of Y_00 left standing in the row of its derivative."""
    (d_bar,) = harmonics.spherical_harmonics_bwd(degree, d, Y_bar)
    return (d_bar + Y_bar[..., :1] * (4 * jnp.pi) ** -0.5,)


def _last_band_missing(degree, d, Y_bar):
    bands = degree - 1
    return harmonics.spherical_harmonics_bwd(bands, d, Y_bar[..., : bands**2])


def _phase_on_the_way_back(degree, d, Y_bar):
    """The value without the Condon-Shortley phase, the derivative from a code that has it."""
    odd = jnp.array(
        [1 - 2 * (abs(m) % 2) for l in range(degree) for m in range(-l, l + 1)], Y_bar.dtype
    )
    return harmonics.spherical_harmonics_bwd(degree, d, Y_bar * jnp.broadcast_to(odd, Y_bar.shape))


def _projected(degree, d, Y_bar):
    """The part along d taken out here, where it is the division's to do."""
    (d_bar,) = harmonics.spherical_harmonics_bwd(degree, d, Y_bar)
    return (d_bar - d * jnp.sum(d * d_bar, axis=-1, keepdims=True),)


def _by_the_azimuth(degree, d, Y_bar):
    """Slopes along and around the z axis: right, but 0/0 on it."""
    (d_bar,) = harmonics.spherical_harmonics_bwd(degree, d, Y_bar)
    (x, y, _), (x_bar, y_bar, z_bar) = jnp.moveaxis(d, -1, 0), jnp.moveaxis(d_bar, -1, 0)
    along = (x * x_bar + y * y_bar) / (x * x + y * y)
    around = (x * y_bar - y * x_bar) / (x * x + y * y)
    return (jnp.stack([x * along - y * around, y * along + x * around, z_bar], axis=-1),)


def _band_one_as_x_y_z(direction, degree):
    """The order of another code within band one."""
    J = harmonics.spherical_harmonics_jacobian(direction, degree)
    return J.at[Y_1_M1 : Y_1_M1 + 3].set(jnp.roll(J[Y_1_M1 : Y_1_M1 + 3], 1, axis=0))


MUTANTS = (
    Mutant("one sign wrong in the harmonics' table", "spherical_harmonics", _sign),
    Mutant(
        "x and y of a direction exchanged",
        "spherical_harmonics",
        _exchanged,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("the 2 of a square forgotten", "spherical_harmonics", _square_without_two),
    Mutant("the constant harmonic with a slope", "spherical_harmonics", _constant_with_a_slope),
    Mutant("the last band missing on the way back", "spherical_harmonics", _last_band_missing),
    Mutant("the phase on the way back alone", "spherical_harmonics", _phase_on_the_way_back),
    Mutant("the direction projected twice", "spherical_harmonics", _projected),
    Mutant(
        "the slope at the pole by the azimuth",
        "spherical_harmonics",
        _by_the_azimuth,
        ("limits_are_jax", "float32_survives_the_limits"),
    ),
    Mutant(
        "band one in the order of x, y, z",
        "spherical_harmonics",
        _band_one_as_x_y_z,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
