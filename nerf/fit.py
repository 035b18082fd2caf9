"""A run of training, from the step that it is at to its end: what is logged, saved, begun again."""

import errno
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from data.errors import InputError
from nerf import checkpoint_folder, dead_start, output, processes
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config, as_dict, write
from nerf.console import Asked, console, interruptible, training_bar
from nerf.dead_start import Watch
from nerf.log import begin_again, metrics_log
from nerf.run import CONFIG
from nerf.state import TrainState, start
from nerf.step import Gap, Step
from nerf.train import Progress, train
from nerf.whole import free

GAP_WORTH_A_LINE = 1e-3
"""Difference of the two gradients, relative, from which on it is said at once."""
SLOWER = 0.5
"""What a rollback leaves of the learning rate."""
ROLLBACKS = 5
"""How many there are in a run, at most."""


Listener = Callable[[TrainState, Progress, Callable[[], bool]], float]
"""Somebody who hears of each step: of the state, which is lent as `train` says, of what the step
told, and of a question whether the run was asked to stop. May keep the loop waiting, but not once
that says yes; returns the seconds for which it did, which do not count as training."""


class Fitted(NamedTuple):
    """Where a run got to."""

    code: int
    """Exit code: 0 at the run's end; 129, 130, 141 or 143 where it was asked to stop before."""
    state: TrainState
    memo: Memo


class _Ended(NamedTuple):
    """Where one start of a run got to."""

    state: TrainState
    told: Progress
    memo: Memo
    gaps: list[tuple[Gap, int]]
    """And the steps that they were found at."""
    code: int
    """Of the signal that asked it to stop; 0 if none did."""


def fit(
    step: Step,
    state: TrainState,
    memo: Memo,
    run: Path,
    checkpoints: Checkpoints,
    listeners: Sequence[Listener] = (),
    until: int | None = None,
) -> Fitted:
    """Trains to the end of the run, or to step `until`, or until it is asked to stop:
    Ctrl-C, SIGTERM, SIGHUP, a reader that is gone.

    A dead start is begun again with the next seed, and the run is then as if it had had that seed
    from the first: only its clock goes on. InputError if a step is not finite and the config does
    not ask for a rollback, if too many starts are dead, or if the last state can't be saved.
    """
    config = step.config
    _refuse_if_over(config, state, memo, run)
    checkpoint_folder.refuse_if_taken(checkpoints.folder, until or config.steps)
    memo = memo._replace(seeds=memo.seeds or (config.seed,))
    with interruptible() as stopped:
        if not checkpoints.steps:  # something to go back to, whatever comes
            failed = checkpoints.save(state, memo) or checkpoints.finish()
            if failed:
                mend = _mend(failed, run)
                raise InputError(
                    f"{run}: no checkpoint can be written: {failed}; {mend}, then nerf train "
                    f"--resume {run}"
                )
        while True:
            ended = _until_it_ends(
                step, config, state, memo, run, checkpoints, listeners, until, stopped
            )
            told, memo = ended.told, ended.memo
            if not told.good:
                state, memo = _back(config, ended, run, checkpoints)
            elif told.dead and not ended.code:
                config, state, memo = _again(step, config, ended, run, checkpoints)
            else:
                break
        failed = checkpoints.finish()
        if failed or checkpoints.latest != told.step:
            failed = checkpoints.save(ended.state, memo) or checkpoints.finish()
        if failed:
            mend = _mend(failed, run)
            raise InputError(
                f"{run}, step {told.step}: could not be saved: {failed}; the checkpoint of step "
                f"{checkpoints.latest} is kept: {mend}, then nerf train --resume {run}"
            )
    if ended.code:
        output.say(f"stopped at step {told.step}, saved; go on with: nerf train --resume {run}")
        return Fitted(ended.code, ended.state, memo)
    console.print(f"trained  {told.step} steps in {told.seconds:.1f} s, saved in {run}")
    if ended.gaps:
        worst = max(ended.gaps, key=lambda at: math.inf if math.isnan(at[0][0]) else at[0][0])
        console.print(
            f"checked  {len(ended.gaps)} gradients against JAX's; the worst: {_in_words(*worst)}"
        )
    # asked while the last state was saved: nothing more is begun
    return Fitted(max(processes.exchange(stopped.code)), ended.state, memo)


def _until_it_ends(
    step: Step,
    config: Config,
    state: TrainState,
    memo: Memo,
    run: Path,
    checkpoints: Checkpoints,
    listeners: Sequence[Listener],
    until: int | None,
    stopped: Asked,
) -> _Ended:
    """Trains until the config's end, a signal, a dead start, or a step that isn't finite."""
    saved_at, code = memo.seconds, 0
    waits: list[float] = []
    told: Progress | None = None
    gaps: list[tuple[Gap, int]] = []
    watch = Watch(memo.watch)
    written = metrics_log(run, int(state.step), memo.seconds)
    with training_bar(config, memo.lost) as show, written as log:
        steps = train(step, state, memo.seconds, lambda: sum(waits), watch, memo.slower, until)
        for now, told in steps:
            state = now
            memo = memo._replace(seconds=told.seconds, watch=tuple(watch.remembers(told.step)))
            show(told)
            log(told)
            if told.gap is not None:
                gaps.append((told.gap, told.step))
                if not told.gap.relative <= GAP_WORTH_A_LINE:
                    console.print(_in_words(*gaps[-1]))
            for listener in listeners:
                if waited := listener(step.whole(state), told, stopped):
                    waits.append(waited)
            code = max(processes.exchange(stopped.code))
            if not told.good or told.dead or code:
                break
            if told.seconds - saved_at >= config.training.checkpoint_seconds:
                saved_at = told.seconds
                if failed := checkpoints.save(state, memo):
                    console.print(
                        f"warning  step {told.step}: not saved: {failed}; the checkpoint of step "
                        f"{checkpoints.latest} is kept, and the next is tried in "
                        f"{config.training.checkpoint_seconds:g} s"
                    )
    assert told is not None  # at least one step was due
    return _Ended(state, told, memo, gaps, code)


