"""nerf truth: a run against what is known of its scene."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from data.errors import InputError
from nerf.cli.parse import parse
from nerf.console import bar, console, in_turn
from nerf.evaluate import BACKGROUND
from nerf.opened import config_of, open_run, scene_of
from nerf.render import Renderer
from nerf.truth import compare, density


@dataclass(frozen=True)
class Arguments:
    """Compare a run with its scene's exact distances, and with its density if that is known."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    split: Literal["train", "val", "test"] = "test"
    """Which views; bundled scenes hold distances for test."""
    out: Path | None = None
    """Folder for truth.json and the pictures; by default RUN/truth."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "truth")
    truth_run(told.run, told.split, told.out, told.scene)
    return 0


def truth_run(
    run: Path, split: str = "test", out: Path | None = None, path: Path | None = None
) -> dict:
    """Compares a run with what is known of its scene, and writes RUN/truth or `out`."""
    config = config_of(run, path)
    if config.data.space == "forward":
        raise InputError(
            f"{run}: trained with data.space forward, whose depths are no distances; train it "
            "with another to compare them"
        )
    # exact distances are those of the pictures' own pixels: they are not made smaller
    config = replace(config, data=replace(config.data, downscale=1))
    scene = scene_of(config, (split,), run)
    exact, known = compare.truth_of(scene.path, split)
    if known is not None:
        scene = replace(scene, splits=scene_of(config, ("train",)).splits | scene.splits)
    opened = open_run(run, path)
    state, renderer = opened.state, Renderer(opened.model, BACKGROUND)
    out = run / "truth" if out is None else out
    doing = f"comparing {run} with the truth"
    with in_turn(out, doing), bar("truth", exact.size) as tick:
        told = compare.compare(
            scene,
            split,
            exact,
            lambda camera: renderer.picture(state.shown, state.grid, camera, tick),
            known,
            density.rendered(renderer.model, state.shown, state.grid),
            out,
            opened.seconds,
        )
    for line in compare.lines(told, out):
        console.print(line, markup=False)
    return told
