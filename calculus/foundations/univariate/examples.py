r"""Two chains worked out: a line inside a fourth power, and three links.

Symbols      one number
    x          any real number
    u, v       what the links before the last one give

Value
    (2 x + 1)^4                                        u = 2 x + 1                (1)
    e^{cos(x^2)}                                       u = x^2,  v = cos u        (2)

Jacobian     one factor for each link
    d u^4 / du = 4 u^3 and du/dx = 2, so
    ((2 x + 1)^4)' = 8 (2 x + 1)^3                                                (3)
    d e^v / dv = e^v,  dv/du = -sin u  and  du/dx = 2 x, so
    (e^{cos(x^2)})' = -2 x sin(x^2) e^{cos(x^2)}                                  (4)

Cotangent    x_bar = 8 u^3 y_bar                                                  (5)
             x_bar = -2 x sin(u) y y_bar,    y = e^v is the value, kept           (6)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def linear_to_the_fourth(x: Float[Array, ""]) -> Float[Array, ""]:
    """(2 x + 1)^4 (1)."""
    return linear_to_the_fourth_fwd(x)[0]


def linear_to_the_fourth_fwd(x):
    u = 2 * x + 1
    return u**4, u  # (1)


def linear_to_the_fourth_bwd(u, y_bar):
    return (8 * u**3 * y_bar,)  # (5)


linear_to_the_fourth.defvjp(linear_to_the_fourth_fwd, linear_to_the_fourth_bwd)


def linear_to_the_fourth_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """8 (2 x + 1)^3, as (3) reads."""
    return 8 * (2 * x + 1) ** 3


@jax.custom_vjp
def exp_cos_square(x: Float[Array, ""]) -> Float[Array, ""]:
    """e^{cos(x^2)} (2)."""
    return exp_cos_square_fwd(x)[0]


def exp_cos_square_fwd(x):
    u = x**2
    y = jnp.exp(jnp.cos(u))  # (2)
    return y, (x, u, y)


def exp_cos_square_bwd(residuals, y_bar):
    x, u, y = residuals
    return (-2 * x * jnp.sin(u) * y * y_bar,)  # (6)


exp_cos_square.defvjp(exp_cos_square_fwd, exp_cos_square_bwd)


def exp_cos_square_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """-2 x sin(x^2) e^{cos(x^2)}, as (4) reads."""
    return -2 * x * jnp.sin(x**2) * jnp.exp(jnp.cos(x**2))
