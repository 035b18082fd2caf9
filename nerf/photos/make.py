"""From a folder of photographs or a video to the folder of a scene."""

import importlib.util
import json
import shlex
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data import sparse
from data.errors import InputError
from data.regular import regular
from nerf.console import bar, console
from nerf.photos import pictures, stages, transforms, video
from nerf.whole import naming, put


class Options(NamedTuple):
    """How a scene is made of pictures."""

    frames: int = 120
    """Of a video, how many to take."""
    one_lens: bool = True
    """All pictures were taken with one camera and zoom."""
    max_size: int = 1600
    """Longer side at which features are looked for, pixels."""
    features: int = 2048
    """Of each picture."""


def make_scene(
    source: Path, out: Path, options: Options | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Writes OUT/images and OUT/transforms.json; returns what the latter holds.

    InputError where that can't be done: what was in OUT is then as it was before.
    """
    options = options or Options()
    if importlib.util.find_spec("pycolmap") is None:
        raise InputError("photos needs pycolmap: pip install 'nabla-nerf[photos]'")
    if not source.exists():
        raise InputError(f"{source}: no such folder or video")
    in_place = _check_out(source, out, overwrite)
    film = not source.is_dir() and regular(source).is_file()
    files = [] if film else pictures.photographs(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with naming(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=".photos-") as beside:
        work = Path(beside)
        if film:
            files = _frames(source, work / "frames", options.frames)
        width, height = pictures.check(source, files)
        console.print(f"pictures {len(files)} of {width}x{height}")
        names = pictures.prepare(files, work / "pictures")
        settings = {k: v for k, v in options._asdict().items() if k != "frames"}
        model = stages.run(work, names, settings, film)
        named = dict(zip(names, (file.name for file in files), strict=True))
        for line in transforms.report(source, model, named):
            console.print(line, markup=False)
        known = sparse.Points(**np.load(work / "well_known.npz"))
        told = transforms.transforms(model, np.load(work / "points.npy"), known, named)
        kept = {frame["file_path"] for frame in told["frames"]}
        new = work / "images"
        new.mkdir()
        for file in files:
            if f"images/{file.name}" in kept and not in_place:
                pictures.link(file, new / file.name)
        (work / "transforms.json").write_text(json.dumps(told, indent=1) + "\n")
        _place(work, out, in_place)
    console.print(
        f"scene    {out}; look at it: nerf inspect {shlex.quote(str(out))} --plot cameras.png",
        markup=False,
    )
    return told


def _check_out(source: Path, out: Path, overwrite: bool) -> bool:
    """Whether the pictures lie in OUT/images already; InputError if OUT can't be written to."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder for the scene")
    images = (out / "images").resolve()
    in_place = source.resolve() == images
    if images in source.resolve().parents:
        raise InputError(f"{out}: its images are what {source} is part of; name another folder")
    there = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if there - ({"images"} if in_place else set()) and not overwrite:
        raise InputError(
            f"{out}: holds something already; name another folder, or give --overwrite to replace "
            "its images and transforms.json"
        )
    if images.is_dir() and not in_place:
        others = {at.name for at in images.iterdir()} - _placed(out)
        if others:
            raise InputError(
                f"{out}: its images hold {min(others)}, which nerf photos did not put there; name "
                "another folder"
            )
    return in_place


def _placed(out: Path) -> set[str]:
    """The names of the images that an earlier call has put into a scene."""
    try:
        told = json.loads(regular(out / "transforms.json").read_text(encoding="utf-8"))
        if told["made_by"] != transforms.MADE_BY:
            return set()
        return {frame["file_path"].removeprefix("images/") for frame in told["frames"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()


def _frames(source: Path, folder: Path, count: int) -> list[Path]:
    if source.suffix.lower() in pictures.ENDINGS:
        raise InputError(f"{source}: is one picture; name the folder that holds all of them")
    if count > video.MOST:
        raise InputError(f"--frames {count}: give {video.MOST} at most")
    if (transfer := video.colours(source).transfer) in video.HDR:
        console.print(
            f"warning  {source}: is HDR ({video.HDR[transfer]}): its frames look pale; film in "
            "SDR, or convert the video to BT.709",
            markup=False,
        )
    with bar("frames", video.length(source)) as tick:
        files = video.cut(source, folder, count, tick)
    if len(files) < pictures.FEWEST:
        raise InputError(
            f"{source}: has {len(files)} frames; {pictures.FEWEST} at least are needed"
        )
    return files


def _place(work: Path, out: Path, in_place: bool) -> None:
    """Moves what was made to where it belongs: all of it, or what was there stays."""
    out.mkdir(exist_ok=True)
    images, aside = out / "images", work / "before"
    if not in_place:
        if images.exists():
            images.rename(aside)
        try:
            (work / "images").rename(images)
        except OSError:
            if aside.exists():
                aside.rename(images)
            raise
    put(work / "transforms.json", out / "transforms.json")
