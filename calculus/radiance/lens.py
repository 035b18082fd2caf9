r"""What a lens does to a pixel, and which pixel a pinhole would have had: both with derivatives.

Symbols      one pixel; the frame of OpenCV: x right, y *down*, looking along +z, the signs of
             p_1 and p_2 as there. `camera` turns y round when it makes the ray; not this page.
    pixel            where the lens (or the pinhole) shows a ray               pixels
    f, c             focal lengths and principal point, of both                pixels
    m                (pixel - c) / f of the pinhole: slopes of the ray         1
    theta            angle of the ray to the axis, tan theta = |m|             radians
    a                what the lens takes the ray for: m, or of a fisheye the
                     vector along m of length theta                            1, radians
    b                (pixel - c) / f of the lens                               1
    s                |a|^2
    l                distortion (k1 k2 p1 p2 k3 k4 k5 k6); of a fisheye its first four are k1 to k4
    n_i, d_i         coefficients of numerator and denominator: n = (k1 k2 k3 0), d = (k4 k5 k6),
                     of a fisheye n = (k1 k2 k3 k4), d = 0
    p                decentring (p_2, p_1); of a fisheye 0

Value
    a = m,   of a fisheye  a = (theta/|m|) m,  theta = atan |m|                (1)
    b = P(a) = L a + s p + 2 (p . a) a                                         (2)
    L = N/D,   N = 1 + n_1 s + .. + n_4 s^4,   D = 1 + d_1 s + d_2 s^2 + d_3 s^3   (3)
    pixel = f b + c                                                            (4)
    distort goes (1) to (4), undistort the same way back. There is no formula for the inverse of
    P; Newton's method takes STEPS steps from the start (18),
    a <- a + J^{-1} (b - P(a)),    J = dP/da by (6)                            (5)

Jacobian     L' = dL/ds, and ds/da = 2 a^T:
    J = (L + 2 p . a) I + 2 L' a a^T + 2 (a p^T + p a^T)                       (6)
    L' = (N' - L D') / D                                                       (7)
    symmetric: P is the slope of a potential, 1/2 int_0^s L + s (p . a)
    dP/dn_i = (s^i / D) a,    dP/dd_i = -(L s^i / D) a,    dP/dp = s I + 2 a a^T     (8)
             a vector given another length h(rho), rho the length it has, u its direction:
    A = (h/rho) (I - u u^T) + h' u u^T,   atan: h' = 1/(1 + rho^2),   tan: h' = 1 + h^2     (9)
    distort:    d pixel' = f J A d m + f dP/dl dl                              (10)
    undistort:  P(a) = b whatever b and l, so J da + dP/dl dl = db, and
                da = J^{-1} (db - dP/dl dl),    d pixel' = f A da              (11)
    both:       d m or d b = (d pixel - dc - m df) / f, and pixel' = f (.) + c likewise     (12)

Cotangent    contract (10), and (11), with the cotangent of the pixel that is returned
    distort:    b_bar = f pixel'_bar,   l_bar = (dP/dl)^T b_bar,   m_bar = A J b_bar         (13)
    undistort:  m_bar = f pixel'_bar,   b_bar = J^{-1} A m_bar,   l_bar = -(dP/dl)^T b_bar   (14)
    by (12)     pixel_bar = m_bar / f (b_bar / f),    c_bar = pixel'_bar - pixel_bar,
                f_bar = b pixel'_bar - m pixel_bar (m and b exchanged)         (15)

Start        Newton's method from a = b stands still where b lies beyond the fold of P, and strays
where the way to the root is long. Without p all happens along one ray from the middle, of length
    g(r) = r L(r^2),    g' = L + 2 r^2 L'                                      (16)
    The sheet that holds the middle of the picture is 0 <= r < R, R the first r at which g' or D
    is no longer positive. There g rises, so g(r) = |b| has one root or none. Of the rising
    radii r_j (RADII) let
    r_low be the last with g' > 0, D > 0 and g <= |b| at r_1 to r_low,   r_high the next   (17)
    A root on the sheet lies between the two, for g(r_low) <= |b|, and r_high is beyond the root
    or beyond R. Each of SEARCHES trials r, the first r_low, replaces r_low if it passes the test
    of (17) and else r_high, and leaves the root between them; the next is Newton's,
    r <- r + (|b| - g)/g',   where that is between r_low and r_high, or (r_low + r_high)/2    (18)
    Near the root Newton's converges: g' > 0 there. The start is a = r b/|b|; it solves (2)
    where p = 0, and with p it is wrong by O(|p|), which each step of (5) squares. A lens that
    folds and unfolds between two neighbouring radii (3 degrees) passes unseen.
    The start is a constant of differentiation, which drops nothing: by (5) da_{k+1}/da_k = 0 at
    the root.

Far from the middle a polynomial folds back: det J falls to 0, and no ray looks like what lies
beyond. There Newton stays where it is, and nothing is pulled: finite numbers, of no ray. So is
what a fisheye sees from WIDEST on, where a pinhole sees nothing any more. `hit` is False at these
pixels, and where det J falls to 0 anywhere on the way from the middle to a (at 32 places of it):
with p Newton's method may leap from the fold to an outer sheet.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

STEPS = 5
"""Of Newton's method in two dimensions (5): decentring only is left to it."""
SEARCHES = 6
"""Trials along the radius (18)."""
RADII = {False: np.tan(np.arange(1, 33) * 1.55 / 32), True: np.arange(1, 33) * np.pi / 32}
"""r_j of (17), of a perspective lens and of a fisheye: every three to six degrees off the axis."""
MISSED = 1e-4
"""|P(a) - b|/(1 + |b|) from which on `hit` takes b for a point that no ray reaches."""
FOLD = 1e-3
"""What det J has fallen to where a lens folds back; 1 in the middle."""
WIDEST = 1.57
"""The largest angle (radians) to the axis that is given a pixel of a pinhole."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def distort(
    pixel: Float[Array, "*batch 2"],
    intrinsics: Float[Array, "*batch 4"],
    distortion: Float[Array, "*batch 8"],
    fisheye: bool,
) -> Float[Array, "*batch 2"]:
    """Where a lens shows what a pinhole of the same `intrinsics` shows at `pixel` (4).

    `pixel` is (x, y) in pixels, y down, `intrinsics` is (f_x, f_y, c_x, c_y) in pixels;
    `distortion` is k1 k2 p1 p2 k3 k4 k5 k6 as OpenCV has them, of a fisheye k1 k2 k3 k4 0 0 0 0.
    """
    return distort_fwd(pixel, intrinsics, distortion, fisheye)[0]


def distort_fwd(pixel, intrinsics, distortion, fisheye):
    f, c = intrinsics[..., :2], intrinsics[..., 2:]
    m = (pixel - c) / f
    a = _as_angle(m)[0] if fisheye else m  # (1)
    b = _seen(a, distortion, fisheye)[0]  # (2)
    return f * b + c, (m, a, b, f, distortion)  # (4)


def distort_bwd(fisheye, residuals, pixel_bar):
    m, a, b, f, distortion = residuals
    b_bar = f * pixel_bar
    a_bar, distortion_bar = _pulled(a, distortion, fisheye, b_bar)
    m_bar = _as_angle(m)[1](a_bar) if fisheye else a_bar  # (13)
    return *_through_pixels(m_bar / f, pixel_bar, m, b), distortion_bar


distort.defvjp(distort_fwd, distort_bwd)


def distort_jacobian(
    pixel: Float[Array, "2"],
    intrinsics: Float[Array, "4"],
    distortion: Float[Array, "8"],
    fisheye: bool,
) -> tuple[Float[Array, "2 2"], Float[Array, "2 4"], Float[Array, "2 8"]]:
    """d pixel'/d(pixel, intrinsics, distortion), as (10) and (12) read."""
    _, (m, a, b, f, _) = distort_fwd(pixel, intrinsics, distortion, fisheye)
    J, of_distortion = _slopes(a, distortion, fisheye)
    A = _matrix(_as_angle(m)[1]) if fisheye else jnp.eye(2)
    by_pixel = f[:, None] * (J @ A) / f[None, :]
    return by_pixel, _by_intrinsics(by_pixel, m, b), f[:, None] * of_distortion


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def undistort(
    pixel: Float[Array, "*batch 2"],
    intrinsics: Float[Array, "*batch 4"],
    distortion: Float[Array, "*batch 8"],
    fisheye: bool,
) -> Float[Array, "*batch 2"]:
    """The pixel at which a pinhole of the same `intrinsics` shows what the lens shows at `pixel`.

    All in pixels, `distortion` as in `distort`. Finite for any pixel; of no ray for those that
    lie beyond where the lens folds back, and for those more than 89.9 degrees off the axis.
    """
    return undistort_fwd(pixel, intrinsics, distortion, fisheye)[0]


