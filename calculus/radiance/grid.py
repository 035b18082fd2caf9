r"""Multilinear interpolation: a feature vector at any point of a cube, from a grid of them.

Symbols      one point, one grid with n vertices along each of three axes
    x_a      coordinate a of the point; the grid spans [-1, 1]^3         half sides of the cube
    g_v      feature vector at vertex v, F numbers                       1
    s_a      the same coordinate counted in cells                        cells, in [0, n-1]
    i_a      the cell the point lies in, by its lower vertex             0 .. n-2
    f_a      how far into that cell                                      cells, in [0, 1]
    c        corner of a cell, in {0, 1}^3
    l(c, f)  f for c = 1, 1 - f for c = 0: the share of one end          1
    u_c      the share of corner c                                       1

Value
    s_a = (x_a + 1)/2 (n - 1), kept within [0, n-1],   i_a = floor s_a,   f_a = s_a - i_a   (1)
    u_c = l(c_1, f_1) l(c_2, f_2) l(c_3, f_3)          they sum to one                    (2)
    y = sum_c u_c g_{i+c}                                                                 (3)

Jacobian     (3) is linear in the features, and in each coordinate by itself
    dy/dg_v = u_c for v = i + c, and 0 for all vertices but these eight                   (4)
    df_a/dx_a = (n - 1)/2 inside the cube, 0 on its faces and outside                     (5)
    du_c/df_a = (2 c_a - 1) prod_{b/=a} l(c_b, f_b)                                       (6)
    dy/dx_a = (n - 1)/2 sum_c du_c/df_a g_{i+c}                                           (7)
    y is continuous everywhere, dy/dx jumps from cell to cell; on a face between two cells the
    upper one counts.

Cotangent    contract (4) and (7)
    g_bar_{i+c} gains u_c y_bar, summed over all points that use the vertex               (8)
    x_bar_a = (n - 1)/2 sum_c du_c/df_a (g_{i+c} . y_bar)                                 (9)

The way back keeps the points and the grid, no indices and no shares: those are three floors and
eight products, made again faster than they are read.
"""

import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

CORNERS = tuple(itertools.product((0, 1), repeat=3))


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
        table_bar = table_bar.at[at].add(_share(c, f)[:, None] * y_bar)  # (8)
        worth = jnp.sum(table[at] * y_bar, axis=-1)
        f_bar = [bar + _slope(c, f, a) * worth for a, bar in enumerate(f_bar)]  # (6)
    x_bar = jnp.stack(f_bar, axis=-1) * _cells_per_unit(points, n)  # (9)
    return table_bar.reshape(grid.shape), x_bar.reshape(x.shape)


interpolate.defvjp(interpolate_fwd, interpolate_bwd)


def interpolate_jacobian(
    grid: Float[Array, "n n n F"], x: Float[Array, "3"]
) -> tuple[Float[Array, "F n n n F"], Float[Array, "F 3"]]:
    """dy/dgrid and dy/dx of one point, as (4) and (7) read."""
    n, features = grid.shape[0], grid.shape[-1]
    vertices, f = _locate(x[None, :], n)
    table = grid.reshape(-1, features)
    shares = jnp.zeros(n**3, grid.dtype)
    dy_df = jnp.zeros((features, 3), grid.dtype)
    for c in CORNERS:
        at = _vertex(vertices, c, n)
        shares = shares.at[at].add(_share(c, f))  # (4)
        slope = jnp.concatenate([_slope(c, f, a) for a in range(3)])
        dy_df = dy_df + jnp.outer(table[at[0]], slope)  # (7)
    dy_dgrid = jnp.einsum("v,fg->fvg", shares, jnp.eye(features))
    return dy_dgrid.reshape(features, n, n, n, features), dy_df * _cells_per_unit(x[None, :], n)


def _locate(points, n):
    """The cell of each point and the place within it (1)."""
    s = jnp.clip((points + 1) * ((n - 1) / 2), 0, n - 1)
    cell = jnp.clip(jnp.floor(s).astype(jnp.int32), 0, n - 2)
    return cell, s - cell.astype(points.dtype)


def _vertex(cell, corner, n):
    """Row of the flattened grid that holds one corner of a cell."""
    x, y, z = (cell[:, a] + corner[a] for a in range(3))
    return (x * n + y) * n + z


def _end(c, f):
    return f if c else 1 - f


def _share(corner, f):
    """u_c (2)."""
    return _end(corner[0], f[:, 0]) * _end(corner[1], f[:, 1]) * _end(corner[2], f[:, 2])


def _slope(corner, f, axis):
    """du_c/df_a (6)."""
    b, c = (other for other in range(3) if other != axis)
    return (2 * corner[axis] - 1) * _end(corner[b], f[:, b]) * _end(corner[c], f[:, c])


def _cells_per_unit(points, n):
    """df_a/dx_a (5)."""
    return jnp.where(jnp.abs(points) < 1, (n - 1) / 2, 0.0).astype(points.dtype)
