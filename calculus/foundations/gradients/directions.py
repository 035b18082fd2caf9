r"""One variable at a time, and along a direction.

    df/dx_i (x) = lim_{h -> 0} (f(x + h e_i) - f(x)) / h           e_i the i-th unit vector     (1)
    df/dx       = [df/dx_1  df/dx_2  ..  df/dx_n]                  the row, shape (n,)          (2)
    d_u f (x)   = lim_{eps -> 0} (f(x + eps u) - f(x)) / eps       |u| = 1: a slope             (3)

(1) is (3) along e_i. (3) is the derivative at 0 of a function of one variable, f(x + eps u) in eps:
nothing new has to be differentiated; for differentiable f it is the number (df/dx) u.           (4)

If f(x + eps u) = f(x) + eps ell(u) + O(eps^2) for every u, with ell linear, then the gradient is
what ell gives for the unit vectors: (df/dx)_i = ell(e_i). There is no second gradient to find. (5)

By Cauchy and Schwarz |(df/dx) u| <= |df/dx| for |u| = 1, with equality along the gradient.     (6)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Vector = Float[Array, " n"]


def unit(i: int, n: int) -> Float[Array, " n"]:
    """e_i, the i-th unit vector of R^n, counted from 0."""
    return jnp.eye(n)[i]


def partial(f: Callable[[Vector], Scalar], i: int) -> Callable[[Vector], Scalar]:
    """x -> df/dx_i (x) (1): all variables but the i-th are frozen, then one is differentiated."""

    def along_the_axis(x):
        def of_one_variable(x_i):
            return f(x.at[i].set(x_i))

        return jax.grad(of_one_variable)(x[i])

    return along_the_axis


def gradient_by_partials(f: Callable[[Vector], Scalar], x: Vector) -> Vector:
    """The row df/dx, its n partial derivatives taken one by one (2)."""
    return jnp.stack([partial(f, i)(x) for i in range(x.size)])


def quotient_along(f: Callable, x: Vector, u: Vector, eps: float) -> Float[Array, "..."]:
    """(f(x + eps u) - f(x)) / eps: the quotient of (3) before its limit, entry by entry of f."""
    return (f(x + eps * u) - f(x)) / eps


def directional_derivative(f: Callable, x: Vector, u: Vector) -> Float[Array, "..."]:
    """d_u f(x) (3), in the shape of f(x): the derivative at 0 of eps -> f(x + eps u).

    `u` may have any length; the result is a slope when it is 1.
    """
    return jax.jacrev(lambda eps: f(x + eps * u))(jnp.zeros((), x.dtype))


def read_off(ell: Callable[[Vector], Float[Array, "..."]], n: int) -> Float[Array, "... n"]:
    """The derivative whose linear part is `ell` (5): ell(e_1), .., ell(e_n) along the last axis."""
    return jnp.stack([ell(unit(i, n)) for i in range(n)], axis=-1)


def steepest(gradient: Vector) -> Vector:
    """The direction of length 1 in which a function rises fastest (6); NaN where there is none."""
    return gradient / jnp.linalg.norm(gradient)
