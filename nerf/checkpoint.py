"""The checkpoints of a run: everything that it needs to go on as if it had never stopped.

Arrays        parameters, Adam's moments, averaged weights, occupancy grid, step, seed
`Memo`        what is not an array: seconds, what the watch over dead starts remembers, ...
data position the pixels of step k are drawn by (seed, k): the step is the position
with them     the config, a digest of the data, and digests of the arrays, held against what is read

Orbax writes a checkpoint into a folder of another name, in the background, and renames it when all
of it is there: a process killed meanwhile leaves the ones before. Its files are numbers and JSON,
read by libraries that run nothing of what they read.
"""

import contextlib
import errno
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from data.errors import InputError, one_line
from nerf import digest, processes
from nerf.console import console
from nerf.state import TrainState

STATE, MEMO = "state", "memo"
"""Parts of a checkpoint: arrays, and what is said in JSON."""


class Memo(NamedTuple):
    """What a run needs beside its arrays to go on."""

    config: dict[str, Any]
    """The settings it is trained with, as `nerf.config.told` has them."""
    data: str = ""
    """Digest of the pictures and cameras it is trained on."""
    seconds: float = 0.0
    """Of training, compilation included, dead starts counted in."""
    lost: float = 0.0
    """Of these, seconds of dead starts."""
    seeds: tuple[int, ...] = ()
    """Those that were tried, this one last."""
    watch: tuple[tuple[float, float, float], ...] = ()
    """What the watch over dead starts remembers."""
    slower: float = 1.0
    """Times the learning rate, after rollbacks."""
    rollbacks: int = 0
    changes: tuple[str, ...] = ()
    """What was changed in the course of the run, in words, and at which step."""


class BrokenError(Exception):
    """A checkpoint that can't be used, and why."""


