r"""Forms in vectors that depend on parameters: the chain rule in front of the table of forms.

Symbols      the parameters of this page, and two curves (surfaces, for two parameters) of vectors
    z          parameters                                                  2
    x(z)       (z_1 z_2, sin z_1, z_2^2)                                   3         (1)
    y(z)       (cos z_2, z_1^2, z_1 - z_2)                                 3         (2)
    A          any matrix that does not depend on z                        m x 3
    x', y'     dx/dz and dy/dz                                             3 x 2

Value
    A x                                                                    (3)
    y^T x                                                                  (4)
    x^T x                                                                  (5)
    y^T A x                                                                (6)
    x^T A x                                                                (7)

Jacobian     entry by entry from (1) and (2)
    x' = [[z_2, z_1], [cos z_1, 0], [0, 2 z_2]]                            (8)
    y' = [[0, -sin z_2], [2 z_1, 0], [1, -1]]                              (9)
    z -> z + eps v takes x to x + eps x' v + O(eps^2), and y alike. Put that in (3)-(7) and keep
    what is linear in eps; a number is its own transpose, so x^T A^T y' v = (y' v)^T A x:
    (3)  d/dz = A x'                                                       (10)
    (4)  d/dz = x^T y' + y^T x'                                            (11)
    (5)  d/dz = 2 x^T x'             (11) with y = x                       (12)
    (6)  d/dz = x^T A^T y' + y^T A x'                                      (13)
    (7)  d/dz = x^T (A + A^T) x'     (13) with y = x                       (14)
    None of (10)-(14) knows (1) and (2): they hold for every differentiable x(z), y(z).
    By A itself
    d(A x)_i/dA_kl = [i = k] x_l,   d(y^T A x)/dA = y x^T,   d(x^T A x)/dA = x x^T             (15)

Cotangent    pull back to x and y first, then through (8) and (9): z_bar = x'^T x_bar + y'^T y_bar
    (3)  x_bar = A^T c_bar                       A_bar = c_bar x^T         (16)
    (4)  x_bar = c_bar y,    y_bar = c_bar x                               (17)
    (5)  x_bar = 2 c_bar x                                                 (18)
    (6)  x_bar = c_bar A^T y, y_bar = c_bar A x, A_bar = c_bar y x^T       (19)
    (7)  x_bar = c_bar (A + A^T) x,              A_bar = c_bar x x^T       (20)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def linear_map_chain(A: Float[Array, "m n"], dx: Float[Array, "n k"]) -> Float[Array, "m k"]:
    """d(A x)/dz = A dx/dz (10), for any x(z)."""
    return A @ dx


def inner_product_chain(
    x: Float[Array, " n"],
    y: Float[Array, " n"],
    dx: Float[Array, "n k"],
    dy: Float[Array, "n k"],
) -> Float[Array, " k"]:
    """d(y^T x)/dz = x^T dy/dz + y^T dx/dz (11), for any x(z), y(z)."""
    return x @ dy + y @ dx


def bilinear_form_chain(
    y: Float[Array, " m"],
    A: Float[Array, "m n"],
    x: Float[Array, " n"],
    dy: Float[Array, "m k"],
    dx: Float[Array, "n k"],
) -> Float[Array, " k"]:
    """d(y^T A x)/dz = x^T A^T dy/dz + y^T A dx/dz (13), for any x(z), y(z)."""
    return x @ A.T @ dy + y @ A @ dx


def square_form_chain(
    x: Float[Array, " n"], A: Float[Array, "n n"], dx: Float[Array, "n k"]
) -> Float[Array, " k"]:
    """d(x^T A x)/dz = x^T (A + A^T) dx/dz (14), for any x(z)."""
    return x @ (A + A.T) @ dx


@jax.custom_vjp
def mapped_curve(A: Float[Array, "m 3"], z: Float[Array, " 2"]) -> Float[Array, " m"]:
    """A x(z) (3)."""
    return mapped_curve_fwd(A, z)[0]


def mapped_curve_fwd(A, z):
    return A @ _x(z), (A, z)  # (3)


def mapped_curve_bwd(residuals, c_bar):
    A, z = residuals
    return jnp.outer(c_bar, _x(z)), _x_jacobian(z).T @ (A.T @ c_bar)  # (16)


mapped_curve.defvjp(mapped_curve_fwd, mapped_curve_bwd)


def mapped_curve_jacobian(A, z):
    """d/dA with three axes (15) and d/dz = A x' (10)."""
    by_A = jnp.einsum("ik,l->ikl", jnp.eye(A.shape[0], dtype=A.dtype), _x(z))
    return by_A, linear_map_chain(A, _x_jacobian(z))


