r"""Space without an end, brought into a ball (contraction) or a cube (device coordinates).

Symbols      frames right-handed, lengths in scene units
    x, r             a point, and its distance from the origin                 scene units
    u                x / r outside the unit ball, x inside                     1
    y                the contracted point, |y| < 2                             1
    g, e             how much longer y becomes as x moves across, along u      1
    o, d             origin and direction of a ray that looks along -z: d_z < 0
    n                the plane z = -n, n > 0, is where space begins            scene units
    a                slopes of the frustum: half its width and height at z = -1      1
    p                slope of the ray: where it goes, seen from anywhere       1
    q                where the ray's line meets the plane z = 0                scene units
    o', d'           the ray in normalised device coordinates                  1

Value        Barron et al. 2022: nothing changes in the unit ball, all else goes into a shell
    y = x for r <= 1,   (2 - 1/r) x/r for r > 1, in one line
    y = g(r) x,    g(r) = (2 - 1/r) / r,    r = max(|x|, 1)                    (1)

    Mildenhall et al. 2020: the frustum behind z = -n becomes the cube [-1, 1]^3 by
    x' = (-x / (a_x z),  -y / (a_y z),  1 + 2n/z)                              (2)
    A projective map keeps lines. Let x = o + t d; with s = 1 + n/z, which is 0 at z = -n and 1
    at infinity, 1/z = (s - 1) / n is linear in s, and so is
    x/z = (q + z p)/z = q/z + p,    p = d_xy / d_z,    q = o_xy - o_z p        (3)
    o' = ((q/n - p) / a, -1),    d' = (-q / (n a), 2)                          (4)
    x' = o' + s d',    s = 1 + n/z,    z = o_z + t d_z                         (5)

Jacobian     dr/dx = u, so dy/dx = g I + g' x u^T, symmetric: across u it is g, along u g + r g',
    dy/dx = g (I - u u^T) + e u u^T,    e = 1/r^2                              (6)
    At r = 1 both are 1: the derivative is continuous, and inside it is I whatever u.
    A small cube far out becomes a flat tile, r times as wide (g ~ 2/r) as it is thick.

    dq/do_xy = I,  dq/do_z = -p,  dq/dp = -o_z I,  dp/dd_xy = I / d_z,  dp/dd_z = -p / d_z     (7)
    do'_xy = (dq/n - dp) / a,    dd'_xy = -dq / (n a)                          (8)
    do'_xy/dn = -q / (n^2 a) = d'_xy / n = -dd'_xy/dn                          (9)
    do'_i/da_i = -o'_i / a_i,    dd'_i/da_i = -d'_i / a_i    for i = x, y      (10)
    o'_z and d'_z are constants

    Of a point by (2), where x'_z - 1 = 2n/z:
    dx'_i/dx_i = -1 / (a_i z),  dx'_i/dz = -x'_i / z,  dx'_i/da_i = -x'_i / a_i   for i = x, y
    dx'_z/dz = -(x'_z - 1) / z,    dx'_z/dn = 2 / z                            (11)

Cotangent    contract (6), each part of y_bar by itself: far out g is 2r times e, and g y_bar with
             a correction along u would have lost the digits of what is along
    x_bar = g (y_bar - u (u . y_bar)) + e u (u . y_bar)                        (12)
             contract (8), then (7); and (9), (10)
    q_bar = (o'_bar - d'_bar)_xy / (n a),    p_bar = -o'_bar_xy / a - o_z q_bar      (13)
    o_bar = (q_bar, -p . q_bar),    d_bar = (p_bar, -p . p_bar) / d_z          (14)
    n_bar = d'_xy . (o'_bar - d'_bar)_xy / n                                   (15)
    a_bar = -(o'_xy o'_bar_xy + d'_xy d'_bar_xy) / a                           (16)
             contract (11)
    x_bar_i = -x'_bar_i / (a_i z),    z_bar = -(x' . x'_bar - x'_bar_z) / z    (17)
    n_bar = 2 x'_bar_z / z,    a_bar_i = -x'_i x'_bar_i / a_i                  (18)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def contract(x: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """The points of unbounded space in a ball of radius 2, the unit ball left as it is (1).

    Scene units in and out; scaled so that what is to be seen sharply lies in the unit ball.
    """
    return contract_fwd(x)[0]


def contract_fwd(x):
    r = _length_or_one(x)
    u = x / r
    return (2 - 1 / r) * u, (u, r)  # (1)


def contract_bwd(residuals, y_bar):
    u, r = residuals
    along = u * jnp.sum(u * y_bar, axis=-1, keepdims=True)
    return ((2 - 1 / r) / r * (y_bar - along) + along / r / r,)  # (12)


contract.defvjp(contract_fwd, contract_bwd)


def contract_jacobian(x: Float[Array, "3"]) -> Float[Array, "3 3"]:
    """dy/dx, as (6) reads."""
    _, (u, (r,)) = contract_fwd(x)
    along = jnp.outer(u, u)
    return (2 - 1 / r) / r * (jnp.eye(3) - along) + along / r / r


@jax.custom_vjp
def ndc(
    origin: Float[Array, "*batch 3"],
    direction: Float[Array, "*batch 3"],
    near: Float[Array, ""],
    slope: Float[Array, "2"],
) -> tuple[Float[Array, "*batch 3"], Float[Array, "*batch 3"]]:
    """Rays in normalised device coordinates (4): s = 0 at the plane z = -near, 1 at infinity.

    The rays look along -z (direction_z < 0, any length), `near` is in scene units, `slope` is
    half the frustum's width and height at distance 1: half the picture's over the focal length.
    The directions returned are not of length one: what lies at s is at depth near / (1 - s).
    """
    return ndc_fwd(origin, direction, near, slope)[0]


def ndc_fwd(origin, direction, near, slope):
    p = direction[..., :2] / direction[..., 2:]
    q = origin[..., :2] - origin[..., 2:] * p  # (3)
    o, d = _over(q / near - p, slope), _over(-q / near, slope)
    one = jnp.ones_like(origin[..., :1])
    there = jnp.concatenate([o, -one], axis=-1), jnp.concatenate([d, 2 * one], axis=-1)  # (4)
    return there, (o, d, p, origin[..., 2:], direction[..., 2:], near, slope)


def ndc_bwd(residuals, cotangents):
    o, d, p, o_z, d_z, near, slope = residuals
    o_bar, d_bar = (bar[..., :2] for bar in cotangents)
    q_bar = _over(o_bar - d_bar, slope) / near
    p_bar = -_over(o_bar, slope) - o_z * q_bar  # (13)
    origin_bar = _with_third(q_bar, p)
    direction_bar = _with_third(p_bar, p) / d_z  # (14)
    near_bar = jnp.sum(d * (o_bar - d_bar)) / near  # (15)
    of_rays = (o * o_bar + d * d_bar).reshape(-1, 2)
    return origin_bar, direction_bar, near_bar, -jnp.sum(of_rays, axis=0) / slope  # (16)


ndc.defvjp(ndc_fwd, ndc_bwd)


def ndc_jacobian(
    origin: Float[Array, "3"],
    direction: Float[Array, "3"],
    near: Float[Array, ""],
    slope: Float[Array, "2"],
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """d(o', d')/d(origin, direction, near, slope) of one ray, as (7)-(10) read."""
    _, (o, d, p, (o_z,), (d_z,), _, _) = ndc_fwd(origin, direction, near, slope)
    across = jnp.concatenate([jnp.eye(2), -p[:, None]], axis=1)
    dq_do, dp_dd = across, across / d_z
    dq_dd = -o_z * dp_dd  # (7)
    inverse = jnp.diag(1 / slope)
    of_o = (
        inverse @ dq_do / near,
        inverse @ (dq_dd / near - dp_dd),  # (8)
        d / near,  # (9)
        jnp.diag(-o / slope),  # (10)
    )
    of_d = (-inverse @ dq_do / near, -inverse @ dq_dd / near, -d / near, jnp.diag(-d / slope))

    def with_constant(block):  # o'_z and d'_z
        return jnp.concatenate([block, jnp.zeros_like(block[:1])])

    return tuple(map(with_constant, of_o)), tuple(map(with_constant, of_d))


@jax.custom_vjp
def ndc_point(
    x: Float[Array, "*batch 3"], near: Float[Array, ""], slope: Float[Array, "2"]
) -> Float[Array, "*batch 3"]:
    """Points in normalised device coordinates (2); `near` and `slope` as in `ndc`, x_z < 0."""
    return ndc_point_fwd(x, near, slope)[0]


def ndc_point_fwd(x, near, slope):
    z = x[..., 2:]
    there = jnp.concatenate([_over(-x[..., :2] / z, slope), 1 + 2 * near / z], axis=-1)  # (2)
    return there, (there, z, near, slope)


def ndc_point_bwd(residuals, bar):
    there, z, near, slope = residuals
    x_bar = _over(-bar[..., :2] / z, slope)
    along = jnp.sum(there[..., :2] * bar[..., :2], axis=-1, keepdims=True)
    z_bar = -(along + 2 * near / z * bar[..., 2:]) / z  # (17), x'_z - 1 as it is made
    slope_bar = -jnp.sum((there * bar)[..., :2].reshape(-1, 2), axis=0) / slope
    near_bar = jnp.sum(2 * bar[..., 2:] / z)  # (18)
    return jnp.concatenate([x_bar, z_bar], axis=-1), near_bar, slope_bar


ndc_point.defvjp(ndc_point_fwd, ndc_point_bwd)


def ndc_point_jacobian(
    x: Float[Array, "3"], near: Float[Array, ""], slope: Float[Array, "2"]
) -> tuple[Float[Array, "3 3"], Float[Array, "3"], Float[Array, "3 2"]]:
    """dx'/d(x, near, slope) of one point, as (11) reads."""
    _, (there, (z,), _, _) = ndc_point_fwd(x, near, slope)
    by_z = jnp.append(-there[:2] / z, -2 * near / z**2)
    by_x = jnp.concatenate([jnp.diag(-1 / (slope * z)), jnp.zeros((1, 2))])
    by_slope = jnp.concatenate([jnp.diag(-there[:2] / slope), jnp.zeros((1, 2))])
    return jnp.column_stack([by_x, by_z]), jnp.array([0.0, 0.0, 2.0]) / z, by_slope


def _length_or_one(x):
    """max(|x|, 1): in units of the largest coordinate, whose square need not fit in the float."""
    unit = jnp.maximum(jnp.max(jnp.abs(x), axis=-1, keepdims=True), 1)
    unit = jax.lax.stop_gradient(unit)  # any unit would do, so it has no derivative
    square = jnp.sum((x / unit) ** 2, axis=-1, keepdims=True)
    return unit * jnp.sqrt(jnp.maximum(square, (1 / unit) ** 2))


def _over(v, slope):
    return v / slope.reshape((1,) * (v.ndim - 1) + (2,))


def _with_third(bar, p):
    """(bar, -p . bar): what reaches x and y by themselves, and z through the slopes."""
    return jnp.concatenate([bar, -jnp.sum(p * bar, axis=-1, keepdims=True)], axis=-1)
