"""Wrong derivatives of a lens, and of the way back through it."""

import jax.numpy as jnp

from calculus.radiance import lens
from tests.mutants.mutant import Mutant


def _decentring_exchanged(fisheye, residuals, pixel_bar):
    """p_1 and p_2 in each other's place."""
    *others, l_bar = lens.distort_bwd(fisheye, residuals, pixel_bar)
    return *others, l_bar[..., jnp.array([0, 1, 3, 2, 4, 5, 6, 7])]


def _y_upwards(fisheye, residuals, pixel_bar):
    """p_1 as it would be with y up, beside pixels that count y down."""
    *others, l_bar = lens.distort_bwd(fisheye, residuals, pixel_bar)
    return *others, l_bar.at[..., 2].multiply(-1)


def _scaled_alike_in_every_direction(fisheye, residuals, pixel_bar):
    """L I for J: how the factor changes with the radius is forgotten."""
    _, a, _, _, distortion = residuals
    _, intrinsics_bar, l_bar = lens.distort_bwd(fisheye, residuals, pixel_bar)
    _, L, *_ = lens._radial(a, distortion, fisheye)
    return L[..., None] * pixel_bar, intrinsics_bar, l_bar


def _focal_length_after_alone(fisheye, residuals, pixel_bar):
    """The focal length stretches what the lens has done, and also divides before it."""
    _, _, b, _, _ = residuals
    in_bar, intrinsics_bar, l_bar = lens.distort_bwd(fisheye, residuals, pixel_bar)
    intrinsics_bar = jnp.concatenate([b * pixel_bar, intrinsics_bar[..., 2:]], axis=-1)
    return in_bar, intrinsics_bar, l_bar


def _without_decentring(pixel, intrinsics, distortion, fisheye):
    """(6) of the radial part alone."""
    radial = distortion.at[2:4].set(0)
    by_pixel, _, _ = lens.distort_jacobian(pixel, intrinsics, radial, fisheye)
    return by_pixel, *lens.distort_jacobian(pixel, intrinsics, distortion, fisheye)[1:]


def _pulled_as_if_distorted(fisheye, residuals, pixel_bar):
    """J in the place of its inverse."""
    _, a, _, f, distortion = residuals
    _, intrinsics_bar, l_bar = lens.undistort_bwd(fisheye, residuals, pixel_bar)
    b_bar, _ = lens._pulled(a, distortion, fisheye, f * pixel_bar)
    return b_bar / f, intrinsics_bar, l_bar


def _at_the_distorted_place(fisheye, residuals, pixel_bar):
    """J where Newton began, not where it ended."""
    m, _, b, f, distortion = residuals
    return lens.undistort_bwd(fisheye, (m, b, b, f, distortion), pixel_bar)


def _straight_through(fisheye, residuals, pixel_bar):
    """The lens as a constant: what the pinhole's pixel asks for, the photograph's is given."""
    _, intrinsics_bar, l_bar = lens.undistort_bwd(fisheye, residuals, pixel_bar)
    return pixel_bar, intrinsics_bar, l_bar


def _sign_of_the_implicit_function(fisheye, residuals, pixel_bar):
    *others, l_bar = lens.undistort_bwd(fisheye, residuals, pixel_bar)
    return *others, -l_bar


def _inverse_forgotten_for_the_distortion(fisheye, residuals, pixel_bar):
    """-dP/dl by itself: right for a lens that hardly distorts."""
    _, a, _, f, distortion = residuals
    *others, _ = lens.undistort_bwd(fisheye, residuals, pixel_bar)
    return *others, lens._pulled(a, distortion, fisheye, -f * pixel_bar)[1]


def _principal_point_after_alone(fisheye, residuals, pixel_bar):
    in_bar, intrinsics_bar, l_bar = lens.undistort_bwd(fisheye, residuals, pixel_bar)
    intrinsics_bar = jnp.concatenate([intrinsics_bar[..., :2], pixel_bar], axis=-1)
    return in_bar, intrinsics_bar, l_bar


def _one_step(pixel, intrinsics, distortion, fisheye):
    """The Jacobian of Newton's first step with J held fixed: J^{-1} at the start."""
    _, (_, _, b, f, _) = lens.undistort_fwd(pixel, intrinsics, distortion, fisheye)
    J, _ = lens._slopes(b, distortion, fisheye)
    by_pixel = f[:, None] * jnp.linalg.inv(J) / f[None, :]
    return by_pixel, *lens.undistort_jacobian(pixel, intrinsics, distortion, fisheye)[1:]


MUTANTS = (
    Mutant("decentring exchanged", "distort", _decentring_exchanged),
    Mutant("decentring with y upwards", "distort", _y_upwards),
    Mutant("a lens that scales alike everywhere", "distort", _scaled_alike_in_every_direction),
    Mutant("the focal length after the lens alone", "distort", _focal_length_after_alone),
    Mutant(
        "a lens without decentring",
        "distort",
        _without_decentring,
        ("jacobian_is_jax",),
        "jacobian",
    ),
    Mutant("pulled as if distorted", "undistort", _pulled_as_if_distorted),
    Mutant("J at the distorted place", "undistort", _at_the_distorted_place),
    Mutant("straight through the lens", "undistort", _straight_through),
    Mutant(
        "the sign of the implicit function theorem", "undistort", _sign_of_the_implicit_function
    ),
    Mutant(
        "the inverse forgotten for the distortion",
        "undistort",
        _inverse_forgotten_for_the_distortion,
    ),
    Mutant("the principal point after the lens alone", "undistort", _principal_point_after_alone),
    Mutant("one step's Jacobian", "undistort", _one_step, ("jacobian_is_jax",), "jacobian"),
)
