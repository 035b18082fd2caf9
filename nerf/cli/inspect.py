"""nerf inspect: a scene, looked over before it is trained."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from nerf import inspect, plot
from nerf.cli.parse import parse
from nerf.console import console
from nerf.reach import load
from nerf.scene_record import record


@dataclass(frozen=True)
class Arguments:
    """Look a scene over before it is trained: sizes, lens, cameras, what looks wrong."""

    scene: tyro.conf.Positional[Path]
    """Folder of the scene."""
    downscale: int = 1
    """Divides the pictures' width and height."""
    bound: float | None = None
    """Half side of the cube that holds what matters, in the files' own units; by default the
    loader's choice."""
    plot: Path | None = None
    """File for a drawing of the cameras, .png, .pdf or .svg: wrong poses are seen at once."""
    json: bool = False
    """Print everything as one JSON object, for scripts."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "inspect")
    inspect_scene(told.scene, told.downscale, told.bound, told.plot, told.json)
    return 0


def inspect_scene(
    path: Path,
    downscale: int = 1,
    bound: float | None = None,
    drawing: Path | None = None,
    as_json: bool = False,
) -> inspect.Found:
    """Prints what a scene is and what looks wrong in it; draws its cameras if a file is named."""
    if drawing is not None:
        plot.check(drawing)
    scene = load(path, downscale, bound)
    found = inspect.inspect(scene)
    if drawing is not None:
        plot.draw(scene, drawing)
    if as_json:
        print(json.dumps(record(scene, found), allow_nan=False))
        return found
    for line in inspect.lines(scene, found):
        console.print(line, markup=False)
    if drawing is not None:
        console.print(f"plot     {drawing}: cameras from four sides", markup=False)
    return found
