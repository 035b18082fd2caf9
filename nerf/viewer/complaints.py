"""Troubles that clients of the viewer cause: counted, one line each, at a limited rate."""

import threading
import time

from nerf.console import console

EVERY = 10.0
"""Seconds between two lines of one kind, at least."""


class Complaints:
    """Prints the first trouble of a kind at once, and how many came since with a later one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._printed: dict[str, float] = {}
        self._since: dict[str, int] = {}

    def note(self, kind: str, detail: str = "") -> None:
        """Counts one of a kind; prints it with its `detail` unless one was printed just now."""
        now = time.monotonic()
        with self._lock:
            self._since[kind] = self._since.get(kind, 0) + 1
            if now < self._printed.get(kind, float("-inf")) + EVERY:
                return
            count, self._since[kind] = self._since[kind], 0
            self._printed[kind] = now
        self._print(kind, detail, count)

    def close(self) -> None:
        """Prints what was counted and not printed yet."""
        with self._lock:
            rest = {kind: count for kind, count in self._since.items() if count}
            self._since.clear()
        for kind, count in rest.items():
            self._print(kind, "", count)

    def _print(self, kind: str, detail: str, count: int) -> None:
        line = " ".join(detail.split())[:200]
        more = f" ({count} of this kind)" if count > 1 else ""
        console.print(f"viewer   {kind}{more}{': ' if line else ''}{line}", markup=False)
