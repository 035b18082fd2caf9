"""Every setting, with its unit. A TOML file is a list of flags; a run keeps all of them."""

import dataclasses
import difflib
import math
import tomllib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import tomli_w

from data.errors import InputError, words
from data.regular import regular
from nerf.memory import bytes_of
from nerf.whole import replacing


@dataclass(frozen=True)
class DataConfig:
    """How pictures are read."""

    downscale: int = 1
    """Divide the pictures' width and height by this whole number."""
    bound: float | None = None
    """Half side of the cube around the origin that holds what matters, in the files' own units (of
    cameras side by side: distance of the near plane); by default what the files say, 1.5 in the
    Blender format."""
    space: Literal["auto", "bounded", "forward", "unbounded"] = "auto"
    """An object in a cube; cameras side by side that look one way; surroundings without an end.
    auto: as the files say."""
    slope: tuple[float, float] = (1.0, 1.0)
    """Half width and half height of what is seen at depth 1 (space forward); found by itself."""
    nearest: float | None = None
    """Distance from the cameras from which on something is known to stand, scene units; found by
    itself, where the files say."""
    pictures: int = 0
    """How many there are to train on; found by itself."""
    background: Literal["white", "black", "random"] = "random"
    """What transparent pixels are laid over in training; random: another colour for each ray."""


@dataclass(frozen=True)
class FieldConfig:
    """The radiance field: an encoding of the position, a trunk, and a head that sees the view."""

    encoding: Literal["hash", "positional"] = "hash"
    """What turns a position into features: look-up in many grids, or sines and cosines."""
    levels: int = 8
    """Grids, from coarse to fine (encoding hash)."""
    level_features: int = 4
    """Numbers at each vertex of a grid (encoding hash)."""
    coarsest: int = 16
    """Vertices along an axis of the first grid (encoding hash)."""
    finest: int = 1024
    """Vertices along an axis of the last grid (encoding hash)."""
    log2_rows: int = 17
    """A grid with more than 2^this vertices shares that many rows by hashing (encoding hash)."""
    position_frequencies: int = 10
    """L of the position's encoding (encoding positional)."""
    view: Literal["harmonics", "positional"] = "harmonics"
    """What turns the view direction into features: spherical harmonics, or sines and cosines."""
    harmonics: int = 4
    """Bands of spherical harmonics, 1 to 4 (view harmonics)."""
    direction_frequencies: int = 4
    """L of the view direction's encoding (view positional)."""
    include_input: bool = True
    """Give the network the raw coordinates beside their sines and cosines."""
    trunk_layers: int = 1
    """Hidden layers between the encoded position and the density."""
    trunk_width: int = 64
    """Neurons in each of them."""
    trunk_skip: int = 0
    """The trunk's layer that is given the encoded position once more, from 2; 0 for none."""
    features: int = 15
    """Numbers that the trunk hands to the head beside the density."""
    head_layers: int = 1
    """Hidden layers between those and the colour."""
    head_width: int = 64
    """Neurons in each of them."""
    backdrop: bool | None = None
    """Learn what lies beyond the last step of a ray, a colour for each direction, in the place of
    the background (strategy occupied). By default where space is unbounded."""
    density: Literal["exp", "softplus", "relu"] = "exp"
    """Activation that makes the density of the raw output."""
    density_bias: float = -1.0
    """The raw density at the start; lower is emptier."""


@dataclass(frozen=True)
class SamplingConfig:
    """Where a ray is asked."""

    strategy: Literal["occupied", "hierarchical"] = "occupied"
    """Within occupied cells only, or everywhere by a coarse network, then finely by importance."""
    steps: int = 512
    """Steps along the diagonal of the cube, or into the distance (space unbounded); a ray is asked
    at those in occupied cells."""
    near: float = 0.4
    """Part of the way from a camera to the middle of the scene before which nothing is asked, up to
    0.8 of data.nearest: what few cameras see would be fog there (space unbounded)."""
    coarse: int = 64
    """Intervals a ray for the coarse network (strategy hierarchical)."""
    fine: int = 128
    """Intervals added by importance for the fine network (strategy hierarchical)."""


@dataclass(frozen=True)
class OccupancyConfig:
    """The grid that remembers which cells are empty (strategy occupied)."""

    cells: int = 64
    """Cells along each axis."""
    update_every: int = 16
    """Steps between two updates."""
    decay: float = 0.95
    """What a cell keeps of its value when it is asked again."""
    threshold: float = 0.01
    """Optical depth of one step from which on a cell counts as occupied; the mean, if lower."""
    warm_up: int = 256
    """Steps in which each update asks all cells, and not a half of them."""
    at_once: int | None = None
    """Cells asked at once; fewer need less memory. By default all that an update asks."""


