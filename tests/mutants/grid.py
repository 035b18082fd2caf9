"""Wrong derivatives of interpolation in a grid."""

import jax.numpy as jnp

from calculus.radiance import grid
from tests.mutants.mutant import Mutant


def _right_for_x_alone(residuals, y_bar):
    """The slope along x is right, those along y and z are taken across it too."""
    grid_bar, x_bar = grid.interpolate_bwd(residuals, y_bar)
    return grid_bar, jnp.concatenate([x_bar[..., :1]] * 3, axis=-1)


def _cells_not_counted(residuals, y_bar):
    table, _ = residuals
    grid_bar, x_bar = grid.interpolate_bwd(residuals, y_bar)
    return grid_bar, x_bar / ((table.shape[0] - 1) / 2)


def _last_write_wins(residuals, y_bar):
    """Sets where it should add: right for one point, wrong for two that share a vertex."""
    table, x = residuals
    n, features = table.shape[0], table.shape[-1]
    cells, f = grid._locate(x.reshape(-1, 3), n)
    table_bar = jnp.zeros_like(table).reshape(-1, features)
    for c in grid.CORNERS:
        share = grid._share(c, f)[:, None] * y_bar.reshape(-1, features)
        table_bar = table_bar.at[grid._vertex(cells, c, n)].set(share)
    return table_bar.reshape(table.shape), grid.interpolate_bwd(residuals, y_bar)[1]


def _axes_reversed(residuals, y_bar):
    """Scatters as if z were the first axis, as in the look-up that wants its axes reversed."""
    grid_bar, x_bar = grid.interpolate_bwd(residuals, y_bar)
    return jnp.transpose(grid_bar, (2, 1, 0, 3)), x_bar


def _nearest_vertex(table, x):
    """The whole slope on one vertex: the derivative of nearest-neighbour look-up."""
    dy_dgrid, dy_dx = grid.interpolate_jacobian(table, x)
    n, features = table.shape[0], table.shape[-1]
    nearest = jnp.argmax(dy_dgrid[0, ..., 0].reshape(-1))
    chosen = (jnp.arange(n**3) == nearest).astype(table.dtype)
    one_vertex = jnp.einsum("v,fg->fvg", chosen, jnp.eye(features))
    return one_vertex.reshape(dy_dgrid.shape), dy_dx


MUTANTS = (
    Mutant(
        "the coordinate gradient right for x alone",
        "interpolate",
        _right_for_x_alone,
        ("pullback_is_jax", "agrees_with_finite_differences"),
    ),
    Mutant("the cells per unit forgotten", "interpolate", _cells_not_counted),
    Mutant(
        "the scatter sets where it should add",
        "interpolate",
        _last_write_wins,
        ("batch_is_its_rays",),
    ),
    Mutant("the grid's axes reversed on the way back", "interpolate", _axes_reversed),
    Mutant(
        "the nearest vertex takes all",
        "interpolate",
        _nearest_vertex,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
