r"""Sums, products and quotients of functions, differentiated by multiplying out expansions.

Symbols      functions of one number, each known with its derivative
    f, g       any two differentiable functions
    a, b       constants
    eps        a step; f = f(x), f' = f'(x) and so on where no argument is written

Value
    f(x) + g(x)                                                                   (1)
    a f(x) + b g(x)                                                               (2)
    f(x) g(x)                                                                     (3)
    f(x) / g(x),    g(x) /= 0                                                     (4)

Jacobian     put  f(x + eps) = f + eps f' + O(eps^2)  into each, and g likewise
    (f + g)(x + eps) = f + g + eps (f' + g') + O(eps^2)
    (f + g)' = f' + g'                                                            (5)
    (a f + b g)' = a f' + b g'    in the same way; as functions of a and b, f and g (6)
    (f + eps f')(g + eps g') = f g + eps (f' g + f g') + eps^2 f' g', so
    (f g)' = f' g + f g'                                                          (7)
    g (1/g) = 1 is constant, so by (7) g' (1/g) + g (1/g)' = 0 and (1/g)' = -g' / g^2;
    (7) for f times 1/g then is
    (f / g)' = f' / g - f g' / g^2 = (f' g - f g') / g^2                          (8)

Cotangent
    x_bar = (f' + g') y_bar                                                       (9)
    x_bar = (a f' + b g') y_bar,    a_bar = f y_bar,    b_bar = g y_bar           (10)
    x_bar = (f' g + f g') y_bar                                                   (11)
    x_bar = (f' - q g') / g y_bar,    q = f / g is the value, kept                (12)
"""

import functools

import jax
import numpy as np
from jaxtyping import Array, Float

from calculus.foundations.univariate.quotient import Function, Scalar


def sum_rule(df: Function, dg: Function) -> Function:
    """The derivative (5) of f + g from the two derivatives."""
    return lambda x: df(x) + dg(x)


def linearity(a: float | Scalar, df: Function, b: float | Scalar, dg: Function) -> Function:
    """The derivative (6) of a f + b g from the two derivatives."""
    return lambda x: a * df(x) + b * dg(x)


def product_rule(f: Function, df: Function, g: Function, dg: Function) -> Function:
    """The derivative (7) of f g."""
    return lambda x: df(x) * g(x) + f(x) * dg(x)


def quotient_rule(f: Function, df: Function, g: Function, dg: Function) -> Function:
    """The derivative (8) of f / g, where g does not vanish."""
    return lambda x: (df(x) * g(x) - f(x) * dg(x)) / g(x) ** 2


def differentiation_matrix(degree: int) -> Float[np.ndarray, "degree degree+1"]:
    """D with D p the coefficients of p', where p_i is the coefficient of x^i: (6) as a matrix.

    Row i - 1 holds i in column i, for i x^{i-1}.
    """
    return np.diag(np.arange(1.0, degree + 1), k=1)[:-1]


@functools.partial(jax.custom_vjp, nondiff_argnames=("f", "df", "g", "dg"))
def sum_of(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """f(x) + g(x) (1)."""
    return sum_of_fwd(x, f, df, g, dg)[0]


def sum_of_fwd(x, f, df, g, dg):
    return f(x) + g(x), x  # (1)


def sum_of_bwd(f, df, g, dg, x, y_bar):
    return (sum_rule(df, dg)(x) * y_bar,)  # (9)


sum_of.defvjp(sum_of_fwd, sum_of_bwd)


def sum_of_jacobian(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """f'(x) + g'(x), as (5) reads."""
    return df(x) + dg(x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("f", "df", "g", "dg"))
def linear_combination_of(
    x: Float[Array, ""],
    a: Float[Array, ""],
    b: Float[Array, ""],
    f: Function,
    df: Function,
    g: Function,
    dg: Function,
) -> Float[Array, ""]:
    """a f(x) + b g(x) (2)."""
    return linear_combination_of_fwd(x, a, b, f, df, g, dg)[0]


def linear_combination_of_fwd(x, a, b, f, df, g, dg):
    return a * f(x) + b * g(x), (x, a, b)  # (2)


def linear_combination_of_bwd(f, df, g, dg, residuals, y_bar):
    x, a, b = residuals
    return linearity(a, df, b, dg)(x) * y_bar, f(x) * y_bar, g(x) * y_bar  # (10)


linear_combination_of.defvjp(linear_combination_of_fwd, linear_combination_of_bwd)


def linear_combination_of_jacobian(
    x: Float[Array, ""],
    a: Float[Array, ""],
    b: Float[Array, ""],
    f: Function,
    df: Function,
    g: Function,
    dg: Function,
) -> tuple[Float[Array, ""], ...]:
    """(a f'(x) + b g'(x), f(x), g(x)), as (6) reads."""
    return a * df(x) + b * dg(x), f(x), g(x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("f", "df", "g", "dg"))
def product_of(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """f(x) g(x) (3)."""
    return product_of_fwd(x, f, df, g, dg)[0]


def product_of_fwd(x, f, df, g, dg):
    left, right = f(x), g(x)
    return left * right, (x, left, right)  # (3)


def product_of_bwd(f, df, g, dg, residuals, y_bar):
    x, left, right = residuals
    return ((df(x) * right + left * dg(x)) * y_bar,)  # (11)


product_of.defvjp(product_of_fwd, product_of_bwd)


def product_of_jacobian(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """f' g + f g' at x, as (7) reads."""
    return product_rule(f, df, g, dg)(x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("f", "df", "g", "dg"))
def quotient_of(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """f(x) / g(x) (4), where g does not vanish."""
    return quotient_of_fwd(x, f, df, g, dg)[0]


def quotient_of_fwd(x, f, df, g, dg):
    below = g(x)
    q = f(x) / below  # (4)
    return q, (x, q, below)


def quotient_of_bwd(f, df, g, dg, residuals, y_bar):
    x, q, below = residuals
    return ((df(x) - q * dg(x)) / below * y_bar,)  # (12)


quotient_of.defvjp(quotient_of_fwd, quotient_of_bwd)


def quotient_of_jacobian(
    x: Float[Array, ""], f: Function, df: Function, g: Function, dg: Function
) -> Float[Array, ""]:
    """(f' g - f g') / g^2 at x, as (8) reads."""
    return quotient_rule(f, df, g, dg)(x)
