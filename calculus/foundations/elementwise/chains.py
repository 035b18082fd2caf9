r"""One step after another: the vector chain rule and examples to work by hand.

Symbols      i, j number entries
    x          input, in R^n; or one number, with y a second one
    f, g       inner and outer function: x in R^n -> f in R^m -> g in R^k
    w          a vector that an operation treats entry by entry
    m          a positive whole number (where it is an exponent)

Value
    bottleneck:   f = (x_1 x_2, sin x_3),  g = (f_1 + f_2, f_1 f_2, f_1^2, cos f_2)
                  n = 3, m = 2, k = 4: three numbers into four, through two    (1)
    sin_of_square:            y = sin(w * w), entry by entry                   (2)
    power_of_first:           E = x_1^m                                        (3)
    powers_of_first_two:      E = x_1^m x_2^m                                  (4)
    log_of_square_plus_one:   u = x^2 + 1,  y = log u                          (5)
    y_sin_of_sum:             u = x + y,  v = sin u,  f = y v                  (6)

Jacobian     f moves by df = (df/dx) dx + O(|dx|^2), and g by (dg/df) df + O(|df|^2), so
    dg/dx = (dg/df) (df/dx)          (k x m)(m x n) = k x n                    (7)
    [dg/dx]_ij = sum_l dg_i/df_l df_l/dx_j:    m paths, one through each f_l
    (1)  dg/df = [1 1; f_2 f_1; 2 f_1 0; 0 -sin f_2],  df/dx = [x_2 x_1 0; 0 0 cos x_3]    (8)
    (2)  inner slopes 2 w, outer slopes cos(w^2): the product of two diagonals is the diagonal
         of the products, diag(a) diag(b) = diag(a * b)                        (9)
         dy/dw = diag(2 w cos w^2)                                            (10)
    (3)  (x_1 + eps)^m = x_1^m + eps m x_1^{m-1} + O(eps^2), no other entry occurs
         dE/dx_i = m x_1^{m-1} [i = 1]                                        (11)
    (4)  by the product rule, (m x_1^{m-1} x_2^m, m x_1^m x_2^{m-1}, 0, ..)   (12)
    (5)  du/dx = 2 x, dy/du = 1/u;  dy/dx = (1/u) 2 x = 2 x / (x^2 + 1)       (13)
    (6)  x goes through u alone:        df/dx = y cos(x + y)                  (14)
         y goes through u and directly: df/dy = sin(x + y) + y cos(x + y)     (15)

Cotangent    (7) transposed: first through g, then through f
    x_bar = (df/dx)^T ((dg/df)^T g_bar)                                       (16)
    and each of (10)-(15) times the cotangent of its one output (or of the same entry)
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def vector_chain_rule(outer_jacobian: Callable, f: Callable, inner_jacobian: Callable) -> Callable:
    """x -> dg/df at f(x), times df/dx at x (7): the Jacobian of g(f(x)), k x n."""
    return lambda x: outer_jacobian(f(x)) @ inner_jacobian(x)


def product_of_slopes(*slopes: Float[Array, " n"]) -> Float[Array, " n"]:
    """The diagonal of a chain of diagonal Jacobians (9): their product entry by entry."""
    return functools.reduce(jnp.multiply, slopes)


@jax.custom_vjp
def bottleneck(x: Float[Array, " 3"]) -> Float[Array, " 4"]:
    """g(f(x)) (1): from three numbers to four, through two."""
    return bottleneck_fwd(x)[0]


def bottleneck_fwd(x):
    f1, f2 = x[0] * x[1], jnp.sin(x[2])  # (1)
    return jnp.stack([f1 + f2, f1 * f2, f1**2, jnp.cos(f2)]), (x, f1, f2)


def bottleneck_bwd(residuals, g_bar):
    x, f1, f2 = residuals
    f1_bar = g_bar[0] + f2 * g_bar[1] + 2 * f1 * g_bar[2]  # columns of dg/df (8)
    f2_bar = g_bar[0] + f1 * g_bar[1] - jnp.sin(f2) * g_bar[3]
    return (jnp.stack([x[1] * f1_bar, x[0] * f1_bar, jnp.cos(x[2]) * f2_bar]),)  # (16)


bottleneck.defvjp(bottleneck_fwd, bottleneck_bwd)


def bottleneck_jacobian(x: Float[Array, " 3"]) -> Float[Array, "4 3"]:
    """The product (4 x 2)(2 x 3), as (7) and (8) read."""
    zero, one = jnp.zeros_like(x[0]), jnp.ones_like(x[0])

    def f(x):
        return jnp.stack([x[0] * x[1], jnp.sin(x[2])])

    def df(x):
        return jnp.array([[x[1], x[0], zero], [zero, zero, jnp.cos(x[2])]])

    def dg(f):
        return jnp.array([[one, one], [f[1], f[0]], [2 * f[0], zero], [zero, -jnp.sin(f[1])]])

    return vector_chain_rule(dg, f, df)(x)


@jax.custom_vjp
def sin_of_square(w: Float[Array, " n"]) -> Float[Array, " n"]:
    """sin(w * w), entry by entry (2)."""
    return sin_of_square_fwd(w)[0]


def sin_of_square_fwd(w):
    return jnp.sin(w * w), w  # (2)


def sin_of_square_bwd(w, y_bar):
    return (2 * w * (jnp.cos(w * w) * y_bar),)  # (10): through sin, then through the square


sin_of_square.defvjp(sin_of_square_fwd, sin_of_square_bwd)


def sin_of_square_jacobian(w: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag(2 w cos w^2), as (9) and (10) read."""
    return jnp.diag(product_of_slopes(jnp.cos(w * w), 2 * w))


