"""How much of the time is rendered while training goes on."""

import time

SHARE = 0.25
"""Part of the time that is rendered, in the long run."""
PATIENCE = 1.0
"""Seconds of rest that may be owed while one who waits for a first level is served at once."""
MOST = 2.0
"""Seconds of rest that are owed at most: a renderer that compiles is not made up for."""


class Debt:
    """The rest that rendering owes to training; it passes while nothing is rendered."""

    def __init__(self) -> None:
        self._free_at = float("-inf")

    def take(self, began: float, ended: float) -> None:
        """It was rendered between these two times, `time.perf_counter()`."""
        free_at = max(self._free_at, began) + (ended - began) / SHARE
        self._free_at = min(free_at, ended + MOST)

    def forgive(self) -> None:
        """Nothing is owed: training does not want the machine."""
        self._free_at = float("-inf")

    def owed(self, now: float | None = None) -> float:
        """Seconds of rest that are owed still."""
        return max(0.0, self._free_at - (time.perf_counter() if now is None else now))
