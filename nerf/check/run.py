"""A run's own gradients: on its scene, with its config, at its checkpoint."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import calculus.by_jax
import calculus.radiance
from calculus.differences import central_differences
from calculus.ledger import RADIANCE
from data.scene import Split
from nerf.check.error import worst
from nerf.config import Config
from nerf.field import Model, Params
from nerf.rays import Batch, Photographs
from nerf.stages import passed, watched
from nerf.state import TrainState, name_of, start
from nerf.step import Step

ALLOWED_64, ALLOWED_32, ALLOWED_DIFFERENCES = 1e-9, 1e-3, 1e-4
_STATIC = {rule.name: len(rule.static) for rule in RADIANCE}


@dataclass(frozen=True)
class Parameter:
    """One array of parameters: |by hand - by JAX| / |by JAX| of its gradient."""

    name: str
    error_64: float
    error_32: float

    @property
    def ok(self) -> bool:
        """Whether both are as small as they should be."""
        return self.error_64 <= ALLOWED_64 and self.error_32 <= ALLOWED_32


@dataclass(frozen=True)
class Group:
    """The parameters of one part of the field, moved together along a random direction."""

    name: str
    parameters: tuple[Parameter, ...]
    slope: float
    """Derivative of the loss along it, by hand, float64."""
    slope_by_differences: float
    doubt: float
    """How far the differences are to be trusted: two step lengths differ by this."""

    @property
    def differ(self) -> float:
        """Relative difference of the two slopes."""
        scale = max(abs(self.slope), abs(self.slope_by_differences))
        return abs(self.slope - self.slope_by_differences) / scale if scale else 0.0

    @property
    def ok(self) -> bool:
        """Whether gradient and slope are right."""
        gap = abs(self.slope - self.slope_by_differences)
        allowed = ALLOWED_DIFFERENCES * abs(self.slope_by_differences) + 10 * self.doubt + 1e-12
        return bool(gap <= allowed) and all(parameter.ok for parameter in self.parameters)


@dataclass(frozen=True)
class Stage:
    """One step of the ray, on what the run gave it; errors relative to the largest entry."""

    rule: str
    calls: int
    error_64: float
    """Its pullback by hand against JAX's, worst of its calls."""
    error_32: float
    """The same in float32."""
    trained: bool
    """Whether a gradient passes it."""

    @property
    def ok(self) -> bool:
        """Whether both are as small as they should be."""
        return self.error_64 <= ALLOWED_64 and self.error_32 <= ALLOWED_32


@dataclass(frozen=True)
class Found:
    """All of it."""

    step: int
    rays: int
    groups: tuple[Group, ...]
    stages: tuple[Stage, ...]
    foreign: tuple[str, ...]
    """What the gradient passes and no rule derives; empty while all is by hand."""

    @property
    def ok(self) -> bool:
        """Whether everything is right."""
        return not self.foreign and (
            all(group.ok for group in self.groups) and all(stage.ok for stage in self.stages)
        )

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return asdict(self) | {"ok": self.ok}


