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
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from data.errors import InputError
from nerf import changes, checkpoint_folder, digest, processes
from nerf.checkpoint_folder import MEMO, STATE, BrokenError
from nerf.console import console
from nerf.memo import Kept, Memo, Shapes, read, written
from nerf.run import RECEIPT
from nerf.state import TrainState


class Checkpoints:
    """The checkpoints of one run, of which the newest `keep` stay."""

    def __init__(self, run: Path, keep: int = 2):
        """InputError where `checkpoints` is a link."""
        for who in ("absl", "asyncio"):  # orbax narrates every save, and each file that failed
            logging.getLogger(who).setLevel(logging.CRITICAL)
        # of a save that failed it leaves parts that were never begun
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        _let_it_end_late()
        checkpoint_folder.checked(run / "checkpoints")
        self._run, self._keep = run, keep
        self.folder = run.resolve() / "checkpoints"
        self._open: ocp.CheckpointManager | None = None
        self._saving: int | None = None
        """The step that is being written."""
        self._aside: set[int] = set()
        """Steps that count no more; they are removed when another is whole."""

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
        """The steps of the run's own checkpoints that are whole on disk, oldest first."""
        there = checkpoint_folder.steps(self.folder)
        return processes.of_first([step for step in there if step not in self._aside])

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
        told = written(memo, step, digests, shapes_of(arrays))
        # a copy of our own: the next step takes the state's memory while orbax still reads
        arrays = jax.tree.map(jnp.copy, arrays)
        parts = {STATE: ocp.args.StandardSave(arrays), MEMO: ocp.args.JsonSave(told)}
        try:
            processes.by_first(lambda: checkpoint_folder.make_room(self.folder, step))
            self._saving = step
            self._manager.reload()  # what was removed or put aside meanwhile
            self._manager.save(step, args=ocp.args.Composite(**parts), force=True)
        except InputError as error:
            return str(error)
        except Exception as error:  # of a full disk orbax tells in several ways
            return self._given_up(error)
        return failed

    def finish(self) -> str:
        """Waits until everything is on disk, and drops what is older than the newest `keep`.

        The one that was written last stays, whatever its step. Returns why something could not be
        written; empty if all is well.
        """
        if self._open is None or self._saving is None:
            return ""
        try:
            self._open.wait_until_finished()
        except Exception as error:
            return self._given_up(error)
        last, self._saving = self._saving, None
        self._aside.discard(last)
        old = [*self._aside, *self.steps[: -self._keep]]

        def clear_away() -> None:
            checkpoint_folder.settle(self.folder, saved=True)
            checkpoint_folder.remove(self.folder, [step for step in old if step != last])

        processes.by_first(clear_away)
        self._aside.clear()
        return ""

    def _given_up(self, error: Exception) -> str:
        """Clears away what a failed save left, and says why it failed."""
        with contextlib.suppress(Exception):  # it says the same again
            self._manager.close()
        self._open = self._saving = None
        self.clear()
        return checkpoint_folder.reason(error)

    def clear(self) -> None:
        """Removes what a save of this run has begun and never finished."""
        if processes.is_first():
            checkpoint_folder.settle(self.folder)

    def set_aside(self, beyond: int) -> None:
        """Lets checkpoints beyond a step count no more; they go when another has become whole."""
        self._aside |= {step for step in self.steps if step > beyond}

    def replace(self, state: TrainState, memo: Memo) -> str:
        """Keeps this state alone: another run begins in the place of this one. As `save`."""
        failed = self.save(state, memo)
        if self._saving is None:
            return failed
        self._aside |= {step for step in self.steps if step != int(state.step)}
        if failed := self.finish():
            self._aside.clear()
        return failed

    def none_yet(self) -> bool:
        """Whether the run was ended before its first checkpoint; not where they are gone since."""
        ended = (self._run / RECEIPT).exists() or checkpoint_folder.foreign(self.folder)
        return not self.steps and not ended

    def memo(self) -> Memo | None:
        """The memo of the newest checkpoint that has one to be read; None if there is none."""
        for step in reversed(self.steps):
            try:
                return self._memo(step).memo
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
        others = [
            at.name + f" ({checkpoint_folder.LINKS})" * at.is_symlink()
            for at in checkpoint_folder.foreign(self.folder)
        ]
        if others:
            say(
                f"warning  {self._run}/checkpoints: left alone, as it is none of this run's: "
                f"{changes.in_words(others)}"
            )
        steps = self.steps
        if not steps:
            if self.none_yet():
                how = f"nerf train --resume {self._run} begins it again"
                raise InputError(f"{self._run}: has no checkpoint yet; {how}")
            raise InputError(f"{self._run}: its checkpoints are gone; train again, as another run")
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

    def _memo(self, step: int) -> Kept:
        at = self.folder / str(step)
        checkpoint_folder.look_through(at)
        with checkpoint_folder.reading(at):
            return read(at / MEMO, step)

    def _read(self, step: int, like: TrainState) -> tuple[TrainState, Memo]:
        kept = self._memo(step)
        wanted = named(like)
        with checkpoint_folder.reading(self.folder / str(step)):
            on_disk = shapes_of(dict(self._manager.item_metadata(step)[STATE].items()))
            if kept.shapes is not None and on_disk != kept.shapes:
                raise BrokenError("its arrays have other names or shapes than were written")
        self._compare(step, on_disk, shapes_of(wanted))
        given = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            for name, leaf in wanted.items()
        }
        part = ocp.args.Composite(**{STATE: ocp.args.StandardRestore(given)})
        with checkpoint_folder.reading(self.folder / str(step)):
            found = self._manager.restore(step, args=part)[STATE]
        digests, bad = digest.of_arrays(found)
        wrong = [name for name in digests if digests[name] != kept.digests.get(name)] + bad
        if wrong:
            raise BrokenError(f"{wrong[0]} is not what was written")
        # an array that orbax has put somewhere stays there, and asks for programs of its own
        leaves = [
            found[name] if leaf.committed else jnp.array(np.asarray(found[name]))
            for name, leaf in wanted.items()
        ]
        return jax.tree.unflatten(jax.tree.structure(like), leaves), kept.memo

    def _compare(self, step: int, kept: Shapes, wanted: Shapes) -> None:
        """InputError where the arrays on disk are not those asked for: orbax would pad or cut."""
        where = f"{self._run}, checkpoint {step}: another field:"
        for name in sorted(wanted.keys() ^ kept.keys()):
            raise InputError(f"{where} {name} on one side only")
        for name, (dtype, *shape) in wanted.items():
            if kept[name] != [dtype, *shape]:
                raise InputError(
                    f"{where} {name} has shape {tuple(kept[name][1:])}, by the config "
                    f"{tuple(shape)}; leave the field as it was"
                )

    def close(self) -> None:
        """Waits until everything is on disk."""
        self.finish()
        if self._open is not None:
            self._open.close()
            self._open = None


def _let_it_end_late() -> None:
    """Keeps Python from telling of reads and writes that end after another has failed.

    Orbax does not wait for them: each finds its event loop closed, or half made where files have
    run out, which is said on the terminal, as is what they found when they are thrown away.
    """
    before = sys.unraisablehook
    if getattr(before, "lets_it_end_late", False):
        return

    def hook(told: Any) -> None:
        of = getattr(getattr(told.object, "cr_code", None), "co_filename", "")
        a_loop = getattr(told.object, "__qualname__", "") == "BaseEventLoop.__del__"
        if str(told.exc_value) != "Event loop is closed" and "orbax" not in of and not a_loop:
            before(told)

    hook.lets_it_end_late = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook


def shapes_of(arrays: Mapping[str, Any]) -> Shapes:
    """dtype and sizes of arrays, or of what orbax says of them, by their names."""
    return {name: [str(leaf.dtype), *leaf.shape] for name, leaf in arrays.items()}


def named(state: TrainState) -> dict[str, jax.Array]:
    """The arrays of a state by name."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
