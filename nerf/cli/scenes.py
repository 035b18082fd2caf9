"""nerf scenes: what comes with the project."""

import json
from dataclasses import dataclass
from pathlib import Path

import data
from data.errors import InputError
from nerf.cli.parse import nearest, parse
from nerf.console import console

SCENES = Path(data.__file__).parent / "scenes"


@dataclass(frozen=True)
class Arguments:
    """List the scenes that come with the project."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    parse(Arguments, arguments, "scenes")
    list_scenes()
    return 0


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


def bundled(name: str) -> Path:
    """The folder of a scene that comes with the project."""
    known = sorted(path.name for path in SCENES.iterdir())
    if name not in known:
        raise InputError(
            f"no bundled scene {name}; {nearest(name, known)} (--scene PATH takes any folder)"
        )
    return SCENES / name
