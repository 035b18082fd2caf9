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
from data.batches import Batch, batches
from data.scene import Split
from nerf import occupancy
from nerf.config import Config
from nerf.field import Model, Params
from nerf.occupancy import Occupancy
from nerf.rays import Lenses, Rays, chosen, rays_of
from nerf.render import hierarchical, occupied
from nerf.stages import watched


class TrainState(NamedTuple):
    """All that a step changes."""

    step: Array
    params: Params
    moments: optax.OptState
    grid: Occupancy | None


class Metrics(NamedTuple):
    """What a step tells."""

    loss: Array
    mean_squared_error: Array
    """Over the rays of the step, colours in [0, 1]."""
    rays: Array
    """Rays that counted."""
    rays_dropped: Array
    """Rays that met something and found no slot: left out whole."""
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
    bad: str
    """The first array that is not finite; empty while all is well."""
    gap: Gap | None = None
    """Of this step's gradient, where the two were compared (derivatives both)."""

    @property
    def good(self) -> bool:
        """Whether the step was taken."""
        return not self.bad


def optimiser(config: Config) -> optax.GradientTransformation:
    """Adam; its learning rate is set at each step."""
    training = config.training
    return optax.inject_hyperparams(optax.adam, static_args=("b1", "b2", "eps", "eps_root"))(
        learning_rate=training.learning_rate,
        b1=training.beta1,
        b2=training.beta2,
        eps=training.eps,
    )


def start(config: Config) -> tuple[Model, TrainState]:
    """The model, and the state before the first step."""
    model, params = Model.create(config)
    grid = occupancy.full(config.occupancy) if config.sampling.strategy == "occupied" else None
    return model, TrainState(jnp.int32(0), params, optimiser(config).init(params), grid)


def loss_of_rays(
    params: Params,
    model: Model,
    rays: Rays,
    probed: occupancy.Probed | None,
    key: jax.Array,
) -> tuple[Array, Array]:
    """The loss that is differentiated, and the colours that it judges (the fine ones).

    Every arithmetic stage from the parameters to the loss is one of `model.stages`.
    """
    stages, training = model.stages, model.config.training
    if probed is None:
        coarse, fine = hierarchical(
            model, params, rays.origin, rays.direction, rays.background, key
        )
        colours = [coarse.colour, fine.colour]
    else:
        jitter = jax.random.uniform(key, (len(rays.share), model.config.sampling.samples))
        fine = occupied(model, params, probed, rays.origin, rays.direction, rays.background, jitter)
        colours = [fine.colour]
    if training.loss == "huber":
        terms = [
            stages.huber(colour, rays.photograph, rays.share, training.huber_threshold)
            for colour in colours
        ]
        loss = terms[0] if len(terms) == 1 else terms[0] + terms[1]
    elif len(colours) == 2:
        loss = stages.coarse_and_fine(*colours, rays.photograph, rays.share)
    else:
        loss = stages.squared_error(*colours, rays.photograph, rays.share)
    return loss, fine.colour


