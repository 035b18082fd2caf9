"""Going on with a run: with the settings and on the data that it had, or with what is said."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from data.errors import InputError
from data.regular import regular
from data.scene import Split
from nerf import changes, digest, processes
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config, as_dict, replace_text, write
from nerf.console import console
from nerf.run import CONFIG
from nerf.state import TrainState

DATA = "data.json"
"""Of a run: the digests of its pictures by their names, so that one that changed can be named."""


def keep_data(split: Split, run: Path) -> str:
    """Writes the digests of a run's training pictures, and returns one of them all."""
    told = digest.of_pictures(split)
    processes.by_first(lambda: replace_text(run / DATA, json.dumps(told, indent=1) + "\n"))
    return digest.of_all(told)


def as_it_was(
    config: Config, split: Split, run: Path, checkpoints: Checkpoints, accept_changes: bool
) -> tuple[Config, list[str]]:
    """The config to go on with, under the seed that the run has come to, and what has changed.

    The checkpoint says that seed: a run that was begun again may have been killed before its
    config.toml was written anew.

    InputError where settings or data are others than those of the newest checkpoint, unless
    `accept_changes`.
    """
    memo = checkpoints.memo()
    if memo is None:  # there is none that can be read: whoever restores it says why
        return config, []
    config = own_seed(config, memo)
    what = changes.of_settings(memo.config, config) + _of_data(split, run, memo)
    if what and not accept_changes:
        raise InputError(
            f"{run}: is not as it was: {changes.in_words(what)}; undo that, or say "
            "--accept-changes to go on with it"
        )
    for line in what:
        console.print(f"changed  {line}", markup=False)
    return config, what


def own_seed(config: Config, memo: Memo) -> Config:
    """A run's config under the seed that it has come to."""
    return replace(config, seed=memo.seeds[-1]) if config.seed in memo.seeds else config


def restored(
    checkpoints: Checkpoints, like: TrainState, config: Config, split: Split, run: Path,
    what: list[str],
) -> tuple[TrainState, Memo]:  # fmt: skip
    """The state to go on from and its memo, which tells from now on of this config and data.

    Checkpoints beyond it were broken: they go when the next is whole.
    """
    state, memo = checkpoints.restore(like)
    at = int(state.step)
    checkpoints.set_aside(at)
    processes.by_first(lambda: write(config, run / CONFIG))
    if config.seed not in memo.seeds:
        seed = jax.device_put(np.uint32(config.seed), state.seed.sharding)
        state = state._replace(seed=seed)
        memo = memo._replace(seeds=(config.seed,))
    return state, memo._replace(
        config=as_dict(config),
        data=keep_data(split, run) if what else memo.data,
        changes=memo.changes + tuple(f"step {at}: {line}" for line in what),
    )


def _of_data(split: Split, run: Path, memo: Memo) -> list[str]:
    now = digest.of_pictures(split)
    if digest.of_all(now) == memo.data:
        return []
    try:
        before = json.loads(regular(run / DATA).read_text(encoding="utf-8"))
        named = changes.of_pictures(before, now)
    except (OSError, ValueError, TypeError, AttributeError):
        named = []
    return named or ["the pictures are others"]
