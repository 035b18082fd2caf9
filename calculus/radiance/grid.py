r"""Multilinear interpolation: a feature vector at any point of a cube, from a grid of them.

`interpolate` looks one grid up. `hash_encode` looks many up, coarse and fine, each kept as the rows
of a table; where a table has fewer rows than its grid has vertices, some of these share a row.

Symbols      one point, one grid with n vertices along each of three axes
    x_a      coordinate a of the point; the grid spans [-1, 1]^3         half sides of the cube
    g_v      feature vector at vertex v = (v_1, v_2, v_3), F numbers     1
    s_a      the same coordinate counted in cells                        cells, in [0, n-1]
    i_a      the cell the point lies in, by its lower vertex             0 .. n-2
    f_a      how far into that cell                                      cells, in [0, 1]
    c        corner of a cell, in {0, 1}^3
    l(c, f)  f for c = 1, 1 - f for c = 0: the share of one end          1
    u_c      the share of corner c                                       1
    r(v)     the row that holds g_v in a table of R rows                 0 .. R-1

Value
    s_a = (x_a + 1)/2 (n - 1), kept within [0, n-1],   i_a = floor s_a <= n-2,  f_a = s_a - i_a  (1)
    u_c = l(c_1, f_1) l(c_2, f_2) l(c_3, f_3)          they sum to one                    (2)
    y = sum_c u_c g_{i+c}                                                                 (3)
    With g_v = table[r(v)] a table stands for a grid. One of R = n^3 rows has a row for each vertex,
    r(v) = v_1 + n (v_2 + n v_3)                                                          (4)
    and in one of any other R > n each line of vertices along the first axis starts at a hash,
    r(v) = v_1 + (v_2 p_2 xor v_3 p_3) mod P,      P = R - n,  products mod 2^32          (5)
    hash_encode = (y of table 1, .., y of table L), each by (1)-(3) with its own n        (6)

    In (4) and (5) a step along the first axis is a step of one row: eight corners are four pairs
    of neighbours in memory. Different lines may start at one row, or overlap. p_2 and p_3 are odd:
    for P = 2^k >= n no two lines of one layer start together, and mod is a mask. P = R - n makes
    that a table of 2^k + n rows, the last of them unused.

Jacobian     (3) is linear in the features, and in each coordinate by itself
    dy/dg_v = u_c for v = i + c, and 0 for all vertices but these eight                   (7)
    dy/dtable_r = sum_c u_c [r(i+c) = r]     the chain rule adds up what shares a row     (8)
    df_a/dx_a = (n - 1)/2 inside the cube, 0 on its faces and outside                     (9)
    du_c/df_a = (2 c_a - 1) prod_{b/=a} l(c_b, f_b)                                       (10)
    dy/dx_a = (n - 1)/2 sum_c du_c/df_a g_{i+c}                                           (11)
    No derivative passes the integers i and r. As r depends on the vertex alone, not on the cell,
    y is continuous everywhere, rows shared or not; dy/dx jumps from cell to cell, and on a face
    between two cells the upper one counts.

Cotangent    contract (7), (8) and (11); each sum runs over all points as well
    g_bar_v = sum_c u_c y_bar [i + c = v]                                                 (12)
    table_bar_r = sum_c u_c y_bar [r(i+c) = r]                                            (13)
    x_bar_a = (n - 1)/2 sum_c du_c/df_a (g_{i+c} . y_bar),   of one point                 (14)
    hash_encode: (13) for each table with its own part of y_bar, and x_bar the sum of (14)
    over the tables                                                                       (15)
    By (13) a row learns what its vertices want on the whole: those seen most outvote the others.

The way back keeps the points and the tables, no indices and no shares: those are three floors, a
hash and eight products, made again faster than they are read. What the points add to the tables is
eight times their features, so they come in blocks. Each sum goes block by block, corner by corner
and point by point, the same at every run; a GPU adds as they arrive, unless XLA is forbidden.
No index leaves its table, whatever x is: one that is NaN is taken to lie in the first cell, and
makes NaN of its y and of the cotangents there.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from calculus.radiance.blocks import in_blocks

BLOCK = 2**15
"""Points whose cotangents are added to the tables at once: what each adds takes room until then."""

BLOCK_ELSEWHERE = 2**22
"""The same on a machine that is not a CPU."""

CORNERS = tuple(itertools.product((0, 1), repeat=3))
PAIRS = tuple(itertools.product((0, 1), repeat=2))
"""Ends along the second and third axis: the corners, less the first axis."""
PRIMES = np.uint32(2_654_435_761), np.uint32(805_459_861)
"""p_2 and p_3 of (5), as Mueller et al. 2022 have them."""


@jax.custom_vjp
def interpolate(
    grid: Float[Array, "n n n F"], x: Float[Array, "*batch 3"]
) -> Float[Array, "*batch F"]:
    """The features of `grid` at `x` (3); outside the cube those of the nearest point in it."""
    return interpolate_fwd(grid, x)[0]


def interpolate_fwd(grid, x):
    n, features = grid.shape[0], grid.shape[-1]
    points = x.reshape(-1, 3)
    vertices, f = _locate(points, n)
    table = grid.reshape(-1, features)
    y = jnp.zeros((points.shape[0], features), grid.dtype)
    for c in CORNERS:
        y = y + _share(c, f)[:, None] * table[_vertex(vertices, c, n)]  # (2)(3)
    return y.reshape(*x.shape[:-1], features), (grid, x)


def interpolate_bwd(residuals, y_bar):
    grid, x = residuals
    n, features = grid.shape[0], grid.shape[-1]
    points, y_bar = x.reshape(-1, 3), y_bar.reshape(-1, features)
    vertices, f = _locate(points, n)
    table = grid.reshape(-1, features)
    table_bar = jnp.zeros_like(table)
    f_bar = [jnp.zeros_like(points[:, 0])] * 3
    for c in CORNERS:
        at = _vertex(vertices, c, n)
        table_bar = table_bar.at[at].add(_share(c, f)[:, None] * y_bar)  # (12)
        worth = jnp.sum(table[at] * y_bar, axis=-1)
        f_bar = [bar + _slope(c, f, a) * worth for a, bar in enumerate(f_bar)]  # (10)
    x_bar = jnp.stack(f_bar, axis=-1) * _cells_per_unit(points, n)  # (14)
    return table_bar.reshape(grid.shape), x_bar.reshape(x.shape)


interpolate.defvjp(interpolate_fwd, interpolate_bwd)


def interpolate_jacobian(
    grid: Float[Array, "n n n F"], x: Float[Array, "3"]
) -> tuple[Float[Array, "F n n n F"], Float[Array, "F 3"]]:
    """dy/dgrid and dy/dx of one point, as (7) and (11) read."""
    n, features = grid.shape[0], grid.shape[-1]
    vertices, f = _locate(x[None, :], n)
    table = grid.reshape(-1, features)
    shares = jnp.zeros(n**3, grid.dtype)
    dy_df = jnp.zeros((features, 3), grid.dtype)
    for c in CORNERS:
        at = _vertex(vertices, c, n)
        shares = shares.at[at].add(_share(c, f))  # (7)
        slope = jnp.concatenate([_slope(c, f, a) for a in range(3)])
        dy_df = dy_df + jnp.outer(table[at[0]], slope)  # (11)
    dy_dgrid = jnp.einsum("v,fg->fvg", shares, jnp.eye(features))
    return dy_dgrid.reshape(features, n, n, n, features), dy_df * _cells_per_unit(x[None, :], n)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def hash_encode(
    tables: tuple[Float[Array, "_ F"], ...], x: Float[Array, "*batch 3"], vertices: tuple[int, ...]
) -> Float[Array, "*batch LF"]:
    """The features of all grids at `x` (6), those of the first table in front.

    `vertices` are the numbers n of the grids that the tables stand for. A table of n^3 rows is
    dense (4); one of any other number, more than n, is hashed (5). Outside the cube the features
    are those of the nearest point in it.
    """
    return hash_encode_fwd(tables, x, vertices)[0]


def hash_encode_fwd(tables, x, vertices):
    points = x.reshape(-1, 3)
    found = []
    for table, n in zip(tables, vertices, strict=True):
        pairs, f = _pairs(points, n, table.shape[0])
        y = jnp.zeros((points.shape[0], table.shape[1]), table.dtype)
        for (b, c), row in pairs:
            for a in (0, 1):
                y = y + _share((a, b, c), f)[:, None] * _rows(table, row + a)  # (2)(3)
        found.append(y)
    y = jnp.concatenate(found, axis=-1)  # (6)
    return y.reshape(*x.shape[:-1], y.shape[-1]), (tables, x)


def hash_encode_bwd(vertices, residuals, y_bar):
    tables, x = residuals
    points, y_bar = x.reshape(-1, 3), y_bar.reshape(-1, y_bar.shape[-1])

    def block(tables_bar, now):
        some, bar = now
        return _added(tables_bar, tables, some, bar, vertices)

    start = tuple(jnp.zeros(table.size, table.dtype) for table in tables)
    most = BLOCK if jax.default_backend() == "cpu" else BLOCK_ELSEWHERE
    # rows that fill the last block have a cotangent of zero, and so no effect
    parts = in_blocks(points, most), in_blocks(y_bar, most)
    flat, x_bar = jax.lax.scan(block, start, parts)
    tables_bar = tuple(bar.reshape(table.shape) for bar, table in zip(flat, tables, strict=True))
    return tables_bar, x_bar.reshape(-1, 3)[: points.shape[0]].reshape(x.shape)


def _added(so_far, tables, points, y_bar, vertices):
    """Cotangents of the tables' numbers, those of these points added, and of the points."""
    bars = jnp.split(y_bar, len(tables), axis=-1)
    tables_bar, x_bar = [], jnp.zeros_like(points)
    for flat, table, n, bar in zip(so_far, tables, vertices, bars, strict=True):
        pairs, f = _pairs(points, n, table.shape[0])
        starts, shares = [], []
        f_bar = [jnp.zeros_like(points[:, 0])] * 3
        ends = jnp.concatenate([_end(a, f[:, 0])[:, None] * bar for a in (0, 1)], axis=-1)
        for (b, c), row in pairs:
            starts.append(row)
            shares.append((_end(b, f[:, 1]) * _end(c, f[:, 2]))[:, None] * ends)
            for a in (0, 1):
                worth = jnp.sum(_rows(table, row + a) * bar, axis=-1)
                slopes = [_slope((a, b, c), f, k) for k in range(3)]  # (10)
                f_bar = [old + slope * worth for old, slope in zip(f_bar, slopes, strict=True)]
        starts = table.shape[1] * jnp.concatenate(starts)
        tables_bar.append(_scattered(flat, starts, jnp.concatenate(shares)))  # (13)
        x_bar = x_bar + jnp.stack(f_bar, axis=-1) * _cells_per_unit(points, n)  # (14)(15)
    return tuple(tables_bar), x_bar


