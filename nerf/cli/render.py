"""nerf render: a film along a camera path."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from nerf import paths, pictures
from nerf.cli.parse import at_least_one, parse
from nerf.console import bar, console
from nerf.evaluate import BACKGROUND
from nerf.opened import open_run
from nerf.render import Renderer


@dataclass(frozen=True)
class Arguments:
    """Render a run along a camera path."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: Path
    """The film, .mp4 or .gif; a name without ending makes a folder of PNG."""
    path: Literal["orbit"] = "orbit"
    """Where the camera goes: orbit is once around, as high and far as the photographs are."""
    frames: int = 120
    """Number of views."""
    fps: int = 30
    """Views per second of film."""
    background: Literal["white", "black"] = "white"
    """What is behind the scene; a run that has learnt a backdrop shows that."""
    show: Literal["colour", "depth", "opacity"] = "colour"
    """What of it to show; depth: near is light, on the scale of the first view."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "render")
    at_least_one(frames=told.frames, fps=told.fps)
    render_run(
        told.run,
        told.path,
        told.out,
        told.frames,
        told.fps,
        told.background,
        told.show,
        told.scene,
    )
    return 0


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
    opened = open_run(run, scene)
    cameras = paths.PATHS[path](opened.scene("train").splits["train"], frames)
    state, renderer = opened.state, Renderer(opened.model, background)
    with bar("render", frames * cameras[0].width * cameras[0].height) as tick:
        views = (renderer.picture(state.params, state.grid, view, tick) for view in cameras)
        pictures.save_film(pictures.shown(views, show), out, fps)
    console.print(f"film     {out}: {show} of {frames} views along the {path}")
