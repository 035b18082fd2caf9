"""Commands as tests give them: in this process, or in one of their own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerf import cli

ROOT = Path(__file__).parents[2]
MARBLES = ROOT / "data" / "scenes" / "marbles"
TINY = [str(ROOT / "configs" / "tiny.toml"), "--scene", str(MARBLES), "--data.downscale", "4"]
"""The smallest run on the bundled scene."""
SMALL = [
    *("--scene", MARBLES, "--data.downscale", 4, "--evaluate", 0),
    *("--field.levels", 4, "--field.coarsest", 8, "--field.finest", 32, "--field.log2-rows", 13),
    *("--field.trunk-width", 16, "--field.head-width", 16, "--occupancy.cells", 24),
    *("--sampling.steps", 96, "--training.rays", 512, "--training.samples", 6144),
]
"""The default road in miniature: after seconds its pictures are within 20 dB of photographs."""
CPU = os.environ | {
    "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
}  # fmt: skip
"""The environment of a command in a process of its own, which compiles as the suite does.

Without what XLA logs: older ones say kilobytes of each program that is read from disk, and a
process whose errors nobody reads waits for good once its pipe is full.
"""


def nerf(*arguments) -> int:
    """Gives a command in this process; its exit code."""
    with pytest.raises(SystemExit) as end:
        cli.main([str(a) for a in arguments])
    return end.value.code


def one_line(said: str) -> str:
    """What a mistake says, which has to be one line."""
    assert said.startswith("nerf: ") and said.count("\n") == 1, said
    return said


def mistake(capsys, *arguments) -> str:
    """The one line that a command ends in, which has to be mistaken."""
    capsys.readouterr()
    assert nerf(*arguments) == 2
    return one_line(capsys.readouterr().err)


def command(*arguments) -> list[str]:
    """The line of a command in a process of its own."""
    return [sys.executable, "-m", "nerf.cli", *map(str, arguments)]


def done(*arguments, prefix=(), **more) -> subprocess.CompletedProcess:
    """A process of its own, at its end."""
    return subprocess.run(
        [*prefix, *command(*arguments)],
        capture_output=True, text=True, timeout=600, env=CPU, check=False, **more,
    )  # fmt: skip


def training(folder: Path, *arguments) -> subprocess.Popen:
    """A process that trains long into a run's folder, once it has taken its first steps."""
    process = subprocess.Popen(
        command("train", *(arguments or TINY), "--steps", 100_000, "--run", folder),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CPU,
    )  # fmt: skip
    wait_until(lambda: has_lines(folder / "metrics.jsonl"), process)
    return process


def has_lines(file: Path) -> bool:
    """Whether there is something in a file."""
    return file.exists() and file.stat().st_size > 0


def wait_until(so, process: subprocess.Popen) -> None:
    """Waits until it is so, however slow the machine; the process must not end before."""
    deadline = time.monotonic() + 600
    while not so():
        assert process.poll() is None, process.communicate()
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError("it has taken ten minutes")
        time.sleep(0.05)
