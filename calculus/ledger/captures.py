"""The rules that photographs of the world need beside those of `radiance`, with inputs to try."""

import jax
import jax.numpy as jnp

from calculus.ledger.rule import Rule, normal, uniform
from calculus.radiance import contraction, distortion, exposure, lens, surface
from calculus.radiance.stream import Stream

_LEAST = [0.05, 0.05, -0.04, -0.04, 0.05, -0.05, -0.05, -0.05]
_WIDTH = [0.2, 0.2, 0.08, 0.08, 0.2, 0.1, 0.1, 0.1]


def _lens(key):
    """Away from the middle, where what intrinsics are pulled by is a small difference."""
    a, b, c, d = jax.random.split(key, 4)
    focal, middle = uniform(b, 2, low=50.0, high=90.0), uniform(c, 2, low=25.0, high=40.0)
    angle = uniform(a, low=0.0, high=6.0)
    off = 30 * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    distortion = jnp.array(_LEAST) + jnp.array(_WIDTH) * uniform(d, 8)
    return middle + off, jnp.concatenate([focal, middle]), distortion


def _outside(key):
    """Beyond the unit sphere, where the second derivative of the contraction jumps."""
    a, b = jax.random.split(key)
    v = normal(a, 3)
    return (v / jnp.linalg.norm(v) * uniform(b, low=1.2, high=5.0),)


def _forward(key):
    a, b, c, d = jax.random.split(key, 4)
    origin = jnp.concatenate([normal(a, 2), uniform(d, 1, low=0.3, high=1.5)])
    direction = jnp.concatenate([normal(b, 2) / 2, uniform(a, 1, low=-1.5, high=-0.5)])
    return origin, direction, uniform(c, low=0.5, high=2.0), uniform(d, 2, low=0.3, high=1.2)


def _before_the_plane(key):
    a, b, c, d = jax.random.split(key, 4)
    x = jnp.concatenate([normal(a, 2), uniform(b, 1, low=-5.0, high=-1.0)])
    return x, uniform(c, low=0.5, high=1.0), uniform(d, 2, low=0.3, high=1.2)


def _samples(n):
    def draw(key):
        a, b, c = jax.random.split(key, 3)
        middles = jnp.cumsum(uniform(b, n, low=0.1, high=0.6))
        return uniform(a, n, low=0.02, high=0.4), middles, uniform(c, n, low=0.05, high=0.3)

    return draw


def _stream():
    """Rays without samples at the front, in the middle and at the end; three of padding."""
    return Stream.of(jnp.array([0, 3, 1, 0, 4, 2, 0]), 13)


_INTRINSICS = [64.0, 128.0, 32.0, 30.0]  # powers of two: exact where nothing is distorted
_PINHOLE = [0.0] * 8
_BARREL = [-0.2, 0.05, 1e-3, -2e-3, 0.0, 0.0, 0.0, 0.0]
_LENS = {
    "no distortion": ([10.0, 50.0], _INTRINSICS, _PINHOLE),
    "the middle": ([32.0, 30.0], _INTRINSICS, _BARREL),
    "the corner of a barrel": ([2.0, 58.0], _INTRINSICS, _BARREL),
    "hardly any": ([10.0, 50.0], _INTRINSICS, [1e-30] * 8),
}

_WEIGHTS = {
    "nothing": [0.0] * 6,
    "thin": [1e-30, 3e-30, 2e-30, 1e-30, 5e-30, 1e-30],
    "a wall": [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    "two walls": [0.5, 0.0, 0.0, 0.0, 0.25, 0.0],
    "fog": [0.3, 0.2, 0.15, 0.1, 0.05, 0.02],
}
_MIDDLES, _LENGTHS = [0.5, 0.7, 1.5, 30.0, 31.0, 1e4], [0.1, 0.2, 1e-30, 1.0, 0.0, 30.0]
_FAR = [1e4 + step / 64 for step in (1, 2, 4, 5, 9, 12)]
_SPREAD = {name: (w, _MIDDLES, _LENGTHS) for name, w in _WEIGHTS.items()} | {
    "one sample": ([0.7], [2.0], [0.3]),
    "far and near together": (_WEIGHTS["fog"], _FAR, [1 / 64] * 6),
}


def _in_a_row(w, m, h):
    """As many as the stream has samples, padding included; middles that rise, some together."""
    w, m, h = ((v * 13)[:13] for v in (w, m, h))
    return w, sorted(m), h


RULES: tuple[Rule, ...] = (
    Rule(lens, "distort", _lens, limits=_LENS, static={"fisheye": False}),
    Rule(lens, "undistort", _lens, limits=_LENS, static={"fisheye": False}),
    Rule(
        contraction,
        "contract",
        _outside,
        limits={
            "origin": ([0.0, 0.0, 0.0],),
            "beside the origin": ([1e-30, -1e-30, 0.0],),
            "within the ball": ([0.3, -0.5, 0.1],),
            "on the sphere": ([0.0, 0.0, -1.0],),
            "far": ([1e4, -3e3, 30.0],),
            "far along an axis": ([0.0, 1e4, 0.0],),
            "no square fits": ([1e25, -3e24, 1e24],),
        },
    ),
    Rule(
        contraction,
        "ndc",
        _forward,
        limits={
            "along the axis": ([0.0, 0.0, 0.0], [0.0, 0.0, -1.0], 1.0, [0.5, 0.4]),
            "from the plane": ([0.3, -0.2, -1.0], [0.1, 0.2, -0.9], 1.0, [0.5, 0.4]),
            "from afar": ([1e4, 30.0, 1e-30], [0.5, 1e-30, -0.5], 30.0, [1.0, 0.1]),
            "nearly sideways": ([0.3, -0.2, 0.1], [1.0, 0.5, -1e-4], 0.5, [0.5, 0.4]),
        },
        shared=(2, 3),
    ),
    Rule(
        contraction,
        "ndc_point",
        _before_the_plane,
        limits={
            "on the axis": ([0.0, 0.0, -1.0], 1.0, [0.5, 0.4]),
            "far": ([1e4, -3e3, -1e4], 1.0, [0.5, 0.4]),
            "close": ([1e-3, 1e-30, -1e-3], 1e-3, [1.0, 0.1]),
        },
        shared=(1, 2),
    ),
    Rule(
        surface,
        "normal",
        lambda key: (normal(key, 3),),
        limits={
            "level ground": ([0.0, 0.0, 0.0],),
            "hardly any slope": ([1e-20, -2e-20, 3e-20],),
            "along an axis": ([0.0, -2.0, 0.0],),
            "a cliff": ([1e25, -3e24, 1e24],),
        },
    ),
    Rule(
        exposure,
        "expose",
        lambda key: (uniform(key, 3), normal(key, 3)),
        limits={
            "no gain": ([0.3, 0.0, 1.0], [0.0, 0.0, 0.0]),
            "hardly any": ([0.3, 1e-30, 1.0], [1e-30, -1e-30, 1e-7]),
            "night and noon": ([1e-4, 0.5, 1e4], [30.0, -30.0, -30.0]),
        },
    ),
    Rule(distortion, "spread", _samples(6), limits=_SPREAD),
    Rule(
        distortion,
        "spread_packed",
        _samples(13),
        limits={name: _in_a_row(*arguments) for name, arguments in _SPREAD.items()},
        stream=_stream,
        rising=(1,),
    ),
)
