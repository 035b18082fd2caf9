"""Training: one step as one program, and the loop as a generator."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

import calculus.by_jax
from calculus.radiance import photometric
from nerf import dead_start, occupancy
from nerf.config import Config
from nerf.field import Model, Params
from nerf.loss import loss_of_rays, slope_of_rays
from nerf.occupancy import Occupancy
from nerf.rays import Batch, Packed, Photographs, Rays, drawn, packed, rays_of
from nerf.shading import Draws
from nerf.space import Space
from nerf.stages import watched


class TrainState(NamedTuple):
    """All that a step changes, and what it draws by."""

    step: Array
    seed: Array
    """An argument of the programs, so that one that is compiled serves every seed."""
    params: Params
    moments: optax.OptState
    grid: Occupancy | None
    average: Params | None = None
    """The parameters, averaged over the steps; None where the config asks for no average."""

    @property
    def shown(self) -> Params:
        """The parameters that pictures are made with: the averaged ones, if there are any."""
        return self.params if self.average is None else self.average


class Metrics(NamedTuple):
    """What a step tells."""

    loss: Array
    mean_squared_error: Array
    """Over the rays of the step, colours in [0, 1]."""
    rays: Array
    """Rays that counted."""
    rays_dropped: Array
    """Rays that were looked along and found no room: left out whole."""
    samples: Array
    """Places where the field was asked."""
    opacity: Array
    """Mean over the rays of the step, in [0, 1]."""
    empty_error: Array
    """What `mean_squared_error` would be of a field that shows nothing (nerf/dead_start.py)."""
    reach: Array
    """Part of their way through the cube that rays get before they end, mean, in [0, 1]."""
    good: Array
    """Whether loss and gradient are finite. If not, the step changed nothing."""


class Gap(NamedTuple):
    """By how much a gradient by hand differs from JAX's, where it does so most."""

    relative: float
    """|by hand - by JAX| / |by JAX|, lengths over all entries of one parameter array."""
    parameter: str
    """Which array that is."""


class Progress(NamedTuple):
    """One step of the loop, told to whoever shows it."""

    step: int
    """Steps done."""
    seconds: float
    """Of training, compilation included, earlier parts of a resumed run counted in."""
    fraction: float
    """Of the run that is done."""
    loss: float
    psnr: float
    """dB, of the step's rays."""
    rays: int
    rays_dropped: int
    samples: int
    opacity: float
    """Mean over the step's rays."""
    bad: str
    """The first array that is not finite; empty while all is well."""
    dead: str
    """`empty` or `opaque` where the start is found dead at this step (nerf/dead_start.py)."""
    learning_rate: float
    """That the step was taken with."""
    gap: Gap | None = None
    """Of this step's gradient, where the two were compared (derivatives both)."""

    @property
    def good(self) -> bool:
        """Whether the step was taken."""
        return not self.bad


def optimiser(config: Config) -> optax.GradientTransformation:
    """Adam; its learning rate is set at each step. Networks' weights decay, tables do not."""
    training = config.training

    def networks(params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: not {"tables", "exposure"} & set(name_of(path).split()), params
        )

    def chain(learning_rate):
        return optax.chain(
            optax.add_decayed_weights(training.weight_decay, mask=networks),
            optax.adam(learning_rate, training.beta1, training.beta2, training.eps),
        )

    return optax.inject_hyperparams(chain)(learning_rate=training.learning_rate)


def start(config: Config) -> tuple[Model, TrainState]:
    """The model, and the state before the first step."""
    model, params = Model.create(config)
    grid = occupancy.full(config.occupancy) if config.sampling.strategy == "occupied" else None
    moments = jax.jit(optimiser(config).init)(params)
    average = jax.tree.map(jnp.copy, params) if config.training.average else None
    seed = jnp.uint32(config.seed)
    return model, TrainState(jnp.int32(0), seed, params, moments, grid, average)


PRECISIONS = {"float32": None, "bfloat16": "BF16_BF16_F32"}
"""What JAX calls them; without one a device does products as fast as it does by default."""