@dataclass(frozen=True)
class TrainingConfig:
    """One step, and how steps change."""

    rays: int = 16384
    """Pixels drawn in each step; of strategy occupied at most so many."""
    samples: int = 65536
    """Samples in each step: as many rays are taken as fill them (strategy occupied)."""
    parts: int | None = None
    """Parts that a step's rays and samples are cut into; each device takes as many, one after
    another. More of them than devices need less memory. By default one for each device."""
    tables: Literal["auto", "replicated", "sharded"] = "auto"
    """Where several devices keep the tables and what Adam remembers of them: all on each, or rows
    dealt out; auto: dealt out where they are large."""
    loss: Literal["squared", "huber"] = "squared"
    """What a colour's error costs."""
    huber_threshold: float = 0.1
    """Error from which on Huber's loss grows linearly, colours in [0, 1]."""
    spread: float | None = None
    """What it costs that a ray's weights are spread along it, in parts of a ray; it gathers fog
    that floats before the cameras (strategy occupied). By default 0.01 where space is unbounded."""
    exposure: bool | None = None
    """Learn a gain of each channel of each picture, for cameras that set exposure and white balance
    anew; renderings show the mean. By default where space is unbounded."""
    learning_rate: float = 1e-2
    """Of Adam, at the start."""
    schedule: Literal["drops", "exponential"] = "drops"
    """How it falls: by a factor of 0.33 at 1/2, 3/4 and 9/10 of the run, or all the time."""
    final_learning_rate: float = 1e-3
    """Of Adam, at the end (schedule exponential)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the factors of matrix products on an accelerator; sums are float32. A CPU ignores it."""
    weight_decay: float = 1e-6
    """What a step takes off each weight of the networks, tables not, in parts of the gradient."""
    beta1: float = 0.9
    """Adam's memory of the gradient."""
    beta2: float = 0.99
    """Adam's memory of its square."""
    eps: float = 1e-15
    """What Adam adds to the root of the latter."""
    restarts: int = 3
    """How often a dead start is begun again, with the next seed; 0: starts are not judged."""
    average: float = 0.0
    """What averaged weights keep of themselves at each step, 0.999 say: pictures are made with
    them then. 0: there are none."""
    checkpoint_seconds: float = 60.0
    """Seconds between two checkpoints."""
    checkpoints: int = 2
    """How many are kept, the newest: if one turns out broken the one before is used."""


@dataclass(frozen=True)
class RenderingConfig:
    """Whole pictures."""

    memory: int = 32
    """MiB that the samples of one chunk of rays may take; few enough stay in a CPU's cache."""


