"""The command line: `nerf COMMAND`, train, eval, truth, render and those in COMMANDS below."""

import contextlib
import dataclasses
import difflib
import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from data.errors import InputError
from nerf.config import Config, OccupancyConfig, read
from nerf.machine import prepare

MISTAKE = 2
"""Exit code for everything that the user can mend."""


@dataclass(frozen=True)
class TrainArguments(Config):
    """Fit a field to a scene's photographs. Writes a run folder, and names it."""

    config: tyro.conf.Positional[Path | None] = None
    """A TOML file of settings, configs/fast.toml say; flags go over it."""
    resume: Path | None = None
    """Folder of a run to go on with, with its own settings."""


@dataclass(frozen=True)
class EvalArguments:
    """Render the held-out views of a run; write RUN/eval/metrics.json and pictures beside it."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    split: Literal["train", "val", "test"] = "test"
    """Which pictures to compare with."""
    views: int | None = None
    """How many of them, evenly chosen; all by default."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""
    exposure: bool = False
    """Show each view under the gains that its left half asks for, and measure its right half."""


@dataclass(frozen=True)
class TruthArguments:
    """Compare a run with its scene's exact distances, and with its density if that is known."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    split: Literal["train", "val", "test"] = "test"
    """Which views; bundled scenes hold distances for test."""
    out: Path | None = None
    """Folder for truth.json and the pictures; by default RUN/truth."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


@dataclass(frozen=True)
class RenderArguments:
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


@dataclass(frozen=True)
class DemoArguments(Config):
    """Train on a bundled scene, evaluate, render an orbit: everything once, in two minutes."""

    bundled: tyro.conf.Positional[str] = "marbles"
    """Which one: nerf scenes lists them. --scene goes over it."""
    max_seconds: float | None = 60.0
    """Training ends after this many seconds, compilation included, unless its steps end first."""
    frames: int = 72
    """Views of the orbit."""
    occupancy: OccupancyConfig = dataclasses.field(
        default_factory=lambda: OccupancyConfig(threshold=0.002)
    )
    """Lower than for solids: the bundled scene has fog, whose rim must not end in steps."""


@dataclass(frozen=True)
class InspectArguments:
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


@dataclass(frozen=True)
class PhotosArguments:
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


@dataclass(frozen=True)
class ScenesArguments:
    """List the scenes that come with the project."""


