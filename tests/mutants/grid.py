"""Wrong derivatives of interpolation in a grid."""

import jax
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


def _continued_outside(residuals, y_bar):
    """The slope of the outermost cell where (9) has 0: the clamp forgotten on the way back."""
    table, x = residuals
    n, features = table.shape[0], table.shape[-1]
    vertices, f = grid._locate(x.reshape(-1, 3), n)
    f_bar = jnp.zeros_like(f)
    for c in grid.CORNERS:
        at = table.reshape(-1, features)[grid._vertex(vertices, c, n)]
        worth = jnp.sum(at * y_bar.reshape(-1, features), axis=-1, keepdims=True)
        f_bar = f_bar + jnp.stack([grid._slope(c, f, a) for a in range(3)], axis=-1) * worth
    grid_bar, _ = grid.interpolate_bwd(residuals, y_bar)
    return grid_bar, (f_bar * ((n - 1) / 2)).reshape(x.shape)


def _continued_outside_in_full(table, x):
    dy_dgrid, _ = grid.interpolate_jacobian(table, x)
    rows = jnp.eye(table.shape[-1])
    return dy_dgrid, jax.vmap(lambda row: _continued_outside((table, x), row)[1])(rows)


def _nearest_vertex(table, x):
    """The whole slope on one vertex: the derivative of nearest-neighbour look-up."""
    dy_dgrid, dy_dx = grid.interpolate_jacobian(table, x)
    n, features = table.shape[0], table.shape[-1]
    nearest = jnp.argmax(dy_dgrid[0, ..., 0].reshape(-1))
    chosen = (jnp.arange(n**3) == nearest).astype(table.dtype)
    one_vertex = jnp.einsum("v,fg->fvg", chosen, jnp.eye(features))
    return one_vertex.reshape(dy_dgrid.shape), dy_dx


def _scattered(vertices, residuals, y_bar, rows=grid._line, ends=(0, 1), add=True):
    """The tables' cotangents (13), corner by corner; the mutants' own way to get them wrong."""
    tables, x = residuals
    points, y_bar = x.reshape(-1, 3), y_bar.reshape(-1, y_bar.shape[-1])
    bars = jnp.split(y_bar, len(tables), axis=-1)
    tables_bar = []
    for table, n, bar in zip(tables, vertices, bars, strict=True):
        (i, j, k), f = grid._locate(points, n)
        total = jnp.zeros_like(table)
        for a, b, c in grid.CORNERS:
            row = i + a + rows(j + b, k + c, n, table.shape[0])
            gain = grid._share((a, b, c), f)[:, None] * bar * (1 if a in ends else 0)
            total = total.at[row].add(gain) if add else total.at[row].set(gain)
        tables_bar.append(total)
    return tuple(tables_bar), grid.hash_encode_bwd(vertices, residuals, y_bar)[1].reshape(x.shape)


def _second_row_missed(vertices, residuals, y_bar):
    """The first of a pair's two rows is trained, the second read and left as it is."""
    return _scattered(vertices, residuals, y_bar, ends=(0,))


def _rows_set(vertices, residuals, y_bar):
    return _scattered(vertices, residuals, y_bar, add=False)


def _hashed_by_other_axes(vertices, residuals, y_bar):
    """Another row on the way back than on the way forth: y and z change places in the hash."""
    return _scattered(vertices, residuals, y_bar, lambda y, z, n, rows: grid._line(z, y, n, rows))


def _hash_that_adds(vertices, residuals, y_bar):
    """Rows counted as in a dense grid and wrapped where the table ends, for want of the hash."""

    def line(y, z, n, rows):
        return n * (y + n * z) % (rows if rows == n**3 else rows - n)

    return _scattered(vertices, residuals, y_bar, line)


def _encode_right_for_x_alone(vertices, residuals, y_bar):
    tables_bar, x_bar = grid.hash_encode_bwd(vertices, residuals, y_bar)
    return tables_bar, jnp.concatenate([x_bar[..., :1]] * 3, axis=-1)


