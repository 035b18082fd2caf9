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
from data.scene import Scene
from data.share import Share
from nerf import devices, footprint, frame, lock, output, processes, receipt, space
from nerf import run as folder
from nerf.checkpoint import Checkpoints, Memo
from nerf.cli.eval import evaluate_opened
from nerf.cli.join import join
from nerf.cli.parse import parse
from nerf.config import Config, as_dict, check, read
from nerf.console import console, say_device
from nerf.field import Model
from nerf.fit import Listener, fit
from nerf.microscope import record
from nerf.microscope.record import Ray, Recorder
from nerf.opened import Opened, scene_of
from nerf.plan.fit import explained, fitted
from nerf.processes import Joining, life
from nerf.rays import Photographs
from nerf.reach import NOTHING_LEFT, load
from nerf.resume import as_it_was, keep_data, restored
from nerf.state import TrainState, start
from nerf.step import Step
from nerf.viewer.addresses import free_port
from nerf.viewer.server import HOST, PORT
from nerf.viewer.training import watched


@dataclass(frozen=True)
class Arguments(Config, Joining):
    """Fit a field to a scene's photographs. Writes a run folder, and names it."""

    config: tyro.conf.Positional[Path | None] = None
    """A TOML file of settings, configs/fast.toml say; flags go over it."""
    resume: Path | None = None
    """Folder of a run to go on with, with its own settings."""
    accept_changes: bool = False
    """Go on though settings or pictures are others than when the run stopped."""
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
        default = folder.config_of(first.resume)
    elif first.config is not None:
        default = read(first.config)
    # the file's settings are the defaults, the flags go over them
    told: Arguments = parse(Arguments, arguments, "train", as_config(Arguments, default))
    if told.resume is not None and told.run != default.run:
        raise InputError(f"--run {told.run}: a resumed run stays in its folder, {told.resume}")
    join(told)
    if processes.several() and (told.view or told.record_ray):
        raise InputError("--view and --record-ray watch a run of one process; leave --distributed")
    if told.view:
        free_port(told.host, told.port)  # what can't be served is said before a run begins
    watching = [partial(watched, host=told.host, port=told.port)] if told.view else []
    rays = [Ray.of(each, "--record-ray") for each in told.record_ray]
    config = as_config(Config, told)
    return train_run(config, told.resume, watching, rays, told.accept_changes)[1]


Watching = Callable[[Model, Scene, Path], AbstractContextManager[Listener]]
"""Lets somebody watch a run of training while the context lasts."""


def train_run(
    config: Config,
    resume: Path | None = None,
    watching: Sequence[Watching] = (),
    rays: Sequence[Ray] = (),
    accept_changes: bool = False,
    until: int | None = None,
) -> tuple[Path, int]:
    """Trains, from the start or from where `resume` was; returns run folder and exit code.

    `accept_changes` as `nerf.resume` has it, `until` as `nerf.train.train`.
    """
    began = time.perf_counter()
    check(config)
    if resume is None:  # a run that goes on stays what it is
        config = check(devices.resolved(config))
    mesh = devices.mesh_of(config)
    share = devices.share_of(mesh)
    scene = processes.together(lambda: scene_of(config, ("train",), resume, share))
    split = scene.splits["train"]
    if not any(processes.exchange(split.masks is None or bool(split.masks.any()))):
        raise processes.SharedError(NOTHING_LEFT.format(path=scene.path, split="train"))
    count = 1 if mesh is None else mesh.size
    config = fitted(config, split, count, resumed=resume is not None)
    for ray in rays:
        record.check(ray, split)
    dated = f"{scene.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    run = resume or config.run or Path(processes.of_first(str(_unused(Path("runs"), dated))))
    config = replace(config, scene=scene.path.resolve(), run=run)
    if resume is None:
        config = space.resolved(config, _with_all_cameras(config, scene, share))
        scene = footprint.checked(scene, config.data.space)
        processes.by_first(lambda: folder.make(run))
    with ExitStack() as stack:
        stack.enter_context(output.training())
        processes.by_first(lambda: stack.enter_context(lock.held(run, HELD.format(run=run))))
        life.begin(run, f"start all again with --resume {run}")
        stack.enter_context(explained(config, split, count))
        checkpoints = Checkpoints(run, config.training.checkpoints)
        stack.push(partial(_closed, checkpoints))
        changed: list[str] = []
        anew = resume is None
        if resume is None:
            processes.by_first(lambda: folder.create(run, config))
            processes.by_first(lambda: frame.keep(scene, run))
        else:
            processes.by_first(checkpoints.clear)
            anew = processes.of_first(checkpoints.none_yet())
            config, changed = as_it_was(config, split, run, checkpoints, accept_changes)
        model, state = start(config)
        step = Step(model, Photographs.of(split, mesh), mesh)
        state = step.placed(state)
        if anew:
            memo = Memo(as_dict(config), keep_data(split, run))
        else:
            state, memo = restored(checkpoints, state, config, split, run, changed)
        _say(config, scene, state)
        if anew and resume is not None:
            console.print(f"resumed  {run}: it has no checkpoint yet, and begins at step 0")
        listeners = [stack.enter_context(watch(model, scene, run)) for watch in watching]
        if rays:
            listeners.append(Recorder(rays, run, model, split, scene.scale))
        ended = fit(step, state, memo, run, checkpoints, listeners, until)
        last = step.fetched(ended.state)
        opened = Opened(run, config, model, last, ended.memo.seconds)
        if processes.is_first():
            receipt.write(opened, ended.memo, ended.code, time.perf_counter() - began)
        if ended.code == 0 and config.evaluate:
            _evaluate(opened)
        return run, ended.code


def _say(config: Config, scene: Scene, state: TrainState) -> None:
    say_device()
    for warning in scene.warnings:
        console.print(f"warning  {warning}", markup=False)
    a_step = f"{config.training.samples} samples"
    if state.grid is None:
        a_step = f"{config.training.rays} rays"
    split = scene.splits["train"]
    console.print(
        f"scene    {scene.name}: {len(split)} pictures of {split.width}x{split.height}, "
        f"{config.data.space}\n"
        f"run      {config.run}: {a_step} a step, derivatives by {config.derivatives}"
        f"{devices.said(config)}"
    )


def _evaluate(opened: Opened) -> None:
    """Measures held-out views, as many as the config asks for; a scene may have none."""
    try:
        evaluate_opened(opened, views=opened.config.evaluate)
    except InputError as error:
        console.print(f"held out nothing is measured: {error}", markup=False)


def _closed(checkpoints: Checkpoints, kind: type | None, *error: object) -> None:
    """Of several processes one that fails leaves at once: the others wait for another program."""
    if kind is None or not processes.several():
        checkpoints.close()


HELD = "{run}: another process is training it; wait, or name another --run"


def _with_all_cameras(config: Config, scene: Scene, share: Share) -> Scene:
    """The scene with all its splits, where what the cameras see sets the bounds of space."""
    if space.kind_of(config, scene) != "forward":
        return scene
    return load(scene.path, config.data.downscale, config.data.bound, share=share)


def _unused(folder: Path, name: str) -> Path:
    run, number = folder / name, 1
    while run.exists():
        number += 1
        run = folder / f"{name}-{number}"
    return run


def as_config(kind: Any, config: Any) -> Any:
    """A kind of config with the settings of another."""
    return kind(**{f.name: getattr(config, f.name) for f in fields(Config)})