def check_run(
    config: Config,
    state: TrainState,
    split: Split,
    rays: int,
    tick: Callable[[str], Any] = lambda what: None,
) -> Found:
    """Checks one batch of `rays` rays; `tick` is told what comes next."""
    config = _of_so_many(config, rays)
    state = jax.tree.map(np.asarray, state)
    with jax.enable_x64(True):
        tick("gradients in float64")
        step, wide = _prepared(config, state, split)
        batch = step.batch(wide)
        gradient, gaps_64 = _gradient_and_gaps(step, wide, batch)
        tick("stages in float64")
        calls = _calls(step, wide, batch)
        errors_64, frozen = _errors(calls), _frozen(step, calls)
        found = passed(lambda params: step.loss(wide, batch)(params), wide.params)
        tick("differences")
        # in one program: step by step there are hundreds to compile
        loss = jax.jit(lambda params: step.loss(wide, batch, frozen)(params))
        slopes = _slopes(loss, wide.params, gradient)
    jax.clear_caches()  # JAX can't switch a program between the widths
    tick("gradients in float32")
    step, narrow = _prepared(config, state, split)
    _, gaps_32 = _gradient_and_gaps(step, narrow, batch)
    tick("stages in float32")
    errors_32 = _errors(_calls(step, narrow, batch))
    parameters = {name: Parameter(name, gaps_64[name], gaps_32[name]) for name in gaps_64}
    return Found(
        step=int(state.step),
        rays=rays,
        groups=tuple(
            Group(
                group,
                tuple(p for name, p in parameters.items() if _group(name) == group),
                *slopes[group],
            )
            for group in slopes
        ),
        stages=tuple(
            Stage(name, len(errors), max(errors), max(errors_32[name]), name in found.rules)
            for name, errors in errors_64.items()
        ),
        foreign=tuple(found.foreign),
    )


def check_gradients(
    config: Config, state: TrainState, split: Split, rays: int
) -> tuple[Parameter, ...]:
    """One batch's gradient by hand against JAX's, for each array of parameters, in both widths."""
    config = _of_so_many(config, rays)
    state = jax.tree.map(np.asarray, state)
    with jax.enable_x64(True):
        step, wide = _prepared(config, state, split)
        batch = step.batch(wide)
        _, gaps_64 = _gradient_and_gaps(step, wide, batch)
    jax.clear_caches()  # JAX can't switch a program between the widths
    _, gaps_32 = _gradient_and_gaps(*_prepared(config, state, split), batch)
    return tuple(Parameter(name, gaps_64[name], gaps_32[name]) for name in gaps_64)


def _of_so_many(config: Config, rays: int) -> Config:
    """The config by hand, with room for all of these rays wherever they go: none is left out."""
    room = min(rays * config.sampling.steps, config.training.samples)
    training = replace(config.training, rays=rays, samples=room, parts=1, tables="replicated")
    return replace(config, training=training, derivatives="hand")


def _prepared(config: Config, state: TrainState, split: Split) -> tuple[Step, TrainState]:
    """A step, and the state in the float type of the moment."""
    model, _ = start(config)

    def floats(leaf):
        return jnp.asarray(leaf, float if np.issubdtype(leaf.dtype, np.floating) else leaf.dtype)

    return Step(model, Photographs.of(split)), jax.tree.map(floats, state)


def _gradient_and_gaps(
    step: Step, state: TrainState, batch: Batch
) -> tuple[Params, dict[str, float]]:
    """The gradient by hand, and for each array by how much of its length JAX's differs."""
    by_jax = Step(replace(step.model, stages=calculus.by_jax), step.photographs)
    hand, other = jax.jit(lambda *at: (step.gradient(*at)[0], by_jax.gradient(*at)[0]))(
        state, batch
    )
    gaps = {}
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(hand), jax.tree.leaves(other), strict=True
    ):
        a, b = np.asarray(a), np.asarray(b)
        gap, length = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
        gaps[name_of(path)] = gap / length if length else gap
    return hand, gaps


class Call(NamedTuple):
    """One call of a stage, as the step made it."""

    rule: str
    given: tuple
    """Its arrays."""
    static: tuple
    value: Any


def _calls(step: Step, state: TrainState, batch: Batch) -> list[Call]:
    """Every stage of one forward pass, in the order of the ray, with what it was given."""
    static: list[tuple[str, tuple]] = []

    def recorded(state, batch):
        arrays = []
        static.clear()

        def note(name: str, number: int, arguments: tuple, value: Any) -> None:
            count = len(arguments) - _STATIC[name]
            static.append((name, arguments[count:]))
            arrays.append((arguments[:count], value))

        step.loss(state, batch, watched(step.model, note))(state.params)
        return arrays

    arrays = jax.jit(recorded)(state, batch)
    return [
        Call(name, given, fixed, value)
        for (name, fixed), (given, value) in zip(static, arrays, strict=True)
    ]


