"""nerf microscope: one pixel, what its ray meets, and what its loss wants changed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from data.errors import InputError
from nerf import film, pictures
from nerf.cli.parse import at_least_one, parse
from nerf.config import replace_text
from nerf.console import console
from nerf.microscope import draw, record
from nerf.microscope.probe import Microscope, own_background
from nerf.opened import open_run, scene_of, trained_config_of
from nerf.render import BACKGROUNDS
from nerf.whole import writable


@dataclass(frozen=True)
class Arguments:
    """Look at one pixel of a run: densities, weights, colours along its ray, and gradients."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    pixel: str
    """COLUMN,ROW of the picture, from 0 at the upper left: 120,88 say."""
    out: Path | None = None
    """The figure, .png, .pdf or .svg; the numbers are put beside it as .json."""
    view: int = 0
    """Which picture of the split, counted from 0."""
    split: Literal["train", "val", "test"] = "train"
    """Which pictures."""
    background: Literal["white", "black"] | None = None
    """What is behind the scene; by default that of training, or white where that is random. A run
    that has learnt a backdrop shows that."""
    json: Path | None = None
    """Where the numbers go, if not beside the figure."""
    film: Path | None = None
    """A film (.mp4, .gif) of the states of this ray that training with --record-ray has kept."""
    fps: int = 8
    """States per second of film."""
    overwrite: bool = False
    """Write over what is there already."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "microscope")
    at_least_one(fps=told.fps)
    column, row = _pixel(told.pixel)
    if told.out is None and told.json is None and told.film is None:
        raise InputError("nothing to write: name a figure with --out ray.png, --json, or --film")
    numbers = told.json or (told.out and told.out.with_suffix(".json"))
    if told.background is not None and numbers is None:
        raise InputError(
            f"--background {told.background}: a film shows what was recorded, over the background "
            "of training; it is for --out and --json"
        )
    written = [file for file in (told.out, numbers, told.film) if file is not None]
    if len({file.resolve() for file in written}) < len(written):
        raise InputError(f"{written[0]}: named twice; each needs a name of its own")
    if told.out is not None:
        draw.check(told.out)
    if told.film is not None:
        film.check(told.film, told.overwrite)
        writable(told.film / "0000.png" if not told.film.suffix else told.film, f"{told.film}")
    for file in (told.out, numbers):
        if file is not None:
            _refuse_existing(file, told.overwrite)
            writable(file, str(file))
    if told.film is not None:
        _film(told, record.Ray(told.view, column, row))
    if numbers is not None:
        _probe(told, column, row, numbers)
    return 0


def _probe(told: Arguments, column: int, row: int, numbers: Path) -> None:
    opened = open_run(told.run, told.scene)
    scene = opened.scene(told.split)
    split = scene.splits[told.split]
    record.check(record.Ray(told.view, column, row), split)
    microscope = Microscope(opened.model, opened.state, split, told.background, scene.scale)
    probe = microscope.view(told.view, (column, row), told.split == "train")
    about = {"run": str(told.run), "split": told.split, "view": told.view}
    about |= {"step": int(opened.state.step), "background_given": microscope.background}
    text = json.dumps(about | probe.as_dict(), indent=1, allow_nan=False) + "\n"
    numbers.parent.mkdir(parents=True, exist_ok=True)
    replace_text(numbers, text)
    if told.out is not None:
        photograph = pictures.over(split.pictures[told.view], BACKGROUNDS[microscope.background])
        caption = f"{told.split} view {told.view}, pixel {column},{row}, step {about['step']}"
        draw.draw(probe, told.out, pictures.quantised(photograph), caption)
    console.print(f"ray      {len(probe.t)} samples, {told.split} view {told.view}")
    console.print(probe.sentence, soft_wrap=True)
    console.print(
        f"checked  by differences: gap {probe.gap:.1e}; moving the camera: {probe.pose_gap:.1e}"
    )
    for file in (told.out, numbers):
        if file is not None:
            console.print(f"written  {file}")


def _film(told: Arguments, ray: record.Ray) -> None:
    assert told.film is not None
    if told.split != "train":
        raise InputError(f"--split {told.split}: training records rays of its own pictures: train")
    config = trained_config_of(told.run, told.scene)
    kept = record.states(told.run, ray)
    split = scene_of(config, ("train",), told.run).splits["train"]
    record.check(ray, split)
    pictures_of = record.frames(kept, split, ray, own_background(config))
    film.save(pictures_of, told.film, told.fps, told.overwrite)
    console.print(f"film     {told.film}: {len(kept)} states, steps {kept[0][0]} to {kept[-1][0]}")


def _pixel(told: str) -> tuple[int, int]:
    try:
        column, row = map(int, told.split(","))
    except ValueError:
        raise InputError(
            f"--pixel {told}: give COLUMN,ROW, two whole numbers: 120,88 say"
        ) from None
    return column, row


def _refuse_existing(file: Path, overwrite: bool) -> None:
    if file.is_file() and not overwrite:
        raise InputError(f"{file}: exists already; name another, or say --overwrite")