class Step:
    """One training step and the update of the occupancy grid, each compiled once."""

    def __init__(self, model: Model, photographs: Photographs):
        self.model, self.config, self.photographs = model, model.config, photographs
        self._adam = optimiser(model.config)
        # pictures are an argument: what a program closes over becomes a part of it
        self.program = jax.jit(self._run, donate_argnums=0)
        """(state, photographs, learning rate) -> (state, metrics)."""
        self._gaps = jax.jit(self._compare)
        self.look_around = jax.jit(
            self._look_around, static_argnames="everywhere", donate_argnums=0
        )

    def run(
        self, state: TrainState, learning_rate: np.float32 | Array
    ) -> tuple[TrainState, Metrics]:
        """The state after one step, and what the step tells; the old state is gone."""
        return self.program(state, self.photographs, learning_rate)

    def batch(self, state: TrainState, photographs: Photographs | None = None) -> Batch:
        """The pixels of the step that comes next."""
        key = self._keys(state)[0]
        return drawn(photographs or self.photographs, key, self.config.training.rays)

    def gradient(
        self, state: TrainState, batch: Batch, photographs: Photographs | None = None
    ) -> tuple[Params, Metrics]:
        """The gradient of one batch, and what the step tells."""
        rays, asked = self._asked(state, batch, photographs or self.photographs)
        (loss, pixels), gradient = slope_of_rays(state.params, self.model, rays, asked)
        counted = rays.share > 0
        error = jnp.sum((pixels.colour - rays.photograph) ** 2 * counted[:, None])
        opacity = jnp.sum(pixels.opacity * counted)
        empty_error, reach = dead_start.signs(
            rays, pixels, counted, Space.of(self.config), bool(self.config.field.backdrop)
        )
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((loss, gradient))]
        good = jnp.all(jnp.stack(finite))
        if isinstance(asked, Packed):
            count, dropped, samples = asked.taken, asked.dropped, asked.filled
        else:
            each = 2 * asked.coarse.shape[1] + asked.fine.shape[1]
            count, dropped, samples = (jnp.int32(n) for n in (len(counted), 0, len(counted) * each))
        at_least_one = jnp.maximum(count, 1)
        return gradient, Metrics(
            loss=loss,
            mean_squared_error=error / (3 * at_least_one),
            rays=count,
            rays_dropped=dropped,
            samples=samples,
            opacity=opacity / at_least_one,
            empty_error=empty_error,
            reach=reach,
            good=good,
        )

    def _keys(self, state: TrainState) -> Array:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        return jax.random.split(key, 3)

    def _asked(
        self, state: TrainState, batch: Batch, photographs: Photographs
    ) -> tuple[Rays, Packed | Draws]:
        """The rays of a batch, and where along them the field is asked."""
        _, background_key, cut_key = self._keys(state)
        rays = rays_of(batch, photographs, self.config, background_key)
        if state.grid is None:
            return rays, Draws.of(self.config, len(rays.share), cut_key)
        return packed(rays, state.grid, self._density(state.params), self.config, cut_key)

    def _density(self, params: Params) -> Callable[[Array], Array]:
        field = self.model.field(params)
        return lambda x: field.density(x, self.model.stages)[0]

    def loss(self, state: TrainState, batch: Batch, model: Model | None = None) -> Callable:
        """The loss of one batch as a function of the parameters alone: what is differentiated.

        Under another `model` of the same config, if one is given: with other stages, say.
        """
        rays, asked = self._asked(state, batch, self.photographs)
        return lambda params: loss_of_rays(params, model or self.model, rays, asked)[0]

    def gap(self, state: TrainState, batch: Batch) -> Gap:
        """The parameter array whose gradient by hand differs most from JAX's, on this batch."""
        gaps = jax.tree_util.tree_leaves_with_path(self._gaps(state, batch))
        path, worst = max(gaps, key=lambda named: np.nan_to_num(float(named[1]), nan=np.inf))
        return Gap(float(worst), name_of(path))

    def _compare(self, state: TrainState, batch: Batch) -> Params:
        by_jax = Step(replace(self.model, stages=calculus.by_jax), self.photographs)

        def relative(hand: Array, other: Array) -> Array:
            difference, length = jnp.linalg.norm(hand - other), jnp.linalg.norm(other)
            return jnp.where(difference > 0, difference / length, 0.0)

        return jax.tree.map(
            relative, self.gradient(state, batch)[0], by_jax.gradient(state, batch)[0]
        )

    def first_bad_array(self, state: TrainState, batch: Batch) -> str:
        """The name of the first array that is not finite, from the parameters to the gradient."""
        bad: list[str] = []

        def note(name: str, arrays: Any) -> None:
            for path, array in jax.tree_util.tree_leaves_with_path(arrays):
                if not bad and not np.isfinite(np.asarray(array)).all():
                    bad.append(f"{name} {name_of(path)}".rstrip())

        def note_call(name: str, number: int, arguments: tuple, value: Any) -> None:
            note(f"the output of {name}, call {number} of the forward pass,", value)

        note("parameter", state.params)
        note("photograph", self._asked(state, batch, self.photographs)[0].photograph)
        note("the loss", self.loss(state, batch, watched(self.model, note_call))(state.params))
        if not bad:
            note("gradient of", self.gradient(state, batch)[0])
        return bad[0] if bad else "none when computed again"

    def _run(
        self, state: TrainState, photographs: Photographs, learning_rate: Array
    ) -> tuple[TrainState, Metrics]:
        with jax.default_matmul_precision(PRECISIONS[self.config.training.precision]):
            gradient, metrics = self.gradient(state, self.batch(state, photographs), photographs)

        moments = state.moments._replace(hyperparams={"learning_rate": learning_rate})
        updates, moments = self._adam.update(gradient, moments, state.params)
        params = optax.apply_updates(state.params, updates)
        average = _averaged(state, params, self.config.training.average)
        after = TrainState(state.step + 1, state.seed, params, moments, state.grid, average)
        # a step that is not finite must not touch the state: what is saved then is still good.
        # Chosen number by number, in the loop that makes them: a branch would copy the state
        kept = jax.tree.map(lambda new, old: jnp.where(metrics.good, new, old), after, state)
        return kept, metrics

    def _look_around(self, state: TrainState, everywhere: bool) -> TrainState:
        assert state.grid is not None
        seed = jax.random.key(state.seed ^ jnp.uint32(0x6F63))  # another stream than the steps'
        grid = occupancy.update(
            state.grid,
            self._density(state.params),
            jax.random.fold_in(seed, state.step),
            self.config.occupancy,
            everywhere,
            Space.of(self.config),
        )
        return state._replace(grid=grid)