def undistort_fwd(pixel, intrinsics, distortion, fisheye):
    f, c = intrinsics[..., :2], intrinsics[..., 2:]
    b = (pixel - c) / f

    def newton(a, _):
        P, J = _seen(a, distortion, fisheye)
        return a + jnp.clip(_solved(J, b - P), -1, 1), None  # (5)

    # a loop and not copies of it: as fast, and compiled in half the time
    start = jax.lax.stop_gradient(_start(b, distortion, fisheye))
    a, _ = jax.lax.scan(newton, start, length=STEPS)
    m = _as_slope(a)[0] if fisheye else a
    return f * m + c, (m, a, b, f, distortion)


def undistort_bwd(fisheye, residuals, pixel_bar):
    m, a, b, f, distortion = residuals
    m_bar = f * pixel_bar
    a_bar = _as_slope(a)[1](m_bar) if fisheye else m_bar
    _, J = _seen(a, distortion, fisheye)
    b_bar = _solved(J, a_bar)
    a = jnp.where(_one_to_one(J)[..., None], a, 0)  # powers of what is far do not fit in a float
    _, distortion_bar = _pulled(a, distortion, fisheye, -b_bar)  # (14)
    return *_through_pixels(b_bar / f, pixel_bar, b, m), distortion_bar


undistort.defvjp(undistort_fwd, undistort_bwd)


