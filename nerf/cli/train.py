"""nerf train: fit a field to photographs."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from data.errors import InputError
from data.load import load
from data.scene import Scene
from nerf import checkpoint, frame, space
from nerf.checkpoint import Checkpoints
from nerf.cli.parse import parse
from nerf.config import Config, check, read, write
from nerf.console import console, say_device
from nerf.field import Model
from nerf.fit import Listener, fit
from nerf.microscope import record
from nerf.microscope.record import Ray, Recorder
from nerf.opened import scene_of
from nerf.plan.fit import explained, fitted
from nerf.rays import Photographs
from nerf.train import Step, start
from nerf.viewer.addresses import free_port
from nerf.viewer.server import HOST, PORT
from nerf.viewer.training import watched


@dataclass(frozen=True)
class Arguments(Config):
    """Fit a field to a scene's photographs. Writes a run folder, and names it."""

    config: tyro.conf.Positional[Path | None] = None
    """A TOML file of settings, configs/fast.toml say; flags go over it."""
    resume: Path | None = None
    """Folder of a run to go on with, with its own settings."""
    view: bool = False
    """Show the run in the web browser while it trains."""
    host: str = HOST
    """Address that the viewer listens at; by default this machine alone reaches it."""
    port: int = PORT
    """Port that the viewer listens at; if it is in use the next free one. 0: any."""
    record_ray: tuple[str, ...] = ()
    """VIEW,COLUMN,ROW of pixels of training pictures whose rays are kept as training goes, for the
    films of nerf microscope."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    first: Arguments = parse(Arguments, arguments, "train")
    default = Config()
    if first.resume is not None:
        if first.config is not None:
            raise InputError(
                "--resume goes on with the run's own settings: leave the TOML file out"
            )
        default = checkpoint.config_of(first.resume)
    elif first.config is not None:
        default = read(first.config)
    # the file's settings are the defaults, the flags go over them
    told = parse(Arguments, arguments, "train", as_config(Arguments, default))
    if told.resume is not None and told.run != default.run:
        raise InputError(f"--run {told.run}: a resumed run stays in its folder, {told.resume}")
    if told.view:
        free_port(told.host, told.port)  # what can't be served is said before a run begins
    watching = [partial(watched, host=told.host, port=told.port)] if told.view else []
    rays = [Ray.of(each, "--record-ray") for each in told.record_ray]
    return train_run(as_config(Config, told), told.resume, watching, rays)[1]


Watching = Callable[[Model, Scene, Path], AbstractContextManager[Listener]]
"""Lets somebody watch a run of training while the context lasts."""


def train_run(
    config: Config,
    resume: Path | None = None,
    watching: Sequence[Watching] = (),
    rays: Sequence[Ray] = (),
) -> tuple[Path, int]:
    """Trains, from the start or from where `resume` was; returns run folder and exit code."""
    scene = scene_of(check(config), ("train",), resume)
    split = scene.splits["train"]
    config = fitted(config, split, resumed=resume is not None)
    for ray in rays:
        record.check(ray, split)
    run = (
        resume
        or config.run
        or _unused(Path("runs"), f"{scene.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    )
    config = replace(config, scene=scene.path.resolve(), run=run)
    if resume is None:  # a run that goes on stays what it is
        config = space.resolved(config, _with_all_cameras(config, scene))
    model, state = start(config)
    seconds = 0.0
    if resume is None:
        checkpoint.create(run, config)
        frame.keep(scene, run)
    checkpoints = Checkpoints(run)
    if resume is not None:
        state, seconds = checkpoints.restore(state)
        write(config, run / "config.toml")
    say_device()
    if state.grid is None:
        derived = f"{config.training.rays} rays a step"
    else:
        derived = f"{config.training.samples} samples a step"
    for warning in scene.warnings:
        console.print(f"warning  {warning}")
    console.print(
        f"scene    {scene.name}: {len(split)} pictures of {split.width}x{split.height}, "
        f"{config.data.space}\n"
        f"run      {run}: {derived}, derivatives by {config.derivatives}"
    )
    with ExitStack() as stack:
        stack.enter_context(explained(config, split))
        step = Step(model, Photographs.of(split))
        stack.callback(checkpoints.close)
        listeners = [stack.enter_context(watch(model, scene, run)) for watch in watching]
        if rays:
            listeners.append(Recorder(rays, run, model, split, scene.scale))
        return run, fit(step, state, seconds, run, checkpoints, listeners)


def _with_all_cameras(config: Config, scene: Scene) -> Scene:
    """The scene with all its splits, where what the cameras see sets the bounds of space."""
    if space.kind_of(config, scene) != "forward":
        return scene
    return load(scene.path, config.data.downscale, config.data.bound)


def _unused(folder: Path, name: str) -> Path:
    run, number = folder / name, 1
    while run.exists():
        number += 1
        run = folder / f"{name}-{number}"
    return run


def as_config(kind: Any, config: Any) -> Any:
    """A kind of config with the settings of another."""
    return kind(**{f.name: getattr(config, f.name) for f in fields(Config)})
