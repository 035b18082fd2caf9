"""A run that is killed comes out as one that never was: to the bit.

One is killed for real, in the middle of writing a checkpoint; two stop and go on in this process.
`make test-long` kills twenty times, five on each road: between steps, in the middle of writing a
checkpoint, before the first step. Those processes are forked from one that has imported everything,
so that each costs a second and not five; each starts JAX for itself.
"""

import multiprocessing
import os
import random
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nerf import cli
from nerf.checkpoint import named
from nerf.cli.train import train_run
from nerf.config import read, write
from nerf.opened import open_run
from nerf.reproduce import compared
from tests.nerf.commands import CPU, command, nerf
from tests.nerf.conftest import CONFIGS, MARBLES

STEPS, KILLS = 90, 5
OFTEN = "--training.checkpoint-seconds", "1e-3"
"""Between checkpoints of the run that is killed: it writes one nearly all the time."""


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


@pytest.fixture
def forked(tmp_path):
    """(arguments) -> a process that trains."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.nerf.test_killed", "nerf.cli.train"])

    def start(*arguments):
        process = context.Process(target=trained, args=([*map(str, arguments)], tmp_path / "log"))
        process.start()
        return process

    return start


def newest(run: Path) -> int:
    """The step of the newest whole checkpoint; -1 without one."""
    folder = run / "checkpoints"
    names = os.listdir(folder) if folder.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def writing(run: Path) -> bool:
    """Whether a checkpoint is begun and not whole."""
    return any(not name.isdecimal() for name in os.listdir(run / "checkpoints"))


def killed(process, alive, run: Path, after: int, while_writing: bool, rng: random.Random) -> bool:
    """Kills it some time after that step is saved; returns whether it was writing then."""
    deadline = time.monotonic() + 600
    while newest(run) < after and alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.05))
    while while_writing and alive() and not writing(run):
        pass
    assert alive(), "it ended before it was killed"
    process.kill()
    getattr(process, "join", getattr(process, "wait", None))()
    return writing(run)


def written(road: str, derivatives: str, to: Path) -> Path:
    """The settings of a short run."""
    config = replace(CONFIGS[road](), scene=MARBLES, steps=STEPS, derivatives=derivatives)
    write(replace(config, evaluate=0, data=replace(config.data, downscale=4)), to / "config.toml")
    return to / "config.toml"


def same_run(run: Path, whole: Path) -> None:
    """Losses, data, and the arrays of the state: to the bit."""
    lines = {line.what: line for line in compared(whole, run)}
    for what in ("loss", "state", "data"):
        assert lines[what].equal, lines[what]
    ours, theirs = (named(open_run(at).state) for at in (run, whole))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_a_run_that_is_killed_while_it_saves_comes_out_to_the_bit(tmp_path):
    config, whole, run = written("occupied", "hand", tmp_path), tmp_path / "whole", tmp_path / "run"
    assert nerf("train", config, "--run", whole) == 0
    asked, rng, was_writing = [config, "--run", run], random.Random(0), False
    while not was_writing:  # now and then a checkpoint is whole before the signal arrives
        process = subprocess.Popen(
            command("train", *asked, *OFTEN), env=CPU, stdout=subprocess.DEVNULL
        )
        was_writing = killed(process, lambda p=process: p.poll() is None, run, 0, True, rng)
        asked = ["--resume", run]
    assert 0 <= newest(run) < STEPS
    assert nerf("train", "--resume", run, *OFTEN[:1], 60) == 0
    assert not writing(run), "half a checkpoint is cleared away"
    same_run(run, whole)


@pytest.mark.parametrize("road", list(CONFIGS))
def test_a_run_that_stops_and_goes_on_comes_out_to_the_bit(road, tmp_path):
    """With derivatives by JAX; test_train.py has those by hand."""
    config = replace(read(written(road, "auto", tmp_path)), steps=24)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train_run(replace(config, run=whole)) == (whole, 0)
    assert train_run(replace(config, run=run), until=11) == (run, 0)
    assert newest(run) == 11
    assert nerf("train", "--resume", run) == 0
    same_run(run, whole)


@pytest.mark.long
@pytest.mark.parametrize("derivatives", ["hand", "auto"])
@pytest.mark.parametrize("road", list(CONFIGS))
def test_a_run_that_is_killed_again_and_again(road, derivatives, tmp_path, forked):
    def finished(*arguments):
        process = forked(*arguments)
        process.join(timeout=240)
        assert process.exitcode == 0, (tmp_path / "log").read_text()[-3000:]

    config, whole, run = written(road, derivatives, tmp_path), tmp_path / "whole", tmp_path / "run"
    finished(config, "--run", whole)
    rng = random.Random(f"{road} {derivatives}")
    targets = sorted(rng.randrange(STEPS - 25) for _ in range(KILLS - 1))
    first = forked(config, "--run", run, *OFTEN)
    was_writing = [killed(first, first.is_alive, run, 0, False, rng)]
    for k, target in enumerate(targets):
        process = forked("--resume", run, *OFTEN)
        was_writing.append(killed(process, process.is_alive, run, target, k % 2 == 0, rng))
    finished("--resume", run)
    assert len(was_writing) == KILLS and any(was_writing)
    same_run(run, whole)
