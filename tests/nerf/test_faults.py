"""Faults from outside: what a run does when the disk, the scheduler or the data fail it.

docs/runs.md states each outcome.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from nerf import receipt
from nerf.opened import open_run
from tests.nerf.commands import TINY, mistake, nerf, one_line, training, wait_until
from tests.nerf.conftest import MARBLES


@contextlib.contextmanager
def small_disk(at: Path, size: str):
    """A file system of that size in memory. As root alone: elsewhere the test is skipped."""
    at.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@contextlib.contextmanager
def no_rights():
    """Root may write everywhere: not while this lasts, in this thread."""
    if os.getuid():
        yield
        return
    libc = ctypes.CDLL(None)
    head, before = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(head, before):
        pytest.skip("root can't give up its rights here")
    fewer = (ctypes.c_uint32 * 6)(*before)
    fewer[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert not libc.capset(head, fewer)
    try:
        yield
    finally:
        assert not libc.capset(head, before)


def fill(disk: Path, free: int) -> Path:
    """Leaves so many bytes of a disk; what has to go for the others to come back."""
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * max(0, shutil.disk_usage(disk).free - free))
    return ballast


def test_a_disk_that_fills_up_during_a_checkpoint(tmp_path, capsys):
    """Training goes on; the checkpoint before stays; at the end one line says what is missing."""
    with small_disk(tmp_path / "disk", "1500k") as disk:
        run = disk / "run"
        assert nerf("train", *TINY, "--run", run, "--steps", 30) == 0
        kept = max(int(p.name) for p in (run / "checkpoints").iterdir())
        ballast = fill(disk, 30_000)
        capsys.readouterr()
        on = ["train", "--resume", run, "--steps", 60]
        assert nerf(*on, "--training.checkpoint-seconds", 0.1) == 2
        out, err = capsys.readouterr()
        said = one_line(err)
        assert "could not be saved: " in said and "o space left" in said, said
        assert f"the checkpoint of step {kept} is kept" in said
        assert f"not saved: {said.split('saved: ')[1].split(';')[0]}" in out
        assert "step 60" in out, "training went on to its end"
        ballast.unlink()
        assert nerf(*on) == 0
        assert receipt.read(run)["step"] == 60


def test_a_disk_that_fills_up_during_a_film(saved_twice, tmp_path, capsys):
    """The film that was there stays; frames are kept; with room the same command goes on."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        out = disk / "film.mp4"
        out.write_bytes(b"an older film")
        ballast = fill(disk, 30_000)
        film = ["render", saved_twice, "--out", out, "--frames", 12, "--overwrite"]
        film += ["--resolution", "24x24"]
        assert "o space left" in mistake(capsys, *film)
        assert out.read_bytes() == b"an older film"
        kept = len(list((disk / ".film.mp4.frames").glob("*.png")))
        assert 0 < kept < 12
        ballast.unlink()
        assert nerf(*film) == 0
        assert f"kept {kept} of 12 frames" in capsys.readouterr().out
        assert out.stat().st_size > 1000


@pytest.mark.parametrize("what", ["train", "resume", "eval", "render"])
def test_a_folder_that_may_not_be_written(saved_twice, tmp_path, what, capsys):
    """One line, exit code 2, and what is there stays."""
    there = tmp_path / "there"
    copy = shutil.copytree(saved_twice, there / "copy")
    told = {
        "train": ["train", *TINY, "--run", there / "new", "--steps", 2],
        "resume": ["train", "--resume", copy, "--steps", 44],
        "eval": ["eval", copy, "--views", 1],
        "render": ["render", copy, "--out", there / "a.gif", "--frames", 2],
    }[what]
    locked = [p for p in there.rglob("*") if p.is_dir()] + [there]
    for folder in locked:
        folder.chmod(0o555)
    for file in copy.glob("*.*"):
        file.chmod(0o444)
    try:
        with no_rights():
            assert "ermission denied" in mistake(capsys, *told)
    finally:
        for folder in locked:
            folder.chmod(0o755)
    assert sorted(p.name for p in (copy / "checkpoints").iterdir()) == ["20", "40"]
    assert not (there / "new").exists()


def test_a_run_that_another_wants_whose_picture_goes_and_that_a_scheduler_ends(
    tmp_path, capsys, request
):
    """A second process on one folder is refused. Pictures are read once: without one, training goes
    on. SIGTERM saves, and says how to go on: 143. Who reads pictures again says which is gone."""
    scene, run = shutil.copytree(MARBLES, tmp_path / "scene"), tmp_path / "long"
    process = training(run, *[scene if each == str(MARBLES) else each for each in TINY])
    request.addfinalizer(process.kill)
    again = ["train", "--resume", run]
    said = mistake(capsys, *again, "--max-seconds", 60)  # if it is not refused it ends
    assert "another process is training it; wait, or name another --run" in said
    (victim,) = scene.glob("train/r_3.*")
    victim.unlink()
    metrics = run / "metrics.jsonl"
    size = metrics.stat().st_size
    wait_until(lambda: metrics.stat().st_size > size, process)
    process.send_signal(signal.SIGTERM)
    said, complaint = process.communicate(timeout=600)
    assert process.returncode == 143, complaint
    assert f"nerf train --resume {run}" in said and "Traceback" not in complaint
    kept = max(int(p.name) for p in (run / "checkpoints").iterdir() if p.name.isdigit())
    assert kept > 0 and f"stopped at step {kept}, saved" in said
    told = receipt.read(run)
    assert told["ended"] == "terminated" and told["step"] == kept
    assert int(open_run(run).state.step) == kept
    assert "r_3" in mistake(capsys, *again, "--steps", 200_000)


def test_a_clock_that_is_set_back_loses_nothing(saved_twice, tmp_path):
    """Checkpoints go by their steps, training by a clock that can't be set."""
    run = shutil.copytree(saved_twice, tmp_path / "run")
    before = receipt.read(run)["training_seconds"]
    real, a_day = time.time, 86400.0
    for file in (run / "checkpoints").rglob("*"):
        os.utime(file, (real() + a_day, real() + a_day))
    with patch.object(time, "time", lambda: real() - a_day):
        assert nerf("train", "--resume", run, "--steps", 60) == 0
    opened = open_run(run)
    assert int(opened.state.step) == 60 and opened.seconds > before
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[1]["seconds"] < rows[2]["seconds"] and rows[2]["rays_per_second"] > 0
