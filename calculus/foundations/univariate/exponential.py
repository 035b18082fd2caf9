r"""The exponential, its relatives and its inverse.

Symbols      one number
    x          any real number
    c          rate, any real number; minus a density in a homogeneous fog
    g          a differentiable function, known with its derivative
    a          base, a > 0
    y          a positive number
    eps        a step; e = 2.718.. is exp(1)

Value
    e^x = sum_{k>=0} x^k / k!                                                     (1)
    e^{c x}                                                                       (2)
    e^{g(x)}                                                                      (3)
    a^x = e^{x ln a}                                                              (4)
    ln y = the x with e^x = y                                                     (5)

Jacobian     one expansion at 0 serves all
    In (1) the terms from k = 2 on are at most eps^2 (1/2! + 1/3! + ..) = (e - 2) eps^2 for
    |eps| <= 1, so  e^eps = 1 + eps + O(eps^2): the tangent at 0 is 1 + x         (6)
    e^{x + eps} = e^x e^eps = e^x (1 + eps + O(eps^2)), so  (e^x)' = e^x          (7)
    e^{c (x + eps)} = e^{c x} (1 + c eps + O(eps^2)), so  (e^{c x})' = c e^{c x},
    and by the symmetry of c and x  d e^{c x} / dc = x e^{c x}                    (8)
    g(x + eps) = g + eps g' + O(eps^2), so  (e^{g(x)})' = g'(x) e^{g(x)}          (9)
    (8) with c = ln a:  d a^x / dx = ln(a) a^x;  and (9) in a, with g = x ln a:
    d a^x / da = (x / a) a^x = x a^{x-1}                                          (10)
    inverse rule:  ln'(y) = 1 / exp'(ln y) = 1 / e^{ln y} = 1 / y                 (11)

    Integrate 1 / (1 + t) = 1 - t + t^2 - .. from 0 to x:
    ln(1 + x) = x - x^2/2 + x^3/3 - ..    for -1 < x <= 1                         (12)

Cotangent
    x_bar = e^x y_bar                                                             (13)
    x_bar = c e^{c x} y_bar,    c_bar = x e^{c x} y_bar                           (14)
    x_bar = g'(x) e^{g(x)} y_bar                                                  (15)
    x_bar = ln(a) a^x y_bar,    a_bar = x a^{x-1} y_bar                           (16)
    y_bar = x_bar / y    where x = ln y is the value                              (17)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.univariate.quotient import Function, Scalar


@jax.custom_vjp
def exp(x: Float[Array, ""]) -> Float[Array, ""]:
    """e^x (1)."""
    return exp_fwd(x)[0]


def exp_fwd(x):
    y = jnp.exp(x)  # (1)
    return y, y


def exp_bwd(y, y_bar):
    return (y * y_bar,)  # (13)


exp.defvjp(exp_fwd, exp_bwd)


def exp_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """e^x, as (7) reads."""
    return jnp.exp(x)


@jax.custom_vjp
def exp_rate(x: Float[Array, ""], c: Float[Array, ""]) -> Float[Array, ""]:
    """e^{c x} (2): with c = -sigma, the light that is left after a way x through fog."""
    return exp_rate_fwd(x, c)[0]


def exp_rate_fwd(x, c):
    y = jnp.exp(c * x)  # (2)
    return y, (x, c, y)


def exp_rate_bwd(residuals, y_bar):
    x, c, y = residuals
    return c * y * y_bar, x * y * y_bar  # (14)


exp_rate.defvjp(exp_rate_fwd, exp_rate_bwd)


def exp_rate_jacobian(
    x: Float[Array, ""], c: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(c e^{c x}, x e^{c x}), as (8) reads."""
    return c * jnp.exp(c * x), x * jnp.exp(c * x)


@functools.partial(jax.custom_vjp, nondiff_argnames=("g", "dg"))
def exponential_of(x: Float[Array, ""], g: Function, dg: Function) -> Float[Array, ""]:
    """e^{g(x)} (3): with g = -(optical depth), the transmittance."""
    return exponential_of_fwd(x, g, dg)[0]


def exponential_of_fwd(x, g, dg):
    y = jnp.exp(g(x))  # (3)
    return y, (x, y)


def exponential_of_bwd(g, dg, residuals, y_bar):
    x, y = residuals
    return (dg(x) * y * y_bar,)  # (15)


exponential_of.defvjp(exponential_of_fwd, exponential_of_bwd)


def exponential_of_jacobian(x: Float[Array, ""], g: Function, dg: Function) -> Float[Array, ""]:
    """g'(x) e^{g(x)}, as (9) reads."""
    return dg(x) * jnp.exp(g(x))


@jax.custom_vjp
def power_of_base(x: Float[Array, ""], a: Float[Array, ""]) -> Float[Array, ""]:
    """a^x (4) for a > 0 and any real x."""
    return power_of_base_fwd(x, a)[0]


def power_of_base_fwd(x, a):
    y = jnp.exp(x * jnp.log(a))  # (4)
    return y, (x, a, y)


def power_of_base_bwd(residuals, y_bar):
    x, a, y = residuals
    return jnp.log(a) * y * y_bar, x * y / a * y_bar  # (16)


power_of_base.defvjp(power_of_base_fwd, power_of_base_bwd)


def power_of_base_jacobian(
    x: Float[Array, ""], a: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(ln(a) a^x, x a^{x-1}), as (10) reads."""
    return jnp.log(a) * a**x, x * a ** (x - 1)


@jax.custom_vjp
def log(y: Float[Array, ""]) -> Float[Array, ""]:
    """ln y (5) for y > 0."""
    return log_fwd(y)[0]


def log_fwd(y):
    return jnp.log(y), y  # (5)


def log_bwd(y, x_bar):
    return (1 / y * x_bar,)  # (17)


log.defvjp(log_fwd, log_bwd)


def log_jacobian(y: Float[Array, ""]) -> Float[Array, ""]:
    """1 / y, as (11) reads."""
    return 1 / y


def log_series(x: Scalar, terms: int) -> Scalar:
    """The first `terms` >= 1 terms of ln(1 + x) (12), for -1 < x <= 1: signs alternate."""
    nested = jnp.zeros_like(x)
    for k in range(terms, 0, -1):  # x (1 - x (1/2 - x (1/3 - ..)))
        nested = 1 / k - x * nested
    return x * nested  # (12)