def _averaged(state: TrainState, params: Params, keeps: float) -> Params | None:
    """The average after a step that made these parameters.

    At first it keeps less of itself, (1 + k) / (10 + k) at step k: what the first draws were is
    forgotten soon.
    """
    if state.average is None:
        return None
    k = state.step.astype(float)
    share = 1 - jnp.minimum(keeps, (1 + k) / (10 + k))
    return optax.incremental_update(params, state.average, share)


def name_of(path: tuple) -> str:
    """A parameter array in words, `fine trunk 0 W` say."""
    return " ".join(str(getattr(key, "key", key)) for key in path)


def train(
    step: Step,
    state: TrainState,
    seconds_before: float = 0.0,
    stood_still: Callable[[], float] = lambda: 0.0,
    watch: dead_start.Watch | None = None,
    slower: float = 1.0,
    until: int | None = None,
) -> Iterator[tuple[TrainState, Progress]]:
    """Steps until the config's steps or seconds are over, or one is not finite; yields after each.

    The yielded state is lent: it is gone when the next step begins, so save or copy it before.
    `stood_still` says for how many seconds in all the one who is yielded to was told to wait: they
    are no training. `watch` has seen the steps before; `slower` times the learning rate is used.
    `until` ends it at an earlier step, at the rates of the whole run.
    """
    config = step.config
    began = time.perf_counter() - seconds_before

    def passed() -> float:
        return time.perf_counter() - began - stood_still()

    done = first = int(state.step)
    watch = watch or dead_start.Watch()
    while done < (config.steps if until is None else until):
        seconds = passed()
        over = config.max_seconds is not None and seconds >= config.max_seconds
        if over and done > first:  # whoever asks for training gets a step of it
            return
        fraction = _fraction(config, done, seconds)
        compare = config.derivatives == "both" and done % config.check_every == 0
        gap = step.gap(state, step.batch(state)) if compare else None
        rate = np.float32(slower) * learning_rate(config, fraction)
        state, metrics = step.run(state, rate)
        told = jax.device_get(metrics)
        done += int(told.good)
        if state.grid is not None and told.good and done % config.occupancy.update_every == 0:
            state = step.look_around(state, everywhere=done <= config.occupancy.warm_up)
        seconds = passed()
        yield (
            state,
            Progress(
                step=done,
                seconds=seconds,
                fraction=_fraction(config, done, seconds),
                loss=float(told.loss),
                psnr=float(photometric.psnr(jnp.float32(told.mean_squared_error))),
                rays=int(told.rays),
                rays_dropped=int(told.rays_dropped),
                samples=int(told.samples),
                opacity=float(told.opacity),
                bad="" if told.good else step.first_bad_array(state, step.batch(state)),
                dead=watch(done, told) if config.training.restarts else "",
                learning_rate=float(rate),
                gap=gap,
            ),
        )
        if not told.good:
            return


DROPS = (0.5, 0.75, 0.9)
"""Parts of a run at which the learning rate drops."""
DROP = 0.33
"""What is left of it each time."""


def learning_rate(config: Config, fraction: float) -> np.float32:
    """Adam's rate when `fraction` of the run is done: by drops, or exponentially to the last.

    Of a run that its clock ends, the fraction is one of time: what such a run learns depends on how
    fast the machine is, and only a run that its steps end repeats to the bit.
    """
    first, last = config.training.learning_rate, config.training.final_learning_rate
    if config.training.schedule == "exponential":
        return np.float32(first * (last / first) ** fraction)
    return np.float32(first * DROP ** sum(fraction >= at for at in DROPS))


def _fraction(config: Config, steps: int, seconds: float) -> float:
    by_clock = 0.0 if config.max_seconds is None else seconds / config.max_seconds
    return min(1.0, max(steps / config.steps, by_clock))