@jax.custom_vjp
def product_of_curves(z: Float[Array, " 2"]) -> Float[Array, ""]:
    """y(z)^T x(z) (4)."""
    return product_of_curves_fwd(z)[0]


def product_of_curves_fwd(z):
    return _y(z) @ _x(z), z  # (4)


def product_of_curves_bwd(z, c_bar):
    x_bar, y_bar = c_bar * _y(z), c_bar * _x(z)  # (17)
    return (_x_jacobian(z).T @ x_bar + _y_jacobian(z).T @ y_bar,)


product_of_curves.defvjp(product_of_curves_fwd, product_of_curves_bwd)


def product_of_curves_jacobian(z: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """x^T y' + y^T x', as (11) reads."""
    return inner_product_chain(_x(z), _y(z), _x_jacobian(z), _y_jacobian(z))


@jax.custom_vjp
def square_of_curve(z: Float[Array, " 2"]) -> Float[Array, ""]:
    """x(z)^T x(z) (5)."""
    return square_of_curve_fwd(z)[0]


def square_of_curve_fwd(z):
    x = _x(z)
    return x @ x, (z, x)  # (5)


def square_of_curve_bwd(residuals, c_bar):
    z, x = residuals
    return (_x_jacobian(z).T @ (2 * c_bar * x),)  # (18)


square_of_curve.defvjp(square_of_curve_fwd, square_of_curve_bwd)


def square_of_curve_jacobian(z: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """2 x^T x', as (12) reads."""
    return 2 * _x(z) @ _x_jacobian(z)


@jax.custom_vjp
def bilinear_form_of_curves(A: Float[Array, "3 3"], z: Float[Array, " 2"]) -> Float[Array, ""]:
    """y(z)^T A x(z) (6)."""
    return bilinear_form_of_curves_fwd(A, z)[0]


def bilinear_form_of_curves_fwd(A, z):
    return _y(z) @ A @ _x(z), (A, z)  # (6)


def bilinear_form_of_curves_bwd(residuals, c_bar):
    A, z = residuals
    x, y = _x(z), _y(z)
    x_bar, y_bar = c_bar * (y @ A), c_bar * (A @ x)  # (19)
    A_bar = c_bar * jnp.outer(y, x)  # (19)
    return A_bar, _x_jacobian(z).T @ x_bar + _y_jacobian(z).T @ y_bar


bilinear_form_of_curves.defvjp(bilinear_form_of_curves_fwd, bilinear_form_of_curves_bwd)


def bilinear_form_of_curves_jacobian(A, z):
    """d/dA = y x^T (15) and d/dz = x^T A^T y' + y^T A x' (13)."""
    x, y = _x(z), _y(z)
    return jnp.outer(y, x), bilinear_form_chain(y, A, x, _y_jacobian(z), _x_jacobian(z))


@jax.custom_vjp
def square_form_of_curve(A: Float[Array, "3 3"], z: Float[Array, " 2"]) -> Float[Array, ""]:
    """x(z)^T A x(z) (7), A symmetric or not."""
    return square_form_of_curve_fwd(A, z)[0]


def square_form_of_curve_fwd(A, z):
    x = _x(z)
    return x @ A @ x, (A, z, x)  # (7)


def square_form_of_curve_bwd(residuals, c_bar):
    A, z, x = residuals
    x_bar = c_bar * (A @ x + x @ A)  # (20)
    return c_bar * jnp.outer(x, x), _x_jacobian(z).T @ x_bar  # (20)


square_form_of_curve.defvjp(square_form_of_curve_fwd, square_form_of_curve_bwd)


def square_form_of_curve_jacobian(A, z):
    """d/dA = x x^T (15) and d/dz = x^T (A + A^T) x' (14)."""
    x = _x(z)
    return jnp.outer(x, x), square_form_chain(x, A, _x_jacobian(z))


def _x(z):
    return jnp.stack([z[0] * z[1], jnp.sin(z[0]), z[1] ** 2])  # (1)


def _x_jacobian(z):
    o = jnp.zeros_like(z[0])
    rows = [z[1], z[0]], [jnp.cos(z[0]), o], [o, 2 * z[1]]  # (8)
    return jnp.stack([jnp.stack(row) for row in rows])


def _y(z):
    return jnp.stack([jnp.cos(z[1]), z[0] ** 2, z[0] - z[1]])  # (2)


def _y_jacobian(z):
    o, one = jnp.zeros_like(z[0]), jnp.ones_like(z[0])
    rows = [o, -jnp.sin(z[1])], [2 * z[0], o], [one, -one]  # (9)
    return jnp.stack([jnp.stack(row) for row in rows])