def undistort_jacobian(
    pixel: Float[Array, "2"],
    intrinsics: Float[Array, "4"],
    distortion: Float[Array, "8"],
    fisheye: bool,
) -> tuple[Float[Array, "2 2"], Float[Array, "2 4"], Float[Array, "2 8"]]:
    """d pixel'/d(pixel, intrinsics, distortion), as (11) and (12) read."""
    _, (m, a, b, f, _) = undistort_fwd(pixel, intrinsics, distortion, fisheye)
    J, of_distortion = _slopes(a, distortion, fisheye)
    A = _matrix(_as_slope(a)[1]) if fisheye else jnp.eye(2)
    inverse = f[:, None] * (A @ jnp.linalg.inv(J))
    by_pixel = inverse / f[None, :]
    return by_pixel, _by_intrinsics(by_pixel, b, m), -inverse @ of_distortion


def hit(
    pixel: Float[Array, "*batch 2"],
    intrinsics: Float[Array, "*batch 4"],
    distortion: Float[Array, "*batch 8"],
    fisheye: bool,
) -> Bool[Array, "*batch"]:
    """Whether a ray reaches the pixel: `undistort` returns the pixel of a ray, not a stand-in.

    False beyond where the lens folds back, and of a fisheye from WIDEST off the axis on.
    Arguments as those of `undistort`.
    """
    _, (_, a, b, _, _) = undistort_fwd(pixel, intrinsics, distortion, fisheye)

    def along(reached, part):  # one sheet, all the way from the middle
        return reached & _one_to_one(_seen(part * a, distortion, fisheye)[1]), None

    P, _ = _seen(a, distortion, fisheye)
    reached = (_length(P - b) < MISSED * (1 + _length(b)))[..., 0]
    reached, _ = jax.lax.scan(along, reached, jnp.arange(1, 33, dtype=a.dtype) / 32)
    return reached & (_length(a)[..., 0] < WIDEST) if fisheye else reached


def _start(b, distortion, fisheye):
    """Where Newton's method begins: along b, on the sheet of the middle (18)."""
    target = _length(b)[..., 0]

    def tried(r):
        L, L_slope, D = _factor(r * r, distortion, fisheye)
        g, slope = r * L, L + 2 * r * r * L_slope  # (16)
        return g, slope, (slope > 0) & (D > 0) & (g <= target)

    def bracket(carry, r):
        low, high, on_the_way = carry
        passes = on_the_way & tried(r)[2]
        high = jnp.where(on_the_way & ~passes, r, high)
        return (jnp.where(passes, r, low), high, passes), None  # (17)

    def search(carry, _):
        low, high, r = carry
        g, slope, passes = tried(r)
        low, high = jnp.where(passes, r, low), jnp.where(passes, high, r)
        newton = r + (target - g) / slope
        inside = (slope > 0) & (low <= newton) & (newton <= high)
        return (low, high, jnp.where(inside, newton, (low + high) / 2)), None  # (18)

    radii = jnp.asarray(RADII[fisheye], b.dtype)
    nothing = jnp.zeros_like(target)
    bracketed = nothing, nothing + radii[-1], nothing == 0
    (low, high, _), _ = jax.lax.scan(bracket, bracketed, radii)
    (*_, r), _ = jax.lax.scan(search, (low, high, low), length=SEARCHES)
    return b * (r / target)[..., None]


def _seen(a, distortion, fisheye):
    """P(a) (2), and the entries xx, xy, yy of its symmetric Jacobian (6)."""
    s, L, L_slope, _, p = _radial(a, distortion, fisheye)
    middle = L + 2 * jnp.sum(p * a, axis=-1)
    (x, y), (p_x, p_y) = (jnp.moveaxis(v, -1, 0) for v in (a, p))
    J = (
        middle + 2 * L_slope * x * x + 4 * x * p_x,
        2 * L_slope * x * y + 2 * (x * p_y + y * p_x),
        middle + 2 * L_slope * y * y + 4 * y * p_y,
    )
    return middle[..., None] * a + s[..., None] * p, J


