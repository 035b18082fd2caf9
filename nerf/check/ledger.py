"""The whole ledger: error, time and memory of each rule, by hand and by JAX."""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calculus.differences import central_differences, chosen_entries
from calculus.ledger import FOUNDATIONS, Rule
from calculus.radiance.stream import Stream
from nerf.cameras import Cameras
from nerf.check.error import worst
from nerf.config import Config
from nerf.field import Model
from nerf.rays import Photographs
from nerf.stages import passed
from nerf.state import TrainState, start
from nerf.step import Step

MANY, FEW = 4096, 64
"""Examples at once, for time and memory, and for errors."""
REPEATS = 20
ALLOWED_64, ALLOWED_32, ALLOWED_DIFFERENCES = 1e-10, 1e-4, 1e-5


@dataclass(frozen=True)
class Row:
    """What was found of one rule; errors are relative to the largest entry of their array."""

    rule: str
    page: str
    ids: tuple[str, ...]
    error_64: float
    """Pullback by hand against JAX's, float64, worst of FEW examples."""
    differences: float
    """Pullback by hand against central differences, float64, one example."""
    error_32: float
    """Pullback by hand in float32 against JAX's in float64."""
    error_32_jax: float
    """JAX's own error in float32, for comparison."""
    seconds: float
    """Value and pullback of MANY examples in float32, by hand; median of REPEATS."""
    seconds_jax: float
    bytes: int
    """Temporary memory of the compiled program, by hand."""
    bytes_jax: int
    path: str
    """Whether training runs on it: yes, yes with a setting, forward alone, or empty."""

    @property
    def ok(self) -> bool:
        """Whether all errors are as small as they should be."""
        return (
            self.error_64 <= ALLOWED_64
            and self.error_32 <= ALLOWED_32
            and self.differences <= ALLOWED_DIFFERENCES
        )


def rows(rules: tuple[Rule, ...]) -> Iterator[str | Row]:
    """Rows in the order of the rules; before each measurement the name of its rule.

    All float64 comes first: JAX can't switch a program between the widths.
    """
    paths = trained_on()
    wide = []
    with jax.enable_x64(True):
        for rule in rules:
            yield rule.name
            wide.append(_errors_64(rule))
    jax.clear_caches()
    for rule, (error_64, differences, truth) in zip(rules, wide, strict=True):
        yield rule.name
        error_32, error_32_jax = _errors_32(rule, *truth)
        yield Row(
            rule.name,
            rule.page.__name__,
            rule.ids,
            error_64,
            differences,
            error_32,
            error_32_jax,
            *_time_and_memory(rule),
            paths.get(rule.name, ""),
        )


@functools.cache
def trained_on() -> dict[str, str]:
    """For each rule that a training step runs: `yes`, `yes, with ..`, or `forward alone`.

    Read off the jaxprs of the step, under the default config and under others.
    """
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    models: list[Model] = []

    def started(config: Config) -> TrainState:
        model, state = start(config)
        models.append(model)
        return state

    for setting, config in _roads().items():
        config = replace(config, training=replace(config.training, rays=4, samples=8))
        # nothing is computed: arrays of zeros, in the place of those that a seed draws
        shapes = jax.eval_shape(partial(started, config))
        state = jax.tree.map(lambda v: jnp.asarray(np.zeros(v.shape, v.dtype)), shapes)
        model = models[-1]
        lens = jnp.asarray([[50.0, 50.0, 25.0, 25.0]])
        cameras = Cameras(lens, jnp.eye(3, 4)[None])
        step = Step(model, Photographs(jnp.zeros((1, 2, 2, 4), jnp.uint8), cameras))

        def loss(params, step=step, state=state):
            return step.loss(state, step.batch(state))(params)  # drawn within: forward stages

        through = passed(loss, state.params)
        if through.foreign:
            raise AssertionError(f"the step passes what no rule derives: {through.foreign}")
        for name in through.rules:
            found.setdefault(name, f"yes, with {setting}" if setting else "yes")
        for name in through.forward:
            seen.setdefault(name, "forward alone")
    return seen | found


def _roads() -> dict[str, Config]:
    """Settings by which a step passes other rules than by default, small: only jaxprs are read."""
    default = Config()
    grid = replace(
        default.field, levels=2, coarsest=4, finest=8, log2_rows=7, trunk_width=8, head_width=8
    )
    small = replace(default, field=grid, sampling=replace(default.sampling, steps=32))
    small = replace(small, occupancy=replace(default.occupancy, cells=8))
    cut = replace(small.sampling, strategy="hierarchical", coarse=4, fine=4)
    return {
        "": small,
        "sampling.strategy hierarchical": replace(small, sampling=cut),
        "field.encoding positional": replace(
            small, field=replace(grid, encoding="positional", position_frequencies=2)
        ),
        "field.view positional": replace(small, field=replace(grid, view="positional")),
        "field.density relu": replace(small, field=replace(grid, density="relu")),
        "field.density softplus": replace(small, field=replace(grid, density="softplus")),
        "training.spread": replace(small, training=replace(small.training, spread=0.01)),
        "data.space unbounded": replace(small, data=replace(small.data, space="unbounded")),
        "training.loss huber": replace(small, training=replace(small.training, loss="huber")),
    }


