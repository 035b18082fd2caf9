"""A run on disk: `config.toml`, `metrics.jsonl`, `checkpoints/`, `eval/`; and how to go on."""

import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from data.errors import InputError
from nerf.config import Config, read, write
from nerf.train import TrainState

KEPT = 2
"""Checkpoints on disk: the last, and the one before in case the last was cut short."""


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: Path):
        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax narrates every save
        self._run = run
        self._manager = ocp.CheckpointManager(
            (run / "checkpoints").resolve(),
            options=ocp.CheckpointManagerOptions(max_to_keep=KEPT, create=True),
        )

    @property
    def latest(self) -> int | None:
        """The step of the newest checkpoint."""
        return self._manager.latest_step()

    def save(self, state: TrainState, seconds: float) -> None:
        """Copies the state at once, writes it in the background."""
        arrays = jax.device_get(_named(state)) | {"seconds": np.float64(seconds)}
        self._manager.save(int(state.step), args=ocp.args.StandardSave(arrays), force=True)

    def replace(self, state: TrainState, seconds: float) -> None:
        """Keeps this state alone: another run begins in the place of this one."""
        self._manager.wait_until_finished()
        for step in self._manager.all_steps():
            self._manager.delete(step)
        self.save(state, seconds)

    def forget(self, step: int) -> None:
        """Drops the checkpoint of a step that turned out bad, if there is one before it."""
        self._manager.wait_until_finished()
        if step in self._manager.all_steps() and len(self._manager.all_steps()) > 1:
            self._manager.delete(step)

    def restore(self, like: TrainState) -> tuple[TrainState, float]:
        """The newest state, in the form of `like`, and the seconds of training behind it."""
        step = self.latest
        if step is None:
            raise InputError(f"{self._run}: has no checkpoint yet; train it again from the start")
        try:
            found = self._manager.restore(step, args=ocp.args.StandardRestore())
        except (ValueError, KeyError, OSError, TypeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"{self._run}, checkpoint {step}: broken: {reason}; "
                "remove its folder to use the one before, or train again"
            ) from error
        names = _named(like)
        # orbax would pad or cut what does not fit: what is asked for must be what is there
        for name in sorted(names.keys() ^ (found.keys() - {"seconds"})):
            raise InputError(
                f"{self._run}, checkpoint {step}: another field: {name} on one side only"
            )
        for name, wanted in names.items():
            if found[name].shape != wanted.shape or found[name].dtype != wanted.dtype:
                raise InputError(
                    f"{self._run}, checkpoint {step}: another field: {name} has shape "
                    f"{found[name].shape}, by the config {wanted.shape}; leave the field as it was"
                )
        state = jax.tree_util.tree_map_with_path(
            lambda path, leaf: jnp.asarray(found.get(_name(path), leaf)), like
        )
        return state, float(found["seconds"])

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def create(run: Path, config: Config) -> None:
    """Makes a folder a run; refuses one that is a run already."""
    if (run / "config.toml").exists():
        raise InputError(
            f"{run}: holds a run already; go on with --resume {run}, or name another --run"
        )
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is a file; --run names a folder")
    try:
        run.mkdir(parents=True, exist_ok=True)
        write(config, run / "config.toml")
    except OSError as error:
        raise InputError(f"{run}: can't be written: {error.strerror}") from error


def config_of(run: Path) -> Config:
    """The config of a run folder; refuses a folder that is none."""
    if not run.is_dir():
        raise InputError(
            f"{run}: no such folder; name the folder of a run, as `nerf train` printed it"
        )
    if not (run / "config.toml").is_file():
        raise InputError(f"{run}: not a run: it has no config.toml; `nerf train` makes one")
    return read(run / "config.toml")


def _named(state: TrainState) -> dict[str, jax.Array]:
    """The arrays of a state by name, without the seed: that is the config's to say."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {_name(path): leaf for path, leaf in leaves if _name(path) != "seed"}


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
