r"""Functions of functions, and functions undone: the chain rule and the inverse rule.

Symbols      functions of one number, each known with its derivative
    f, g       f is applied first, g to what f gives
    f_1 .. f_m links of a chain, f_1 applied first;  x_0 = x and x_k = f_k(x_{k-1})
    f^{-1}     the function that undoes f near the point in question
    eps        a step

Value
    (g o f)(x) = g(f(x))                                                          (1)
    f_m( .. f_2(f_1(x)) .. ) = x_m                                                (2)
    f^{-1}(y) = the x with f(x) = y                                               (3)

Jacobian     f turns a step eps into the step eps f' + O(eps^2), and g takes that one
    g(f(x + eps)) = g(f(x) + eps f'(x) + O(eps^2))
                  = g(f(x)) + eps f'(x) g'(f(x)) + O(eps^2), so
    (g o f)'(x) = g'(f(x)) f'(x)                                                  (4)
    one factor for each link, taken where the chain arrives at it:
    dx_m/dx = f_m'(x_{m-1}) .. f_2'(x_1) f_1'(x_0)                                (5)
    f^{-1}(f(x)) = x for all x near by, so by (4) (f^{-1})'(f(x)) f'(x) = 1, and where
    f'(x) /= 0
    (f^{-1})'(y) = 1 / f'(x),    x = f^{-1}(y)                                    (6)
    Where f'(x) = 0 that product would be 0 and not 1: f^{-1} has no slope there.

Cotangent    from the last link to the first: x_bar_m = y_bar, and
    x_bar = f'(x) (g'(f(x)) y_bar)                                                (7)
    x_bar_{k-1} = f_k'(x_{k-1}) x_bar_k                                           (8)
    y_bar = x_bar / f'(x)    where x = f^{-1}(y) is the value                     (9)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.univariate.quotient import Function

Link = tuple[Function, Function]
"""A function and its derivative."""


def compose(g: Function, f: Function) -> Function:
    """g o f (1): f first."""
    return lambda x: g(f(x))


def chain_rule(dg: Function, f: Function, df: Function) -> Function:
    """The derivative (4) of g o f; g itself is not needed."""
    return lambda x: dg(f(x)) * df(x)


def chain(*links: Link) -> Link:
    """The composition (2) and its derivative (5); the first link is applied first."""
    f, df = links[0]
    for g, dg in links[1:]:
        f, df = compose(g, f), chain_rule(dg, f, df)
    return f, df


def inverse_derivative(df: Function, finv: Function) -> Function:
    """The derivative (6) of f^{-1}, where f' does not vanish."""
    return lambda y: 1 / df(finv(y))


def inverse_by_newton(f: Function, df: Function, start: float = 0.0, steps: int = 20) -> Function:
    """f^{-1} (3) for an f that has no formula for it.

    Follows the tangent to f(x) = y, x <- x - (f(x) - y) / f'(x), `steps` times from `start`.
    """

    def finv(y):
        x = jnp.full_like(y, start)
        return jax.lax.fori_loop(0, steps, lambda _, x: x - (f(x) - y) / df(x), x)

    return finv


@functools.partial(jax.custom_vjp, nondiff_argnames=("g", "dg", "f", "df"))
def composition_of(
    x: Float[Array, ""], g: Function, dg: Function, f: Function, df: Function
) -> Float[Array, ""]:
    """g(f(x)) (1)."""
    return composition_of_fwd(x, g, dg, f, df)[0]


def composition_of_fwd(x, g, dg, f, df):
    inner = f(x)
    return g(inner), (x, inner)  # (1)


def composition_of_bwd(g, dg, f, df, residuals, y_bar):
    x, inner = residuals
    return (df(x) * (dg(inner) * y_bar),)  # (7)


composition_of.defvjp(composition_of_fwd, composition_of_bwd)


def composition_of_jacobian(
    x: Float[Array, ""], g: Function, dg: Function, f: Function, df: Function
) -> Float[Array, ""]:
    """g'(f(x)) f'(x), as (4) reads."""
    return chain_rule(dg, f, df)(x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("links",))
def chain_of(x: Float[Array, ""], links: tuple[Link, ...]) -> Float[Array, ""]:
    """The value x_m (2) at the end of a chain of any length."""
    return chain_of_fwd(x, links)[0]


def chain_of_fwd(x, links):
    arrivals = [x]
    for f, _ in links:
        arrivals.append(f(arrivals[-1]))  # x_k
    return arrivals[-1], tuple(arrivals[:-1])  # (2), x_0 .. x_{m-1}


def chain_of_bwd(links, arrivals, y_bar):
    for (_, df), x in zip(reversed(links), reversed(arrivals), strict=True):
        y_bar = df(x) * y_bar  # (8)
    return (y_bar,)


chain_of.defvjp(chain_of_fwd, chain_of_bwd)


def chain_of_jacobian(x: Float[Array, ""], links: tuple[Link, ...]) -> Float[Array, ""]:
    """The product of the local slopes, as (5) reads."""
    return chain(*links)[1](x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("df", "finv"))
def inverse_of(y: Float[Array, ""], df: Function, finv: Function) -> Float[Array, ""]:
    """f^{-1}(y) (3). However finv finds it, the way back needs f' there and nothing else."""
    return inverse_of_fwd(y, df, finv)[0]


def inverse_of_fwd(y, df, finv):
    x = finv(y)  # (3)
    return x, x


def inverse_of_bwd(df, finv, x, x_bar):
    return (x_bar / df(x),)  # (9)


inverse_of.defvjp(inverse_of_fwd, inverse_of_bwd)


def inverse_of_jacobian(y: Float[Array, ""], df: Function, finv: Function) -> Float[Array, ""]:
    """1 / f'(f^{-1}(y)), as (6) reads."""
    return inverse_derivative(df, finv)(y)
