"""nerf render: a film along a camera path."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from data.errors import InputError
from nerf.cli.join import join
from nerf.cli.parse import at_least_one, parse
from nerf.console import console
from nerf.evaluate import BACKGROUND
from nerf.film import check
from nerf.film.look import Show
from nerf.film.make import Request, make, refuse_too_many
from nerf.opened import open_run
from nerf.paths.choose import Shot, splits
from nerf.plan.fit import rendering_explained
from nerf.processes import Joining, life


@dataclass(frozen=True)
class Arguments(Joining):
    """Render a run along a camera path. An interrupted film goes on where it ended."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: Path
    """The film, .mp4, .gif or .webp; a name without ending makes a folder of PNG."""
    path: str = "orbit"
    """Where the camera goes. orbit: once around an object; to and fro before what was photographed
    from one side. ellipse: through where the photographs were taken. spiral: around the mean view.
    interpolate: through the training cameras. test: the test views. FILE.json: keyframes of the
    viewer, or nerfstudio's camera path."""
    frames: int | None = None
    """Number of views. Default: 120; of a file and of the test views as many as they have."""
    fps: float | None = None
    """Views per second of film. Default: 30; the file's own; 4 of the test views."""
    resolution: str | None = None
    """Size of a view, WIDTHxHEIGHT in pixels. Default: the photographs', or the file's own."""
    fov: tuple[float, ...] = ()
    """Vertical field of view, degrees; two of them zoom from one to the other, and on a closed path
    back again. Default: the photographs', or the keyframes' own."""
    easing: Literal["linear", "smooth"] = "linear"
    """linear: the same speed all along. smooth: an open path starts and ends at rest, a closed one
    swells and ebbs, and loops without a halt."""
    background: Literal["white", "black"] = "white"
    """What is behind the scene; a run that has learnt a backdrop shows that."""
    show: tuple[Show, ...] = ("colour",)
    """What of it to show, one or several side by side: colour, depth, opacity, normals. Depth is on
    one scale for the whole film, drawn below; normals are those of the world, x red, y green,
    z blue."""
    overwrite: bool = False
    """Replace what is there under the name of the film."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "render")
    at_least_one(frames=told.frames)
    refuse_too_many(told.frames or 0)
    if told.fps is not None and not 0.01 <= told.fps <= 1000:
        raise InputError(f"--fps {told.fps:g}: it must be from 0.01 to 1000")
    if not told.show:
        raise InputError("--show: name colour, depth, opacity, normals, or several of them")
    if len(set(told.show)) < len(told.show):
        raise InputError(f"--show {' '.join(told.show)}: names one twice")
    join(told)
    shot = Shot(told.path, told.frames, told.fps, _size(told.resolution), told.fov, told.easing)
    render_run(told.run, told.out, shot, told.show, told.background, told.overwrite, told.scene)
    return 0


def render_run(
    run: Path,
    out: Path,
    shot: Shot,
    show: tuple[str, ...] = ("colour",),
    background: str = BACKGROUND,
    overwrite: bool = False,
    scene: Path | None = None,
) -> None:
    """Renders a camera path of a run as a film or a folder of pictures."""
    check(out, overwrite)
    wanted = splits(shot.path)
    opened = open_run(run, scene)
    life.begin(run, "the same command on all goes on with the frames that are left")
    request = Request(out, shot, show, background, overwrite)
    with rendering_explained(opened.config):
        made = make(opened, opened.scene(*wanted), request)
    width, height = made.size
    console.print(
        f"film     {out}: {' | '.join(show)}, {len(made.views)} views of the {made.views.said}, "
        f"{width}x{height}, {made.views.fps:g} a second"
    )


def _size(told: str | None) -> tuple[int, int] | None:
    if told is None:
        return None
    found = re.fullmatch(r"(\d+)[xX](\d+)", told.strip())
    if not found:
        raise InputError(f"--resolution {told}: give WIDTHxHEIGHT in pixels, as 640x360")
    if max(len(found[1]), len(found[2])) > 7:
        raise InputError(f"--resolution {told[:40]}: more pixels than any film has")
    width, height = int(found[1]), int(found[2])
    if width < 1 or height < 1:
        raise InputError(f"--resolution {told}: both at least 1 pixel")
    return width, height