def _radial(a, distortion, fisheye):
    """s, L (3), L' (7), D, and the decentring p."""
    s = jnp.sum(a * a, axis=-1)
    p = jnp.zeros_like(a) if fisheye else distortion[..., 3:1:-1]
    return s, *_factor(s, distortion, fisheye), p


def _factor(s, distortion, fisheye):
    """L (3), L' (7), and D, of s."""
    k = tuple(jnp.moveaxis(distortion, -1, 0))
    N, N_slope = _polynomial(k[:4] if fisheye else (k[0], k[1], k[4]), s)
    D, D_slope = _polynomial(() if fisheye else k[5:], s)
    return N / D, (N_slope - N / D * D_slope) / D, D


def _polynomial(coefficients, s):
    """1 + k_1 s + k_2 s^2 + .. and its slope, by Horner."""
    value, slope = jnp.zeros_like(s), jnp.zeros_like(s)
    for k in (*reversed(coefficients), jnp.ones_like(s)):
        slope = slope * s + value
        value = value * s + k
    return value, slope


def _one_to_one(J):
    """Whether nothing has folded back yet: J is positive definite, and a number."""
    xx, xy, yy = J
    determinant = xx * yy - xy * xy
    return (xx > 0) & (determinant > FOLD) & (determinant < jnp.inf)


def _solved(J, v):
    """J^{-1} v, and 0 where the lens folds back."""
    xx, xy, yy = J
    determinant = jnp.where(_one_to_one(J), xx * yy - xy * xy, 1)
    x, y = v[..., 0], v[..., 1]
    solved = jnp.stack([yy * x - xy * y, xx * y - xy * x], axis=-1) / determinant[..., None]
    return jnp.where(_one_to_one(J)[..., None] & jnp.isfinite(solved), solved, 0)


def _pulled(a, distortion, fisheye, b_bar):
    """J b_bar and (dP/dl)^T b_bar: (6) and (8) contracted."""
    (xx, xy, yy), (x, y) = _seen(a, distortion, fisheye)[1], jnp.moveaxis(b_bar, -1, 0)
    a_bar = jnp.stack([xx * x + xy * y, xy * x + yy * y], axis=-1)
    s, L, _, D, _ = _radial(a, distortion, fisheye)
    along = jnp.sum(a * b_bar, axis=-1)
    n_bar = [s**i * along / D for i in range(1, 5)]
    if fisheye:
        of_distortion = [*n_bar, *[jnp.zeros_like(s)] * 4]
    else:
        p_bar = s[..., None] * b_bar + 2 * along[..., None] * a
        d_bar = [-L * bar for bar in n_bar[:3]]
        of_distortion = [*n_bar[:2], p_bar[..., 1], p_bar[..., 0], n_bar[2], *d_bar]
    return a_bar, jnp.stack(of_distortion, axis=-1)


def _slopes(a, distortion, fisheye):
    """J and dP/dl, all of them, as (6) and (8) read: their rows are what a unit vector pulls."""
    rows = [_pulled(a, distortion, fisheye, e) for e in jnp.eye(2)]
    return jnp.stack([J for J, _ in rows]), jnp.stack([of_distortion for _, of_distortion in rows])


def _as_angle(m):
    """The vector along m of length atan |m| (1), and v -> A v (9)."""
    rho = _length(m)
    return _lengthened(m, rho, jnp.arctan(rho), 1 / (1 + rho * rho))


def _as_slope(a):
    """The vector along a of length tan |a|, and v -> A v (9)."""
    rho = _length(a)
    h = jnp.tan(jnp.minimum(rho, WIDEST))
    return _lengthened(a, rho, h, jnp.where(rho < WIDEST, 1 + h * h, 0))


def _length(v):
    """|v|, but no less than 1e-10: tan and atan keep what is shorter as it is."""
    return jnp.sqrt(jnp.maximum(jnp.sum(v * v, axis=-1, keepdims=True), 1e-20))


def _lengthened(v, rho, h, slope):
    def pushed(w):
        along = v / rho * jnp.sum(v / rho * w, axis=-1, keepdims=True)
        return h / rho * (w - along) + slope * along  # (9)

    return h / rho * v, pushed


def _matrix(linear):
    return jnp.stack([linear(e) for e in jnp.eye(2)], axis=1)


def _through_pixels(pixel_bar, returned_bar, before, after):
    """The cotangents of the pixel and of the intrinsics (15)."""
    of_focal = after * returned_bar - before * pixel_bar
    return pixel_bar, jnp.concatenate([of_focal, returned_bar - pixel_bar], axis=-1)


def _by_intrinsics(by_pixel, before, after):
    """d pixel'/d(f, c), by (12)."""
    of_focal = jnp.diag(after) - by_pixel * before[None, :]
    return jnp.concatenate([of_focal, jnp.eye(2) - by_pixel], axis=1)
