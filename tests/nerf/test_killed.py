"""A run that is killed again and again comes out as one that never was: to the bit.

Twenty kills, five on each road: between steps, in the middle of writing a checkpoint, before the
first step. The processes are forked from one that has imported everything, so that each costs a
second and not five; each starts JAX for itself.
"""

import multiprocessing
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nerf import cli
from nerf.checkpoint import named
from nerf.config import write
from nerf.opened import open_run
from nerf.reproduce import compared
from tests.nerf.conftest import CONFIGS, MARBLES

STEPS, KILLS = 90, 5
OFTEN = 1e-3
"""Seconds between checkpoints of the run that is killed: it writes one nearly all the time."""


def trained(arguments: list[str], log: Path) -> None:
    """What a forked process does."""
    out = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.pop("XLA_FLAGS", None)  # programs are those that users have
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(log.parent / "programs")
    import jax

    jax.config.update("jax_compilation_cache_dir", str(log.parent / "programs"))
    cli.main(["train", *arguments])


@pytest.fixture(scope="module")
def forks():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.nerf.test_killed", "nerf.cli.train"])
    return context


def started(forks, tmp_path, *arguments):
    process = forks.Process(target=trained, args=(list(map(str, arguments)), tmp_path / "log"))
    process.start()
    return process


def finished(forks, tmp_path, *arguments):
    process = started(forks, tmp_path, *arguments)
    process.join(timeout=240)
    assert process.exitcode == 0, (tmp_path / "log").read_text()[-3000:]


def newest(run: Path) -> int:
    """The step of the newest whole checkpoint; -1 without one."""
    folder = run / "checkpoints"
    names = os.listdir(folder) if folder.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def writing(run: Path) -> bool:
    """Whether a checkpoint is begun and not whole."""
    return any(not name.isdecimal() for name in os.listdir(run / "checkpoints"))


def killed(process, run: Path, after: int, while_writing: bool, rng: random.Random) -> bool:
    """Kills it some time after that step is saved; returns whether it was writing then."""
    deadline = time.monotonic() + 600
    while newest(run) < after and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.05))
    while while_writing and process.is_alive() and not writing(run):
        pass
    assert process.is_alive(), "it ended before it was killed"
    process.kill()
    process.join()
    return writing(run)


@pytest.mark.parametrize("derivatives", ["hand", "auto"])
@pytest.mark.parametrize("road", list(CONFIGS))
def test_a_run_that_is_killed_comes_out_to_the_bit(road, derivatives, tmp_path, forks):
    config = replace(CONFIGS[road](), scene=MARBLES, steps=STEPS, derivatives=derivatives)
    config = replace(config, evaluate=0, data=replace(config.data, downscale=4))
    write(config, tmp_path / "config.toml")
    whole, run = tmp_path / "whole", tmp_path / "killed"
    finished(forks, tmp_path, tmp_path / "config.toml", "--run", whole)

    rng = random.Random(f"{road} {derivatives}")
    targets = sorted(rng.randrange(STEPS - 25) for _ in range(KILLS - 1))
    often = ["--training.checkpoint-seconds", OFTEN]
    first = started(forks, tmp_path, tmp_path / "config.toml", "--run", run, *often)
    was_writing = [killed(first, run, 0, False, rng)]
    for k, target in enumerate(targets):
        process = started(forks, tmp_path, "--resume", run, *often)
        was_writing.append(killed(process, run, target, k % 2 == 0, rng))
    finished(forks, tmp_path, "--resume", run)

    assert len(was_writing) == KILLS and any(was_writing)
    lines = {line.what: line for line in compared(whole, run)}
    for what in ("loss", "state", "data"):
        assert lines[what].equal, lines[what]
    ours, theirs = (named(open_run(at).state) for at in (run, whole))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