def _back(
    config: Config, ended: _Ended, run: Path, checkpoints: Checkpoints
) -> tuple[TrainState, Memo]:
    """The state and memo to go on from after a step that is not finite; InputError to stop.

    The state that met it is not saved, finite or not: it would meet the same again.
    """
    told, memo = ended.told, ended.memo
    checkpoints.finish()
    said = f"{run}, step {told.step + 1}: {told.bad} is not finite"
    if config.on_nan == "stop" or memo.rollbacks >= ROLLBACKS:
        tried = f" after {memo.rollbacks} rollbacks" if memo.rollbacks else ""
        raise InputError(
            f"{said}, training stopped{tried}; the checkpoint of step {checkpoints.latest} is "
            f"kept: lower training.learning_rate and start anew, or go on from it with --resume "
            f"{run} --on-nan rollback, or --training.learning-rate NUMBER --accept-changes"
        )
    before = [step for step in checkpoints.steps if step < told.step]
    if before:
        checkpoints.set_aside(before[-1])
    state, kept = checkpoints.restore(ended.state)
    slower = memo.slower * SLOWER
    console.print(
        f"{said}; back to step {int(state.step)}, learning rate x {slower:g} from here on"
    )
    return state, kept._replace(
        seconds=memo.seconds, lost=memo.lost, slower=slower, rollbacks=memo.rollbacks + 1
    )


def _again(
    step: Step, config: Config, ended: _Ended, run: Path, checkpoints: Checkpoints
) -> tuple[Config, TrainState, Memo]:
    """A start with the next seed after one that was dead; InputError after too many."""
    told, memo = ended.told, ended.memo
    stopped_at = time.perf_counter()
    kind = f"dead start ({told.dead}: {dead_start.WORDS[told.dead]})"
    over = config.max_seconds is not None and told.seconds >= config.max_seconds
    if over or len(memo.seeds) > config.training.restarts:
        checkpoints.save(ended.state, memo)
        checkpoints.finish()
        raise InputError(_given_up(run, told, kind, memo.seeds, over))
    config = replace(config, seed=(config.seed + 1) % 2**32)
    console.print(f"step {told.step}: {kind}; begun again with seed {config.seed}")
    # the seed is in the state: the step that is compiled already serves it too
    state = step.placed(start(config)[1])
    processes.by_first(lambda: begin_again(run))
    seconds = told.seconds + time.perf_counter() - stopped_at
    memo = Memo(
        config=memo.config | {"seed": as_dict(config)["seed"]},
        data=memo.data,
        seconds=seconds,
        lost=seconds,
        seeds=(*memo.seeds, config.seed),
        changes=memo.changes,
    )
    if failed := checkpoints.replace(state, memo):
        console.print(
            f"warning  step 0: not saved: {failed}; until the next is, --resume begins the dead "
            "start again"
        )
    # after the checkpoint, whose seed is the one that counts
    processes.by_first(lambda: write(config, run / CONFIG))
    return config, state, memo


def _refuse_if_over(config: Config, state: TrainState, memo: Memo, run: Path) -> None:
    if int(state.step) >= config.steps:
        raise InputError(
            f"{run}: is at step {int(state.step)} of {config.steps} already; "
            "ask for more with --steps"
        )
    if config.max_seconds is not None and memo.seconds >= config.max_seconds:
        raise InputError(
            f"{run}: has trained {memo.seconds:.0f} s of {config.max_seconds:.0f} s already; "
            "ask for more with --max-seconds"
        )


def _given_up(run: Path, told: Progress, kind: str, seeds: Sequence[int], over: bool) -> str:
    tried = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    bias = "raise" if told.dead == "empty" else "lower"
    return (
        f"{run}, step {told.step}: {kind} with {tried}{', and its seconds are over' * over}; "
        f"{bias} field.density_bias, lower training.learning_rate, or see that data.bound holds "
        f"the scene; to train it regardless: --resume {run} --training.restarts 0"
    )


def _mend(failed: str, run: Path) -> str:
    """What lets a state be saved that could not be, and how much room a full disk has left."""
    return f"make room{free(run)}" if os.strerror(errno.ENOSPC) in failed else "mend that"


def _in_words(gap: Gap, step: int) -> str:
    return f"step {step}, {gap.parameter} differs by {gap.relative:.1e} of its length"