@functools.partial(jax.custom_vjp, nondiff_argnames=("m",))
def power_of_first(x: Float[Array, " n"], m: int) -> Float[Array, ""]:
    """x_1^m (3): the other entries of x are there and do not matter."""
    return power_of_first_fwd(x, m)[0]


def power_of_first_fwd(x, m):
    return x[0] ** m, x  # (3)


def power_of_first_bwd(m, x, y_bar):
    return (power_of_first_jacobian(x, m) * y_bar,)


power_of_first.defvjp(power_of_first_fwd, power_of_first_bwd)


def power_of_first_jacobian(x: Float[Array, " n"], m: int) -> Float[Array, " n"]:
    """(m x_1^{m-1}, 0, .., 0), as (11) reads."""
    return jnp.zeros_like(x).at[0].set(m * x[0] ** (m - 1))


@functools.partial(jax.custom_vjp, nondiff_argnames=("m",))
def powers_of_first_two(x: Float[Array, " n"], m: int) -> Float[Array, ""]:
    """x_1^m x_2^m (4)."""
    return powers_of_first_two_fwd(x, m)[0]


def powers_of_first_two_fwd(x, m):
    return x[0] ** m * x[1] ** m, x  # (4)


def powers_of_first_two_bwd(m, x, y_bar):
    return (powers_of_first_two_jacobian(x, m) * y_bar,)


powers_of_first_two.defvjp(powers_of_first_two_fwd, powers_of_first_two_bwd)


def powers_of_first_two_jacobian(x: Float[Array, " n"], m: int) -> Float[Array, " n"]:
    """(m x_1^{m-1} x_2^m, m x_1^m x_2^{m-1}, 0, .., 0), as (12) reads."""
    a, b = x[0], x[1]
    slopes = jnp.stack([m * a ** (m - 1) * b**m, m * a**m * b ** (m - 1)])
    return jnp.zeros_like(x).at[:2].set(slopes)


@jax.custom_vjp
def log_of_square_plus_one(x: Float[Array, ""]) -> Float[Array, ""]:
    """log(x^2 + 1) (5)."""
    return log_of_square_plus_one_fwd(x)[0]


def log_of_square_plus_one_fwd(x):
    u = x**2 + 1  # (5)
    return jnp.log(u), (x, u)


def log_of_square_plus_one_bwd(residuals, y_bar):
    x, u = residuals
    u_bar = y_bar / u
    return (2 * x * u_bar,)  # (13), from the outside in


log_of_square_plus_one.defvjp(log_of_square_plus_one_fwd, log_of_square_plus_one_bwd)


def log_of_square_plus_one_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """2 x / (x^2 + 1), as (13) reads."""
    return 2 * x / (x**2 + 1)


@jax.custom_vjp
def y_sin_of_sum(x: Float[Array, ""], y: Float[Array, ""]) -> Float[Array, ""]:
    """y sin(x + y) (6)."""
    return y_sin_of_sum_fwd(x, y)[0]


def y_sin_of_sum_fwd(x, y):
    u = x + y
    v = jnp.sin(u)
    return y * v, (y, u, v)  # (6)


def y_sin_of_sum_bwd(residuals, f_bar):
    y, u, v = residuals
    v_bar = y * f_bar
    u_bar = jnp.cos(u) * v_bar
    return u_bar, v * f_bar + u_bar  # (14), (15): y hears along two paths


y_sin_of_sum.defvjp(y_sin_of_sum_fwd, y_sin_of_sum_bwd)


def y_sin_of_sum_jacobian(
    x: Float[Array, ""], y: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """df/dx and df/dy, as (14) and (15) read."""
    along_sum = y * jnp.cos(x + y)
    return along_sum, jnp.sin(x + y) + along_sum