def _position_of(vertices, residuals, y_bar, cells_per_unit):
    """x_bar (15) with another df_a/dx_a than (9): a function of n and the points."""
    tables, x = residuals
    points = x.reshape(-1, 3)
    bars = jnp.split(y_bar.reshape(-1, y_bar.shape[-1]), len(tables), axis=-1)
    x_bar = jnp.zeros_like(points)
    for table, n, bar in zip(tables, vertices, bars, strict=True):
        pairs, f = grid._pairs(points, n, table.shape[0])
        for (b, c), row in pairs:
            for a in (0, 1):
                worth = jnp.sum(table[row + a] * bar, axis=-1, keepdims=True)
                slopes = jnp.stack([grid._slope((a, b, c), f, k) for k in range(3)], axis=-1)
                x_bar = x_bar + cells_per_unit(n, points) * slopes * worth
    return grid.hash_encode_bwd(vertices, residuals, y_bar)[0], x_bar.reshape(x.shape)


def _last_grid_alone(vertices, residuals, y_bar):
    """Each grid's cotangent of the position put in the place of the one before."""

    def cells_per_unit(n, points):
        return grid._cells_per_unit(points, n) * (1 if n == vertices[-1] else 0)

    return _position_of(vertices, residuals, y_bar, cells_per_unit)


def _cells_of_another_grid(vertices, residuals, y_bar):
    """The finest grid's cells per unit in all of them."""
    return _position_of(
        vertices, residuals, y_bar, lambda n, points: grid._cells_per_unit(points, vertices[-1])
    )


def _encode_continued_outside(vertices, residuals, y_bar):
    """The slope of the outermost cell where (9) has 0, in each of the grids."""
    return _position_of(vertices, residuals, y_bar, lambda n, points: (n - 1) / 2)


def _last_of_a_shared_row(tables, x, vertices):
    """Sets where (8) adds: of two corners that share a row, the last counts."""
    _, dy_dx = grid.hash_encode_jacobian(tables, x, vertices)
    features = tables[0].shape[1]
    owns = jnp.split(jnp.eye(len(tables) * features), len(tables), axis=-1)
    dy_dtables = []
    for table, n, own in zip(tables, vertices, owns, strict=True):
        pairs, f = grid._pairs(x[None, :], n, table.shape[0])
        shares = jnp.zeros_like(table[:, 0])
        for (b, c), row in pairs:
            for a in (0, 1):
                shares = shares.at[row + a].set(grid._share((a, b, c), f))
        dy_dtables.append(jnp.einsum("r,yf->yrf", shares, own))
    return tuple(dy_dtables), dy_dx


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
        "the slope continued outside the cube",
        "interpolate",
        _continued_outside,
        ("limits_are_jax",),
    ),
    Mutant(
        "the Jacobian continued outside the cube",
        "interpolate",
        _continued_outside_in_full,
        ("limits_are_jax",),
        "jacobian",
    ),
    Mutant(
        "the nearest vertex takes all",
        "interpolate",
        _nearest_vertex,
        ("jacobian_is_jax",),
        "jacobian",
    ),
    Mutant("the position seen by x alone", "hash_encode", _encode_right_for_x_alone),
    Mutant("the second row of each pair missed", "hash_encode", _second_row_missed),
    Mutant("rows set where many points add", "hash_encode", _rows_set, ("batch_is_its_rays",)),
    Mutant("y and z exchanged in the hash on the way back", "hash_encode", _hashed_by_other_axes),
    Mutant("the hash forgotten on the way back", "hash_encode", _hash_that_adds),
    Mutant("the position's cotangent of the last grid alone", "hash_encode", _last_grid_alone),
    Mutant("cells per unit of the finest grid in all", "hash_encode", _cells_of_another_grid),
    Mutant(
        "the grids continued outside the cube",
        "hash_encode",
        _encode_continued_outside,
        ("limits_are_jax",),
    ),
    Mutant(
        "of corners that share a row the last counts",
        "hash_encode",
        _last_of_a_shared_row,
        ("jacobian_is_jax",),
        "jacobian",
    ),
)