def _errors(calls: list[Call]) -> dict[str, list[float]]:
    """For each rule, for each call of it: the error of its pullback on what it was given.

    Moved a little, at random: a sample that lies on a face of the cube to the last
    bit has no derivative there, only the one or the other that a program takes.
    """
    found: dict[str, list[float]] = {}
    for number, call in enumerate(calls):
        given = jax.tree.map(_moved, call.given, _drawn(call.given, seed=1000 + number))
        bar = _drawn(call.value, seed=number)
        hand, other = (getattr(m, call.rule) for m in (calculus.radiance, calculus.by_jax))
        error = worst(*_pulled(hand, other, call.static, given, bar))
        found.setdefault(call.rule, []).append(error)
    return found


def _moved(v, r):
    """Off by a hundred-thousandth either way, never by less than half of that; not an index."""
    v = np.asarray(v)
    if not np.issubdtype(v.dtype, np.floating):
        return v
    return v * (1 + 1e-5 * np.sign(r) * (0.5 + np.exp(-np.abs(r)))).astype(v.dtype)


def _drawn(like: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda v: np.asarray(rng.standard_normal(v.shape), v.dtype), like)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _pulled(by_hand, by_jax, static, given, bar):
    def real(f):  # an index has no cotangent
        bars = jax.vjp(lambda *given: f(*given, *static), *given)[1](bar)
        return [leaf for leaf in jax.tree.leaves(bars) if leaf.dtype != jax.dtypes.float0]

    return real(by_hand), real(by_jax)


def _frozen(step: Step, calls: list[Call]) -> Model:
    """The model with its samples nailed down where they are.

    Rays are cut by the weights that the coarse field gives. Training does not differentiate
    through the cuts, and differences would.
    """
    stages = ModuleType("frozen")
    for name in calculus.radiance.__all__:
        setattr(stages, name, getattr(calculus.by_jax, name))
    for call in calls:
        if call.rule == "weights":
            stages.weights = lambda tau, kept=call.value: kept  # type: ignore[attr-defined]
    return replace(step.model, stages=stages)


def _slopes(
    loss: Callable, params: Params, gradient: Params
) -> dict[str, tuple[float, float, float]]:
    """For each group: slope along a random direction by hand, by differences, and their doubt."""
    leaves, structure = jax.tree.flatten(params)
    names = [name_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    groups = list(dict.fromkeys(map(_group, names)))
    of = [groups.index(_group(name)) for name in names]
    rng = np.random.default_rng(0)
    u = [np.asarray(rng.standard_normal(leaf.shape), leaf.dtype) for leaf in leaves]
    squares = np.zeros(len(groups))
    for k, v in zip(of, u, strict=True):
        squares[k] += np.sum(v**2)
    u = [v / np.sqrt(squares[k]) for k, v in zip(of, u, strict=True)]

    def moved(s):
        there = [leaf + s[k] * v for leaf, k, v in zip(leaves, of, u, strict=True)]
        return [loss(jax.tree.unflatten(structure, there))]

    at, entries = [np.zeros(len(groups))], [np.arange(len(groups))]
    by_differences, doubt = central_differences(moved, at, entries, np.finfo(float).eps)
    slopes = np.zeros(len(groups))
    for k, g, v in zip(of, jax.tree.leaves(gradient), u, strict=True):
        slopes[k] += np.vdot(np.asarray(g), v)
    columns = slopes, by_differences[0][0], doubt[0][0]
    return {g: tuple(float(c[k]) for c in columns) for k, g in enumerate(groups)}  # type: ignore


def _group(name: str) -> str:
    """The network and its part: `fine trunk` of `fine trunk 0 W`."""
    return " ".join(name.split()[:2])
