"""A rule evaluated once, at every point where the laws hold it to something.

Points of one shape lie along a leading axis and go through one compiled program, traced once
(`lax.map`); what comes out is kept as numpy arrays for every law. The wrong versions of a rule
share its forward, so they share its points and what JAX makes of them.

Programs are compiled as they are written (AS_WRITTEN): an optimiser may fuse a product and a sum
into one rounding, and what is all but zero at a limit is then another number.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from calculus.ledger import Rule
from tests.calculus.truth import pullback_by_oracle

SEEDS = (0, 1, 2)
STEP = 6e-6
"""Of central differences, relative to the size of what is moved."""
FIRST = 20
"""Seed of the cotangents at the limits: under them no entry cancels by chance, so that float32 can
be held to each."""
AS_WRITTEN = {"xla_backend_optimization_level": 0}
Side = Literal["by_hand", "by_jax"]


@dataclass(frozen=True, eq=False)
class Points:
    """Arguments and cotangents of several points; each array has the points as its first axis."""

    names: tuple[str, ...]
    arguments: tuple
    bars: Any

    def __getitem__(self, k: int) -> tuple:
        """Arguments and cotangent of one point."""
        return row(self.arguments, k), row(self.bars, k)

    @functools.cached_property
    def in_float32(self) -> "Points":
        """The same numbers in the narrow width, which holds those of seeds and limits exactly."""
        return Points(self.names, narrow(self.arguments), narrow(self.bars))


def row(tree, k):
    """The numbers of point k."""
    return jax.tree.map(lambda v: v[k], tree)


def rows(tree, among):
    """The numbers of several points."""
    return jax.tree.map(lambda v: v[np.asarray(among)], tree)


def narrow(tree):
    """In float32."""
    return jax.tree.map(lambda v: v.astype(np.float32), tree)


def rounded(tree):
    """The float64 numbers nearest to these that float32 holds, as numpy arrays."""
    return jax.tree.map(lambda v: np.asarray(v, np.float32).astype(np.float64), tree)


def random_like(tree, seed):
    """Standard normal numbers in the shapes of a tree of arrays, such as float32 holds."""
    rng = np.random.default_rng(seed + 1000)
    return rounded(jax.tree.map(lambda v: rng.standard_normal(v.shape), tree))


_first: dict[tuple, Rule] = {}


def reference(rule: Rule) -> Rule:
    """The first rule seen with this forward: its wrong versions are held against the same."""
    forward = getattr(rule.page, rule.name).fun
    key = (forward, rule.example, rule.stream, *rule.static.items())
    return _first.setdefault(key, rule)


def examples(rule: Rule) -> Points:
    """Points drawn by the example: its seeds, seed 0 moved by differences, rays of one batch.

    Named `seed 0` .., `up`, `down`, `ray 0` ..; a batch has the arguments `shared` in common.
    """
    return _examples(reference(rule))


@functools.cache
def _examples(rule):
    keys = jnp.stack([jax.random.key(seed) for seed in SEEDS])
    drawn = rounded(_drawn(rule.example, keys))
    value = jax.eval_shape(rule.by_hand, *row(drawn, 0))
    bars = [random_like(value, seed) for seed in SEEDS]
    first = row(drawn, 0)
    moved = [
        jax.tree.map(lambda x, d, s=sign: x + s * STEP * d, first, direction(rule))
        for sign in (1, -1)
    ]
    of_batch = [
        tuple(row(a, 0 if k in rule.shared else i) for k, a in enumerate(drawn))
        for i in range(len(SEEDS))
    ]
    points = [row(drawn, k) for k in range(len(SEEDS))] + moved + of_batch
    # one cotangent for all rays of a batch whose value is their sum
    of_rays = [bars[0]] * len(SEEDS) if rule.reduces else bars
    bars = [*bars, bars[0], bars[0], *of_rays]
    names = [f"seed {seed}" for seed in SEEDS] + ["up", "down"] + [f"ray {k}" for k in SEEDS]
    return Points(tuple(names), _stacked(points), _stacked(bars))


@functools.partial(jax.jit, static_argnums=0)
def _drawn(example, keys):
    return jax.lax.map(example, keys)


def direction(rule: Rule):
    """Where the arguments of seed 0 are moved; each by about its size."""
    shapes = jax.eval_shape(rule.example, jax.random.key(0))
    return random_like(shapes, SEEDS[0] + 1)


def _stacked(trees):
    return jax.tree.map(lambda *v: np.stack(v), *trees)


def limits(rule: Rule) -> list[Points]:
    """The points at the limits, those of one shape together."""
    return _limits(reference(rule), tuple(rule.limits))


@functools.cache
def _limits(rule, names):
    by_shape: dict[str, dict[str, tuple]] = {}
    for name in names:
        arguments = rounded(in_float64(rule.limits[name]))
        shapes = str(jax.tree.map(np.shape, arguments))
        by_shape.setdefault(shapes, {})[name] = arguments
    found = []
    for group in by_shape.values():
        value = jax.eval_shape(rule.by_hand, *next(iter(group.values())))
        bars = [random_like(value, FIRST + k) for k, _ in enumerate(group)]
        found.append(Points(tuple(group), _stacked(list(group.values())), _stacked(bars)))
    return found


def in_float64(arguments):
    """What a rule names as floats and lists, as arrays in float64."""

    def number_or_list(value):
        return isinstance(value, (float, list))

    return jax.tree.map(lambda v: np.asarray(v, float), arguments, is_leaf=number_or_list)


def pulled(rule: Rule, side: Side, points: Points) -> tuple:
    """The value at each point, and the cotangents of the arguments for the point's own."""
    return _kept(_pulled, rule if side == "by_hand" else reference(rule), side, points)


