"""The rules of one ray, with inputs to try them on: away from kinks, and at the limits."""

import jax
import jax.numpy as jnp

from calculus.ledger.rule import Rule, normal, uniform
from calculus.radiance import (
    activation,
    camera,
    compositing,
    dense,
    encoding,
    grid,
    harmonics,
    packed,
    photometric,
    pixel,
    rendering,
)
from calculus.radiance.stream import Stream


def _rotation(key):
    q, _ = jnp.linalg.qr(normal(key, 3, 3))
    return q * jnp.sign(jnp.linalg.det(q))


def _camera(key):
    a, b, c, d = jax.random.split(key, 4)
    pixel_at = uniform(a, 2, low=3.0, high=60.0)
    intrinsics = jnp.concatenate(
        [uniform(b, 2, low=50.0, high=90.0), uniform(c, 2, low=25.0, high=40.0)]
    )
    pose = jnp.concatenate([_rotation(d), 3 * normal(a, 3, 1)], axis=1)
    return pixel_at, intrinsics, pose


def _points(key):
    a, b, c = jax.random.split(key, 3)
    return normal(a, 3), normal(b, 3), uniform(c, 5, low=0.1, high=4.0)


def _grid(key):
    a, b = jax.random.split(key)
    # within the cells, where the interpolant is smooth
    cell = jax.random.randint(b, (3,), 0, 4).astype(float)
    inside = uniform(b, 3, low=0.1, high=0.9)
    return normal(a, 5, 5, 5, 2), (cell + inside) / 2 - 1


_HASHED = (3, 4, 6)
"""Vertices of three grids: a dense one, and two whose lines start in 8 and 32 rows."""
_ROWS = (3**3, 8 + 4, 32 + 6)


def _tables(key):
    a, b, c = jax.random.split(key, 3)
    tables = tuple(normal(jax.random.fold_in(a, k), rows, 2) for k, rows in enumerate(_ROWS))
    # between two faces of any of the grids, in every one of which it is then within a cell
    faces = jnp.asarray(sorted({2 * k / (n - 1) - 1 for n in _HASHED for k in range(n)}))
    between = jax.random.randint(b, (3,), 0, faces.size - 1)
    inside = uniform(c, 3, low=0.1, high=0.9)
    return tables, (1 - inside) * faces[between] + inside * faces[between + 1]


def _affine(key):
    a, b, c = jax.random.split(key, 3)
    return normal(a, 4), normal(b, 4, 3), normal(c, 3)


def _mlp(key):
    sizes = ((4, 8), (8, 8), (8 + 4, 8), (8, 3))  # the third layer is given the input again
    layers = tuple(
        (
            normal(jax.random.fold_in(key, 2 * l), *size),
            normal(jax.random.fold_in(key, 2 * l + 1), size[1]),
        )
        for l, size in enumerate(sizes)
    )
    return layers, normal(jax.random.fold_in(key, 99), 4)


def _away_from_zero(key):
    a, b = jax.random.split(key)
    return (
        jnp.where(jax.random.bernoulli(a, shape=(7,)), 1.0, -1.0)
        * uniform(b, 7, low=0.2, high=3.0),
    )


def _any_number(key):
    return (3 * normal(key, 7),)


def _around_bound(key):
    a, b = jax.random.split(key)
    steps = _away_from_zero(b)[0]
    return (jnp.concatenate([normal(a, 4), activation.EXP_BOUND + steps]),)


def _depths(key):
    a, b = jax.random.split(key)
    return uniform(a, 6, low=0.0, high=2.0), uniform(b, 6, low=0.05, high=0.7)


def _pixel(key):
    a, b, c, d, e = jax.random.split(key, 5)
    return (
        uniform(a, 6, high=0.2),
        uniform(b),
        uniform(c, 6, 3),
        jnp.sort(uniform(d, 6, low=1.0, high=5.0)),
        uniform(e, 3),
    )


def _ray(key):
    a, b = jax.random.split(key)
    sigma, delta = _depths(a)
    _, _, colours, t, background = _pixel(b)
    return 3 * sigma, delta, colours, t, background


def _stream():
    """Rays without samples at the front, in the middle and at the end; three of padding."""
    return Stream.of(jnp.array([0, 3, 1, 0, 4, 2, 0]), 13)


def _packed(key):
    a, b, c, d, e = jax.random.split(key, 5)
    return (
        uniform(a, 13, high=6.0),
        uniform(b, 13, low=0.05, high=0.7),
        uniform(c, 13, 3),
        uniform(d, 13, low=1.0, high=5.0),
        uniform(e, 7, 3),
    )


def _pictures(key):
    a, b, c = jax.random.split(key, 3)
    return uniform(a, 4, 3), uniform(b, 4, 3), uniform(c, 4, low=0.1)


def _residuals_beside_kinks(key):
    a, b, c = jax.random.split(key, 3)
    photograph = uniform(a, 4, 3)
    # residuals of 0.02..0.08 and 0.12..0.5 on either side of the threshold 0.1
    small, large = uniform(b, 4, 3, low=0.02, high=0.08), uniform(c, 4, 3, low=0.12, high=0.5)
    e = jnp.where(jax.random.bernoulli(a, shape=(4, 3)), small, -large)
    return photograph + e, photograph, uniform(c, 4, low=0.1)


