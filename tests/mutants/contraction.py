"""Wrong derivatives of unbounded space: of the contraction, and of device coordinates."""

import jax.numpy as jnp

from calculus.radiance import contraction
from tests.mutants.mutant import Mutant


def _length_held_fixed(residuals, y_bar):
    """g y_bar: no gradient through the distance, right across and wrong along."""
    u, r = residuals
    return contraction.contract_bwd((jnp.zeros_like(u), r), y_bar)


def _conformal(residuals, y_bar):
    """1/r^2 in every direction, as an inversion has it."""
    _, r = residuals
    return (y_bar / r**2,)


def _along_and_across_exchanged(residuals, y_bar):
    u, r = residuals
    along = u * jnp.sum(u * y_bar, axis=-1, keepdims=True)
    return ((2 - 1 / r) / r * along + (y_bar - along) / r / r,)


def _direction_of_any_length(residuals, y_bar):
    """x x^T in the place of u u^T."""
    u, r = residuals
    return contraction.contract_bwd((u * r, r), y_bar)


def _divided_by_the_length(residuals, y_bar):
    """1/|x| for the direction: right but at the origin, where there is none."""
    u, r = residuals
    length = jnp.sqrt(jnp.sum((u * r) ** 2, axis=-1, keepdims=True))
    return contraction.contract_bwd((u * r / length, r), y_bar)


def _corrected_along(residuals, y_bar):
    """g y_bar + (e - g) u (u . y_bar), equal on paper: what is along is a small difference."""
    u, r = residuals
    g, e = (2 - 1 / r) / r, 1 / r / r
    return (g * y_bar + (e - g) * u * jnp.sum(u * y_bar, axis=-1, keepdims=True),)


def _shell_inside_too(x):
    """(6) with r = |x|: another contraction within the ball."""
    r = jnp.linalg.norm(x)
    across = jnp.eye(3) - jnp.outer(x, x) / r**2
    return (2 - 1 / r) / r * across + jnp.outer(x, x) / r**4


def _slope_through_the_plane_alone(residuals, cotangents):
    """p moves the start by itself, and by where the ray meets z = 0: the first forgotten."""
    o_bar, d_bar = cotangents
    origin_bar, _, near_bar, slope_bar = contraction.ndc_bwd(residuals, cotangents)
    by_q = (jnp.zeros_like(o_bar), d_bar - o_bar)
    return origin_bar, contraction.ndc_bwd(residuals, by_q)[1], near_bar, slope_bar


def _depth_dropped(residuals, cotangents):
    """The z of origin and direction as constants."""
    origin_bar, direction_bar, *others = contraction.ndc_bwd(residuals, cotangents)
    return origin_bar.at[..., 2].set(0), direction_bar.at[..., 2].set(0), *others


def _one_slope(residuals, cotangents):
    """The width's slope for the height, as for square pictures."""
    *others, slope = residuals
    square = jnp.stack([slope[0], slope[0]])
    return contraction.ndc_bwd((*others, square), cotangents)


def _near_through_the_start_alone(residuals, cotangents):
    o_bar, _ = cotangents
    _, d, *_, near, _ = residuals
    origin_bar, direction_bar, _, slope_bar = contraction.ndc_bwd(residuals, cotangents)
    near_bar = jnp.sum(d * o_bar[..., :2]) / near
    return origin_bar, direction_bar, near_bar, slope_bar


def _upwards_mirrored(origin, direction, near, slope):
    of_o, of_d = contraction.ndc_jacobian(origin, direction, near, slope)
    mirror = jnp.array([1.0, -1.0, 1.0])
    return tuple(
        tuple(block * mirror.reshape((3,) + (1,) * (block.ndim - 1)) for block in row)
        for row in (of_o, of_d)
    )


def _across_as_if_at_one_depth(residuals, bar):
    """A point that moves away stays where it is in the picture."""
    _, z, near, _ = residuals
    x_bar, near_bar, slope_bar = contraction.ndc_point_bwd(residuals, bar)
    return x_bar.at[..., 2:].set(-2 * near / z**2 * bar[..., 2:]), near_bar, slope_bar


def _near_of_a_ray(residuals, bar):
    """The plane moves the origin of a ray in the picture; of a point it moves the depth alone."""
    there, _, near, _ = residuals
    x_bar, _, slope_bar = contraction.ndc_point_bwd(residuals, bar)
    return x_bar, jnp.sum(there[..., :2] * bar[..., :2]) / near, slope_bar


MUTANTS = (
    Mutant("the length held fixed", "contract", _length_held_fixed),
    Mutant("as flat along as across", "contract", _conformal),
    Mutant("along and across exchanged", "contract", _along_and_across_exchanged),
    Mutant("a direction of any length", "contract", _direction_of_any_length),
    Mutant(
        "divided by the length at the origin",
        "contract",
        _divided_by_the_length,
        ("float32_survives_the_limits", "limits_are_jax"),
    ),
    Mutant(
        "what is along as a small difference",
        "contract",
        _corrected_along,
        ("float32_survives_the_limits",),
    ),
    Mutant(
        "contracted inside the ball too",
        "contract",
        _shell_inside_too,
        ("limits_are_jax",),
        "jacobian",
    ),
    Mutant("the slope through the plane alone", "ndc", _slope_through_the_plane_alone),
    Mutant("depth dropped", "ndc", _depth_dropped),
    Mutant("one slope for width and height", "ndc", _one_slope),
    Mutant("near through the start alone", "ndc", _near_through_the_start_alone),
    Mutant("across as if at one depth", "ndc_point", _across_as_if_at_one_depth),
    Mutant("the near plane as of a ray", "ndc_point", _near_of_a_ray),
    Mutant("height mirrored", "ndc", _upwards_mirrored, ("jacobian_is_jax",), "jacobian"),
)
