"""What a viewer shows: a run that is done, or one that is being trained."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from data.scene import Scene, Split
from nerf.field import Model, Params
from nerf.occupancy import Occupancy
from nerf.opened import Opened

EVERY = 1.0
"""Seconds between two states that training hands over, at least, where few watch."""


class Snapshot(NamedTuple):
    """A state that is not changed any more."""

    params: Params
    grid: Occupancy | None
    step: int


class Curve:
    """Rows of figures, one a logged step: appended by one thread, read by others."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, **row: Any) -> None:
        """One more row: step, loss, psnr, rays_per_second, seconds.

        Rows of its step and of later ones are of a training that went on from before: they go.
        """
        with self._lock:
            while self._rows and self._rows[-1]["step"] >= row["step"]:
                self._rows.pop()
            self._rows.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """All rows so far, in a list of its own."""
        with self._lock:
            return list(self._rows)


class Live:
    """What is shown: a model, its newest state, and the photographs it is held against.

    Training calls `offer` after each step, and `wait` where it may be paused; neither waits for
    anybody who watches. A finished run has one state for good.
    """

    def __init__(self, model: Model, scene: Scene, run: Path | None = None, training: bool = False):
        self.model, self.scene, self.run = model, scene, run
        self.training = training
        """Whether a loop is at work on it, paused or not."""
        self.curve = Curve()
        self.every = EVERY
        """Seconds between two states that training hands over, at least."""
        self._newest: Snapshot | None = None
        self._taken_at = float("-inf")
        self._wanted = threading.Event()
        self._goes_on = threading.Event()
        self._goes_on.set()

    @classmethod
    def of(cls, opened: Opened) -> "Live":
        """A run as its newest checkpoint has it, and its training photographs."""
        live = cls(opened.model, opened.scene("train"), opened.run)
        state = opened.state
        live.show(Snapshot(state.shown, state.grid, int(state.step)))
        return live

    @property
    def split(self) -> Split:
        """The photographs that it is trained on."""
        return self.scene.splits["train"]

    def show(self, snapshot: Snapshot) -> None:
        """Shows this state from now on; its arrays must stay as they are."""
        self._newest = snapshot

    def offer(
        self, params: Params, grid: Occupancy | None, step: int, at_once: bool = False
    ) -> None:
        """A state that is lent until the next step: copied if somebody waits for one.

        Costs a look at a flag where nobody watches, and a copy of the parameters once a second
        where somebody does. `at_once` copies in any case: where no next step comes for a while.
        """
        if self._newest is not None and not at_once:
            if not self._wanted.is_set() or time.monotonic() < self._taken_at + self.every:
                return
            self._wanted.clear()
        copied = jax.tree.map(jnp.copy, (params, grid))
        params, grid = jax.block_until_ready(copied)
        self._newest = Snapshot(params, grid, step)
        self._taken_at = time.monotonic()

    @property
    def begun(self) -> bool:
        """Whether there is a state to show."""
        return self._newest is not None

    def snapshot(self) -> Snapshot | None:
        """The newest state; None before the first. Asks training for a newer one."""
        self._wanted.set()
        return self._newest

    def pause(self) -> None:
        """Training stops after the step that it is at."""
        self._goes_on.clear()

    def resume(self) -> None:
        """Training goes on."""
        self._goes_on.set()

    @property
    def paused(self) -> bool:
        """Whether training is asked to stand still."""
        return not self._goes_on.is_set()

    def wait(self, stopped: Callable[[], bool] = lambda: False) -> float:
        """Returns when training may go on, or `stopped` says so; the seconds that it waited."""
        began = time.monotonic()
        while not stopped() and not self._goes_on.wait(0.1):
            pass
        return time.monotonic() - began