def _coarse_and_fine(key):
    a, b = jax.random.split(key)
    fine, photograph, share = _pictures(a)
    return _pictures(b)[0], fine, photograph, share


_EDGES = {
    f"{sign}{size}": ([float(f"{sign}{size}")] * 7,)
    for sign in ("", "-")
    for size in ("0", "1e-30", "30", "1e4")
}
_TAU = {
    "empty": ([0.0] * 6,),
    "thin": ([1e-30] * 6,),
    "one sample": ([0.7],),
    "wall in front": ([1e4, 0.3, 0.2, 0.5, 0.1, 0.4],),
    "wall behind": ([0.3, 0.2, 0.5, 0.1, 0.4, 1e4],),
    "thick": ([30.0] * 6,),
    "leak behind a wall": ([12.0, 1e-6, 2e-6, 1e-6, 1e-6, 3e-6],),
}
_SCENE = (
    [
        [0.2, 0.4, 0.9],
        [0.9, 0.1, 0.3],
        [0.5, 0.5, 0.1],
        [0.3, 0.8, 0.6],
        [0.7, 0.2, 0.2],
        [0.1] * 3,
    ],
    [1.0, 1.5, 2.0, 3.0, 4.0, 5.0],
    [1.0, 0.5, 0.25],
)


def _with_scene(tau):
    n = len(tau)
    colours, t, background = _SCENE
    return tau, [1.0] * n, colours[:n], t[:n], background


_WALL, _LEAK = [1e4], [1e-6, 2e-6, 3e-6]
_TAU_PACKED = {
    "empty": [0.0] * 13,
    "thin": [1e-30] * 13,
    "walls in front": _WALL + [0.3, 0.2] + _WALL * 2 + [0.5, 0.1, 0.4] + _WALL + [0.2] * 4,
    "walls behind": [0.3, 0.2] + _WALL * 2 + [0.5, 0.1, 0.4] + _WALL + [0.2] + _WALL * 4,
    "thick": [30.0] * 13,
    "leaks between walls": _LEAK + _WALL * 5 + _LEAK[:2] + _WALL * 3,
    "leaks behind walls": [10.0, *_LEAK, 10.0, *_LEAK, 10.0, 1e-6, *_LEAK],
}


def _with_scene_packed(tau):
    colours, t, _ = _SCENE
    backgrounds = [[0.1 * r, 1 - 0.1 * r, 0.5] for r in range(7)]
    return tau, [1.0] * 13, (colours * 3)[:13], (t * 3)[:13], backgrounds


def _vertices(n):
    """A grid whose slopes differ from cell to cell, along each axis."""
    return [
        [
            [[0.5 + i * i - 2 * j * k * k, 2.0 - i * k + 0.25 * j * j] for k in range(n)]
            for j in range(n)
        ]
        for i in range(n)
    ]


def _uneven_tables():
    """Tables no two rows of which are alike, in a cell of any grid."""
    return tuple(
        [[0.5 + 0.25 * (r * r % 23), 2.0 - 0.125 * (r * r * r % 29)] for r in range(rows)]
        for rows in _ROWS
    )


_EXPM1 = "JAX has expm1(x) + 1 for expm1', and that keeps three digits of e^-30"
_FACE = "a kink: 0 by (9), and in JAX the mean of both sides"
_HALVES = "JAX has 1/2 for max' and 1 for |.|' at 0, which makes the slope 0 where it is 1/2"
_SIZES = [0.0, 1e-30, 30.0, 1e4]
_AT_ORIGIN = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
_WIDE = [[0.0, 1e-30, 30.0], [1e4, 0.5, 0.2], [0.1, 0.0, 1.0], [1e-6, 0.1, 0.3]]
_NOTHING = [[0.0] * 3] * 4
_SHARES = [1.0, 1e-30, 0.0, 0.5]

