"""The film of a run along a path."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from data.errors import InputError
from data.scene import Camera, Scene
from nerf import devices, memory, processes
from nerf.console import bar, console
from nerf.film import write
from nerf.film.look import Look, distances
from nerf.film.reel import Reel
from nerf.film.scale import Scale
from nerf.opened import Opened
from nerf.paths.choose import Shot, Views, choose, framed
from nerf.render import BACKGROUNDS, Renderer
from nerf.report.receipt import versions
from nerf.space import Space

PIXEL_BYTES = 700
"""About what a pixel of a view takes while it is rendered and shown."""
FRAME_BYTES = 1000
"""About what a frame takes until the film is whole: where it is kept, and whether it is."""
SMALL = 96
"""Width of the renderings by which distances are found out before a film, pixels."""
LOOKED_AT = 6
"""Views of a path whose distances make the scale of its film."""
FARTHEST = {"bounded": 0.99, "forward": 0.95, "unbounded": 0.95}
"""Part of the distances that is on the scale: the last are the sky's."""


class Request(NamedTuple):
    """What the user asks for."""

    out: Path
    shot: Shot
    shows: tuple[str, ...] = ("colour",)
    background: str = "white"
    overwrite: bool = False


class Made(NamedTuple):
    """What came of it."""

    views: Views
    kept: int
    """Frames that were there already."""
    size: tuple[int, int]
    """Width and height of the film, pixels."""


def make(opened: Opened, scene: Scene, request: Request) -> Made:
    """Renders a film, going on where an interrupted one of the same kind ended. Processes take
    frames in turn; the first keeps account of them, and makes the film.

    InputError for what can't be filmed, before anything is rendered but a few small views.
    """
    write.check(request.out, request.overwrite)
    space = Space.of(opened.config)
    normals = "normals" in request.shows
    renderer = Renderer(opened.model, request.background, normals, devices.mesh_here())
    state = opened.state

    def small(camera: Camera):
        """The distances of what a camera sees, scene units, from a small view."""
        width = min(SMALL, camera.width)
        height = max(1, min(4 * SMALL, round(camera.height * width / camera.width)))
        camera = framed(camera, width, height)
        picture = renderer.picture(state.shown, state.grid, camera)
        return distances(picture, camera, space)[picture.opacity > 0.5]

    def focus(camera: Camera) -> float:
        found = small(camera)
        return float(np.median(found)) if len(found) else 1.0

    views = choose(request.shot, scene, space.kind, focus)
    width, height = views[0].width, views[0].height
    look = Look(
        request.shows,
        space,
        scene.scale,
        np.asarray(scene.motion, np.float64)[:, :3],
        BACKGROUNDS[request.background],
    )
    refuse_too_large(width, height)
    size = look.size(width, height)
    write.check_size(request.out, *size)
    reel = Reel(request.out, receipt(opened, request, views), len(views), size)
    with ExitStack() as stack:
        held: list[list[int]] = []
        processes.by_first(lambda: held.append(stack.enter_context(reel.opened())))
        kept = processes.of_first(held[0] if held else [])
        reel.told = processes.of_first(reel.told)
        if kept:
            console.print(f"frames   kept {len(kept)} of {len(views)} frames, rendered before")
        if "depth" in request.shows:
            if "distances" not in reel.told:
                spread = np.linspace(0, len(views) - 1, min(LOOKED_AT, len(views)))
                found = [small(views[int(k)]) for k in np.unique(spread.round())]
                scale = Scale.of(np.concatenate(found) / scene.scale, FARTHEST[space.kind])
                processes.by_first(lambda: reel.note(distances=list(scale)))
                reel.told = processes.of_first(reel.told)
            look = look._replace(distances=Scale(*reel.told["distances"]))
        left = processes.own(sorted(set(range(len(views))) - set(kept)))
        try:
            with bar("render", len(left) * width * height) as tick:
                for k in left:
                    picture = renderer.picture(state.shown, state.grid, views[k], tick)
                    reel.add(k, look.frame(picture, views[k]))
        except KeyboardInterrupt:
            console.print("frames   those done are kept: the same command goes on with the rest")
            raise
        processes.exchange(None)  # all frames are there
        try:
            processes.by_first(lambda: reel.finish(views.fps, request.overwrite))
        except (InputError, KeyboardInterrupt):
            console.print("frames   all are kept: the same command makes the film of them")
            raise
    return Made(views, len(kept), size)


def refuse_too_large(width: int, height: int) -> None:
    """InputError if views of this size can't be held: said before one is rendered."""
    there, needed = memory.host(), PIXEL_BYTES * width * height
    if needed > there:
        raise InputError(
            f"views of {width}x{height} need about {needed / 2**30:.1f} GiB of memory, the machine "
            f"has {there / 2**30:.1f} GiB; give a smaller --resolution"
        )


def refuse_too_many(frames: int) -> None:
    """InputError if so many frames can't be kept account of."""
    there = memory.host()
    if frames * FRAME_BYTES > there:
        raise InputError(
            f"--frames {str(frames)[:40]}: the machine's {there / 2**30:.3g} GiB of memory keep "
            f"account of {there // FRAME_BYTES} at most"
        )


def receipt(opened: Opened, request: Request, views: Views) -> dict[str, Any]:
    """What tells this film from others: frames of another must not get into it."""
    return {
        "run": str(opened.run.resolve()),
        "step": int(opened.state.step),
        "field": _digest(jax.tree.leaves((opened.state.shown, opened.state.grid))),
        "path": request.shot.path,
        "views": len(views),
        "cameras": _digest(_numbers(views)),
        "made_by": versions(),
        "size": [views[0].width, views[0].height],
        "show": list(request.shows),
        "background": request.background,
    }


def _numbers(views: Views) -> Iterator[np.ndarray]:
    """The numbers of each camera of a film, lenses included."""
    for camera in views:
        yield np.concatenate([np.ravel(camera.pose), camera.intrinsics])
        # a pinhole is not a lens whose coefficients are 0: they may be rendered otherwise
        bent = np.zeros(0) if camera.distortion is None else camera.distortion
        yield np.array([camera.width, camera.height, camera.fisheye, *bent], np.float64)


def _digest(arrays: Iterable[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