def _batch(rule: Rule, number: int) -> tuple[tuple, dict[str, Any]]:
    """Arguments of `number` examples; what a batch shares is that of the first.

    On a packed stream, `number` rays of 0 to 30 samples each, and the stream that holds them.
    """
    if rule.stream is not None:
        lengths = np.random.default_rng(0).integers(0, 31, number)

        def filled(lengths, key):
            stream = Stream.of(lengths, 16 * number)
            return rule.filling(stream, key), {"stream": stream}

        return jax.jit(filled)(lengths, jax.random.key(0))
    drawn = jax.jit(jax.vmap(rule.example))(jax.random.split(jax.random.key(0), number))
    arguments = tuple(
        jax.tree.map(lambda v: np.asarray(v)[0], part) if k in rule.shared else part
        for k, part in enumerate(drawn)
    )
    return arguments, {}


def _value_and_pullback(rule: Rule, f: Callable) -> Any:
    """Of a batch: a page of a ray takes it as it is, the foundations derive one example."""
    if rule in FOUNDATIONS:
        f = jax.vmap(f)

    def both(arguments, given, bar):
        value, pull = jax.vjp(lambda *arguments: f(*arguments, **given), *arguments)
        return value, pull(bar)

    return jax.jit(both)


def _bars(rule: Rule, arguments, given):
    f = jax.vmap(rule.by_hand) if rule in FOUNDATIONS else rule.by_hand
    value = jax.eval_shape(lambda *arguments: f(*arguments, **given), *arguments)
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda v: np.asarray(rng.standard_normal(v.shape), v.dtype), value)


def _errors_64(rule):
    arguments, given = _batch(rule, FEW)
    bar = _bars(rule, arguments, given)
    _, by_hand = _value_and_pullback(rule, rule.by_hand)(arguments, given, bar)
    _, by_jax = _value_and_pullback(rule, rule.by_jax)(arguments, given, bar)
    truth = jax.tree.map(np.asarray, (arguments, given, bar, by_jax))
    return worst(by_hand, by_jax), _against_differences(rule), truth


def _errors_32(rule, arguments, given, bar, truth):
    arguments, bar = jax.tree.map(lambda v: np.asarray(v, np.float32), (arguments, bar))
    _, by_hand = _value_and_pullback(rule, rule.by_hand)(arguments, given, bar)
    _, by_jax = _value_and_pullback(rule, rule.by_jax)(arguments, given, bar)
    return worst(by_hand, truth), worst(by_jax, truth)


def _against_differences(rule) -> float:
    arguments = jax.jit(rule.example)(jax.random.key(0))
    leaves, structure = jax.tree.flatten(arguments)
    bar = _one_bar(rule, arguments)
    pull = jax.jit(lambda arguments, bar: jax.vjp(rule.by_hand, *arguments)[1](bar))

    def contracted(*leaves):
        value = rule.by_jax(*jax.tree.unflatten(structure, leaves))
        pairs = zip(jax.tree.leaves(value), jax.tree.leaves(bar), strict=True)
        return [sum(jnp.sum(v * b) for v, b in pairs)]

    leaves = [np.asarray(leaf) for leaf in leaves]
    entries = chosen_entries(leaves, 100)
    found, _ = central_differences(contracted, leaves, entries, np.finfo(float).eps)
    pulled = jax.tree.leaves(pull(arguments, bar))
    by_hand = [np.asarray(p).reshape(-1)[e] for p, e in zip(pulled, entries, strict=True)]
    return worst(by_hand, found[0])


def _one_bar(rule, arguments):
    rng = np.random.default_rng(1)
    value = jax.eval_shape(rule.by_hand, *arguments)
    return jax.tree.map(lambda v: np.asarray(rng.standard_normal(v.shape), v.dtype), value)


def _time_and_memory(rule) -> tuple[float, float, int, int]:
    arguments, given = _batch(rule, MANY)
    bar = _bars(rule, arguments, given)
    programs = [
        _value_and_pullback(rule, f).lower(arguments, given, bar).compile()
        for f in (rule.by_hand, rule.by_jax)
    ]
    seconds = np.zeros((REPEATS, 2))
    for repeat in range(-2, REPEATS):  # in turn, so that both meet the same noise
        for k, program in enumerate(programs):
            began = time.perf_counter()
            jax.block_until_ready(program(arguments, given, bar))
            if repeat >= 0:
                seconds[repeat, k] = time.perf_counter() - began
    taken = [analysis.temp_size_in_bytes for p in programs if (analysis := p.memory_analysis())]
    by_hand, by_jax = np.median(seconds, axis=0)
    return float(by_hand), float(by_jax), *(taken if len(taken) == 2 else (0, 0))