RULES: tuple[Rule, ...] = (
    Rule(
        camera,
        "rays",
        _camera,
        limits={"through the middle": ([32.0] * 2, [60.0, 60.0, 32.0, 32.0], _AT_ORIGIN)},
    ),
    Rule(
        camera,
        "points",
        _points,
        limits={"near and far": ([1e-30, 0.0, 30.0], [0.0, 0.6, 0.8], [*_SIZES, 1.0])},
        ids=("7.03",),
    ),
    Rule(
        encoding,
        "encode",
        lambda key: (uniform(key, 3, low=-1.0),),
        static={"frequencies": 4},
        limits={"origin": ([0.0, 1e-30, 0.3],)},
        ids=("7.04", "7.05", "7.06"),
    ),
    Rule(
        harmonics,
        "spherical_harmonics",
        lambda key: (normal(key, 3),),  # off the sphere too, where (3) holds as well
        static={"degree": 4},
        limits={
            "pole": ([0.0, 0.0, 1.0],),
            "opposite pole": ([0.0, 0.0, -1.0],),
            "x axis": ([1.0, 0.0, 0.0],),
            "y axis, backwards": ([0.0, -1.0, 0.0],),
            "beside the pole": ([1e-30, -1e-30, 1.0],),
            "diagonal": ([0.5, 0.5, 0.5],),
            "zero": ([0.0, 0.0, 0.0],),
            "far off the sphere": ([1e4, -30.0, 3e3],),
        },
    ),
    Rule(
        grid,
        "interpolate",
        _grid,
        limits={
            "corner of the cube": (_vertices(5), [1.0, -1.0, 1.0]),
            "outside": (_vertices(5), [1e4, -30.0, 0.3]),
            "between two cells": (_vertices(5), [0.0, 0.3, 0.0]),
        },
        beyond_jax={"corner of the cube": _FACE},
        shared=(0,),
    ),
    Rule(
        grid,
        "hash_encode",
        _tables,
        static={"vertices": _HASHED},
        limits={
            "corner of the cube": (_uneven_tables(), [1.0, -1.0, 1.0]),
            "outside": (_uneven_tables(), [1e4, -30.0, 0.3]),
            "between two cells": (_uneven_tables(), [0.0, 0.3, 0.0]),
        },
        beyond_jax={"corner of the cube": _FACE},
        shared=(0,),
    ),
    Rule(
        dense,
        "affine",
        _affine,
        limits={"all sizes": (_SIZES, [[0.5, 2.0, 1.0]] * 4, [0.0, 1e4, 1e-30])},
        shared=(1, 2),
        ids=("7.37",),
    ),
    Rule(
        dense,
        "mlp",
        _mlp,
        limits={
            "all sizes": (
                (
                    ([[0.5, 2.0] * 4] * 4, [0.0, 1e4] * 4),
                    ([[1.0, 0.5] * 4] * 8, [30.0, 1e-30] * 4),
                    ([[0.5, 1.5] * 4] * 12, [0.0, 1.0] * 4),
                    ([[2.0, 1.0, 0.5]] * 8, [0.0, 1.0, 1e-30]),
                ),
                _SIZES,
            )
        },
        shared=(0,),
        static={"skip": 3},
        ids=("7.37",),
    ),
    Rule(
        activation,
        "softplus",
        _any_number,
        limits=_EDGES,
        beyond_jax={"0": _HALVES, "-0": _HALVES},
        ids=("7.36",),
    ),
    Rule(activation, "bounded_exp", _around_bound, limits=_EDGES, ids=("7.36",)),
    Rule(activation, "sigmoid", _any_number, limits=_EDGES, ids=("7.36",)),
    Rule(activation, "relu", _away_from_zero, limits=_EDGES, ids=("7.36",)),
    Rule(
        compositing,
        "optical_depth",
        _depths,
        limits={"nothing": ([0.0] * 6, [0.0] * 6), "wall": ([1e4] * 6, [30.0, 1e-30] * 3)},
        ids=("7.22",),
    ),
    Rule(
        compositing,
        "weights",
        lambda key: (uniform(key, 6, high=2.0),),
        limits=_TAU,
        beyond_jax={"thick": _EXPM1},
        ids=("7.21", "7.22"),
    ),
    Rule(
        pixel,
        "accumulate",
        _pixel,
        limits={"empty ray": ([0.0] * 6, 1.0, *_SCENE)},
        ids=("7.23", "7.26"),
    ),
    Rule(
        rendering,
        "volume_render",
        _ray,
        limits={name: _with_scene(*tau) for name, tau in _TAU.items()},
        beyond_jax={"thick": _EXPM1},
        ids=("7.23", "7.26", "7.27", "7.28", "7.29", "7.32"),
    ),
    Rule(
        packed,
        "weights_packed",
        lambda key: (uniform(key, 13, high=2.0),),
        limits={name: (tau,) for name, tau in _TAU_PACKED.items()},
        beyond_jax={"thick": _EXPM1},
        stream=_stream,
    ),
    Rule(
        packed,
        "volume_render_packed",
        _packed,
        limits={name: _with_scene_packed(tau) for name, tau in _TAU_PACKED.items()},
        beyond_jax={"thick": _EXPM1},
        stream=_stream,
    ),
    Rule(
        photometric,
        "squared_error",
        _pictures,
        limits={"all sizes": (_WIDE, _NOTHING, _SHARES)},
        reduces=True,
        ids=("7.34",),
    ),
    Rule(
        photometric,
        "huber",
        _residuals_beside_kinks,
        static={"threshold": 0.1},
        reduces=True,
        limits={"all sizes": (_WIDE, _NOTHING, _SHARES)},
    ),
    Rule(
        photometric,
        "coarse_and_fine",
        _coarse_and_fine,
        limits={"all sizes": (_WIDE, _WIDE[::-1], _NOTHING, _SHARES)},
        reduces=True,
        ids=("7.33", "7.34"),
    ),
    Rule(
        photometric,
        "psnr",
        lambda key: (uniform(key, 4, low=0.01),),
        limits={"small": ([1e-30, 1e-6, 0.5, 1.0],)},
    ),
)
