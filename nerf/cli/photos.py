"""nerf photos: photographs become a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from nerf.cli.parse import at_least_one, parse
from nerf.photos.make import Options, make_scene


@dataclass(frozen=True)
class Arguments:
    """Make a scene from photographs or a video: finds where each was taken, with pycolmap."""

    source: tyro.conf.Positional[Path]
    """A folder of photographs, or a video."""
    out: Path
    """Folder for the scene: the pictures, and transforms.json, which other tools read too."""
    frames: int = 120
    """Of a video: how many frames to take, evenly chosen, the sharpest of those near by."""
    lenses: Literal["one", "each"] = "one"
    """One: the same camera and zoom took all; each: every picture has a lens of its own."""
    max_size: int = 1600
    """Longer side, in pixels, at which features are looked for; the pictures stay as they are."""
    features: int = 2048
    """How many features to keep of each picture, the largest ones."""
    overwrite: bool = False
    """Replace the pictures and transforms.json of a scene that is there."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "photos")
    at_least_one(frames=told.frames, max_size=told.max_size, features=told.features)
    options = Options(told.frames, told.lenses == "one", told.max_size, told.features)
    make_scene(told.source, told.out, options, told.overwrite)
    return 0