@dataclass(frozen=True)
class CheckArguments:
    """Hold derivatives by hand against JAX's: the whole ledger, or a run's own gradients."""

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a run: its scene, config and checkpoint are checked; writes RUN/check.json."""
    rays: int = 64
    """How many of the run's rays are checked."""
    scene: Path | None = None
    """Folder of the run's scene, if it is no longer where it was."""
    rules: tuple[str, ...] = ()
    """Rules of the ledger to check, by name; all by default."""
    json: Path | None = None
    """File to write the ledger's check to."""


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 2 a mistake that the user can mend, 130 interrupted."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        print(f"nerf: {error}", file=sys.stderr)
        code = MISTAKE
    except OSError as error:
        print(f"nerf: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        code = MISTAKE
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(
            "nerf: out of memory; lower training.samples, training.rays or field.log2_rows",
            file=sys.stderr,
        )
        code = MISTAKE
    except KeyboardInterrupt:
        print("nerf: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"unknown command {name}; {_nearest(name, COMMANDS)}")
    prepare()
    return COMMANDS[name](rest)


def _train(arguments: list[str]) -> int:
    first: TrainArguments = _parse(TrainArguments, arguments, "train")
    default = Config()
    if first.resume is not None:
        if first.config is not None:
            raise InputError(
                "--resume goes on with the run's own settings: leave the TOML file out"
            )
        from nerf.checkpoint import config_of

        default = config_of(first.resume)
    elif first.config is not None:
        default = read(first.config)
    # the file's settings are the defaults, the flags go over them
    told = _parse(TrainArguments, arguments, "train", _as(TrainArguments, default))
    if told.resume is not None and told.run != default.run:
        raise InputError(f"--run {told.run}: a resumed run stays in its folder, {told.resume}")
    from nerf.commands import train_run

    return train_run(_as(Config, told), told.resume)[1]


def _eval(arguments: list[str]) -> int:
    told: EvalArguments = _parse(EvalArguments, arguments, "eval")
    _at_least_one(views=told.views)
    from nerf.commands import evaluate_run

    evaluate_run(told.run, told.split, told.views, told.scene, told.exposure)
    return 0


def _truth(arguments: list[str]) -> int:
    told: TruthArguments = _parse(TruthArguments, arguments, "truth")
    from nerf.commands import truth_run

    truth_run(told.run, told.split, told.out, told.scene)
    return 0


def _render(arguments: list[str]) -> int:
    told: RenderArguments = _parse(RenderArguments, arguments, "render")
    _at_least_one(frames=told.frames, fps=told.fps)
    from nerf.commands import render_run

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


def _inspect(arguments: list[str]) -> int:
    told: InspectArguments = _parse(InspectArguments, arguments, "inspect")
    from nerf.commands import inspect_scene

    inspect_scene(told.scene, told.downscale, told.bound, told.plot)
    return 0


def _photos(arguments: list[str]) -> int:
    told: PhotosArguments = _parse(PhotosArguments, arguments, "photos")
    _at_least_one(frames=told.frames, max_size=told.max_size, features=told.features)
    from nerf.photos.make import Options, make_scene

    options = Options(told.frames, told.lenses == "one", told.max_size, told.features)
    make_scene(told.source, told.out, options, told.overwrite)
    return 0


def _check(arguments: list[str]) -> int:
    told: CheckArguments = _parse(CheckArguments, arguments, "check")
    _at_least_one(rays=told.rays)
    from nerf.commands import check_ledger, check_run_folder

    if told.run is not None:
        if told.rules or told.json:
            raise InputError("--rules and --json are for the ledger: leave out the run, or them")
        return check_run_folder(told.run, told.rays, told.scene)
    return check_ledger(told.rules, told.json)


def _demo(arguments: list[str]) -> int:
    told: DemoArguments = _parse(DemoArguments, arguments, "demo")
    _at_least_one(frames=told.frames)
    from nerf.commands import bundled, evaluate_run, render_run, train_run

    config = _as(Config, told)
    if config.scene is None:
        config = dataclasses.replace(config, scene=bundled(told.bundled))
    run, code = train_run(config)
    if code == 0:
        render_run(run, "orbit", run / "orbit.mp4", told.frames, 24)
        evaluate_run(run)
        print(f"all of it is in {run}")
    return code


def _scenes(arguments: list[str]) -> int:
    _parse(ScenesArguments, arguments, "scenes")
    from nerf.commands import list_scenes

    list_scenes()
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": _train,
    "eval": _eval,
    "truth": _truth,
    "render": _render,
    "inspect": _inspect,
    "photos": _photos,
    "check": _check,
    "demo": _demo,
    "scenes": _scenes,
}
_ARGUMENTS = {
    "train": TrainArguments,
    "eval": EvalArguments,
    "truth": TruthArguments,
    "render": RenderArguments,
    "inspect": InspectArguments,
    "photos": PhotosArguments,
    "check": CheckArguments,
    "demo": DemoArguments,
    "scenes": ScenesArguments,
}


def _parse(kind: Any, arguments: list[str], command: str, default: Any = None) -> Any:
    """tyro's parse, with its complaint folded into one line."""
    complaint = io.StringIO()
    extra = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, args=arguments, prog=f"nerf {command}", **extra)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(f"{command}: {_one_line(complaint.getvalue())}") from None


def _one_line(boxed: str) -> str:
    """The first paragraph of tyro's box, and the option that it thinks was meant."""
    boxed = re.sub(r"\x1b\[[0-9;]*m", "", boxed)  # colours
    # title, rule, what is said, rule, hints; on a terminal in a frame that holds the title too
    framed = "╭" in boxed
    lines = [line.strip("│ ") for line in boxed.splitlines() if line[:1] not in "╭╰" or not line]
    parts = [part.strip(" .") for part in re.split(r"[─-]{8,}", " ".join(lines))]
    said = re.split("Got errors:", parts[0 if framed else 1])[0].strip(" .")
    inside = " ".join(parts)
    unknown = re.match(r"Unrecognized options: (-[^\s,]+)", said)
    if not unknown:
        return f"{said}; see --help"
    near = re.search(r"Perhaps you meant:\s*(-[\w.-]+)", inside)
    return f"unknown option {unknown[1]}; " + (f"did you mean {near[1]}?" if near else "see --help")


def _at_least_one(**counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(
                f"--{name.replace('_', '-')} {count}: give a whole number of at least 1"
            )


def _as(kind: Any, config: Any) -> Any:
    return kind(**{f.name: getattr(config, f.name) for f in dataclasses.fields(Config)})


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _overview() -> str:
    lines = ["usage: nerf COMMAND [OPTIONS]", ""]
    for name, kind in _ARGUMENTS.items():
        lines.append(f"  {name:8}{(kind.__doc__ or '').splitlines()[0]}")
    lines += ["", "nerf COMMAND --help says what every option means, with units."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
