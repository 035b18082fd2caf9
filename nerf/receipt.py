"""run.json: what a run was, on what it ran, and what came of it; enough to hold another against it.

`nerf train` writes it when it ends, however it ends but for a kill; an evaluation adds its figures.
"""

import json
import time
from pathlib import Path
from typing import Any

import jax

from data.errors import InputError
from data.regular import regular
from nerf import digest, machine, memory
from nerf.checkpoint import Memo, named
from nerf.config import replace_text
from nerf.opened import Opened
from nerf.report.receipt import parameters, versions
from nerf.run import RECEIPT

FILE = RECEIPT
ENDED = {
    0: "done",
    129: "terminal closed",
    130: "interrupted",
    141: "output closed",
    143: "terminated",
}
"""What the receipt says for an exit code of training."""
BESIDE = ("run", "scene", "evaluate")
"""Settings that say nothing of what is learnt: where things are, and what is done afterwards."""


def write(opened: Opened, memo: Memo, code: int, wall_seconds: float) -> None:
    """Writes the receipt of a run that ended with an exit code, `wall_seconds` after it began.

    Seconds of training are those of all its parts, wall clock and memory those of the last.
    """
    state = opened.state
    settings = {name: value for name, value in memo.config.items() if name not in BESIDE}
    left = code and int(state.step) < opened.config.steps
    told = {
        "ended": ENDED[code],
        **({"go_on": f"nerf train --resume {opened.run}"} if left else {}),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "device": machine.device(),
        "devices": jax.device_count(),
        "config": settings,
        "config_digest": digest.of_settings(settings),
        "data_digest": memo.data,
        "step": int(state.step),
        "seeds": memo.seeds,
        "changes": memo.changes,
        "rollbacks": memo.rollbacks,
        "parameters": parameters(state.params),
        "state": digest.of_arrays(named(state))[0],
        "training_seconds": memo.seconds,
        "wall_seconds": wall_seconds,
        "peak_memory_bytes": memory.peak(),
        "device_peak_memory_bytes": (jax.devices()[0].memory_stats() or {}).get(
            "peak_bytes_in_use"
        ),
        "evaluation": None,
    }
    _put(opened.run, told)


def evaluated(run: Path, step: int, metrics: dict[str, Any]) -> None:
    """Adds the figures of an evaluation after so many steps, protocol and views included."""
    told = read(run)
    if told is not None:
        _put(
            run,
            told | {"evaluation": {"step": step, "peak_memory_bytes": memory.peak()} | metrics},
        )


def read(run: Path) -> dict[str, Any] | None:
    """What the receipt of a run tells; None if it has none, or a broken one.

    InputError if it can't be read.
    """
    try:
        told = json.loads(regular(run / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise InputError(f"{run / FILE}: can't be read: {error.strerror}") from error
    return told if isinstance(told, dict) else None


def _put(run: Path, told: dict[str, Any]) -> None:
    replace_text(run / FILE, json.dumps(told, indent=1, allow_nan=False) + "\n")