hash_encode.defvjp(hash_encode_fwd, hash_encode_bwd)


def hash_encode_jacobian(
    tables: tuple[Float[Array, "_ F"], ...], x: Float[Array, "3"], vertices: tuple[int, ...]
) -> tuple[tuple[Float[Array, "LF _ F"], ...], Float[Array, "LF 3"]]:
    """dy/dtables and dy/dx of one point, as (8) and (11) read."""
    features = tables[0].shape[1]
    owns = jnp.split(jnp.eye(len(tables) * features), len(tables), axis=-1)
    by_tables, by_position = [], []
    for table, n, own in zip(tables, vertices, owns, strict=True):
        pairs, f = _pairs(x[None, :], n, table.shape[0])
        shares = jnp.zeros_like(table[:, 0])
        dy_df = jnp.zeros((features, 3), table.dtype)
        for (b, c), row in pairs:
            for a in (0, 1):
                shares = shares.at[row + a].add(_share((a, b, c), f))  # (8)
                slope = jnp.concatenate([_slope((a, b, c), f, k) for k in range(3)])
                dy_df = dy_df + jnp.outer(table[row[0] + a], slope)  # (11)
        by_tables.append(jnp.einsum("r,yf->yrf", shares, own))
        by_position.append(dy_df * _cells_per_unit(x[None, :], n))
    return tuple(by_tables), jnp.concatenate(by_position)


