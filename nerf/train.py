"""The loop of training, as a generator: when a step is due, at which rate, and what it told."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from calculus.radiance import photometric
from nerf import dead_start, processes
from nerf.config import Config
from nerf.state import TrainState
from nerf.step import Gap, Step


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

    def passed() -> float:  # all processes go by one clock
        return processes.of_first(time.perf_counter() - began - stood_still())

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
