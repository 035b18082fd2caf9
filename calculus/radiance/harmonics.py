r"""Real spherical harmonics: a direction as the first waves on the sphere.

Symbols      one direction; degree = 1 .. 4, the number of bands, is fixed
    x, y, z      the direction d, meant to have length one                    1
    theta, phi   its angles: z = cos theta,  x + iy = sin theta e^{i phi}     radians
    l, m         band 0 .. degree-1 and order -l .. l; they are entry l^2 + l + m
    P_l^(m)      m-th derivative of the Legendre polynomial P_l
    k_lm         constant before the polynomial of Y_lm                       1

Value        waves around the z axis, times what is orthogonal in z for each of them:
    Y_lm = N_lm P_l^(|m|)(z) sin^|m| theta {cos m phi, m >= 0;  sin |m| phi, m < 0}
    N_lm^2 = (2 - [m = 0]) (2l+1) / (4 pi)  (l-|m|)! / (l+|m|)!                 (1)
    so that the integral of Y_lm Y_l'm' over the sphere is [l = l'] [m = m'].
    There is no (-1)^m in front, the Condon-Shortley phase: band one is (y, z, x) times
    a positive number. Codes that have the phase negate the entries of odd m.

    sin^m theta e^{i m phi} = (x + iy)^m, so (1) is a polynomial; and since
    x^2 + y^2 + z^2 = 1, every term of it can be brought to degree l. Common factors
    in the constant, Y_lm = k_lm p_lm with                                      (2)
        l  m    p_lm                   4 pi k_lm^2
        0  0    1                      1
        1 -1    y                      3
        1  0    z                      3
        1  1    x                      3
        2 -2    x y                    15
        2 -1    y z                    15
        2  0    2z^2 - x^2 - y^2       5/4
        2  1    x z                    15
        2  2    x^2 - y^2              15/4
        3 -3    y (3x^2 - y^2)         35/8
        3 -2    x y z                  105
        3 -1    y (4z^2 - x^2 - y^2)   21/8
        3  0    z (2z^2 - 3x^2 - 3y^2) 7/4
        3  1    x (4z^2 - x^2 - y^2)   21/8
        3  2    z (x^2 - y^2)          105/4
        3  3    x (x^2 - 3y^2)         35/8

Jacobian     dY_lm/d(x, y, z) = k_lm times                                      (3)
        l  m    d/dx                d/dy                d/dz
        0  0    0                   0                   0
        1 -1    0                   1                   0
        1  0    0                   0                   1
        1  1    1                   0                   0
        2 -2    y                   x                   0
        2 -1    0                   z                   y
        2  0    -2x                 -2y                 4z
        2  1    z                   0                   x
        2  2    2x                  -2y                 0
        3 -3    6xy                 3x^2 - 3y^2         0
        3 -2    y z                 x z                 x y
        3 -1    -2xy                4z^2 - x^2 - 3y^2   8yz
        3  0    -6xz                -6yz                6z^2 - 3x^2 - 3y^2
        3  1    4z^2 - 3x^2 - y^2   -2xy                8xz
        3  2    2xz                 -2yz                x^2 - y^2
        3  3    3x^2 - 3y^2         -6xy                0

    (2) says what Y is off the sphere too, and that is a choice: 3z^2 - 1 is
    2z^2 - x^2 - y^2 on it and has another slope along d. Ours is homogeneous, so
    Y_lm(s d) = s^l Y_lm(d) and (Euler) J d = l Y, band by band. Of (3) only what
    is across d is a property of the direction.

Cotangent    contract (3) with Y_bar
    d_bar = sum_lm Y_bar_lm dY_lm/d(x, y, z)                                    (4)
    Its part along d is the choice's. Where d = v / |v|, the rule of the division
    (`camera`, (9)) takes that part out again; it must not be taken out here.

Only d is kept. Nothing divides: there is no pole and no seam, as there would be in angles.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MAX_DEGREE = 4
_FOUR_PI_K_SQUARED = (
    *(1, 3, 3, 3),
    *(15, 15, 5 / 4, 15, 15 / 4),
    *(35 / 8, 105, 21 / 8, 7 / 4, 21 / 8, 105 / 4, 35 / 8),
)
_K = tuple(math.sqrt(square / (4 * math.pi)) for square in _FOUR_PI_K_SQUARED)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def spherical_harmonics(
    direction: Float[Array, "*batch 3"], degree: int = 4
) -> Float[Array, "*batch {degree}**2"]:
    """The harmonics Y_lm (2) of unit directions, bands l = 0 .. degree - 1, with 1 <= degree <= 4.

    Orthonormal on the sphere, without Condon-Shortley phase; of a direction of another length,
    the homogeneous polynomials. Raises ValueError for a degree that (2) does not list.
    """
    return spherical_harmonics_fwd(direction, degree)[0]


def spherical_harmonics_fwd(direction, degree):
    if not 1 <= degree <= MAX_DEGREE:
        raise ValueError(f"degree is {degree}: it must be 1 to {MAX_DEGREE}")
    p = _polynomials(*_coordinates(direction))
    scaled = [k * p_lm for k, p_lm in zip(_K, p, strict=True)]
    return jnp.stack(scaled[: degree**2], axis=-1), direction  # (2)


def spherical_harmonics_bwd(degree, direction, Y_bar):
    rows = _slopes(direction, degree)
    d_bar = [sum(Y_bar[..., k] * row[a] for k, row in enumerate(rows)) for a in range(3)]
    return (jnp.stack(d_bar, axis=-1),)  # (4)


spherical_harmonics.defvjp(spherical_harmonics_fwd, spherical_harmonics_bwd)


def spherical_harmonics_jacobian(
    direction: Float[Array, "3"], degree: int = 4
) -> Float[Array, "{degree}**2 3"]:
    """dY/dd, one row for each harmonic, as (3) reads."""
    return jnp.stack([jnp.stack(row) for row in _slopes(direction, degree)])


def _coordinates(direction):
    return direction[..., 0], direction[..., 1], direction[..., 2]


def _polynomials(x, y, z):
    """p_lm of (2), in its order."""
    xx, yy, zz = x * x, y * y, z * z
    return (
        *(jnp.ones_like(x), y, z, x),
        *(x * y, y * z, 2 * zz - xx - yy, x * z, xx - yy),
        y * (3 * xx - yy),
        x * y * z,
        y * (4 * zz - xx - yy),
        z * (2 * zz - 3 * xx - 3 * yy),
        x * (4 * zz - xx - yy),
        z * (xx - yy),
        x * (xx - 3 * yy),
    )


def _slopes(direction, degree):
    """The rows of the table (3), times their constants."""
    x, y, z = _coordinates(direction)
    xx, yy, zz = x * x, y * y, z * z
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    table = (
        (zero, zero, zero),
        (zero, one, zero),
        (zero, zero, one),
        (one, zero, zero),
        (y, x, zero),
        (zero, z, y),
        (-2 * x, -2 * y, 4 * z),
        (z, zero, x),
        (2 * x, -2 * y, zero),
        (6 * x * y, 3 * xx - 3 * yy, zero),
        (y * z, x * z, x * y),
        (-2 * x * y, 4 * zz - xx - 3 * yy, 8 * y * z),
        (-6 * x * z, -6 * y * z, 6 * zz - 3 * xx - 3 * yy),
        (4 * zz - 3 * xx - yy, -2 * x * y, 8 * x * z),
        (2 * x * z, -2 * y * z, xx - yy),
        (3 * xx - 3 * yy, -6 * x * y, zero),
    )
    scaled = [[k * slope for slope in row] for k, row in zip(_K, table, strict=True)]
    return scaled[: degree**2]
