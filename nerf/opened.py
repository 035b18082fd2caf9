"""A run that is opened again: its config, its model, its newest state, its scene."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from data.errors import InputError
from data.scene import Scene
from data.share import ALL, Share
from nerf import changes, devices, frame
from nerf import run as folder
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config
from nerf.field import Model
from nerf.reach import load
from nerf.state import TrainState, start


class Opened(NamedTuple):
    """A run as its newest checkpoint has it."""

    run: Path
    config: Config
    model: Model
    state: TrainState
    seconds: float
    """How long it has trained."""

    def scene(self, *splits: str) -> Scene:
        """Some splits of its scene, in the frame that it was trained in; InputError if moved."""
        return scene_of(self.config, splits, self.run)


def config_of(run: Path, scene: Path | None = None) -> Config:
    """The config of a run, its scene looked for in another folder if that is given."""
    config = folder.config_of(run)
    return config if scene is None else replace(config, scene=scene)


def open_run(run: Path, scene: Path | None = None) -> Opened:
    """Opens a run.

    InputError if there is none, no checkpoint that can be read, or if config.toml has other
    settings than the run was trained with.
    """
    config = config_of(run, scene)
    model, state = start(config)
    checkpoints = Checkpoints(run)
    try:
        if newest := checkpoints.memo():
            _refuse_changes(run, config, newest)
        state, memo = checkpoints.restore(devices.padded(state, config))
        state = devices.cut(state, config)
    finally:
        checkpoints.close()
    _refuse_changes(run, config, memo)
    return Opened(run, config, model, state, memo.seconds)


def trained_config_of(run: Path, scene: Path | None = None) -> Config:
    """The config of a run, where that suffices and no state is restored; InputError as above."""
    config = config_of(run, scene)
    memo = Checkpoints(run).memo()
    if memo is not None:
        _refuse_changes(run, config, memo)
    return config


def _refuse_changes(run: Path, config: Config, memo: Memo) -> None:
    """InputError where a config has other settings than those that the run was trained with.

    But for its seed: nothing that is made of a run depends on it.
    """
    now = replace(config, seed=memo.config.get("seed", config.seed))
    if what := changes.of_settings(memo.config, now) if memo.config else []:
        raise InputError(
            f"{run}: is not what was trained: {changes.in_words(what)}; undo that in config.toml"
        )


def scene_of(
    config: Config, splits: tuple[str, ...], run: Path | None = None, share: Share = ALL
) -> Scene:
    """Splits of the config's scene, or a share of their pictures; InputError if a run is given that
    knows other poses."""
    if config.scene is None:
        raise InputError("no scene: name its folder with --scene PATH, or in the TOML file")
    scene = load(config.scene, config.data.downscale, config.data.bound, splits, share)
    if run is not None:
        frame.check(scene, run)
    return scene
