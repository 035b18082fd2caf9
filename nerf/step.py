"""One step of training as one program, on one device or on all."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

import calculus.by_jax
from nerf import dead_start, devices, occupancy
from nerf.field import Model, Params
from nerf.loss import loss_of_rays, slope_of_rays
from nerf.rays import Batch, Packed, Photographs, Rays, backgrounds, drawn, packed, rays_of
from nerf.shading import Draws, Pixels
from nerf.space import Space
from nerf.stages import watched
from nerf.state import TrainState, name_of, optimiser


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


PRECISIONS = {"float32": None, "bfloat16": "BF16_BF16_F32"}
"""What JAX calls them; without one a device does products as fast as it does by default."""


PHOTOGRAPHS = Photographs(P(devices.AXIS), P(), P(devices.AXIS))  # type: ignore[arg-type]
"""How photographs lie over the devices of a mesh."""


class Step:
    """One training step and the update of the occupancy grid, each compiled once.

    On a mesh a program runs on all its devices at once, each with its own rays, pictures and parts
    (nerf/devices.py): methods that end in `_on` are what one device does, alone or on an axis.
    """

    def __init__(self, model: Model, photographs: Photographs | None, mesh: Mesh | None = None):
        """The step of a model on photographs. Steps of one shape share their compiled programs.

        On a mesh, photographs and states are those that lie there: see `placed`.
        """
        self.model, self.config, self.mesh = model, model.config, mesh
        self.photographs: Any = photographs  # None where programs are made, which are given them
        self._adam = optimiser(model.config)

    @cached_property
    def program(self) -> Any:
        """Compiled: (state, photographs, learning rate) -> (state, metrics)."""
        return _programs(self.model.compiled, self.mesh).run

    @cached_property
    def look_around(self) -> Any:
        """Compiled: (state, everywhere) -> the state with its occupancy grid updated."""
        return _programs(self.model.compiled, self.mesh).look_around

    def run(
        self, state: TrainState, learning_rate: np.float32 | Array
    ) -> tuple[TrainState, Metrics]:
        """The state after one step, and what the step tells; the old state is gone."""
        return self.program(state, self.photographs, learning_rate)

    def placed(self, state: TrainState) -> TrainState:
        """A state as `start` gives it, where the devices want it: it is theirs from now on."""
        if self.mesh is None:
            return state
        state = devices.padded(state, self.config)
        return devices.placed(state, self.mesh, devices.specs(state, self.config))

    def whole(self, state: TrainState) -> TrainState:
        """A state of the step as `start` would give it, all of it on every device."""
        if self.mesh is None or self.config.training.tables != "sharded":
            return state
        return devices.cut(devices.replicated(state, self.mesh), self.config)

    def fetched(self, state: TrainState) -> TrainState:
        """The same on one device of this process, for what it does by itself."""
        return state if self.mesh is None else devices.fetched(self.whole(state), self.mesh)

    def batch(self, state: TrainState, photographs: Photographs | None = None) -> Batch:
        """The pixels of the step that comes next; on a mesh each device holds its own."""
        compiled = _programs(self.model.compiled, self.mesh).batch
        return compiled(state, photographs or self.photographs)

    def gradient(
        self, state: TrainState, batch: Batch, photographs: Photographs | None = None
    ) -> tuple[Params, Metrics]:
        """The gradient of one batch, and what the step tells."""
        given = state, batch, photographs or self.photographs
        out = devices.specs(state.params, self.config), P()
        return self._everywhere(self._gradient_on, (None, P(devices.AXIS), PHOTOGRAPHS), out)(
            *given
        )

    def _everywhere(self, of_device: Callable, given: tuple, out: Any) -> Callable:
        """What each device does, as one program of all. `given` are specs, None that of a state."""
        if self.mesh is None:
            return partial(of_device, axis=None)
        mesh = self.mesh

        def run(state: TrainState, *others: Any) -> Any:
            ins = devices.specs(state, self.config), *given[1:]
            # a rule by hand sees what one device has: sums over all are taken after it, explicitly
            return jax.shard_map(
                partial(of_device, axis=devices.AXIS),
                mesh=mesh,
                in_specs=ins,
                out_specs=out,
                check_vma=False,
            )(state, *others)

        return run

    def _batch(self, state: TrainState, photographs: Photographs) -> Batch:
        every = self._everywhere(self._batch_on, (None, PHOTOGRAPHS), P(devices.AXIS))
        return every(state, photographs)

    def _batch_on(self, state: TrainState, photographs: Photographs, axis: str | None) -> Batch:
        return drawn(photographs, self._keys(state)[0], self.config.training.rays, axis)

    def _gradient_on(
        self, state: TrainState, batch: Batch, photographs: Photographs, axis: str | None
    ) -> tuple[Params, Metrics]:
        total = devices.total_over(axis)
        params = devices.gathered(state.params, self.config, axis)
        rays, asked = self._asked(state._replace(params=params), batch, photographs, axis)
        (loss, pixels), gradient = self._slope(params, rays, asked)
        gradient = devices.summed(gradient, self.config, axis)
        if rays.share.ndim > 1:
            rays, pixels = jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:]), (rays, pixels))
        counted = rays.share > 0
        error = total(jnp.sum((pixels.colour - rays.photograph) ** 2 * counted[:, None]))
        opacity = total(jnp.sum(pixels.opacity * counted))
        loss = total(loss)
        empty_error, reach = dead_start.signs(
            rays, pixels, counted, Space.of(self.config), bool(self.config.field.backdrop), total
        )
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((loss, gradient))]
        good = jnp.all(jnp.stack(finite))
        if axis is not None:  # rows of tables are seen by one device alone
            good = total(1 - good.astype(jnp.int32)) == 0
        if isinstance(asked, Packed):
            told = asked.taken, asked.dropped, asked.filled
            count, dropped, samples = (total(jnp.sum(n)) for n in told)
        else:
            each = 2 * self.config.sampling.coarse + self.config.sampling.fine
            rays_asked = self.config.training.rays
            count, dropped, samples = map(jnp.int32, (rays_asked, 0, rays_asked * each))
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

    def _slope(
        self, params: Params, rays: Rays, asked: Packed | Draws
    ) -> tuple[tuple[Array, Pixels], Params]:
        """As `slope_of_rays`; parts, where there are several, one after another."""
        if rays.share.ndim == 1:
            return slope_of_rays(params, self.model, rays, asked)

        def part(so_far, given):
            (loss, pixels), gradient = slope_of_rays(params, self.model, *given)
            return jax.tree.map(jnp.add, so_far, (loss, gradient)), pixels

        start = jnp.zeros((), rays.share.dtype), jax.tree.map(jnp.zeros_like, params)
        (loss, gradient), pixels = jax.lax.scan(part, start, (rays, asked))
        return (loss, pixels), gradient

    def _keys(self, state: TrainState) -> Array:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        return jax.random.split(key, 3)

    def _asked(
        self,
        state: TrainState,
        batch: Batch,
        photographs: Photographs,
        axis: str | None = None,
    ) -> tuple[Rays, Packed | Draws]:
        """The rays of a batch, and where along them the field is asked.

        Of several parts these are stacked, a part a row. What is random is drawn for the whole
        batch, and each device takes its own of it.
        """
        _, background_key, cut_key = self._keys(state)
        total, config = devices.total_over(axis), self.config
        background = devices.own(backgrounds(config, background_key, config.training.rays), axis)
        rays = rays_of(batch, photographs, config, background, total)
        parts = (config.training.parts or 1) // (1 if axis is None else jax.lax.axis_size(axis))

        def in_parts(tree: Any) -> Any:
            return jax.tree.map(lambda v: v.reshape(parts, -1, *v.shape[1:]), tree)

        if state.grid is None:
            draws = Draws.of(config, config.training.rays, cut_key)
            draws = jax.tree.map(lambda v: devices.own(v, axis), draws)
            return (rays, draws) if parts == 1 else in_parts((rays, draws))
        jitter = devices.own(jax.random.uniform(cut_key, (config.training.rays,)), axis)
        density = self._density(state.params)
        if parts == 1:
            rays, asked = packed(rays, state.grid, density, config, jitter)
        else:
            rays, asked = jax.lax.map(
                lambda part: packed(part[0], state.grid, density, config, part[1]),
                in_parts((rays, jitter)),
            )
        if parts > 1 or axis is not None:  # each ray of all parts counts the same
            taken = jnp.maximum(total(jnp.sum(asked.taken)), 1).astype(rays.share.dtype)
            rays = rays._replace(share=(rays.share > 0) / taken)
        return rays, asked

    def _density(self, params: Params) -> Callable[[Array], Array]:
        field = self.model.field(params)
        return lambda x: field.density(x, self.model.stages)[0]

    def loss(self, state: TrainState, batch: Batch, model: Model | None = None) -> Callable:
        """The loss of one batch as a function of the parameters alone: what is differentiated.

        Under another `model` of the same config, if one is given: with other stages, say.
        """
        asked = self._asked(state, batch, self.photographs)
        parts = [asked]
        if asked[0].share.ndim > 1:
            parts = [jax.tree.map(itemgetter(k), asked) for k in range(len(asked[0].share))]

        def loss(params: Params) -> Array:
            terms = [loss_of_rays(params, model or self.model, *part)[0] for part in parts]
            return terms[0] if len(terms) == 1 else jnp.sum(jnp.stack(terms))

        return loss

    def gap(self, state: TrainState, batch: Batch) -> Gap:
        """The parameter array whose gradient by hand differs most from JAX's, on this batch."""
        compiled = _programs(self.model.compiled, self.mesh).compare
        gaps = jax.tree_util.tree_leaves_with_path(compiled(state, batch, self.photographs))
        path, worst = max(gaps, key=lambda named: np.nan_to_num(float(named[1]), nan=np.inf))
        return Gap(float(worst), name_of(path))

    def _compare(self, state: TrainState, batch: Batch, photographs: Photographs) -> Params:
        step = Step(replace(self.model, stages=calculus.by_jax), photographs, self.mesh)
        by_hand, _ = self.gradient(state, batch, photographs)
        by_jax, _ = step.gradient(state, batch)

        def relative(hand: Array, other: Array) -> Array:
            difference, length = jnp.linalg.norm(hand - other), jnp.linalg.norm(other)
            return jnp.where(difference > 0, difference / length, 0.0)

        return jax.tree.map(relative, by_hand, by_jax)

    def first_bad_array(self, state: TrainState, batch: Batch) -> str:
        """The name of the first array that is not finite, from the parameters to the gradient."""
        if self.mesh is not None:  # each process looks by itself, on one device
            given = self.whole(state), batch, self.photographs.cameras
            state, batch, cameras = devices.fetched(given, self.mesh)
            photographs = Photographs(jnp.zeros((0, 0, 0, 4), jnp.uint8), cameras)
            return Step(self.model, photographs).first_bad_array(state, batch)
        finite = _programs(self.model.compiled, None).finite(state, batch, self.photographs)
        bad = [name for name, good in sorted(jax.device_get(finite).items()) if not good]
        return bad[0].split(maxsplit=1)[1] if bad else "none when computed again"

    def _finite(self, state: TrainState, batch: Batch, photographs: Photographs) -> dict[str, Any]:
        """Of each array, numbered in the order of the step, whether it is finite."""
        step, found = Step(self.model, photographs), dict[str, Array]()

        def note(name: str, arrays: Any) -> None:
            for path, array in jax.tree_util.tree_leaves_with_path(arrays):
                named = f"{len(found):06} {name} {name_of(path)}".rstrip()
                found[named] = jnp.isfinite(array).all()

        def note_call(name: str, number: int, arguments: tuple, value: Any) -> None:
            note(f"the output of {name}, call {number} of the forward pass,", value)

        note("parameter", state.params)
        note("photograph", step._asked(state, batch, photographs)[0].photograph)
        note("the loss", step.loss(state, batch, watched(self.model, note_call))(state.params))
        note("gradient of", step.gradient(state, batch)[0])
        return found

    def _run(
        self, state: TrainState, photographs: Photographs, learning_rate: Array
    ) -> tuple[TrainState, Metrics]:
        out = devices.specs(state, self.config), P()
        program = self._everywhere(self._run_on, (None, PHOTOGRAPHS, P()), out)
        return program(state, photographs, learning_rate)

    def _run_on(
        self,
        state: TrainState,
        photographs: Photographs,
        learning_rate: Array,
        axis: str | None,
    ) -> tuple[TrainState, Metrics]:
        with jax.default_matmul_precision(PRECISIONS[self.config.training.precision]):
            batch = self._batch_on(state, photographs, axis)
            gradient, metrics = self._gradient_on(state, batch, photographs, axis)

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
        out = devices.specs(state, self.config)
        return self._everywhere(partial(self._look_around_on, everywhere=everywhere), (None,), out)(
            state
        )

    def _look_around_on(self, state: TrainState, everywhere: bool, axis: str | None) -> TrainState:
        assert state.grid is not None
        seed = jax.random.key(state.seed ^ jnp.uint32(0x6F63))  # another stream than the steps'
        params = devices.gathered(state.params, self.config, axis)
        grid = occupancy.update(
            state.grid,
            devices.split_up(self._density(params), axis),
            jax.random.fold_in(seed, state.step),
            self.config.occupancy,
            everywhere,
            Space.of(self.config),
        )
        return state._replace(grid=grid)


class _Programs(NamedTuple):
    batch: Any
    run: Any
    look_around: Any
    compare: Any
    finite: Any


@lru_cache(maxsize=16)
def _programs(model: Model, mesh: Mesh | None) -> _Programs:
    """The compiled programs of all steps of one shape.

    Photographs are an argument: what a program closes over becomes a part of it, and stays.
    """
    step = Step(model, None, mesh)
    return _Programs(
        jax.jit(step._batch),
        jax.jit(step._run, donate_argnums=0),
        jax.jit(step._look_around, static_argnames="everywhere", donate_argnums=0),
        jax.jit(step._compare),
        jax.jit(step._finite),
    )


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
