"""The end of a process among several: none is left waiting for one that is gone."""

import os
import re
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

import jax

from nerf import processes
from nerf.processes import guard

FOLDER = ".processes"
"""Of a run: where its processes say that they are alive."""
LOST = 1
"""Exit code of a process that can't go on without another."""
VERDICT = 60.0
"""Seconds that a process whose program failed waits to be told which other one is gone."""

_guards: list[subprocess.Popen] = []
_folders: list[Path] = []


def begin(run: Path, how: str) -> None:
    """Starts this process's guard; `how` says how to go on after a loss. All must call it."""
    if not processes.several():
        return
    here = run / FOLDER / processes.of_first(f"{os.getpid()}-{time.time_ns()}")

    def make() -> None:
        _clear(run / FOLDER)
        here.mkdir(parents=True)

    processes.by_first(make)
    _folders.append(run / FOLDER)
    me, all_of_them = jax.process_index(), jax.process_count()
    beside = subprocess.Popen(
        [sys.executable, "-I", guard.__file__, str(here), str(me), str(all_of_them), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the run
    )
    _guards.append(beside)
    threading.Thread(target=_listen, args=(beside,), daemon=True).start()


def _listen(beside: subprocess.Popen) -> None:
    assert beside.stdout is not None
    if line := beside.stdout.readline():
        print(line.rstrip(), file=sys.stderr, flush=True)
        os._exit(LOST)  # whatever the process waits for does not come


def end(code: int, line: str = "") -> None:
    """Leaves the others: with the exit code 0 together with them, else at once, and says why."""
    if not processes.several():
        return
    if code == 0:
        processes.exchange(None)  # all are done
    for beside in _guards:
        assert beside.stdin is not None
        word = f"sorry {line or f'with exit code {code}'}\n" if code else "bye\n"
        try:
            beside.stdin.write(word)
            beside.stdin.close()
            beside.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass
    _guards.clear()
    if code:  # JAX would wait for the others
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    first = processes.is_first()
    jax.distributed.shutdown()  # waits for all
    for folder in _folders if first else ():
        _clear(folder)


def _clear(folder: Path) -> None:
    """Removes the signs of life of a run's processes, and their folder if nothing else is in it."""
    for signs in folder.iterdir() if folder.is_dir() else ():
        if re.fullmatch(r"\d+-\d+", signs.name) and not signs.is_symlink():
            for file in signs.iterdir():
                if re.fullmatch(r"\d+\.(json|part)", file.name):
                    file.unlink(missing_ok=True)
            with suppress(OSError):
                signs.rmdir()
    with suppress(OSError):
        folder.rmdir()


def failed(error: Exception) -> None:
    """After a program failed in one of several processes, which ends: because another is gone,
    if the guard says so within a while, or else with the error's traceback."""
    if not processes.several():
        return
    if _guards:
        time.sleep(VERDICT)  # what the guard says ends the process
    traceback.print_exception(error)
    end(LOST, f"{type(error).__name__}: {error}".splitlines()[0][:200])
