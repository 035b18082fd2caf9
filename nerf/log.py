"""What a run writes of its steps: lines of metrics.jsonl, and TensorBoard events."""

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from data.regular import regular
from nerf import processes
from nerf.config import replace_text
from nerf.console import console
from nerf.train import Progress

FILE, BOARD = "metrics.jsonl", "tensorboard"
OURS = ".nerf"
"""Ending of a run's event files: others may put theirs beside them."""
EVERY = 20
"""Steps between two lines."""


class Board:
    """A TensorBoard event file that is written at once.

    The library's own writer does it in a thread behind a queue: on a full disk that thread ends,
    and whoever fills the queue waits for good.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._events: EventsWriter | None = None

    def add(self, step: int, scalars: Mapping[str, float | None]) -> None:
        """Writes the numbers of a step; OSError if the disk does not take them."""
        if self._events is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._events = EventsWriter(str(self._folder / "events"), OURS)
        for name, value in scalars.items():
            if value is not None:
                told = summary.scalar(f"train/{name}", value)
                self._events.write_event(Event(wall_time=time.time(), step=step, summary=told))
        self._events.flush()

    def close(self) -> None:
        """Frees the file, also where the disk does not take the rest; OSError then."""
        if self._events is not None:
            try:
                self._events.close()
            finally:  # the library leaves a file that it can't write open
                self._events._py_recordio_writer.close()


def begin_again(run: Path) -> None:
    """Removes the run's own event files: what another start has told counts no more."""
    for file in (run / BOARD).glob(f"events.out.tfevents.*{OURS}"):
        if file.is_file() and not file.is_symlink():
            with suppress(OSError):
                file.unlink()


@contextmanager
def metrics_log(run: Path, step: int, seconds: float) -> Iterator[Callable[[Progress], None]]:
    """Writes every EVERY steps of a run that goes on from a step and seconds of training.

    Of several processes the first does. A disk that takes no more is said once: the run goes on,
    and tries again with the next line.
    """
    if not processes.is_first():
        yield lambda told: None
        return
    since = {"seconds": seconds, "rays": 0, "samples": 0}
    file = run / FILE
    if file.exists():  # steps that a killed run took after its last checkpoint are taken again
        _keep_until(file, step)
    board, failed = Board(run / BOARD), False

    def log(told: Progress) -> None:
        nonlocal failed
        since["rays"] += told.rays
        since["samples"] += told.samples
        due = told.step % EVERY == 0 or told.fraction >= 1 or told.gap is not None
        if not told.good or not due:
            return
        passed = max(told.seconds - since["seconds"], 1e-9)
        row: dict[str, Any] = {
            "step": told.step,
            "seconds": round(told.seconds, 3),
            "loss": told.loss,
            "psnr": told.psnr if math.isfinite(told.psnr) else None,
            "learning_rate": told.learning_rate,
            "rays_per_second": round(since["rays"] / passed),
            "samples_per_second": round(since["samples"] / passed),
            "rays_dropped": told.rays_dropped,
            "opacity": told.opacity,
        }
        scalars = {k: v for k, v in row.items() if k not in ("step", "seconds")}
        if told.gap is not None:
            row |= {"gap": told.gap.relative, "gap_of": told.gap.parameter}
            scalars["gap"] = told.gap.relative
        since.update(seconds=told.seconds, rays=0, samples=0)
        try:
            _add(file, json.dumps(row) + "\n")
            board.add(told.step, scalars)
        except OSError as error:
            if not failed:
                failed = True
                console.print(f"warning  {file}: lacks lines from step {told.step} on: {error}")

    try:
        yield log
    finally:
        try:
            board.close()
        except OSError as error:
            console.print(f"warning  {run / BOARD}: {error}")


def _add(file: Path, line: str) -> None:
    """Adds a line, whole or not at all: after a part of one the next would be lost too."""
    with file.open("ab", buffering=0) as lines:
        before = lines.tell()
        try:
            content = line.encode()
            if lines.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        except OSError:
            lines.truncate(before)
            raise


def _keep_until(file: Path, step: int) -> None:
    """Drops the lines of later steps, and those that can't be read: the last was cut short."""
    lines = regular(file).read_bytes().split(b"\n")
    steps = [_step_of(line) for line in lines]
    if broken := sum(map(math.isnan, steps[:-1])):
        console.print(f"warning  {file}: {broken} lines can't be read and are left out")
    kept = [line.decode() for line, at in zip(lines, steps, strict=True) if at <= step]
    replace_text(file, "".join(f"{line}\n" for line in kept))


def _step_of(line: bytes) -> float:
    """The step of a line of metrics.jsonl; NaN of one that can't be read."""
    try:
        return float(json.loads(line.decode())["step"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return math.nan
