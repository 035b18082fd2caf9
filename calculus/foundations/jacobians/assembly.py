r"""The Jacobian put together from parts, in three orders.

    f(x) = (f_1(x), .., f_m(x))          R^n -> R^m, each f_i a number of x                     (1)
    df/dx_j = (df_1/dx_j, .., df_m/dx_j)           a column: the limit taken entry by entry     (2)
    J_ij = df_i/dx_j                     outputs along the rows, inputs along the columns       (3)
    J = [df/dx_1 .. df/dx_n]             n columns, each a push of a unit vector, J e_j         (4)
    J = [df_1/dx; ..; df_m/dx]           m rows, each a pull of a unit covector, e_i^T J        (5)

(4) costs n runs in forward mode, (5) costs m in reverse: a number of many variables has one row.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.conventions import Shape, derivative_shape
from calculus.foundations.gradients.directions import partial

Map = Callable[[Float[Array, " n"]], Float[Array, " m"]]


def stack_functions(*f: Callable[[Float[Array, " n"]], Float[Array, ""]]) -> Map:
    """x -> (f_1(x), .., f_m(x)) (1)."""
    return lambda x: jnp.stack([f_i(x) for f_i in f])


def jacobian_by_columns(f: Map, x: Float[Array, " n"]) -> Float[Array, "m n"]:
    """J as (4): n columns (2), each one run in forward mode.

    Forward mode does not pass a `jax.custom_vjp`; give a function without a rule.
    """

    def column(e_j):
        return jax.jvp(f, (x,), (e_j,))[1]

    return jnp.stack([column(e_j) for e_j in jnp.eye(x.size, dtype=x.dtype)], axis=1)


def jacobian_by_rows(f: Map, x: Float[Array, " n"]) -> Float[Array, "m n"]:
    """J as (5): m rows, each one run in reverse mode; rules by hand are used where f has them."""
    value, pull = jax.vjp(f, x)
    return jnp.stack([pull(e_i)[0] for e_i in jnp.eye(value.size, dtype=value.dtype)])


def jacobian_by_entries(f: Map, x: Float[Array, " n"]) -> Float[Array, "m n"]:
    """J as (3), in two loops: output i, one variable j at a time."""

    def output(i):
        return lambda x: f(x)[i]

    rows = [[partial(output(i), j)(x) for j in range(x.size)] for i in range(f(x).size)]
    return jnp.stack([jnp.stack(row) for row in rows])


def derivative_shape_of(f: Callable, x: Float[Array, "..."]) -> Shape:
    """The shape of df/dx before anything is differentiated: f is traced, not run."""
    return derivative_shape(jax.eval_shape(f, x).shape, x.shape)