class Step:
    """One training step and the update of the occupancy grid, each compiled once."""

    def __init__(self, model: Model, lenses: Lenses):
        self.model, self.config, self.lenses = model, model.config, lenses
        self._adam = optimiser(model.config)
        self.run = jax.jit(self._run, donate_argnums=0)
        self._gaps = jax.jit(self._compare)
        self.look_around = jax.jit(
            self._look_around, static_argnames="everywhere", donate_argnums=0
        )

    def gradient(self, state: TrainState, batch: Batch) -> tuple[Params, Metrics]:
        """The gradient of one batch, and what the step tells."""
        rays, probed, cut_key, error, dropped = self._drawn(state, batch)
        (loss, colours), gradient = jax.value_and_grad(loss_of_rays, has_aux=True)(
            state.params, self.model, rays, probed, cut_key
        )
        error += jnp.sum((colours - rays.photograph) ** 2 * (rays.share > 0)[:, None])
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((loss, gradient))]
        count = len(batch.picture) - dropped
        good = jnp.all(jnp.stack(finite))
        return gradient, Metrics(loss, error / (3 * count), count, dropped, good)

    def _drawn(self, state: TrainState, batch: Batch):
        """The rays that the step renders, and what it knows of those that it leaves out."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), state.step)
        background_key, probe_key, cut_key = jax.random.split(key, 3)
        rays = rays_of(batch, self.lenses, self.config, background_key)
        if state.grid is None:
            return rays, None, cut_key, jnp.zeros(()), jnp.int32(0)
        rays, probed, error, dropped = chosen(rays, state.grid, self.config, probe_key)
        return rays, probed, cut_key, error, dropped

    def loss(self, state: TrainState, batch: Batch, model: Model | None = None) -> Callable:
        """The loss of one batch as a function of the parameters alone: what is differentiated.

        Under another `model` of the same config, if one is given: with other stages, say.
        """
        rays, probed, cut_key, _, _ = self._drawn(state, batch)
        return lambda params: loss_of_rays(params, model or self.model, rays, probed, cut_key)[0]

    def gap(self, state: TrainState, batch: Batch) -> Gap:
        """The parameter array whose gradient by hand differs most from JAX's, on this batch."""
        gaps = jax.tree_util.tree_leaves_with_path(self._gaps(state, batch))
        path, worst = max(gaps, key=lambda named: np.nan_to_num(float(named[1]), nan=np.inf))
        return Gap(float(worst), name_of(path))

    def _compare(self, state: TrainState, batch: Batch) -> Params:
        by_jax = Step(replace(self.model, stages=calculus.by_jax), self.lenses)

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
        note("photograph", self._drawn(state, batch)[0].photograph)
        note("the loss", self.loss(state, batch, watched(self.model, note_call))(state.params))
        if not bad:
            note("gradient of", self.gradient(state, batch)[0])
        return bad[0] if bad else "none when computed again"

    def _run(
        self, state: TrainState, batch: Batch, learning_rate: Array
    ) -> tuple[TrainState, Metrics]:
        gradient, metrics = self.gradient(state, batch)

        def advance(state: TrainState) -> TrainState:
            moments = state.moments._replace(hyperparams={"learning_rate": learning_rate})
            updates, moments = self._adam.update(gradient, moments, state.params)
            params = optax.apply_updates(state.params, updates)
            return TrainState(state.step + 1, params, moments, state.grid)

        # a step that is not finite must not touch the state: what is saved then is still good
        return jax.lax.cond(metrics.good, advance, lambda state: state, state), metrics

    def _look_around(self, state: TrainState, everywhere: bool) -> TrainState:
        assert state.grid is not None
        seed = jax.random.key(self.config.seed ^ 0x6F63)  # another stream than the steps'
        field = self.model.field(state.params)
        grid = occupancy.update(
            state.grid,
            lambda x: field.density(x, self.model.stages)[0],
            jax.random.fold_in(seed, state.step),
            self.config.occupancy,
            everywhere,
        )
        return state._replace(grid=grid)


def name_of(path: tuple) -> str:
    """A parameter array in words, `fine trunk 0 W` say."""
    return " ".join(str(getattr(key, "key", key)) for key in path)


def train(
    step: Step, state: TrainState, split: Split, seconds_before: float = 0.0
) -> Iterator[tuple[TrainState, Progress]]:
    """Steps until the config's steps or seconds are over, or one is not finite; yields after each.

    The yielded state is lent: it is gone when the next step begins, so save or copy it before.
    """
    config = step.config
    began = time.perf_counter() - seconds_before
    done = first = int(state.step)
    feed = batches(split, config.training.rays, config.seed, start=done)
    while done < config.steps:
        seconds = time.perf_counter() - began
        over = config.max_seconds is not None and seconds >= config.max_seconds
        if over and done > first:  # whoever asks for training gets a step of it
            return
        fraction = _fraction(config, done, seconds)
        batch = next(feed)
        compare = config.derivatives == "both" and done % config.check_every == 0
        gap = step.gap(state, batch) if compare else None
        state, metrics = step.run(state, batch, learning_rate(config, fraction))
        told = jax.device_get(metrics)
        done += int(told.good)
        if state.grid is not None and told.good and done % config.occupancy.update_every == 0:
            state = step.look_around(state, everywhere=done <= config.occupancy.warm_up)
        seconds = time.perf_counter() - began
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
                bad="" if told.good else step.first_bad_array(state, batch),
                gap=gap,
            ),
        )
        if not told.good:
            return


def learning_rate(config: Config, fraction: float) -> np.float32:
    """Adam's rate when `fraction` of the run is done: exponential from the first to the last.

    Of a run that its clock ends, the fraction is one of time: what such a run learns depends on how
    fast the machine is, and only a run that its steps end repeats to the bit.
    """
    first, last = config.training.learning_rate, config.training.final_learning_rate
    return np.float32(first * (last / first) ** fraction)


def _fraction(config: Config, steps: int, seconds: float) -> float:
    by_clock = 0.0 if config.max_seconds is None else seconds / config.max_seconds
    return min(1.0, max(steps / config.steps, by_clock))