class Checkpoints:
    """The checkpoints of one run, of which the newest `keep` stay."""

    def __init__(self, run: Path, keep: int = 2):
        for who in ("absl", "asyncio"):  # orbax narrates every save, and each file that failed
            logging.getLogger(who).setLevel(logging.CRITICAL)
        # of a save that failed it leaves parts that were never begun
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        self._run, self._keep = run, keep
        self.folder = (run / "checkpoints").resolve()
        self._open: ocp.CheckpointManager | None = None

    @property
    def _manager(self) -> ocp.CheckpointManager:
        """Made when it is needed: it makes the folder, and to look at a run nothing is made."""
        if self._open is None:
            options = ocp.CheckpointManagerOptions(create=True)
            handlers = {STATE: ocp.StandardCheckpointHandler(), MEMO: ocp.JsonCheckpointHandler()}
            self._open = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)
        return self._open

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints that are whole on disk, oldest first."""
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        return processes.of_first(sorted(int(at.name) for at in there if at.name.isdecimal()))

    @property
    def latest(self) -> int | None:
        """The step of the newest checkpoint."""
        return max(self.steps, default=None)

    def save(self, state: TrainState, memo: Memo) -> str:
        """Copies the state at once, writes it in the background.

        Returns why it can't be, or why the one before could not be; empty if all is well. A state
        that is not finite is not saved.
        """
        failed = self.finish()
        arrays = named(state)
        digests, bad = digest.of_arrays(arrays)
        if bad:
            return f"{bad[0]} is not finite"
        step = int(state.step)
        told = memo._asdict() | {"step": step, "digests": digests}
        # a copy of our own: the next step takes the state's memory while orbax still reads
        arrays = jax.tree.map(jnp.copy, arrays)
        parts = {STATE: ocp.args.StandardSave(arrays), MEMO: ocp.args.JsonSave(told)}
        try:
            if step in self.steps:
                self._manager.delete(step)
            self._manager.save(step, args=ocp.args.Composite(**parts), force=True)
        except Exception as error:  # of a full disk orbax tells in several ways
            return self._given_up(error)
        return failed

    def finish(self) -> str:
        """Waits until everything is on disk, and drops what is older than the newest `keep`.

        Returns why something could not be written; empty if all is well.
        """
        if self._open is None:
            return ""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            return self._given_up(error)
        self.drop(self.steps[: -self._keep])
        return ""

    def _given_up(self, error: Exception) -> str:
        """Clears away what a failed save left, and says why it failed."""
        with contextlib.suppress(Exception):  # it says the same again
            self._manager.close()
        self._open = None
        self.clear()
        return reason(error)

    def clear(self) -> None:
        """Removes checkpoints that were begun and never finished."""
        if processes.is_first() and self.folder.is_dir():
            for at in self.folder.iterdir():
                if at.is_dir() and not at.name.isdecimal():
                    shutil.rmtree(at, ignore_errors=True)

    def drop(self, steps: list[int]) -> None:
        """Removes some checkpoints."""
        for step in steps:
            self._manager.delete(step)

    def replace(self, state: TrainState, memo: Memo) -> str:
        """Keeps this state alone: another run begins in the place of this one. As `save`."""
        failed = self.save(state, memo) or self.finish()
        if not failed:
            self.drop([step for step in self.steps if step != int(state.step)])
        return failed

    def memo(self) -> Memo | None:
        """The memo of the newest checkpoint that has one to be read; None if there is none."""
        for step in reversed(self.steps):
            try:
                return self._memo(step)[0]
            except BrokenError:
                continue
        return None

    def restore(
        self, like: TrainState, say: Callable[[str], Any] = lambda line: console.print(line)
    ) -> tuple[TrainState, Memo]:
        """The newest state that is whole, in the form and place of `like`, and its memo.

        Every array is held against the digest that was written with it. Of one that is broken
        `say` is told, and the one before is used. InputError if none is whole, or if they are of
        another field than `like`.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"{self._run}: has no checkpoint yet; train it again from the start")
        why = []
        for step in reversed(steps):
            try:
                found = self._read(step, like)
            except BrokenError as error:
                why.append(f"checkpoint {step}: broken: {error}")
                continue
            if why:
                say(f"warning  {'; '.join(why)}; the one of step {step} is used")
            return found
        raise InputError(f"{self._run}, {'; '.join(why)}; no other is left: train again")

    def _memo(self, step: int) -> tuple[Memo, digest.Digests]:
        at = self.folder / str(step)
        if at.is_symlink() or any(file.is_symlink() for file in at.rglob("*")):
            raise BrokenError("has links, which could lead out of the run's folder")
        if not (at / MEMO).is_dir():
            raise BrokenError("has no memo: it is of an older version, or a part of it is gone")
        part = ocp.args.Composite(**{MEMO: ocp.args.JsonRestore()})
        try:
            told = self._manager.restore(step, args=part)[MEMO]
            digests = told.pop("digests")
            if told.pop("step") != step:
                raise BrokenError("is of another step")
            told |= {name: tuple(map(_row, told[name])) for name in ("seeds", "watch", "changes")}
            return Memo(**told), digests
        except Exception as error:  # broken bytes are met with exceptions of every kind
            raise BrokenError(reason(error)) from error

    def _read(self, step: int, like: TrainState) -> tuple[TrainState, Memo]:
        memo, digests = self._memo(step)
        wanted = named(like)
        try:
            kept = dict(self._manager.item_metadata(step)[STATE].items())
        except Exception as error:
            raise BrokenError(reason(error)) from error
        self._compare(step, kept, wanted)
        given = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            for name, leaf in wanted.items()
        }
        part = ocp.args.Composite(**{STATE: ocp.args.StandardRestore(given)})
        _let_reads_end_late()
        try:
            found = self._manager.restore(step, args=part)[STATE]
        except Exception as error:
            raise BrokenError(reason(error)) from error
        read, bad = digest.of_arrays(found)
        changed = [name for name in read if read[name] != digests.get(name)] + bad
        if changed:
            raise BrokenError(f"{changed[0]} is not what was written")
        # an array that orbax has put somewhere stays there, and asks for programs of its own
        leaves = [
            found[name] if leaf.committed else jnp.array(np.asarray(found[name]))
            for name, leaf in wanted.items()
        ]
        return jax.tree.unflatten(jax.tree.structure(like), leaves), memo

    def _compare(self, step: int, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """InputError where the arrays on disk are not those asked for: orbax would pad or cut."""
        where = f"{self._run}, checkpoint {step}: another field:"
        for name in sorted(wanted.keys() ^ kept.keys()):
            raise InputError(f"{where} {name} on one side only")
        for name, leaf in wanted.items():
            if tuple(kept[name].shape) != leaf.shape or kept[name].dtype != leaf.dtype:
                raise InputError(
                    f"{where} {name} has shape {tuple(kept[name].shape)}, by the config "
                    f"{leaf.shape}; leave the field as it was"
                )

    def close(self) -> None:
        """Waits until everything is on disk."""
        self.finish()
        if self._open is not None:
            self._open.close()
            self._open = None


def reason(error: BaseException) -> str:
    """What went wrong, in a line: what the system said, if it was the system."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    for each in chain:
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO):
            if os.strerror(number) in str(each):  # TensorStore's errors have no number
                return os.strerror(number)
    said = " ".join(str(chain[-1]).split()) or type(chain[-1]).__name__
    return one_line(said)[:160]


def _let_reads_end_late() -> None:
    """Keeps Python from telling of reads that end after another, of the same state, has failed.

    Orbax does not wait for them: each finds its event loop closed, which is said on the terminal,
    as is what they found when at last they are thrown away.
    """
    before = sys.unraisablehook
    if getattr(before, "lets_reads_end_late", False):
        return

    def hook(told: Any) -> None:
        of = getattr(getattr(told.object, "cr_code", None), "co_filename", "")
        if str(told.exc_value) != "Event loop is closed" and "orbax" not in of:
            before(told)

    hook.lets_reads_end_late = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook


def _row(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def named(state: TrainState) -> dict[str, jax.Array]:
    """The arrays of a state by name."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
