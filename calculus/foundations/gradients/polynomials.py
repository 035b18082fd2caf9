r"""Two polynomials of two variables.

Symbols      two variables, gathered in one vector
    x          (x_1, x_2) in R^2
    u          x_1 + 2 x_2^3, what is squared in (1)

Value
    f(x) = (x_1 + 2 x_2^3)^2 = u^2                    R^2 -> R                (1)
    g(x) = x_1^2 x_2 + x_1 x_2^3                      R^2 -> R                (2)

Jacobian     one variable at a time, the other frozen; each is a row 1 x 2
    (1) by the chain rule, 2u times du/dx_1 = 1 and du/dx_2 = 6 x_2^2:
        df/dx = [2u   12 x_2^2 u]                                             (3)
    (2) frozen x_2: 2 x_1 x_2 + x_2^3;  frozen x_1: x_1^2 + 3 x_1 x_2^2:
        dg/dx = [2 x_1 x_2 + x_2^3   x_1^2 + 3 x_1 x_2^2]                     (4)

    The same from the expansion, x + eps v: u moves by eps (v_1 + 6 x_2^2 v_2) + O(eps^2), so u^2
    by 2u times that, which is eps (3) v. And x_1^2 x_2 moves by eps (2 x_1 x_2 v_1 + x_1^2 v_2),
    x_1 x_2^3 by eps (x_2^3 v_1 + 3 x_1 x_2^2 v_2): together eps (4) v.

    Differentiating the rows once more gives the Hessians, symmetric as they must be
        f:  [2           12 x_2^2                ]
            [12 x_2^2    24 x_2 u + 72 x_2^4     ]                            (5)
        g:  [2 x_2                2 x_1 + 3 x_2^2]
            [2 x_1 + 3 x_2^2      6 x_1 x_2      ]                            (6)

Cotangent    x_bar = y_bar times the row                                      (7)
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def squared_binomial(x: Float[Array, "2"]) -> Float[Array, ""]:
    """(x_1 + 2 x_2^3)^2 (1): R^2 -> R, derivative 1 x 2."""
    return squared_binomial_fwd(x)[0]


def squared_binomial_fwd(x):
    return (x[0] + 2 * x[1] ** 3) ** 2, x  # (1)


def squared_binomial_bwd(x, y_bar):
    return (y_bar * squared_binomial_jacobian(x),)  # (7)


squared_binomial.defvjp(squared_binomial_fwd, squared_binomial_bwd)


def squared_binomial_jacobian(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """[2u, 12 x_2^2 u], as (3) reads."""
    u = x[0] + 2 * x[1] ** 3
    return jnp.stack([2 * u, 12 * x[1] ** 2 * u])


def squared_binomial_hessian(x: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """The second derivatives of (1), as (5) reads."""
    u = x[0] + 2 * x[1] ** 3
    mixed = 12 * x[1] ** 2
    return jnp.array([[2 * jnp.ones_like(u), mixed], [mixed, 24 * x[1] * u + 72 * x[1] ** 4]])


@jax.custom_vjp
def mixed_cubic(x: Float[Array, "2"]) -> Float[Array, ""]:
    """x_1^2 x_2 + x_1 x_2^3 (2): R^2 -> R, derivative 1 x 2."""
    return mixed_cubic_fwd(x)[0]


def mixed_cubic_fwd(x):
    return x[0] ** 2 * x[1] + x[0] * x[1] ** 3, x  # (2)


def mixed_cubic_bwd(x, y_bar):
    return (y_bar * mixed_cubic_jacobian(x),)  # (7)


mixed_cubic.defvjp(mixed_cubic_fwd, mixed_cubic_bwd)


def mixed_cubic_jacobian(x: Float[Array, "2"]) -> Float[Array, "2"]:
    """[2 x_1 x_2 + x_2^3, x_1^2 + 3 x_1 x_2^2], as (4) reads."""
    return jnp.stack([2 * x[0] * x[1] + x[1] ** 3, x[0] ** 2 + 3 * x[0] * x[1] ** 2])


def mixed_cubic_hessian(x: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """The second derivatives of (2), as (6) reads."""
    mixed = 2 * x[0] + 3 * x[1] ** 2
    return jnp.array([[2 * x[1], mixed], [mixed, 6 * x[0] * x[1]]])
