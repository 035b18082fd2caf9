r"""Two vectors, one operation, entry by entry.

Symbols      all of length n; i numbers an output, j an input
    w, x       the inputs
    f_i, g_i   functions of one number: f_i sees w_i only, g_i sees x_i only
    o          one of + - * /

Value
    y_i = f_i(w_i) o g_i(x_i)                                                  (1)
    sin_times_exp: y_i = sin(w_i) exp(x_i), the example with f and g in it     (2)
    add:           y_i = w_i + x_i                                             (3)
    subtract:      y_i = w_i - x_i                                             (4)
    multiply:      y_i = w_i x_i                                               (5)
    divide:        y_i = w_i / x_i                        every x_i /= 0       (6)

Jacobian     Move one input, w_j to w_j + eps. An output with i /= j does not contain w_j, so it
    does not move at all; the output i = j moves by the slope of a function of one number. So
    dy_i/dw_j = [i = j] d/dw_i (f_i(w_i) o g_i(x_i)),  that is  dy/dw = diag(slopes)         (7)
    and likewise for x: one diagonal matrix for each argument. The slopes, from the expansion of
    one entry with w_i + eps or x_i + eps:
    (2)  sin(w+eps) = sin w + eps cos w + O(eps^2), e^{x+eps} = e^x + eps e^x + O(eps^2):
         cos(w_i) e^{x_i}   and   sin(w_i) e^{x_i}                             (8)
    (3)  (w + eps) + x = y + eps:                      1   and    1            (9)
    (4)  w - (x + eps) = y - eps:                      1   and   -1           (10)
    (5)  (w + eps) x = y + eps x:                     x_i  and   w_i          (11)
    (6)  (w + eps) / x = y + eps / x, and w / (x + eps) = w (1 - eps/x + O(eps^2)) / x:
         1 / x_i   and   -w_i / x_i^2                                         (12)

Cotangent    contract (7) with y_bar: sum_i y_bar_i [i = j] d_i = d_j y_bar_j, so a diagonal
    Jacobian pulls back by a product entry by entry
    w_bar = d * y_bar                       d the slopes of that argument     (13)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def elementwise_jacobian(slope: Callable, *arguments: Float[Array, " n"]) -> Float[Array, "n n"]:
    """diag(slope(w, x, ..)) (7), where `slope` gives the n slopes of one argument."""
    return jnp.diag(slope(*arguments))


def is_elementwise(f: Callable, w: Float[Array, " n"]) -> bool:
    """Whether, at w, output i of f answers to input i alone: the hypothesis of (7).

    Moves one input at a time and looks at the other outputs: they must stay where they are, to the
    last bit. No derivative is taken.
    """
    y = f(w)
    if y.shape != w.shape:
        return False
    for j in range(w.size):
        moved = f(w.at[j].add(0.25)) != y
        if jnp.any(moved.at[j].set(False)):
            return False
    return True


@jax.custom_vjp
def sin_times_exp(w: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """sin(w) * exp(x), entry by entry (2)."""
    return sin_times_exp_fwd(w, x)[0]


def sin_times_exp_fwd(w, x):
    return jnp.sin(w) * jnp.exp(x), (w, x)  # (2)


def sin_times_exp_bwd(residuals, y_bar):
    w, x = residuals
    along_y = jnp.exp(x) * y_bar
    return jnp.cos(w) * along_y, jnp.sin(w) * along_y  # (8), (13)


sin_times_exp.defvjp(sin_times_exp_fwd, sin_times_exp_bwd)


def sin_times_exp_jacobian(
    w: Float[Array, " n"], x: Float[Array, " n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """dy/dw and dy/dx, diagonal, as (8) reads."""
    return (
        elementwise_jacobian(lambda w, x: jnp.cos(w) * jnp.exp(x), w, x),
        elementwise_jacobian(lambda w, x: jnp.sin(w) * jnp.exp(x), w, x),
    )


@jax.custom_vjp
def add(w: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """w + x (3)."""
    return add_fwd(w, x)[0]


def add_fwd(w, x):
    return w + x, None  # (3)


def add_bwd(_, y_bar):
    return y_bar, y_bar  # (9): one cotangent, handed to both


add.defvjp(add_fwd, add_bwd)


def add_jacobian(
    w: Float[Array, " n"], x: Float[Array, " n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """I and I, as (9) reads."""
    identity = jnp.eye(w.size, dtype=w.dtype)
    return identity, identity


@jax.custom_vjp
def subtract(w: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """w - x (4)."""
    return subtract_fwd(w, x)[0]


def subtract_fwd(w, x):
    return w - x, None  # (4)


def subtract_bwd(_, y_bar):
    return y_bar, -y_bar  # (10)


subtract.defvjp(subtract_fwd, subtract_bwd)


def subtract_jacobian(
    w: Float[Array, " n"], x: Float[Array, " n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """I and -I, as (10) reads."""
    identity = jnp.eye(w.size, dtype=w.dtype)
    return identity, -identity


@jax.custom_vjp
def multiply(w: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """w * x entry by entry (5): the Hadamard product."""
    return multiply_fwd(w, x)[0]


def multiply_fwd(w, x):
    return w * x, (w, x)  # (5)


def multiply_bwd(residuals, y_bar):
    w, x = residuals
    return x * y_bar, w * y_bar  # (11), (13)


multiply.defvjp(multiply_fwd, multiply_bwd)


def multiply_jacobian(
    w: Float[Array, " n"], x: Float[Array, " n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """diag(x) and diag(w), as (11) reads: matrices, not the vectors on their diagonals."""
    return jnp.diag(x), jnp.diag(w)


@jax.custom_vjp
def divide(w: Float[Array, " n"], x: Float[Array, " n"]) -> Float[Array, " n"]:
    """w / x entry by entry (6), every x_i other than 0."""
    return divide_fwd(w, x)[0]


def divide_fwd(w, x):
    y = w / x  # (6)
    return y, (x, y)


def divide_bwd(residuals, y_bar):
    x, y = residuals
    w_bar = y_bar / x
    return w_bar, -y * w_bar  # (12): -w / x^2 is -y / x


divide.defvjp(divide_fwd, divide_bwd)


def divide_jacobian(
    w: Float[Array, " n"], x: Float[Array, " n"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """diag(1 / x) and diag(-w / x^2), as (12) reads."""
    return jnp.diag(1 / x), jnp.diag(-w / x**2)
