"""nerf export: a run as a mesh, points, a grid of numbers, or a page to look at."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tyro

from data.errors import InputError
from nerf import memory
from nerf.cli.parse import at_least_one, parse
from nerf.console import bar, console
from nerf.export import cloud, files, grid, html, surface
from nerf.export.ends import ends
from nerf.export.level import RAYS, level
from nerf.export.seen import seen
from nerf.export.source import Frame, Source
from nerf.export.volume import points_asked, refuse_too_fine, volume
from nerf.opened import open_run
from nerf.whole import whole

PAGE = 150_000
"""Points of a page, by default; of a file of points POINTS."""
POINTS = 500_000
POINT_BYTES = 350
"""About what a point takes while it is found, given its colour and normal, and written."""
ENDS = 200_000
"""Ends of rays by which it is known what the cameras see."""
MOST_OF_A_PAGE = 300_000
"""A page with more would be larger than 6 MB."""


@dataclass(frozen=True)
class Arguments:
    """Take a run elsewhere: a mesh, points, a grid of numbers, a page to look at.

    All in the units and orientation of the scene's files.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    mesh: Path | None = None
    """Triangles with colours and normals: .ply, .glb or .obj."""
    points: Path | None = None
    """Points where the training cameras' rays end, with colours and normals: .ply."""
    grid: Path | None = None
    """Density and colour on a lattice: .npz, for numpy."""
    html: Path | None = None
    """One page to orbit the scene in, which needs no server or network: .html."""
    threshold: float | None = None
    """Density at which the surface is put, 1 / unit of the files; by default the median of what
    the training cameras' rays find where they are half opaque."""
    resolution: int = 256
    """Cells along each side of the cube that mesh and grid cover."""
    keep: float = 0.02
    """Parts of the mesh whose area is a smaller share of the largest's are dust, and left out."""
    hidden: bool = False
    """Keep what no training camera sees too: undersides, and walls inside of bodies."""
    count: int | None = None
    """Points, at most; by default 500000, of a page 150000."""
    seed: int = 0
    """Draws the rays that points lie on."""
    overwrite: bool = False
    """Replace files that exist."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "export")
    wanted = {name: getattr(told, name) for name in files.ENDINGS}
    wanted = {name: file for name, file in wanted.items() if file is not None}
    _refuse(told, wanted)
    opened = open_run(told.run, told.scene)
    scene = opened.scene("train")
    split, frame = scene.splits["train"], Frame.of(scene)
    source = Source(opened.model, opened.state.shown, opened.state.grid)
    if "grid" in wanted and source.space.kind == "forward":
        raise InputError(
            f"--grid {told.grid}: {told.run} is of a forward scene, whose lattice is not even in "
            "the user's space; --mesh, --points and --html are possible"
        )
    if "mesh" in wanted or "grid" in wanted:
        _lattice(told, source, split, frame)
    if told.points is not None:
        many = told.count or POINTS
        with _told(source, "points"):
            points = cloud.seen(source, split, frame, many, told.seed)
        whole(told.points, lambda file: files.save_points(points, file))
        console.print(f"points   {told.points}: {len(points.points):,} with colours and normals")
    if told.html is not None:
        many = told.count or PAGE
        with _told(source, "html"):
            shown = cloud.for_page(source, split, frame, many, told.seed)
        view = html.view_of(split, frame, shown, source.space.kind == "forward")
        whole(told.html, lambda file: html.write(file, shown, view, scene.name))
        size = told.html.stat().st_size / 1e6
        console.print(
            f"page     {told.html}: {len(shown.points):,} points, {size:.1f} MB; "
            "open it in a browser"
        )
    return 0


def _refuse(told: Arguments, wanted: dict[str, Path]) -> None:
    """InputError for what can't be, before anything is read."""
    at_least_one(count=told.count)
    if "html" in wanted and (told.count or 0) > MOST_OF_A_PAGE:
        raise InputError(f"--count {told.count}: a page shows {MOST_OF_A_PAGE} points at most")
    there = memory.host()
    if (told.count or 0) * POINT_BYTES > there:
        raise InputError(
            f"--count {str(told.count)[:40]}: the machine's {there / 2**30:.3g} GiB of memory hold "
            f"{there // POINT_BYTES} points at most"
        )
    if told.seed < 0:
        raise InputError(f"--seed {told.seed}: give a whole number of at least 0")
    if not 0 <= told.keep <= 1:
        raise InputError(f"--keep {told.keep}: give a share between 0 and 1")
    if told.threshold is not None and not (0 < told.threshold < math.inf):
        raise InputError(f"--threshold {told.threshold}: give a density above 0")
    if "mesh" in wanted or "grid" in wanted:
        refuse_too_fine(told.resolution)
    files.check(wanted, told.overwrite)


def _lattice(told: Arguments, source: Source, split, frame: Frame) -> None:
    """Writes what needs the density on a lattice: the mesh, the grid."""
    # a forward scene's density counts along rays of device coordinates, not along the user's
    unit = 1.0 if source.space.kind == "forward" else frame.scale
    cell = 2 / told.resolution
    sight = told.mesh is not None and not told.hidden
    rays = ENDS if sight else RAYS
    with _told(source, "density", rays + points_asked(source, told.resolution)):
        found = ends(source, split, rays, told.seed)
        at = level(source, found) if told.threshold is None else told.threshold / unit
        sigma = volume(source, told.resolution)
    said = f"threshold {at * unit:.4g}" + (" by the rays" if told.threshold is None else "")
    if told.mesh is not None:
        with _told(source, "mesh"):
            made = surface.crossing(sigma, at, source, unit)
            if sight:
                made = made._replace(faces=made.faces[seen(made, found, cell)])
            made, parts, of = surface.without_dust(made, told.keep)
            mesh = surface.dressed(made, source, frame, cell)
        beside = files.write_mesh(mesh, told.mesh)
        console.print(
            f"mesh     {told.mesh}: {len(mesh.vertices):,} vertices, {len(mesh.faces):,} "
            f"triangles, {parts} of {of} parts; {said}"
        )
        if beside is not None:
            console.print(
                f"origin   {beside}: add it to the coordinates in {told.mesh.name}, whose 32 bits "
                "are too few for the scene's own"
            )
    if told.grid is not None:
        with _told(source, "grid", 4 * int((sigma > grid.LEAST * at).sum())):
            colour = grid.colours(source, sigma, at, split)
        whole(told.grid, lambda file: grid.save(sigma, colour, frame, at, file))
        console.print(f"grid     {told.grid}: {len(sigma)}^3 densities and colours; {said}")


@contextmanager
def _told(source: Source, what: str, points: int | None = None) -> Iterator[None]:
    """A bar that is told of the points that a source is asked, if it is known how many."""
    with bar(what, None if points is None else max(points, 1)) as tick:
        source.tick = tick
        try:
            yield
        finally:
            source.tick = lambda points: None
