"""What a run says on the terminal while it runs, and how it is asked to stop."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import jax
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from nerf import lock, machine, memory, output
from nerf.config import Config
from nerf.train import Progress as Told

console = Console(highlight=False, soft_wrap=True)
PLAIN_SECONDS = 10.0
"""Seconds between two lines where no terminal shows the bar."""


def say_device() -> None:
    """The first line of a run: device, memory, precision."""
    device = jax.devices()[0]
    precision = "float32"
    if device.platform != "cpu":
        precision += ", matrix products as fast as the device does them by default"
    console.print(
        f"device   {machine.device()}; {memory.available() / 2**30:.0f} GiB of memory; "
        f"precision {precision}"
    )


SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: ""}
"""What asks a run to stop: a person, a scheduler, a terminal that is closed."""


class Asked:
    """Whether a run was asked to stop: by which signal, or by a reader that is gone."""

    number = 0

    def __call__(self) -> bool:
        """Whether it was: to be asked between steps."""
        return self.code != 0

    @property
    def code(self) -> int:
        """The exit code that goes with the reason, by custom; 0 if there was none."""
        if self.number:
            return 128 + self.number
        return output.GONE if output.gone() else 0


@contextmanager
def interruptible() -> Iterator[Asked]:
    """Turns Ctrl-C, SIGTERM and SIGHUP into an answer that is read between steps.

    Again ends at once, but for SIGHUP: a terminal that is closed sends it, and then the shell does.
    Where it is ignored, as under `nohup`, it stays so.
    """
    asked = Asked()

    def note(number, frame):
        asked.number = number
        restore()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        again = SIGNALS[signal.Signals(number)]
        more = f"; {again} again to stop without saving" if again else ""
        console.print(f"stopping after this step{more}")

    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    asking = [number for number in SIGNALS if number != signal.SIGHUP or not ignored]
    before = {number: signal.signal(number, note) for number in asking}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    try:
        yield asked
    finally:
        restore()


@contextmanager
def training_bar(config: Config, lost: float = 0.0) -> Iterator[Callable[[Told], None]]:
    """Step, loss, PSNR, rays per second and time left: a bar, or a line now and then.

    `lost` are seconds of training that none of the steps to come goes on from.
    """
    columns = (
        TextColumn("train"),
        BarColumn(bar_width=24),
        TextColumn("step {task.fields[step]}  loss {task.fields[loss]:.5f}"),
        TextColumn("{task.fields[psnr]:.1f} dB  {task.fields[rate]:,.0f} rays/s"),
        TextColumn("{task.fields[left]}"),
    )
    smooth: dict[str, float] = {}
    printed = 0.0
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=1.0, step=0, loss=0.0, psnr=0.0, rate=0.0, left="compiling")

        def show(told: Told) -> None:
            nonlocal printed
            if not told.good:
                return
            ahead = told.seconds - smooth.get("seconds", told.seconds)
            now = {"loss": told.loss}
            if math.isfinite(told.psnr):  # an error of zero would stay in the mean for good
                now["psnr"] = told.psnr
            if ahead > 0:
                now["rate"] = told.rays / ahead
            for name, value in now.items():
                smooth[name] = 0.9 * smooth.get(name, value) + 0.1 * value
            smooth["seconds"] = told.seconds
            left = _seconds_left(config, told, lost)
            rate, psnr = smooth.get("rate", 0.0), smooth.get("psnr", math.inf)
            shown.update(
                task,
                completed=told.fraction,
                step=told.step,
                loss=smooth["loss"],
                psnr=psnr,
                rate=rate,
                left=f"{left:.0f} s left",
            )
            due = told.seconds - printed >= PLAIN_SECONDS or told.fraction >= 1
            if not console.is_terminal and due:
                printed = told.seconds
                console.print(
                    f"step {told.step}  loss {smooth['loss']:.5f}  {psnr:.1f} dB  "
                    f"{rate:,.0f} rays/s  {left:.0f} s left"
                )

        yield show


def _seconds_left(config: Config, told: Told, lost: float) -> float:
    by_steps = (told.seconds - lost) / max(told.step, 1) * (config.steps - told.step)
    if config.max_seconds is None:
        return by_steps
    return max(0.0, min(by_steps, config.max_seconds - told.seconds))


@contextmanager
def bar(what: str, pixels: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that is told pixels as they are done; without a terminal a line now and then.

    None: nobody knows how many there will be.
    """
    columns = (
        TextColumn(f"{what:8}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=pixels)
        begun = printed = time.monotonic()
        total = 0

        def tick(done: int) -> None:
            nonlocal printed, total
            shown.advance(task, done)
            total += done
            now = time.monotonic()
            if not console.is_terminal and now - printed >= PLAIN_SECONDS and total:
                printed = now
                if pixels is None:
                    console.print(f"{what:8} {total:,} done, {now - begun:.0f} s")
                    return
                left = (now - begun) * (pixels / total - 1)
                console.print(f"{what:8} {100 * total / pixels:.0f} %  {left:.0f} s left")

        yield tick


@contextmanager
def in_turn(folder: Path, doing: str) -> Iterator[None]:
    """Makes a folder and holds it while the context lasts; where another process does, says so and
    waits until that one is done. `doing` is what both are at: `evaluating RUN`."""
    folder.mkdir(parents=True, exist_ok=True)
    said = f"waiting  another process is {doing}; this one is next, unless Ctrl-C ends it"
    with lock.held(folder, said, partial(console.print, markup=False)):
        yield
