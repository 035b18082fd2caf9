"""Faults from outside: what a run does when the disk, the scheduler or the data fail it.

docs/runs.md states each outcome.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nerf import receipt
from nerf.opened import open_run
from tests.nerf.commands import TINY, done, nerf, one_line, training, wait_until
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


def test_a_disk_that_fills_up_during_a_checkpoint(tmp_path):
    """Training goes on; the checkpoint before stays; at the end one line says what is missing."""
    with small_disk(tmp_path / "disk", "1500k") as disk:
        started = done("train", *TINY, "--run", disk / "run", "--steps", 30)
        assert started.returncode == 0, started.stderr
        kept = max(int(p.name) for p in (disk / "run" / "checkpoints").iterdir())
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"x" * max(0, free - 30_000))
        full = done(
            "train", "--resume", disk / "run", "--steps", 400, "--training.checkpoint-seconds", 0.2
        )
        assert full.returncode == 2, full.stdout + full.stderr
        said = one_line(full.stderr)
        assert "could not be saved: " in said and "o space left" in said, said
        assert f"the checkpoint of step {kept} is kept" in said
        assert f"not saved: {said.split('saved: ')[1].split(';')[0]}" in full.stdout
        assert "step 400" in full.stdout, "training went on to its end"
        (disk / "ballast").unlink()
        again = done("train", "--resume", disk / "run", "--steps", 400)
        assert again.returncode == 0, again.stderr
        assert receipt.read(disk / "run")["step"] == 400


def test_a_disk_that_fills_up_during_a_film(saved_twice, tmp_path):
    """The film that was there stays; frames are kept; with room the same command goes on."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        out = disk / "film.mp4"
        out.write_bytes(b"an older film")
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 60_000))
        film = ["render", saved_twice, "--out", out, "--frames", 40, "--overwrite"]
        full = done(*film)
        assert full.returncode == 2 and "o space left" in one_line(full.stderr), full.stderr
        assert out.read_bytes() == b"an older film"
        kept = len(list((disk / ".film.mp4.frames").glob("*.png")))
        assert 0 < kept < 40
        (disk / "ballast").unlink()
        again = done(*film)
        assert again.returncode == 0, again.stderr
        assert f"kept {kept} of 40 frames" in again.stdout
        assert out.stat().st_size > 1000


@pytest.mark.parametrize("what", ["train", "resume", "eval", "render"])
def test_a_folder_that_may_not_be_written(saved_twice, tmp_path, what):
    """One line, exit code 2, and what is there stays. Root may write everywhere: the right goes."""
    prefix = ()
    if os.getuid() == 0:
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed: root can't give up its rights")
    copy = shutil.copytree(saved_twice, tmp_path / "there" / "copy")
    told = {
        "train": ["train", *TINY, "--run", tmp_path / "there" / "new", "--steps", 2],
        "resume": ["train", "--resume", copy, "--steps", 44],
        "eval": ["eval", copy, "--views", 1],
        "render": ["render", copy, "--out", tmp_path / "there" / "a.gif", "--frames", 2],
    }[what]
    locked = [p for p in (tmp_path / "there").rglob("*") if p.is_dir()] + [tmp_path / "there"]
    for folder in locked:
        folder.chmod(0o555)
    for file in copy.glob("*.*"):
        file.chmod(0o444)
    try:
        refused = done(*told, prefix=prefix)
    finally:
        for folder in locked:
            folder.chmod(0o755)
    assert refused.returncode == 2, refused.stderr
    assert "ermission denied" in one_line(refused.stderr), refused.stderr
    assert sorted(p.name for p in (copy / "checkpoints").iterdir()) == ["20", "40"]
    assert not (tmp_path / "there" / "new").exists()


def test_a_scheduler_ends_a_run_that_another_process_wanted(tmp_path):
    """A second process on one folder is refused; SIGTERM saves, and says how to go on: 143."""
    folder = tmp_path / "long"
    process = training(folder)
    second = done("train", "--resume", folder)
    assert second.returncode == 2
    assert "another process is training it; wait, or name another --run" in one_line(second.stderr)
    process.send_signal(signal.SIGTERM)
    said, complaint = process.communicate(timeout=600)
    assert process.returncode == 143, complaint
    assert f"nerf train --resume {folder}" in said and "Traceback" not in complaint
    kept = max(int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdigit())
    assert kept > 0 and f"stopped at step {kept}, saved" in said
    told = receipt.read(folder)
    assert told["ended"] == "terminated" and told["step"] == kept
    assert int(open_run(folder).state.step) == kept


def test_a_clock_that_is_set_back_loses_nothing(tmp_path, monkeypatch):
    """Checkpoints go by their steps, training by a clock that can't be set."""
    folder = tmp_path / "run"
    real = time.time
    assert nerf("train", *TINY, "--run", folder, "--steps", 20) == 0
    before = receipt.read(folder)["training_seconds"]
    a_day = 86400.0
    monkeypatch.setattr(time, "time", lambda: real() - a_day)
    for file in (folder / "checkpoints").rglob("*"):
        os.utime(file, (real() + a_day, real() + a_day))
    assert nerf("train", "--resume", folder, "--steps", 40) == 0
    opened = open_run(folder)
    assert int(opened.state.step) == 40 and opened.seconds > before
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40]
    assert rows[0]["seconds"] < rows[1]["seconds"] and rows[1]["rays_per_second"] > 0


def test_a_picture_that_is_deleted_while_training_is_missed_when_it_is_read_again(tmp_path):
    """Pictures are read once: training goes on to its end; who reads them again says which."""
    scene = shutil.copytree(MARBLES, tmp_path / "scene")
    folder = tmp_path / "run"
    tiny = [str(scene) if each == str(MARBLES) else each for each in TINY]
    process = training(folder, *tiny)
    metrics = folder / "metrics.jsonl"
    (victim,) = scene.glob("train/r_3.*")
    victim.unlink()
    size = metrics.stat().st_size
    wait_until(lambda: metrics.stat().st_size > size, process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=600) and process.returncode == 143
    again = done("train", "--resume", folder, "--steps", 200_000)
    assert again.returncode == 2 and "r_3" in one_line(again.stderr)
