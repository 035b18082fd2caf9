"""A run of training that is watched: its steps shown in the browser while they are taken."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.scene import Scene
from nerf.console import console
from nerf.field import Model
from nerf.fit import Listener
from nerf.log import EVERY
from nerf.report.record import curve
from nerf.state import TrainState
from nerf.train import Progress
from nerf.viewer.live import Live
from nerf.viewer.server import HOST, PORT, Viewer, say, serve, until_asked_to_end

NOTHING = {"step": 0, "loss": 0.0, "error": 0.0, "rays": 0, "steps": 0, "seconds": math.nan}
"""What is summed up since the last point of the curve."""
FIGURES = ("step", "loss", "psnr", "rays_per_second", "seconds")
"""Of a point."""


@contextmanager
def watched(
    model: Model, scene: Scene, run: Path, host: str = HOST, port: int = PORT
) -> Iterator[Listener]:
    """Serves a viewer while a run is trained; the listener hands it the steps.

    Whatever goes wrong in the viewer is said once, and training goes on without it.
    """
    live = Live(model, scene, run, training=True)
    for row in _earlier(run):
        live.curve.add(**row)
    viewer = serve(live, host, port)
    say(viewer, port)
    interrupted: list[bool] = []
    try:
        yield _listener(live, interrupted)
        live.training = False
        if console.is_terminal and not interrupted:  # a person is there, and may be looking
            console.print("viewer   stays until Ctrl-C")
            until_asked_to_end()
    finally:
        live.training = False
        _stop(viewer)


def _listener(live: Live, interrupted: list[bool]) -> Listener:
    since = dict(NOTHING)
    broken: list[Exception] = []

    def listen(state: TrainState, told: Progress, stopped: Callable[[], bool]) -> float:
        if broken or not told.good:
            return 0.0
        halts = live.paused  # asked once: what it halts at is shown
        try:
            live.offer(state.shown, state.grid, told.step, halts)
            _add(live, since, told)
        except Exception as error:  # whoever watches must not end a run
            broken.append(error)
            console.print(f"viewer   no longer shows new steps: {error}", markup=False)
            return 0.0
        waited = live.wait(stopped) if halts else 0.0
        if stopped():
            interrupted.append(True)
        return waited

    return listen


def _add(live: Live, since: dict, told: Progress) -> None:
    """A point of the curve for some steps together, by their means."""
    if told.step <= since["step"]:  # a dead start was begun again
        since.update(NOTHING)
    since["step"] = told.step
    if math.isnan(since["seconds"]):
        since["seconds"] = told.seconds
    since["loss"] += told.loss
    since["error"] += 10 ** (-told.psnr / 10)
    since["rays"] += told.rays
    since["steps"] += 1
    passed = told.seconds - since["seconds"]
    if (told.step % EVERY and told.fraction < 1) or passed <= 0:
        return
    live.curve.add(
        step=told.step,
        loss=since["loss"] / since["steps"],
        psnr=-10 * math.log10(max(since["error"] / since["steps"], 1e-12)),
        rays_per_second=since["rays"] / passed,
        seconds=told.seconds,
    )
    since.update(loss=0.0, error=0.0, rays=0, steps=0, seconds=told.seconds)


def _earlier(run: Path) -> list[dict[str, float | int | None]]:
    """The curve of a run that goes on, as far as it can be read."""
    try:
        values = curve(run / "metrics.jsonl").values
    except OSError as error:  # it is the run's own matter then
        console.print(f"viewer   shows no earlier steps: {error}", markup=False)
        return []
    rows = []
    for figures in zip(*(values[name].tolist() for name in FIGURES), strict=True):
        known = [None if math.isnan(figure) else figure for figure in figures]
        rows.append({**dict(zip(FIGURES, known, strict=True)), "step": int(figures[0])})
    return rows


def _stop(viewer: Viewer) -> None:
    try:
        viewer.stop()
    except Exception as error:
        console.print(f"viewer   did not stop cleanly: {error}", markup=False)
