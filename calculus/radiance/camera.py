r"""From a pixel, a lens and a pose to a ray: the one place where rays are made.

Symbols      one ray; camera frame: x right, y up, looking along -z; world frame right-handed
    x, y             pixel coordinates, the corner of the picture is (0, 0),
                     the centre of its first pixel (1/2, 1/2), y down          pixels
    f_x f_y c_x c_y  intrinsics: focal lengths and principal point             pixels
    [R | o]          pose T_world_camera: rotation and the camera's centre     1, scene units
    u                direction in the camera frame, not yet of length one      1
    v = R u, n       the same in the world frame, and its length               1
    d                unit direction                                            1
    t_i, x_i         distance along the ray, point on it                       scene units
    xi = (rho, phi)  twist: a small motion of the camera in the world frame    scene units, radians
    [a]_x            the matrix with [a]_x b = a x b

Value
    u = ((x - c_x) / f_x,  -(y - c_y) / f_y,  -1)                              (1)
    v = R u,    n = |v|,    d = v / n,    o = o                                (2)
    x_i = o + t_i d                                                            (3)

Jacobian     a unit vector moves only across itself:
    dd/dv = (I - d d^T) / n                                                    (4)
    dv/du = R,    dv_a/dR_ab = u_b                                             (5)
    du/dx   = ( 1/f_x, 0, 0)         du/dy   = (0, -1/f_y, 0)
    du/dc_x = (-1/f_x, 0, 0)         du/dc_y = (0,  1/f_y, 0)
    du/df_x = (-u_x/f_x, 0, 0)       du/df_y = (0, -u_y/f_y, 0)                (6)
    dx_i/do = I,    dx_i/dd = t_i I,    dx_i/dt_k = d [i = k]                  (7)

    A camera moved by exp(xi) from the left has o + rho + phi x o and d + phi x d, to first
    order, so in the six coordinates in which a pose really moves
    do/dxi = [ I | -[o]_x ],    dd/dxi = [ 0 | -[d]_x ]                        (8)
    with no (I - d d^T): a rotation keeps lengths.

Cotangent    contract (4), then (5), then (6); and (7)
    v_bar = (d_bar - d (d . d_bar)) / n                                        (9)
    R_bar = v_bar u^T,    u_bar = R^T v_bar                                    (10)
    x_bar = u_bar_x / f_x,    y_bar = -u_bar_y / f_y,    c_bar = -(x_bar, y_bar),
    f_bar = (-u_x u_bar_x / f_x,  -u_y u_bar_y / f_y)                          (11)
    o_bar = sum_i x_bar_i,    d_bar = sum_i t_i x_bar_i,    t_bar_i = d . x_bar_i      (12)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def rays(
    pixel: Float[Array, "*batch 2"],
    intrinsics: Float[Array, "*batch 4"],
    pose: Float[Array, "*batch 3 4"],
) -> tuple[Float[Array, "*batch 3"], Float[Array, "*batch 3"]]:
    """Origins (scene units) and unit directions of rays, in the world frame (1)(2).

    `pixel` is (x, y) in pixels, `intrinsics` is (f_x, f_y, c_x, c_y) in pixels, `pose` is
    [R | o] with R a rotation; one of each per ray. A pinhole: lens distortion is undone before.
    """
    return rays_fwd(pixel, intrinsics, pose)[0]


def rays_fwd(pixel, intrinsics, pose):
    u = _in_camera(pixel, intrinsics)  # (1)
    v = jnp.einsum("...ab,...b->...a", pose[..., :3], u)
    n = jnp.linalg.norm(v, axis=-1, keepdims=True)
    d = v / n  # (2)
    return (pose[..., 3], d), (u, n, d, intrinsics, pose[..., :3])


def rays_bwd(residuals, cotangents):
    u, n, d, intrinsics, rotation = residuals
    o_bar, d_bar = cotangents
    v_bar = (d_bar - d * jnp.sum(d * d_bar, axis=-1, keepdims=True)) / n  # (9)
    rotation_bar = v_bar[..., :, None] * u[..., None, :]
    u_bar = jnp.einsum("...ab,...a->...b", rotation, v_bar)  # (10)
    pixel_bar = u_bar[..., :2] / _flip(intrinsics[..., :2])
    focal_bar = -u[..., :2] * u_bar[..., :2] / intrinsics[..., :2]  # (11)
    intrinsics_bar = jnp.concatenate([focal_bar, -pixel_bar], axis=-1)
    return pixel_bar, intrinsics_bar, jnp.concatenate([rotation_bar, o_bar[..., None]], axis=-1)


rays.defvjp(rays_fwd, rays_bwd)


def rays_jacobian(
    pixel: Float[Array, "2"], intrinsics: Float[Array, "4"], pose: Float[Array, "3 4"]
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """d(origin, direction)/d(pixel, intrinsics, pose) of one ray, as (4)-(6) read."""
    (_, d), (u, n, _, _, rotation) = rays_fwd(pixel, intrinsics, pose)
    across = (jnp.eye(3) - jnp.outer(d, d)) / n[0]  # (4)
    inverse_focal = jnp.diag(1 / _flip(intrinsics[:2]))
    du_dpixel = jnp.concatenate([inverse_focal, jnp.zeros((1, 2))])
    du_dfocal = jnp.concatenate([jnp.diag(-u[:2] / intrinsics[:2]), jnp.zeros((1, 2))])
    du_dintrinsics = jnp.concatenate([du_dfocal, -du_dpixel], axis=1)  # (6)
    dv_drotation = jnp.einsum("ia,b->iab", jnp.eye(3), u)  # (5)
    dd_dpose = jnp.concatenate(
        [jnp.einsum("iv,vab->iab", across, dv_drotation), jnp.zeros((3, 3, 1))], axis=2
    )
    do_dpose = jnp.concatenate([jnp.zeros((3, 3, 3)), jnp.eye(3)[:, :, None]], axis=2)
    dd_du = across @ rotation
    return (
        (jnp.zeros((3, 2)), jnp.zeros((3, 4)), do_dpose),
        (dd_du @ du_dpixel, dd_du @ du_dintrinsics, dd_dpose),
    )


def rays_jacobian_se3(
    origin: Float[Array, "3"], direction: Float[Array, "3"]
) -> Float[Array, "6 6"]:
    """d(origin, direction)/d(rho, phi): how a ray answers to a small motion of its camera (8)."""
    upper = jnp.concatenate([jnp.eye(3), -_cross_matrix(origin)], axis=1)
    lower = jnp.concatenate([jnp.zeros((3, 3)), -_cross_matrix(direction)], axis=1)
    return jnp.concatenate([upper, lower])


@jax.custom_vjp
def points(
    origin: Float[Array, "*batch 3"],
    direction: Float[Array, "*batch 3"],
    t: Float[Array, "*batch N"],
) -> Float[Array, "*batch N 3"]:
    """The points at distances `t` along a ray, in scene units (3)."""
    return points_fwd(origin, direction, t)[0]


def points_fwd(origin, direction, t):
    x = origin[..., None, :] + t[..., :, None] * direction[..., None, :]  # (3)
    return x, (direction, t)


def points_bwd(residuals, x_bar):
    direction, t = residuals
    origin_bar = jnp.sum(x_bar, axis=-2)
    direction_bar = jnp.einsum("...n,...na->...a", t, x_bar)
    t_bar = jnp.einsum("...a,...na->...n", direction, x_bar)
    return origin_bar, direction_bar, t_bar  # (12)


points.defvjp(points_fwd, points_bwd)


def points_jacobian(
    origin: Float[Array, "3"], direction: Float[Array, "3"], t: Float[Array, " N"]
) -> tuple[Float[Array, "N 3 3"], Float[Array, "N 3 3"], Float[Array, "N 3 N"]]:
    """dx_i/d(origin, direction, t_k), as (7) reads."""
    identity = jnp.eye(3)
    return (
        jnp.broadcast_to(identity, (t.size, 3, 3)),
        jnp.einsum("i,ab->iab", t, identity),
        jnp.einsum("a,ik->iak", direction, jnp.eye(t.size)),
    )


def _in_camera(pixel, intrinsics):
    across = (pixel - intrinsics[..., 2:]) / _flip(intrinsics[..., :2])
    return jnp.concatenate([across, -jnp.ones_like(across[..., :1])], axis=-1)


def _flip(focal):
    """(f_x, -f_y): pictures count y downwards, cameras upwards."""
    return jnp.stack([focal[..., 0], -focal[..., 1]], axis=-1)


def _cross_matrix(a):
    zero = jnp.zeros_like(a[0])
    return jnp.stack(
        [
            jnp.stack([zero, -a[2], a[1]]),
            jnp.stack([a[2], zero, -a[0]]),
            jnp.stack([-a[1], a[0], zero]),
        ]
    )
