"""What must hold of many grids looked up at once, whether or not their vertices share rows."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import hash_encode, interpolate
from calculus.radiance.grid import _line, _pairs

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])
SIZES = pytest.mark.parametrize(
    ("n", "rows"), [(2, 8), (2, 3), (5, 125), (5, 6), (5, 16 + 5), (9, 100), (300, 4096 + 300)]
)
EXTREMES = (-1.0, 1.0, -0.0, 0.3, -3e38, 3e38, -np.inf, np.inf, 1.0 - 2.0**-24, np.nan)


def row_of(v, n, rows):
    """Where a vertex is, in Python's whole numbers."""
    if rows == n**3:
        return v[0] + n * v[1] + n * n * v[2]
    return v[0] + ((v[1] * 2654435761 % 2**32) ^ (v[2] * 805459861 % 2**32)) % (rows - n)


def drawn(seed, *sizes):
    """Tables of so many rows, and 50 points in and about the cube."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(rows, 2)) for rows in sizes), rng.uniform(-1.2, 1.2, (50, 3))


def value_and_pullback(f):
    """Of a function of tables and points, compiled."""

    @jax.jit
    def both(tables, x, bar):
        y, pull = jax.vjp(f, tables, x)
        return y, pull(bar)

    return both


of_tables = value_and_pullback(lambda tables, x: hash_encode(tables, x, (3, 5)))
of_grids = value_and_pullback(
    lambda grids, x: jnp.concatenate([interpolate(grid, x) for grid in grids], axis=-1)
)


@SEEDS
def test_dense_tables_are_the_grids(seed):
    tables, x = drawn(seed, 3**3, 5**3)
    grids = [
        t.reshape(n, n, n, 2).transpose(2, 1, 0, 3) for t, n in zip(tables, (3, 5), strict=True)
    ]
    bar = np.random.default_rng(seed).normal(size=(50, 4))
    y, (tables_bar, x_bar) = of_tables(tables, x, bar)
    wanted, (grids_bar, wanted_x_bar) = of_grids(grids, x, bar)
    np.testing.assert_allclose(y, wanted, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(x_bar, wanted_x_bar, rtol=1e-12, atol=1e-12)
    for found, grid_bar in zip(tables_bar, grids_bar, strict=True):
        as_table = np.asarray(grid_bar).transpose(2, 1, 0, 3).reshape(-1, 2)
        np.testing.assert_allclose(found, as_table, rtol=1e-12, atol=1e-13)


@SIZES
def test_no_row_is_beyond_the_table(n, rows):
    random = np.random.default_rng(0).uniform(-1.1, 1.1, size=(1000, 3))
    points = [*random, *itertools.product(EXTREMES, repeat=3)]
    for dtype in (np.float32, np.float64):
        pairs, _ = jax.jit(_pairs, static_argnums=(1, 2))(np.asarray(points, dtype), n, rows)
        for _, row in pairs:
            assert row.dtype == jnp.int32
            assert np.min(row) >= 0 and np.max(row) + 1 <= rows - 1


@SIZES
def test_a_vertex_reads_its_row(n, rows):
    (table,), _ = drawn(0, rows)
    v = np.random.default_rng(1).integers(0, n, size=(200, 3))
    wanted = table[np.array([row_of(tuple(map(int, at)), n, rows) for at in v])]
    y = jax.jit(lambda x: hash_encode((table,), x, (n,)))(2 * v / (n - 1) - 1)
    np.testing.assert_allclose(y, wanted, atol=1e-11)


@pytest.mark.parametrize("rows", [6**3, 16 + 6, 7])
def test_cells_join_whatever_rows_are_shared(rows):
    """Below, on and above each face of each axis; the first and last have nothing beyond."""
    n, step = 6, 1e-9
    (table,), x = drawn(0, rows)
    on, across = np.empty((2, 3, n, 50, 3))
    for axis, face in itertools.product(range(3), range(n)):
        on[axis, face], across[axis, face] = x, np.eye(3)[axis]
        on[axis, face, :, axis] = 2 * face / (n - 1) - 1
    look_up = jax.jit(lambda x: hash_encode((table,), x, (n,)))
    below, there, above = (look_up(on + k * step * across) for k in (-1, 0, 1))
    steepest = (n - 1) / 2 * 2 * np.max(np.abs(table))
    np.testing.assert_allclose(below, there, atol=step * steepest)
    np.testing.assert_allclose(above, there, atol=step * steepest)


of_hashed = value_and_pullback(lambda tables, x: hash_encode(tables, x, (4, 6)))


@SEEDS
def test_shares_sum_to_one_over_the_rows(seed):
    tables, x = drawn(seed, 8 + 4, 9)
    bar = np.random.default_rng(seed).normal(size=(50, 4))
    _, (bars, _) = of_hashed(tables, x, bar)
    sums = np.concatenate([np.sum(t, axis=0) for t in bars])
    np.testing.assert_allclose(sums, np.sum(bar, axis=0), atol=1e-12)


def test_the_same_bits_at_each_run():
    """In float32, where another order of the points gives other bits."""
    random = np.random.default_rng(0)
    tables = tuple(random.normal(size=(r, 4)).astype(np.float32) for r in (27, 16 + 5))
    x = random.uniform(-1, 1, size=(20_000, 3)).astype(np.float32)
    bar = random.normal(size=(20_000, 8)).astype(np.float32)
    first = jax.tree.leaves(of_tables(tables, x, bar))
    for _ in range(4):
        for a, b in zip(first, jax.tree.leaves(of_tables(tables, x, bar)), strict=True):
            np.testing.assert_array_equal(a, b)
    _, (backwards, _) = of_tables(tables, x[::-1], bar[::-1])
    assert any(np.any(a != b) for a, b in zip(first[1:3], backwards, strict=True))


@pytest.mark.parametrize("rows", [27, 8 + 3])
def test_a_point_that_is_no_number_says_so_and_harms_one_cell(rows):
    (table,), x = drawn(0, rows)
    x[7, 1] = np.nan
    both = value_and_pullback(lambda table, x: hash_encode((table,), x, (3,)))
    y, (table_bar, x_bar) = both(table, x, np.ones((50, 2)))
    assert np.all(np.isnan(y[7])) and np.any(np.isnan(x_bar[7]))
    for found in (y, x_bar):
        assert np.all(np.isfinite(np.delete(found, 7, axis=0)))
    i, k = (int(np.clip(np.floor(c + 1), 0, 1)) for c in x[7, ::2])
    corners = {(i + a, b, k + c) for a, b, c in itertools.product((0, 1), repeat=3)}
    harmed = np.flatnonzero(np.any(np.isnan(table_bar), axis=1))
    assert set(harmed.tolist()) == {row_of(v, 3, rows) for v in corners}


def test_lines_of_one_layer_start_apart():
    n, start = 50, np.arange(50)
    line = jax.jit(_line, static_argnums=(2, 3))
    for fixed in range(0, n, 7):
        other = np.full(n, fixed)
        for at in ((start, other), (other, start)):
            assert len(np.unique(line(*at, n, 64 + n))) == n


def test_as_many_grids_as_tables():
    tables, x = drawn(0, 27, 8 + 4)
    for vertices, message in (((3,), "shorter"), ((3, 4, 5), "longer")):
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(lambda *v: hash_encode(*v, vertices), tables, x)  # noqa: B023


@pytest.mark.parametrize(("n", "rows"), [(4, 4), (4, 3), (1, 8), (0, 8)])
def test_a_table_holds_more_than_one_line(n, rows):
    (table,), x = drawn(0, rows)
    with pytest.raises(ValueError, match="vertices"):
        jax.eval_shape(lambda *v: hash_encode(*v, (n,)), (table,), x)


def test_no_points():
    tables, x = drawn(0, 27, 8 + 4)
    both = value_and_pullback(lambda t, x: hash_encode(t, x, (3, 4)))
    y, (tables_bar, _) = both(tables, x[:0], np.zeros((0, 4)))
    assert y.shape == (0, 4) and not any(np.any(bar) for bar in tables_bar)
