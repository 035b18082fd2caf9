"""The states of one ray while a run trains, kept in its folder, and the film of them.

One line of JSON a state: `Probe.as_dict()` with the step and the seconds of training. The next is
kept when a tenth more steps are done, so that the film's time runs as training's progress does.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from data.errors import InputError
from data.regular import regular
from data.scene import Split
from nerf.config import replace_text
from nerf.console import console
from nerf.field import Model
from nerf.microscope.draw import drawn
from nerf.microscope.probe import Microscope, Probe
from nerf.microscope.scales import Scales
from nerf.pictures import over, quantised
from nerf.render import BACKGROUNDS
from nerf.state import TrainState
from nerf.train import Progress

FOLDER = "microscope"
LATER = 1.1
"""How many times as many steps lie behind each state as behind the one before, from 10 on."""
FILM_DPI = 100


class Ray(NamedTuple):
    """A pixel of a training picture."""

    view: int
    column: int
    row: int

    @classmethod
    def of(cls, told: str, option: str) -> "Ray":
        """From VIEW,COLUMN,ROW as a user types it; InputError if it is something else."""
        try:
            return cls(*map(int, told.split(",")))
        except (ValueError, TypeError):
            raise InputError(
                f"{option} {told}: give VIEW,COLUMN,ROW, three whole numbers: 3,120,88 say"
            ) from None

    def file(self, run: Path) -> Path:
        """Where a run keeps its states."""
        return run / FOLDER / f"ray-{self.view}-{self.column}-{self.row}.jsonl"


class Recorder:
    """Keeps states of some rays of a run; to be called after each step."""

    def __init__(self, rays: Sequence[Ray], run: Path, model: Model, split: Split, scale: float):
        """InputError where the split has no such pixel, or a file of states is broken."""
        for ray in rays:
            check(ray, split)
        self._model, self._split, self._scale = model, split, scale
        self._microscope: Microscope | None = None
        self._rays = {ray: ray.file(run) for ray in rays}
        self._last = {ray: _last_step(file) for ray, file in self._rays.items()}
        self._broken = False

    def __call__(
        self, state: TrainState, told: Progress, stopped: Callable[[], bool] = lambda: False
    ) -> float:
        """Keeps this state if it is time to; returns the seconds that this took.

        Whatever goes wrong is said once, and training goes on without being recorded.
        """
        if self._broken or not told.good or stopped():
            return 0.0
        began = time.perf_counter()
        try:
            kept_any = self._keep_all(state, told)
        except Exception as error:  # whoever looks on must not end a run
            self._broken = kept_any = True
            console.print(f"rays     are no longer recorded: {error}", markup=False)
        return time.perf_counter() - began if kept_any else 0.0

    def _keep_all(self, state: TrainState, told: Progress) -> bool:
        """Whether there was one to keep."""
        kept_any = False
        for ray, file in self._rays.items():
            last = self._last[ray]
            if last < told.step < _next(last):
                continue
            if told.step <= last:  # begun again, or from an older checkpoint: forget what is ahead
                kept = [line for line in _lines(file) if json.loads(line)["step"] < told.step]
                replace_text(file, "".join(f"{line}\n" for line in kept))
            self._keep(ray, file, state, told)
            self._last[ray], kept_any = told.step, True
        return kept_any

    def _keep(self, ray: Ray, file: Path, state: TrainState, told: Progress) -> None:
        if self._microscope is None:
            self._microscope = Microscope(self._model, state, self._split, scale=self._scale)
        self._microscope.state = state
        probe = self._microscope.view(ray.view, ray[1:], learnt=True)
        row = {"step": told.step, "seconds": told.seconds} | probe.as_dict()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, allow_nan=False) + "\n")


def check(ray: Ray, split: Split) -> None:
    """InputError where a split has no such pixel."""
    if not 0 <= ray.view < len(split):
        raise InputError(f"view {ray.view}: there are {len(split)}, counted from 0")
    if not (0 <= ray.column < split.width and 0 <= ray.row < split.height):
        raise InputError(
            f"pixel {ray.column},{ray.row}: outside the picture of "
            f"{split.width}x{split.height}, whose first is 0,0"
        )


def recorded(run: Path) -> list[str]:
    """Which rays a run has kept, as VIEW,COLUMN,ROW."""
    files = sorted((run / FOLDER).glob("ray-*.jsonl"))
    return [file.stem.removeprefix("ray-").replace("-", ",") for file in files if _lines(file)]


def states(run: Path, ray: Ray) -> list[tuple[int, Probe]]:
    """The steps and probes that a run has kept of a ray; InputError if it has none."""
    file = ray.file(run)
    try:
        rows = [json.loads(line) for line in _lines(file)]
        kept = [(int(row["step"]), Probe.from_dict(row)) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: broken; remove it and train again") from error
    if not kept:
        has = f"it has {'; '.join(recorded(run))}" if recorded(run) else "it has none"
        raise InputError(
            f"{run}: no states of view {ray.view}, pixel {ray.column},{ray.row} were recorded: "
            f"{has}; train with --record-ray {ray.view},{ray.column},{ray.row}"
        )
    return kept


def frames(
    kept: list[tuple[int, Probe]], split: Split, ray: Ray, background: str
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """One figure a state, all with the same axes but for the slopes: those fall by orders.

    `background` is the one that they were recorded over.
    """
    scales = Scales.of(*(probe for _, probe in kept))
    picture = quantised(over(split.pictures[ray.view], BACKGROUNDS[background]))
    for step, probe in kept:
        caption = f"step {step}: view {ray.view}, pixel {ray.column},{ray.row}"
        of_state = replace(scales, slope=Scales.of(probe).slope)
        yield drawn(probe, picture, caption, of_state, FILM_DPI)


def _next(step: int) -> int:
    return max(step + 1, int(LATER * step))


def _last_step(file: Path) -> int:
    """The step of the last state; what a killed run has begun to write after it is cut off."""
    try:
        rows = _lines(file)
        text = "".join(f"{row}\n" for row in rows)
        if file.is_file() and file.stat().st_size != len(text.encode()):
            replace_text(file, text)
        return int(json.loads(rows[-1])["step"]) if rows else 0
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: broken; remove it to record anew") from error


def _lines(file: Path) -> list[str]:
    """The lines of a file, but for a last one that is no JSON: there a run was killed."""
    if not file.exists():
        return []
    rows = regular(file).read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        if rows:
            json.loads(rows[-1])
    except (ValueError, RecursionError):
        rows.pop()
    return rows
