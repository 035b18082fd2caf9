r"""A function along a curve, and on a surface of two parameters: the chain rule as a product.

Symbols      numbers, and vectors of the plane
    t, s       parameters                                      R
    x          (x_1, x_2), a point                             R^2
    p, q       half axes of an ellipse, as vectors             R^2

Value
    E(x) = e^{x_1 x_2^2}                                       R^2 -> R              (1)
    G(x) = x_1^2 x_2 + x_1 x_2^3                               R^2 -> R              (2)
    spiral(t) = (t cos t, t sin t)                             R -> R^2              (3)
    surface(s, t) = (s sin t, s^2 + t)                         R^2 -> R^2            (4)
    G(p cos t + q sin t)                                       R -> R for each p, q  (5)
    x_1^2 + 2 x_2 at x = (sin t, cos t)                        R -> R                (6)
    E(surface(s, t))                                           R^2 -> R              (7)
    h(t) = E(spiral(t))                                        R -> R                (8)

Jacobian     first the shapes, then the factors. Along a curve x(t), to first order
                 x(t + eps) = x + eps dx/dt + O(eps^2)   and   f(x + eps v) = f + eps (df/dx) v + ..
             so df/dt = (df/dx)(dx/dt): a row 1 x 2 times a column 2 x 1, a number.  (9)
             With two parameters the column becomes a matrix, 2 x 2, one column for each
             parameter, and the product is a row 1 x 2 in (s, t).                    (10)
    dE/dx = E(x) [x_2^2   2 x_1 x_2]                 exp' = exp, times d(x_1 x_2^2)  (11)
    dG/dx = [2 x_1 x_2 + x_2^3   x_1^2 + 3 x_1 x_2^2]                                (12)
    d spiral/dt = (cos t - t sin t, sin t + t cos t)         product rule, each entry (13)
    d surface/d(s,t) = [sin t   s cos t]
                       [2 s     1      ]                                             (14)
    (5) by (9): dx/dt = -p sin t + q cos t, and x moves by cos t with p, by sin t with q:
        d/dt = (dG/dx)(q cos t - p sin t),  d/dp = dG/dx cos t,  d/dq = dG/dx sin t  (15)
    (6) by (9): [2 x_1  2] (cos t, -sin t)^T = 2 sin t cos t - 2 sin t
                                             = 2 sin t (cos t - 1)                   (16)
    (7) by (10): (11) at the surface times (14)
        = E [x_2^2 sin t + 4 s x_1 x_2   x_2^2 s cos t + 2 x_1 x_2]                  (17)
    (8) by (9): (11) at the spiral times (13)
        h' = E (x_2^2 (cos t - t sin t) + 2 x_1 x_2 (sin t + t cos t))               (18)
           = t^2 e^{t^3 sin^2 t cos t} (3 sin^2 t cos t - t sin^3 t + 2 t sin t cos^2 t)

Cotangent    from the end of the chain to its front: y_bar times the row, that times the
             matrix or the column                                                    (19)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Point = Float[Array, "2"]


@jax.custom_vjp
def exp_product(x: Point) -> Scalar:
    """E(x) = e^{x_1 x_2^2} (1): R^2 -> R, derivative 1 x 2."""
    return exp_product_fwd(x)[0]


def exp_product_fwd(x):
    E = _exp_product(x)  # (1)
    return E, (x, E)


def exp_product_bwd(residuals, y_bar):
    x, E = residuals
    return (y_bar * E * _exponent_row(x),)  # (11)(19)


exp_product.defvjp(exp_product_fwd, exp_product_bwd)


def exp_product_jacobian(x: Point) -> Point:
    """E [x_2^2, 2 x_1 x_2], as (11) reads."""
    return _exp_product(x) * _exponent_row(x)


@jax.custom_vjp
def spiral(t: Scalar) -> Point:
    """(t cos t, t sin t) (3): R -> R^2, derivative 2 x 1."""
    return spiral_fwd(t)[0]


def spiral_fwd(t):
    return _spiral(t), t  # (3)


def spiral_bwd(t, y_bar):
    return (y_bar @ spiral_jacobian(t),)  # (13)(19)


spiral.defvjp(spiral_fwd, spiral_bwd)


def spiral_jacobian(t: Scalar) -> Point:
    """The velocity (cos t - t sin t, sin t + t cos t), as (13) reads."""
    return jnp.stack([jnp.cos(t) - t * jnp.sin(t), jnp.sin(t) + t * jnp.cos(t)])


@jax.custom_vjp
def two_parameters(st: Point) -> Point:
    """The point (s sin t, s^2 + t) (4) of (s, t): R^2 -> R^2, derivative 2 x 2."""
    return two_parameters_fwd(st)[0]


def two_parameters_fwd(st):
    return _surface(st), st  # (4)


def two_parameters_bwd(st, y_bar):
    return (y_bar @ two_parameters_jacobian(st),)  # (14)(19)


two_parameters.defvjp(two_parameters_fwd, two_parameters_bwd)


def two_parameters_jacobian(st: Point) -> Float[Array, "2 2"]:
    """One column for s and one for t, as (14) reads."""
    s, t = st
    return jnp.array([[jnp.sin(t), s * jnp.cos(t)], [2 * s, jnp.ones_like(t)]])


@jax.custom_vjp
def along_ellipse(t: Scalar, p: Point, q: Point) -> Scalar:
    """G(p cos t + q sin t) (5): R -> R in t, derivative a number; 1 x 2 in p and in q."""
    return along_ellipse_fwd(t, p, q)[0]


def along_ellipse_fwd(t, p, q):
    x = p * jnp.cos(t) + q * jnp.sin(t)
    return x[0] ** 2 * x[1] + x[0] * x[1] ** 3, (t, p, q)  # (5)


def along_ellipse_bwd(residuals, y_bar):
    t, p, q = residuals
    c, s = jnp.cos(t), jnp.sin(t)
    x_bar = y_bar * _cubic_row(p * c + q * s)  # (12)(19)
    return x_bar @ (q * c - p * s), x_bar * c, x_bar * s  # (15)


along_ellipse.defvjp(along_ellipse_fwd, along_ellipse_bwd)


def along_ellipse_jacobian(t: Scalar, p: Point, q: Point) -> tuple[Scalar, Point, Point]:
    """In t, p and q, as (15) reads."""
    c, s = jnp.cos(t), jnp.sin(t)
    row = _cubic_row(p * c + q * s)
    return row @ (q * c - p * s), row * c, row * s


@jax.custom_vjp
def parabola_along_circle(t: Scalar) -> Scalar:
    """sin^2 t + 2 cos t (6): R -> R, derivative a number."""
    return parabola_along_circle_fwd(t)[0]


def parabola_along_circle_fwd(t):
    return jnp.sin(t) ** 2 + 2 * jnp.cos(t), t  # (6)


def parabola_along_circle_bwd(t, y_bar):
    return (y_bar * parabola_along_circle_jacobian(t),)  # (16)


parabola_along_circle.defvjp(parabola_along_circle_fwd, parabola_along_circle_bwd)


def parabola_along_circle_jacobian(t: Scalar) -> Scalar:
    """2 sin t (cos t - 1), as (16) reads; cos t - 1 = -2 sin^2 (t/2) keeps its digits near 0."""
    return -4 * jnp.sin(t) * jnp.sin(t / 2) ** 2


@jax.custom_vjp
def exp_two_parameters(st: Point) -> Scalar:
    """E(s sin t, s^2 + t) (7): R^2 -> R, derivative 1 x 2."""
    return exp_two_parameters_fwd(st)[0]


def exp_two_parameters_fwd(st):
    E = _exp_product(_surface(st))  # (7)
    return E, (st, E)


def exp_two_parameters_bwd(residuals, y_bar):
    st, E = residuals
    x_bar = y_bar * E * _exponent_row(_surface(st))  # (11)
    return (x_bar @ two_parameters_jacobian(st),)  # (14)(19)


exp_two_parameters.defvjp(exp_two_parameters_fwd, exp_two_parameters_bwd)


def exp_two_parameters_jacobian(st: Point) -> Point:
    """The row, its product multiplied out, as (17) reads."""
    (s, t), (x_1, x_2) = st, _surface(st)
    by_s = x_2**2 * jnp.sin(t) + 4 * s * x_1 * x_2
    by_t = x_2**2 * s * jnp.cos(t) + 2 * x_1 * x_2
    return jnp.exp(x_1 * x_2**2) * jnp.stack([by_s, by_t])


@jax.custom_vjp
def exp_along_spiral(t: Scalar) -> Scalar:
    """h(t) = e^{t^3 sin^2 t cos t} (8): R -> R, derivative a number."""
    return exp_along_spiral_fwd(t)[0]


def exp_along_spiral_fwd(t):
    h = _exp_product(_spiral(t))  # (8)
    return h, (t, h)


def exp_along_spiral_bwd(residuals, y_bar):
    t, h = residuals
    x_bar = y_bar * h * _exponent_row(_spiral(t))  # (11)
    return (x_bar @ spiral_jacobian(t),)  # (13)(19)


exp_along_spiral.defvjp(exp_along_spiral_fwd, exp_along_spiral_bwd)


def exp_along_spiral_jacobian(t: Scalar) -> Scalar:
    """h' in t alone, the last line of (18)."""
    s, c = jnp.sin(t), jnp.cos(t)
    bracket = 3 * s**2 * c - t * s**3 + 2 * t * s * c**2
    return t**2 * jnp.exp(t**3 * s**2 * c) * bracket


def _exp_product(x):
    return jnp.exp(x[0] * x[1] ** 2)


def _exponent_row(x):
    """d(x_1 x_2^2)/dx."""
    return jnp.stack([x[1] ** 2, 2 * x[0] * x[1]])


def _cubic_row(x):
    """dG/dx (12)."""
    return jnp.stack([2 * x[0] * x[1] + x[1] ** 3, x[0] ** 2 + 3 * x[0] * x[1] ** 2])


def _spiral(t):
    return jnp.stack([t * jnp.cos(t), t * jnp.sin(t)])


def _surface(st):
    s, t = st
    return jnp.stack([s * jnp.sin(t), s**2 + t])