def _pairs(points, n, rows):
    """For each pair of corners, the row of its first one, (4) or (5), and the place in the cell."""
    if not 1 < n < rows:
        raise ValueError(f"{rows} rows hold no line of {n} vertices: 1 < vertices < rows")
    (x, y, z), f = _locate(points, n)
    return [((b, c), x + _line(y + b, z + c, n, rows)) for b, c in PAIRS], f


def _line(y, z, n, rows):
    """Where the line of vertices along the first axis begins."""
    if rows == n**3:
        return n * (y + n * z)  # (4)
    p_2, p_3 = PRIMES
    mixed = (y.astype(jnp.uint32) * p_2) ^ (z.astype(jnp.uint32) * p_3)
    return (mixed % np.uint32(rows - n)).astype(jnp.int32)  # (5)


def _rows(table, at):
    return table.at[at].get(mode="promise_in_bounds")


def _scattered(flat, starts, pairs):
    """A table's numbers, to two rows of which, from each start on, a pair is added: one scatter."""
    numbers = jax.lax.ScatterDimensionNumbers(
        update_window_dims=(1,), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,)
    )
    return jax.lax.scatter_add(flat, starts[:, None], pairs, numbers, mode="promise_in_bounds")


def _locate(points, n):
    """The cell of each point, axis by axis, and the place within it (1)."""
    s = jnp.clip((points + 1) * ((n - 1) / 2), 0, n - 1)
    cell = jnp.clip(jnp.floor(s).astype(jnp.int32), 0, n - 2)
    return tuple(cell.T), s - cell.astype(points.dtype)


def _vertex(cell, corner, n):
    """Row of the flattened grid that holds one corner of a cell."""
    x, y, z = (axis + end for axis, end in zip(cell, corner, strict=True))
    return (x * n + y) * n + z


def _end(c, f):
    return f if c else 1 - f


def _share(corner, f):
    """u_c (2)."""
    return _end(corner[0], f[:, 0]) * _end(corner[1], f[:, 1]) * _end(corner[2], f[:, 2])


def _slope(corner, f, axis):
    """du_c/df_a (10)."""
    b, c = (other for other in range(3) if other != axis)
    return (2 * corner[axis] - 1) * _end(corner[b], f[:, b]) * _end(corner[c], f[:, c])


def _cells_per_unit(points, n):
    """df_a/dx_a (9)."""
    return jnp.where(jnp.abs(points) < 1, (n - 1) / 2, 0.0).astype(points.dtype)
