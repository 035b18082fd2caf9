"""A run of training, from the step that it is at to its end: what is logged, saved, begun again."""

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from data.errors import InputError
from nerf import dead_start
from nerf.checkpoint import Checkpoints
from nerf.config import Config, write
from nerf.console import console, interruptible, metrics_log, training_bar
from nerf.train import Gap, Progress, Step, TrainState, start, train

GAP_WORTH_A_LINE = 1e-3
"""Difference of the two gradients, relative, from which on it is said at once."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, by custom."""


Listener = Callable[[TrainState, Progress, Callable[[], bool]], float]
"""Somebody who hears of each step: of the state, which is lent as `train` says, of what the step
told, and of a question whether the run was asked to stop. May keep the loop waiting, but not once
that says yes; returns the seconds for which it did, which do not count as training."""


class Ended(NamedTuple):
    """Where one start of a run got to."""

    state: TrainState
    told: Progress
    gaps: list[tuple[Gap, int]]
    """And the steps that they were found at."""
    asked_to_stop: bool


def fit(
    step: Step,
    state: TrainState,
    seconds: float,
    run: Path,
    checkpoints: Checkpoints,
    listeners: Sequence[Listener] = (),
) -> int:
    """Trains to the end of the run, or until Ctrl-C; returns the exit code.

    A dead start is begun again with the next seed, and the run is then as if it had had that seed
    from the first: only its clock goes on. InputError if a step is not finite, or too many starts
    are dead.
    """
    config = step.config
    _refuse_if_over(config, state, seconds, run)
    if checkpoints.latest is None:  # something to go back to, whatever comes
        checkpoints.save(state, seconds)
    lost, seeds = 0.0, [config.seed]
    while True:
        ended = _until_it_ends(step, config, state, seconds, lost, run, checkpoints, listeners)
        told = ended.told
        if not told.dead or ended.asked_to_stop:
            break
        stopped_at = time.perf_counter()
        kind = f"dead start ({told.dead}: {dead_start.WORDS[told.dead]})"
        over = config.max_seconds is not None and told.seconds >= config.max_seconds
        if over or len(seeds) > config.training.restarts:
            checkpoints.save(ended.state, told.seconds)
            raise InputError(_given_up(run, told, kind, seeds, over))
        config = replace(config, seed=(config.seed + 1) % 2**32)
        seeds.append(config.seed)
        console.print(f"step {told.step}: {kind}; begun again with seed {config.seed}")
        # the seed is in the state: the step that is compiled already serves it too
        state = start(config)[1]
        write(config, run / "config.toml")
        shutil.rmtree(run / "tensorboard", ignore_errors=True)
        lost = seconds = told.seconds + time.perf_counter() - stopped_at
        checkpoints.replace(state, seconds)
    if checkpoints.latest != told.step:
        checkpoints.save(ended.state, told.seconds)
    if ended.asked_to_stop:
        console.print(f"stopped at step {told.step}, saved; go on with: nerf train --resume {run}")
        return INTERRUPTED
    console.print(f"trained  {told.step} steps in {told.seconds:.1f} s, saved in {run}")
    if ended.gaps:
        worst = max(ended.gaps, key=lambda at: math.inf if math.isnan(at[0][0]) else at[0][0])
        console.print(
            f"checked  {len(ended.gaps)} gradients against JAX's; the worst: {_in_words(*worst)}"
        )
    return 0


def _until_it_ends(
    step: Step,
    config: Config,
    state: TrainState,
    seconds: float,
    lost: float,
    run: Path,
    checkpoints: Checkpoints,
    listeners: Sequence[Listener],
) -> Ended:
    """Trains until the config's end, Ctrl-C, or a dead start; InputError if it isn't finite."""
    saved_at, asked_to_stop = seconds, False
    waits: list[float] = []
    told: Progress | None = None
    gaps: list[tuple[Gap, int]] = []
    written = metrics_log(run, config, int(state.step), seconds)
    with interruptible() as stopped, training_bar(config, lost) as show, written as log:
        for now, told in train(step, state, seconds, lambda: sum(waits)):
            state = now
            show(told)
            log(told)
            if told.gap is not None:
                gaps.append((told.gap, told.step))
                if not told.gap.relative <= GAP_WORTH_A_LINE:
                    console.print(_in_words(*gaps[-1]))
            for listener in listeners:
                if waited := listener(state, told, stopped):
                    waits.append(waited)
            asked_to_stop = stopped()
            if not told.good or told.dead or asked_to_stop:
                break
            if told.seconds - saved_at >= config.training.checkpoint_seconds:
                checkpoints.save(state, told.seconds)
                saved_at = told.seconds
    assert told is not None  # at least one step was due
    if not told.good:
        checkpoints.forget(told.step)
        raise InputError(
            f"{run}, step {told.step + 1}: {told.bad} is not finite, training stopped; the "
            f"checkpoint of step {checkpoints.latest} is kept: lower training.learning_rate and "
            f"start anew, or go on from it with --resume {run} --training.learning-rate NUMBER"
        )
    return Ended(state, told, gaps, asked_to_stop)


def _refuse_if_over(config: Config, state: TrainState, seconds: float, run: Path) -> None:
    if int(state.step) >= config.steps:
        raise InputError(
            f"{run}: is at step {int(state.step)} of {config.steps} already; "
            "ask for more with --steps"
        )
    if config.max_seconds is not None and seconds >= config.max_seconds:
        raise InputError(
            f"{run}: has trained {seconds:.0f} s of {config.max_seconds:.0f} s already; "
            "ask for more with --max-seconds"
        )


def _given_up(run: Path, told: Progress, kind: str, seeds: list[int], over: bool) -> str:
    tried = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    bias = "raise" if told.dead == "empty" else "lower"
    return (
        f"{run}, step {told.step}: {kind} with {tried}{', and its seconds are over' * over}; "
        f"{bias} field.density_bias, lower training.learning_rate, or see that data.bound holds "
        f"the scene; to train it regardless: --resume {run} --training.restarts 0"
    )


def _in_words(gap: Gap, step: int) -> str:
    return f"step {step}, {gap.parameter} differs by {gap.relative:.1e} of its length"
