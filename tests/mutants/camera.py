"""Wrong derivatives of rays and of the points on them."""

import jax.numpy as jnp

from calculus.radiance import camera
from tests.mutants.mutant import Mutant


def _not_projected(residuals, cotangents):
    """A direction of length one that is pulled along itself."""
    u, n, d, intrinsics, rotation = residuals
    return camera.rays_bwd((u, n, jnp.zeros_like(d), intrinsics, rotation), cotangents)


def _length_forgotten(residuals, cotangents):
    """(I - d d^T) is the derivative of v / |v| where |v| is one, and v is longer than that."""
    u, n, d, intrinsics, rotation = residuals
    return camera.rays_bwd((u, jnp.ones_like(n), d, intrinsics, rotation), cotangents)


def _upside_down(residuals, cotangents):
    pixel_bar, intrinsics_bar, pose_bar = camera.rays_bwd(residuals, cotangents)
    return pixel_bar * jnp.array([1.0, -1.0], pixel_bar.dtype), intrinsics_bar, pose_bar


def _rotation_not_transposed(residuals, cotangents):
    """Pulls v_bar through R, which pushes: right for a camera that is not turned."""
    u, n, d, intrinsics, rotation = residuals
    turned = (u, n, d, intrinsics, jnp.swapaxes(rotation, -1, -2))
    pixel_bar, intrinsics_bar, _ = camera.rays_bwd(turned, cotangents)
    return pixel_bar, intrinsics_bar, camera.rays_bwd(residuals, cotangents)[2]


def _distance_forgotten(residuals, x_bar):
    origin_bar, _, t_bar = camera.points_bwd(residuals, x_bar)
    return origin_bar, origin_bar, t_bar


def _distances_pooled(residuals, x_bar):
    """d . sum_i x_bar_i for every sample: the sum that is right for the origin."""
    origin_bar, direction_bar, t_bar = camera.points_bwd(residuals, x_bar)
    pooled = jnp.broadcast_to(jnp.sum(t_bar, axis=-1, keepdims=True), t_bar.shape)
    return origin_bar, direction_bar, pooled


def _every_distance_moves_every_point(origin, direction, t):
    """(7) without its [i = k]."""
    do, dd, _ = camera.points_jacobian(origin, direction, t)
    return do, dd, jnp.einsum("a,ik->iak", direction, jnp.ones((t.size, t.size)))


MUTANTS = (
    Mutant("the unit direction not projected", "rays", _not_projected),
    Mutant("the length before it was made one forgotten", "rays", _length_forgotten),
    Mutant("the picture upside down", "rays", _upside_down),
    Mutant("the rotation not transposed on the way back", "rays", _rotation_not_transposed),
    Mutant(
        "the distance t forgotten",
        "points",
        _distance_forgotten,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("the distances of a ray pooled", "points", _distances_pooled),
    Mutant(
        "every distance moves every point",
        "points",
        _every_distance_moves_every_point,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
