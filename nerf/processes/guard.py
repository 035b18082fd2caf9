"""A small process beside each process of a run, which notices the end of any of them.

A process that waits for another's part of a sum hears of nothing, and JAX ends it when the one that
coordinates is gone. So this is asked of a process of its own, started by path and in need of
nothing but Python: it says each second that its own process is alive, in a file in the run's
folder, and reads the same of the others. A process that ends without a good-bye is seen by its own
guard at once, a machine that ends with all that runs on it by its silence.

    python guard.py FOLDER PROCESS PROCESSES

reads `bye` or `sorry LINE` from its process, and tells it in one line who is gone; if it is gone
itself by then, says so in its place.
"""

import json
import os
import select
import sys
import time
from pathlib import Path

EVERY = 1.0
"""Seconds between two signs of life."""
SILENT = 25.0
"""Seconds without any after which a process is taken for gone."""
LAST_LOOK = 5.0
"""Seconds for which the guard of a process that is gone looks for one that was gone before it."""


class Signs:
    """The signs of life of all processes, in files of a folder."""

    def __init__(self, folder: Path, process: int, processes: int):
        self._folder, self._process = folder, process
        self._others = [k for k in range(processes) if k != process]
        self._count = 0
        now = time.monotonic()
        self._heard: dict[int, tuple[str, float]] = dict.fromkeys(self._others, ("", now))

    def give(self, ended: str | None = None) -> float:
        """A sign of life, or the last word: empty if all is well. Returns the time."""
        self._count += 1
        file = self._folder / f"{self._process}.json"
        part, at = file.with_suffix(".part"), time.time()
        try:
            part.write_text(json.dumps({"count": self._count, "ended": ended, "at": at}))
            part.replace(file)
        except OSError:  # it counts as silence
            pass
        return at

    def gone(self, before: float = float("inf")) -> str:
        """Which of the others is gone, and was so before that time; in words, empty if none is."""
        now = time.monotonic()
        for k in self._others:
            try:
                text = (self._folder / f"{k}.json").read_text()
                told = json.loads(text)
                ended, at = told["ended"], told["at"]
            except (OSError, ValueError, KeyError, TypeError):
                text, ended, at = self._heard[k][0], None, 0.0
            if ended and at < before:
                return f"process {k} {ended}"
            if text != self._heard[k][0] or ended == "":
                self._heard[k] = text, now
            elif now - self._heard[k][1] > SILENT:
                return f"process {k} has not been heard of for {SILENT:.0f} s"
        return ""


def watch(signs: Signs) -> str:
    """Who is gone before this process ends; empty if it ends well, or by a mistake of its own."""
    said = ""
    while True:
        signs.give()
        if select.select([sys.stdin], [], [], EVERY)[0]:
            read = os.read(sys.stdin.fileno(), 4096).decode(errors="replace")
            said += read
            if said.startswith("bye"):
                signs.give("")
                return ""
            if said.startswith("sorry") and (not read or said.endswith("\n")):
                signs.give(f"ended: {said.removeprefix('sorry').strip()}")
                return ""
            if not read:  # gone without a word
                break
        if gone := signs.gone():
            return gone
    at = signs.give("is gone")
    began = time.monotonic()
    while time.monotonic() - began < LAST_LOOK:  # JAX ends a process when another is gone
        if gone := signs.gone(before=at):
            return gone
        time.sleep(EVERY)
    return ""


def main() -> None:
    """Guards one process until it, or another of them, ends."""
    folder, process, processes, how = sys.argv[1:]
    gone = watch(Signs(Path(folder), int(process), int(processes)))
    if not gone:
        return
    line = f"nerf: {gone}, and process {process} can't go on without it; {how}"
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:  # nobody listens any more
        print(line, file=sys.stderr)
        os._exit(1)


if __name__ == "__main__":
    main()
