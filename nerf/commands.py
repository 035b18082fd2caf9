"""What the command line does: train, evaluate, render, and all of it for the demo."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

import data
from data.errors import InputError
from data.load import load
from data.scene import Scene, Split
from nerf import checkpoint, paths, pictures
from nerf.checkpoint import Checkpoints
from nerf.config import Config, check, write
from nerf.evaluate import BACKGROUND, evaluate
from nerf.render import Renderer
from nerf.train import Lenses, Step, TrainState, learning_rate, start, train
from nerf.train import Progress as Told

console = Console(highlight=False, soft_wrap=True)
LOG_EVERY = 20
"""Steps between two lines of metrics.jsonl."""
PLAIN_SECONDS = 10.0
"""Seconds between two lines where no terminal shows the bar."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, by custom."""


def bundled(name: str) -> Path:
    """The folder of a scene that comes with the project."""
    return Path(data.__file__).parent / "scenes" / name


def train_run(config: Config, resume: Path | None = None) -> tuple[Path, int]:
    """Trains, from the start or from where `resume` was; returns the run folder and an exit code."""
    scene = _scene(check(config))
    split = _split(scene, "train")
    run = resume or config.run or _unused(Path("runs"), f"{scene.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    config = replace(config, scene=scene.path.resolve(), run=run)
    model, state = start(config)
    seconds = 0.0
    if resume is None:
        checkpoint.create(run, config)
    checkpoints = Checkpoints(run)
    if resume is not None:
        state, seconds = checkpoints.restore(state)
        write(config, run / "config.toml")
    _say_device()
    if state.grid is None:
        derived = f"{config.training.rays} rays a step"
    else:
        derived = f"{config.training.slots} rays of {config.training.rays} a step"
    console.print(
        f"scene    {scene.name}: {len(split)} pictures of {split.width}x{split.height}\n"
        f"run      {run}: {derived}, derivatives by {config.derivatives}"
    )
    step = Step(model, Lenses(jnp.asarray(split.intrinsics), jnp.asarray(split.poses)))
    try:
        return run, _train_and_log(step, state, split, seconds, run, checkpoints)
    finally:
        checkpoints.close()


def evaluate_run(run: Path, split_name: str = "test", views: int | None = None) -> dict:
    """Renders held-out views of a run and writes RUN/eval."""
    config = checkpoint.config_of(run)
    scene, renderer, state, seconds = _restored(run, config)
    split = _split(scene, split_name)
    count = len(split) if views is None else min(views, len(split))
    chosen = [k * len(split) // count for k in range(count)]
    with _bar("evaluate", count * split.width * split.height) as tick:
        metrics = evaluate(
            renderer, state.params, state.grid, split, split_name, chosen, seconds, run / "eval", tick
        )
    console.print(
        f"held out {metrics['psnr']:.2f} dB PSNR, {metrics['ssim']:.4f} SSIM over {count} views "
        f"({split_name}, {split.width}x{split.height}, {BACKGROUND} background)\n"
        f"pictures {run / 'eval' / 'overview.png'}: photograph | rendering | error | depth"
    )
    return metrics


def render_run(run: Path, path: str, out: Path, frames: int, fps: int, opaque: str) -> None:
    """Renders a camera path of a run as a film or a folder of pictures."""
    if out.suffix.lower() not in (*pictures.FILMS, ""):
        raise InputError(
            f"{out}: unknown ending; give .mp4, .gif, or a name without ending for a folder of PNG"
        )
    config = checkpoint.config_of(run)
    scene, renderer, state, _ = _restored(run, config, opaque)
    cameras = paths.PATHS[path](_split(scene, "train"), frames)
    with _bar("render", frames * cameras[0].width * cameras[0].height) as tick:
        pictures.save_film(
            (
                pictures.quantised(renderer.picture(state.params, state.grid, view, tick).colour)
                for view in cameras
            ),
            out,
            fps,
        )
    console.print(f"film     {out}: {frames} views along the {path}")


def _train_and_log(
    step: Step,
    state: TrainState,
    split: Split,
    seconds: float,
    run: Path,
    checkpoints: Checkpoints,
) -> int:
    config, asked_to_stop = step.config, False
    if int(state.step) >= config.steps:
        raise InputError(
            f"{run}: is at step {int(state.step)} of {config.steps} already; ask for more with --steps"
        )
    if config.max_seconds is not None and seconds >= config.max_seconds:
        raise InputError(
            f"{run}: has trained {seconds:.0f} s of {config.max_seconds:.0f} s already; "
            "ask for more with --max-seconds"
        )
    saved_at = seconds
    told: Told | None = None
    with _interruptible() as stopped, _training_bar(config) as show, _log(run, config) as log:
        for state, told in train(step, state, split, seconds):
            show(told)
            log(told)
            asked_to_stop = stopped()
            if not told.good or asked_to_stop:
                break
            if told.seconds - saved_at >= config.training.checkpoint_seconds:
                checkpoints.save(state, told.seconds)
                saved_at = told.seconds
    assert told is not None  # at least one step was due
    if not told.good:
        if checkpoints.latest is None:
            checkpoints.save(state, told.seconds)
        raise InputError(
            f"{run}, step {told.step + 1}: {told.bad} is not finite, training stopped; the checkpoint "
            f"of step {checkpoints.latest} is good: lower training.learning_rate and start anew, or "
            f"go on from it with --resume {run} --training.learning-rate NUMBER"
        )
    if checkpoints.latest != told.step:
        checkpoints.save(state, told.seconds)
    if asked_to_stop:
        console.print(f"stopped at step {told.step}, saved; go on with: nerf train --resume {run}")
        return INTERRUPTED
    console.print(f"trained  {told.step} steps in {told.seconds:.1f} s, saved in {run}")
    return 0


def _restored(
    run: Path, config: Config, background: str = BACKGROUND
) -> tuple[Scene, Renderer, TrainState, float]:
    scene = _scene(config)
    model, state = start(config)
    checkpoints = Checkpoints(run)
    try:
        state, seconds = checkpoints.restore(state)
    finally:
        checkpoints.close()
    return scene, Renderer(model, background), state, seconds


def _scene(config: Config) -> Scene:
    if config.scene is None:
        raise InputError("no scene: name its folder with --scene PATH, or in the TOML file")
    return load(config.scene, config.data.downscale, config.data.bound)


def _split(scene: Scene, name: str) -> Split:
    if name not in scene.splits:
        raise InputError(f"{scene.path}: has no split {name!r}; it has {', '.join(scene.splits)}")
    return scene.splits[name]


def _unused(folder: Path, name: str) -> Path:
    run, number = folder / name, 1
    while run.exists():
        number += 1
        run = folder / f"{name}-{number}"
    return run


def _say_device() -> None:
    device = jax.devices()[0]
    if device.platform == "cpu":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        name = f"CPU, {os.cpu_count()} cores"
    else:
        memory = (device.memory_stats() or {}).get("bytes_limit", 0)
        name = device.device_kind
    console.print(f"device   {name}; {memory / 2**30:.0f} GiB of memory; precision float32")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turns Ctrl-C into an answer that the loop reads between steps; a second one ends at once."""
    pressed = []

    def note(number, frame):
        pressed.append(number)
        signal.signal(signal.SIGINT, before)
        console.print("stopping after this step; Ctrl-C again to stop without saving")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _log(run: Path, config: Config) -> Iterator[Callable[[Told], None]]:
    """metrics.jsonl and TensorBoard event files, every LOG_EVERY steps."""
    since = {"seconds": 0.0, "step": 0, "rays": 0}
    with (
        (run / "metrics.jsonl").open("a", encoding="utf-8") as lines,
        SummaryWriter(str(run / "tensorboard")) as board,
    ):

        def log(told: Told) -> None:
            since["rays"] += told.rays
            if told.step % LOG_EVERY and told.good and told.fraction < 1:
                return
            rate = since["rays"] / max(told.seconds - since["seconds"], 1e-9)
            row = {
                "step": told.step,
                "seconds": round(told.seconds, 3),
                "loss": told.loss,
                "psnr": told.psnr,
                "learning_rate": float(learning_rate(config, told.fraction)),
                "rays_per_second": round(rate),
                "rays_dropped": told.rays_dropped,
            }
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            for name in ("loss", "psnr", "learning_rate", "rays_per_second", "rays_dropped"):
                board.add_scalar(f"train/{name}", row[name], told.step)
            since.update(seconds=told.seconds, step=told.step, rays=0)

        yield log


@contextmanager
def _training_bar(config: Config) -> Iterator[Callable[[Told], None]]:
    columns = (
        TextColumn("train"),
        BarColumn(bar_width=24),
        TextColumn("step {task.fields[step]}  loss {task.fields[loss]:.5f}"),
        TextColumn("{task.fields[psnr]:.1f} dB  {task.fields[rate]:,.0f} rays/s"),
        TextColumn("{task.fields[left]}"),
    )
    smooth: dict[str, float] = {}
    printed = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, step=0, loss=0.0, psnr=0.0, rate=0.0, left="compiling")

        def show(told: Told) -> None:
            nonlocal printed
            ahead = told.seconds - smooth.get("seconds", told.seconds)
            now = {"loss": told.loss, "psnr": told.psnr}
            if ahead > 0:
                now["rate"] = told.rays / ahead
            for name, value in now.items():
                smooth[name] = 0.9 * smooth.get(name, value) + 0.1 * value
            smooth["seconds"] = told.seconds
            left = _seconds_left(config, told)
            fields = {"loss": smooth["loss"], "psnr": smooth["psnr"], "rate": smooth.get("rate", 0.0)}
            bar.update(
                task, completed=told.fraction, step=told.step, left=f"{left:.0f} s left", **fields
            )
            due = told.seconds - printed >= PLAIN_SECONDS or told.fraction >= 1
            if not console.is_terminal and due:
                printed = told.seconds
                console.print(
                    f"step {told.step}  loss {fields['loss']:.5f}  {fields['psnr']:.1f} dB  "
                    f"{fields['rate']:,.0f} rays/s  {left:.0f} s left"
                )

        yield show


def _seconds_left(config: Config, told: Told) -> float:
    by_steps = told.seconds / max(told.step, 1) * (config.steps - told.step)
    if config.max_seconds is None:
        return by_steps
    return max(0.0, min(by_steps, config.max_seconds - told.seconds))


@contextmanager
def _bar(what: str, pixels: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(f"{what:8}"), BarColumn(bar_width=24), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=pixels)
        yield lambda done: bar.advance(task, done)