@dataclass(frozen=True)
class Config:
    """Everything that makes a run what it is."""

    scene: Path | None = None
    """Folder of the scene."""
    run: Path | None = None
    """Folder of the run; by default runs/<scene>-<date>."""
    steps: int = 20000
    """Training ends after this many steps."""
    max_seconds: float | None = None
    """Training ends after this many seconds, compilation included, unless its steps end first."""
    seed: int = 0
    """Of everything random: same seed, same machine, same bits (if steps end the run, not time)."""
    derivatives: Literal["hand", "auto", "both"] = "hand"
    """Who differentiates: the rules of calculus.radiance, or JAX; both: the rules, checked."""
    check_every: int = 100
    """Steps between two comparisons of the rules' gradient with JAX's (derivatives both)."""
    memory: str | None = None
    """Most that training may take of a device's memory, 2GiB say; of a CPU all that the process
    takes. Parts, samples and rays are chosen so. By default what is free; what fits stays as is."""
    evaluate: int = 10
    """Held-out views that are measured when training is done, evenly chosen; 0: none."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """Where a step is not finite: end, or go on from the checkpoint before with half the rate."""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    sampling: SamplingConfig = dataclasses.field(default_factory=SamplingConfig)
    occupancy: OccupancyConfig = dataclasses.field(default_factory=OccupancyConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    rendering: RenderingConfig = dataclasses.field(default_factory=RenderingConfig)

    @property
    def compiled(self) -> "Config":
        """The settings that programs are compiled for; those of one run alone as by default."""
        default = Config()
        run = [
            "scene", "run", "steps", "max_seconds", "seed", "check_every", "memory", "evaluate",
            "on_nan",
        ]  # fmt: skip
        training = [
            "learning_rate", "schedule", "final_learning_rate", "restarts", "checkpoint_seconds",
            "checkpoints",
        ]  # fmt: skip
        data = ["downscale", "bound", *(() if self.training.exposure else ["pictures"])]

        def as_by_default(section, other, names):
            return dataclasses.replace(section, **{name: getattr(other, name) for name in names})

        return dataclasses.replace(
            as_by_default(self, default, run),
            # both: steps are taken by hand, and compared in a program of its own
            derivatives="hand" if self.derivatives == "both" else self.derivatives,
            data=as_by_default(self.data, default.data, data),
            training=as_by_default(self.training, default.training, training),
        )


class _Range(NamedTuple):
    """From `low` to `high`, both included unless `below` is set, and why."""

    low: float | int
    high: float | int
    why: str = ""
    below: bool = False

    def holds(self, value: float | int) -> bool:
        return self.low <= value < self.high or (value == self.high and not self.below)

    def __str__(self) -> str:
        spelt = "{:g}" if isinstance(self.low, float) else "{}"
        to = "below " if self.below else ""
        said = f"from {spelt.format(self.low)} to {to}{spelt.format(self.high)}"
        return said + (f", {self.why}" if self.why else "")


_COUNT = _Range(1, 2**31 - 1, "a count of 32 bits")
_COUNT_OR_NONE = _COUNT._replace(low=0)
_FRACTION = _Range(0.0, 1.0, "a fraction", below=True)
_SECONDS = _Range(1e-6, 1e9, "seconds")
_LENGTH = _Range(1e-6, 1e9, "a length that float32 can square")
_RATE = _Range(1e-12, 10.0, "a step of Adam's changes each parameter by about as much")
_FEATURES = _Range(1, 65536)
_RANGES = {
    "steps": _COUNT,
    "max_seconds": _SECONDS,
    "seed": _Range(0, 2**32 - 1),
    "check_every": _COUNT,
    "evaluate": _COUNT_OR_NONE,
    "data.downscale": _COUNT,
    "data.bound": _LENGTH,
    "data.slope": _Range(1e-3, 1e3, "the tangent of half an angle"),
    "data.nearest": _LENGTH,
    "data.pictures": _COUNT_OR_NONE,
    "field.levels": _Range(1, 64),
    "field.level_features": _Range(1, 64),
    "field.coarsest": _Range(2, 4096),
    "field.finest": _Range(2, 65536),
    "field.log2_rows": _Range(4, 28),
    "field.position_frequencies": _Range(1, 20),
    "field.harmonics": _Range(1, 4),
    "field.direction_frequencies": _Range(0, 20),
    "field.trunk_layers": _Range(1, 64),
    "field.trunk_width": _FEATURES,
    "field.trunk_skip": _COUNT_OR_NONE,
    "field.features": _FEATURES,
    "field.head_layers": _Range(1, 64),
    "field.head_width": _FEATURES,
    "field.density_bias": _Range(-50.0, 50.0, "the density starts at exp of it, a float32"),
    "sampling.steps": _Range(2, 8192),
    "sampling.near": _FRACTION,
    "sampling.coarse": _Range(2, 8192),
    "sampling.fine": _Range(1, 8192),
    "occupancy.cells": _Range(2, 1024),
    "occupancy.update_every": _COUNT,
    "occupancy.decay": _FRACTION,
    "occupancy.threshold": _Range(1e-9, 1e3, "an optical depth"),
    "occupancy.warm_up": _COUNT_OR_NONE,
    "occupancy.at_once": _COUNT,
    "training.rays": _Range(1, 2**24),
    "training.samples": _Range(1, 2**28),
    "training.parts": _Range(1, 2**16),
    "training.huber_threshold": _Range(1e-6, 1e3, "colours lie in [0, 1]"),
    "training.spread": _Range(0.0, 1e3, "the weight of a term beside a squared error in [0, 1]"),
    "training.learning_rate": _RATE,
    "training.final_learning_rate": _RATE,
    "training.weight_decay": _FRACTION,
    "training.beta1": _FRACTION,
    "training.beta2": _FRACTION,
    "training.eps": _Range(1e-37, 1.0, "a float32 beside the root of a squared gradient"),
    "training.restarts": _COUNT_OR_NONE,
    "training.average": _FRACTION,
    "training.checkpoint_seconds": _SECONDS,
    "training.checkpoints": _COUNT,
    "rendering.memory": _Range(1, 2**20, "MiB"),
}


def check(config: Config) -> Config:
    """The same config, or InputError where a number makes no sense."""
    for name, value in _numbers(config, ""):
        if not _RANGES[name].holds(value):
            raise InputError(f"{name} is {value}: it must be {_RANGES[name]}")
    if config.memory is not None:
        bytes_of(config.memory)
    if config.field.coarsest > config.field.finest:
        raise InputError(
            f"field.finest is {config.field.finest}: it must be at least field.coarsest "
            f"({config.field.coarsest})"
        )
    longest = -(-config.sampling.steps // 32) * 32  # a ray's steps are counted in words of bits
    parts = config.training.parts or 1
    if config.training.samples < longest * parts and config.sampling.strategy == "occupied":
        each = f" in each of {parts} parts" if parts > 1 else ""
        raise InputError(
            f"training.samples is {config.training.samples}: one ray{each} may need {longest} "
            f"(sampling.steps {config.sampling.steps}, in words of 32); raise the one or lower "
            "the other"
        )
    for name in ("rays", "samples"):
        whole = getattr(config.training, name)
        cut = name == "rays" or config.sampling.strategy == "occupied"
        if cut and whole % parts:
            raise InputError(
                f"training.{name} is {whole}: it can't be cut into {parts} parts of one size; give "
                f"a multiple of {parts}, or other training.parts"
            )
    if config.field.trunk_skip > config.field.trunk_layers + 1 or config.field.trunk_skip == 1:
        raise InputError(
            f"field.trunk_skip is {config.field.trunk_skip}: it must be 0, or from 2 to one more "
            f"than trunk_layers ({config.field.trunk_layers})"
        )
    if config.field.backdrop and config.sampling.strategy == "hierarchical":
        raise InputError(
            "field.backdrop is for sampling.strategy occupied; leave it out, or use "
            "configs/fast.toml"
        )
    if config.field.direction_frequencies == 0 and not config.field.include_input:
        raise InputError(
            "field.direction_frequencies is 0 and include_input false: no view is left"
        )
    return config


def _numbers(section: Any, prefix: str) -> Iterator[tuple[str, float]]:
    for f in dataclasses.fields(section):
        value = getattr(section, f.name)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value, f"{prefix}{f.name}.")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                yield f"{prefix}{f.name}", number


def read(file: Path) -> Config:
    """The defaults, with what the TOML file says in their place."""
    try:
        told = tomllib.loads(regular(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = difflib.get_close_matches(file.name, [p.name for p in file.parent.glob("*.toml")], 1)
        hint = f"; did you mean {file.parent / near[0]}?" if near else ""
        raise InputError(f"{file}: no such file{hint}") from None
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}") from error
    except RecursionError:
        raise InputError(f"{file}: not a TOML file of settings: nested too deeply") from None
    except ValueError as error:  # no TOML, not UTF-8, a number of too many digits
        raise InputError(f"{file}: not a TOML file: {words(error)}") from error
    return check(_filled(Config(), told, str(file), ""))


def write(config: Config, file: Path) -> None:
    """The whole config as TOML: `read` gives it back."""
    replace_text(file, tomli_w.dumps(as_dict(config)))


def replace_text(file: Path, text: str) -> None:
    """Writes a file whole or not at all: a run killed meanwhile keeps the old one."""
    with replacing(file, file.with_name(f".{file.name}.new")) as part:
        part.write_text(text, encoding="utf-8")


def as_dict(section: Any) -> dict[str, Any]:
    """A config or a section of it as TOML and JSON have it; what is None is left out."""
    told: dict[str, Any] = {}
    for f in dataclasses.fields(section):
        value = getattr(section, f.name)
        if dataclasses.is_dataclass(value):
            told[f.name] = as_dict(value)
        elif isinstance(value, Path):
            told[f.name] = str(value)
        elif value is not None:
            told[f.name] = list(value) if isinstance(value, tuple) else value
    return told


def _filled(section: Any, told: dict[str, Any], where: str, prefix: str) -> Any:
    hints = get_type_hints(type(section))
    changes = {}
    for name, value in told.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(hints)}"
            raise InputError(f"{where}: unknown option {prefix}{name}; {hint}")
        now = getattr(section, name)
        if dataclasses.is_dataclass(now):
            if not isinstance(value, dict):
                raise InputError(f"{where}: {prefix}{name} is a section: write [{prefix}{name}]")
            changes[name] = _filled(now, value, where, f"{prefix}{name}.")
        else:
            try:
                changes[name] = _typed(value, hints[name])
            except TypeError as error:
                raise InputError(f"{where}: {prefix}{name} = {value!r}: {error}") from None
    return dataclasses.replace(section, **changes)


def _typed(value: Any, kind: Any) -> Any:
    """The value as the annotation wants it, or TypeError that says what was expected."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is Literal:
        if value in get_args(kind) and isinstance(value, str):
            return value
        near = difflib.get_close_matches(str(value), get_args(kind), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"must be one of {', '.join(get_args(kind))}{hint}")
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError("must be a list of numbers")
        return tuple(_typed(item, get_args(kind)[0]) for item in value)
    if kind is Path and isinstance(value, str) and "\0" not in value:
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 10**300 else math.copysign(math.inf, value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
        raise TypeError(f"must be {names.get(kind, 'text')}")
    return value
