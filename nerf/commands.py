"""What the command line does: train, evaluate, compare, render, inspect, check."""

import difflib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import jax
from rich.console import Console

import data
from calculus.ledger import LEDGER
from data.errors import InputError
from data.load import load
from data.scene import Scene
from nerf import checkpoint, frame, inspect, memory, paths, pictures, plot, space
from nerf.check.ledger import Row
from nerf.checkpoint import Checkpoints
from nerf.config import Config, check, replace_text, write
from nerf.console import bar, console, say_device
from nerf.evaluate import BACKGROUND, evaluate
from nerf.fit import fit
from nerf.rays import Photographs
from nerf.render import Renderer
from nerf.train import Step, TrainState, start

SCENES = Path(data.__file__).parent / "scenes"


def bundled(name: str) -> Path:
    """The folder of a scene that comes with the project."""
    known = sorted(path.name for path in SCENES.iterdir())
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        said = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"no bundled scene {name}; {said} (--scene PATH takes any folder)")
    return SCENES / name


def list_scenes() -> None:
    """Prints a line for each bundled scene: its pictures, and what its README says first."""
    for path in sorted(SCENES.iterdir()):
        counts = [
            len(json.loads((path / f"transforms_{split}.json").read_text())["frames"])
            for split in ("train", "test")
        ]
        said = (path / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
        console.print(
            f"{path.name:9}{counts[0]:4} + {counts[1]} pictures  {' '.join(said.split())}"
        )
    console.print(f"in {SCENES}; nerf demo NAME trains on one")


def train_run(config: Config, resume: Path | None = None) -> tuple[Path, int]:
    """Trains, from the start or from where `resume` was; returns run folder and exit code."""
    scene = _scene(check(config), "train", resume)
    split = scene.splits["train"]
    memory.refuse_too_large(config, split)
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
    step = Step(model, Photographs.of(split))
    try:
        return run, fit(step, state, seconds, run, checkpoints)
    finally:
        checkpoints.close()


def evaluate_run(
    run: Path,
    split_name: str = "test",
    views: int | None = None,
    scene: Path | None = None,
    exposure: bool = False,
) -> dict:
    """Renders held-out views of a run and writes RUN/eval; `exposure` as `evaluate` has it."""
    config = _moved(checkpoint.config_of(run), scene)
    split = _scene(config, split_name, run).splits[split_name]
    renderer, state, seconds = _restored(run, config)
    count = len(split) if views is None else min(views, len(split))
    chosen = [k * len(split) // count for k in range(count)]
    with bar("evaluate", count * split.width * split.height) as tick:
        metrics = evaluate(
            renderer,
            state.params,
            state.grid,
            split,
            split_name,
            chosen,
            seconds,
            run / "eval",
            tick,
            exposure,
        )
    console.print(
        f"held out {metrics['psnr']:.2f} dB PSNR, {metrics['ssim']:.4f} SSIM over {count} views "
        f"({split_name}, {split.width}x{split.height}, {BACKGROUND} background"
        f"{', right halves, exposure by the left ones' * exposure})\n"
        f"pictures {run / 'eval' / 'overview.png'}: photograph | rendering | error | depth"
    )
    return metrics


def truth_run(
    run: Path, split: str = "test", out: Path | None = None, path: Path | None = None
) -> dict:
    """Compares a run with what is known of its scene, and writes RUN/truth or `out`."""
    from nerf.truth import compare, density

    config = _moved(checkpoint.config_of(run), path)
    if config.data.space == "forward":
        raise InputError(
            f"{run}: trained with data.space forward, whose depths are no distances; train it "
            "with another to compare them"
        )
    # exact distances are those of the pictures' own pixels: they are not made smaller
    config = replace(config, data=replace(config.data, downscale=1))
    scene = _scene(config, split, run)
    exact, known = compare.truth_of(scene.path, split)
    if known is not None:
        scene = replace(scene, splits=_scene(config, "train").splits | scene.splits)
    renderer, state, seconds = _restored(run, config)
    out = run / "truth" if out is None else out
    with bar("truth", exact.size) as tick:
        told = compare.compare(
            scene,
            split,
            exact,
            lambda camera: renderer.picture(state.params, state.grid, camera, tick),
            known,
            density.rendered(renderer.model, state.params, state.grid),
            out,
            seconds,
        )
    for line in compare.lines(told, out):
        console.print(line, markup=False)
    return told


def render_run(
    run: Path,
    path: str,
    out: Path,
    frames: int,
    fps: int,
    background: str = BACKGROUND,
    show: str = "colour",
    scene: Path | None = None,
) -> None:
    """Renders a camera path of a run as a film or a folder of pictures."""
    pictures.check_film(out)
    config = _moved(checkpoint.config_of(run), scene)
    cameras = paths.PATHS[path](_scene(config, "train", run).splits["train"], frames)
    renderer, state, _ = _restored(run, config, background)
    with bar("render", frames * cameras[0].width * cameras[0].height) as tick:
        views = (renderer.picture(state.params, state.grid, view, tick) for view in cameras)
        pictures.save_film(pictures.shown(views, show), out, fps)
    console.print(f"film     {out}: {show} of {frames} views along the {path}")


def inspect_scene(
    path: Path, downscale: int = 1, bound: float | None = None, drawing: Path | None = None
) -> inspect.Found:
    """Prints what a scene is and what looks wrong in it; draws its cameras if a file is named."""
    if drawing is not None:
        plot.check(drawing)
    scene = load(path, downscale, bound)
    found = inspect.inspect(scene)
    for line in inspect.lines(scene, found):
        console.print(line, markup=False)
    if drawing is not None:
        plot.draw(scene, drawing)
        console.print(f"plot     {drawing}: cameras from four sides", markup=False)
    return found


def check_ledger(names: tuple[str, ...] = (), out: Path | None = None) -> int:
    """Checks the rules of the ledger, all or those named; exit code 1 if any is wrong."""
    from nerf.check import ledger, show

    known = {rule.name: rule for rule in LEDGER}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise InputError(
                f"--rules {name}: no such rule; "
                + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
            )
    rules = tuple(known[name] for name in names) or LEDGER
    found: list[Row] = []
    with bar("check", 2 * len(rules)) as tick:
        for row in ledger.rows(rules):
            if isinstance(row, str):
                tick(1)
            else:
                found.append(row)
    wide = Console(highlight=False, width=None if console.is_terminal else 160)
    wide.print(show.ledger_table(found))
    wrong = [row.rule for row in found if not row.ok]
    console.print(
        f"{len(found) - len(wrong)} of {len(found)} derivatives by hand are right"
        + (f"; WRONG: {', '.join(wrong)}" if wrong else "")
    )
    if out is not None:
        device = jax.devices()[0]
        about = {
            "device": device.device_kind,
            "jax": jax.__version__,
            "date": time.strftime("%Y-%m-%d"),
            "examples": ledger.MANY,
        }
        rows = [asdict(row) | {"ok": row.ok} for row in found]
        replace_text(out, json.dumps(about | {"rules": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def check_run_folder(run: Path, rays: int, scene: Path | None = None) -> int:
    """Checks a run's gradients and writes RUN/check.json; exit code 1 if any is wrong."""
    from nerf.check import show
    from nerf.check.run import check_run

    config = _moved(checkpoint.config_of(run), scene)
    split = _scene(config, "train", run).splits["train"]
    _, state, _ = _restored(run, config)
    found = check_run(
        config, state, split, rays, lambda what: console.print(f"check    {what}", style="dim")
    )
    for table in show.run_tables(found):
        console.print(table)
    for name in found.foreign:
        console.print(f"the gradient passes {name}, which no rule derives")
    said = "are right" if found.ok else "are WRONG"
    replace_text(run / "check.json", json.dumps(found.as_dict(), indent=1) + "\n")
    console.print(f"the derivatives of this run {said}; figures in {run / 'check.json'}")
    return 0 if found.ok else 1


def _restored(
    run: Path, config: Config, background: str = BACKGROUND
) -> tuple[Renderer, TrainState, float]:
    model, state = start(config)
    checkpoints = Checkpoints(run)
    try:
        state, seconds = checkpoints.restore(state)
    finally:
        checkpoints.close()
    return Renderer(model, background), state, seconds


def _moved(config: Config, scene: Path | None) -> Config:
    return config if scene is None else replace(config, scene=scene)


def _scene(config: Config, split: str, run: Path | None = None) -> Scene:
    """One split of the config's scene; InputError if a run is given that knows other poses."""
    if config.scene is None:
        raise InputError("no scene: name its folder with --scene PATH, or in the TOML file")
    scene = load(config.scene, config.data.downscale, config.data.bound, (split,))
    if run is not None:
        frame.check(scene, run)
    return scene


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