def jacobian(rule: Rule, points: Points):
    """By hand: for each argument, within it for each output."""
    return _kept(_jacobian, rule, points)


def jacobian_by_jax(rule: Rule, points: Points):
    """In the same order as by hand."""
    return _kept(_jacobian_by_jax, reference(rule), points)


def in_every_way(rule: Rule, points: Points) -> tuple:
    """Without the rule, for each argument: in forward mode, in reverse mode, by differences."""
    return _kept(_in_every_way, reference(rule), points)


def pushed(rule: Rule, points: Points, dots) -> Any:
    """The tangents of the value by JAX, for tangents of the arguments."""
    return _pushed(reference(rule), points.arguments, dots)


def second(rule: Rule, points: Points) -> tuple:
    """The gradient of <direction, pullback by hand>: reverse mode over it, by argument."""
    return _kept(_second, rule, points)


def second_by_jax(rule: Rule, points: Points) -> tuple:
    """The same without the rule: forward mode over reverse mode along that direction.

    Second derivatives commute, and forward mode is by far the smaller program.
    """
    return _kept(_second_by_jax, reference(rule), points)


def in_a_batch(rule: Rule, points: Points) -> tuple:
    """Values and cotangents of the rays of one batch: by vmap, and by batch axis."""
    return _kept(_in_a_batch, rule, points)


@functools.cache
def truth(rule: Rule, points: Points, name: str) -> list:
    """The cotangents at a limit by differences of the oracle, in 200 digits."""
    return pullback_by_oracle(rule, *points[points.names.index(name)])


@functools.cache
def _kept(program: Callable, *of):
    """What a program makes of its points: kept, as numbers."""
    *rule, points = of
    at = points.arguments, points.bars
    # run once, so compiled for this call alone: thousands of programs that are kept fill gigabytes
    return jax.tree.map(np.asarray, program.lower(*rule, at).compile()(at))


def _program(*static):
    return functools.partial(jax.jit, static_argnums=static, compiler_options=AS_WRITTEN)


@_program(0, 1)
def _pulled(rule, side, points):
    return jax.lax.map(lambda at: _value_and_bars(getattr(rule, side), *at), points)


def _value_and_bars(f, arguments, bar):
    value, pull = jax.vjp(f, *arguments)
    return value, pull(bar)


@_program(0)
def _jacobian(rule, points):
    return jax.lax.map(lambda at: _by_argument(rule.jacobian(*at[0]), at[0]), points)


@_program(0)
def _jacobian_by_jax(rule, points):
    return jax.lax.map(lambda at: _jacobians(jax.jacrev, rule, at[0]), points)


def _jacobians(of, rule, arguments):
    every = tuple(range(len(arguments))) if len(arguments) > 1 else 0
    return _by_argument(of(rule.by_jax, argnums=every)(*arguments), arguments)


def _by_argument(jacobian, arguments):
    return jacobian if len(arguments) > 1 else (jacobian,)


@_program(0)
def _in_every_way(rule, points):
    def one(at):
        arguments, _ = at
        ways = (_jacobians(of, rule, arguments) for of in (jax.jacfwd, jax.jacrev))
        return *ways, tuple(_differences(rule.by_jax, arguments, k) for k in range(len(arguments)))

    return jax.lax.map(one, points)


def _differences(f, arguments, k):
    x = arguments[k]

    def along(index):
        h = STEP * jnp.maximum(1.0, jnp.abs(x.ravel()[index]))
        up, down = (
            f(*arguments[:k], x.ravel().at[index].add(s).reshape(x.shape), *arguments[k + 1 :])
            for s in (h, -h)
        )
        return (up - down) / (2 * h)

    slopes = jax.lax.map(along, jnp.arange(x.size))
    return jnp.moveaxis(slopes, 0, -1).reshape(*slopes.shape[1:], *x.shape)


@_program(0)
def _pushed(rule, arguments, dots):
    return jax.lax.map(lambda at: jax.jvp(rule.by_jax, *at)[1], (arguments, dots))


@_program(0)
def _second(rule, points):
    towards = direction(reference(rule))

    def one(at):
        arguments, bar = at

        def contracted(*arguments):
            return vdot(towards, _value_and_bars(rule.by_hand, arguments, bar)[1])

        return jax.grad(contracted, argnums=tuple(range(len(arguments))))(*arguments)

    return jax.lax.map(one, points)


@_program(0)
def _second_by_jax(rule, points):
    def one(at):
        arguments, bar = at

        def bars(*arguments):
            return _value_and_bars(rule.by_jax, arguments, bar)[1]

        return jax.jvp(bars, arguments, direction(rule))[1]

    return jax.lax.map(one, points)


def vdot(a, b):
    """The sum of the products of all numbers of two trees."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum((x * y).sum() for x, y in pairs)


@_program(0)
def _in_a_batch(rule, points):
    arguments, bars = points
    axes = tuple(None if k in rule.shared else 0 for k in range(len(arguments)))
    whole = tuple(row(a, 0) if k in rule.shared else a for k, a in enumerate(arguments))
    mapped = _value_and_bars(jax.vmap(rule.by_hand, in_axes=axes), whole, bars)
    bar = row(bars, 0) if rule.reduces else bars
    return mapped, _value_and_bars(rule.by_hand, whole, bar)
