"""Faults from outside: what a run does when the disk, the scheduler or the data fail it.

docs/faults.md states each outcome. Those of one process are here; a run that is killed is in
test_killed.py.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import nerf.step
from data.errors import InputError
from nerf import cli, digest, receipt
from nerf.checkpoint import Checkpoints, named
from nerf.config import read
from nerf.opened import open_run
from nerf.train import learning_rate
from tests.nerf.conftest import MARBLES, ROOT

TINY = [str(ROOT / "configs" / "tiny.toml"), "--scene", str(MARBLES), "--data.downscale", "4"]
CPU = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}


def nerf_(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(a) for a in arguments])
    return end.value.code


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "nerf.cli", *map(str, arguments)]


def done(*arguments, prefix=(), **more) -> subprocess.CompletedProcess:
    """A process of its own, at its end."""
    return subprocess.run(
        [*prefix, *command(*arguments)],
        capture_output=True, text=True, timeout=240, env=CPU, check=False, **more,
    )  # fmt: skip


def one_line(said: str) -> str:
    """The line of a mistake, which has to be the only one."""
    assert said.startswith("nerf: ") and said.count("\n") == 1, said
    return said


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with checkpoints of steps 20 and 40."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert nerf_("train", *TINY, "--run", folder, "--steps", 20) == 0
    assert nerf_("train", "--resume", folder, "--steps", 40) == 0
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["20", "40"]
    return folder


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


# the disk


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


def test_a_disk_that_fills_up_during_a_film(run, tmp_path):
    """The film that was there stays; frames are kept; with room the same command goes on."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        out = disk / "film.mp4"
        out.write_bytes(b"an older film")
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 60_000))
        film = ["render", run, "--out", out, "--frames", 40, "--overwrite"]
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
def test_a_folder_that_may_not_be_written(run, tmp_path, what):
    """One line, exit code 2, and what is there stays. Root may write everywhere: the right goes."""
    prefix = ()
    if os.getuid() == 0:
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed: root can't give up its rights")
    copy = shutil.copytree(run, tmp_path / "there" / "copy")
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


# checkpoints


def spoilt(run: Path, step: int, how: str, rng: random.Random) -> None:
    """Does something to the arrays of a checkpoint, where most of its bytes are."""
    files = [p for p in (run / "checkpoints" / str(step) / "state").rglob("*") if p.is_file()]
    data = max(files, key=lambda p: p.stat().st_size * ("d" in p.parts))
    content = bytearray(data.read_bytes())
    if how == "flipped":
        at = rng.randrange(len(content) // 4, 3 * len(content) // 4)
        content[at] ^= 1 << rng.randrange(8)
    elif how == "truncated":
        content = content[: len(content) // 2]
    elif how == "gone":
        data.unlink()
        return
    data.write_bytes(bytes(content))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["flipped", "truncated", "gone"])
def test_a_broken_checkpoint_gives_way_to_the_one_before(run, tmp_path, how, seed, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    spoilt(copy, 40, how, random.Random(seed))
    opened = open_run(copy)
    said = capsys.readouterr().out
    assert "warning  checkpoint 40: broken: " in said and "the one of step 20 is used" in said
    assert int(opened.state.step) == 20


def test_a_run_goes_on_from_the_checkpoint_before_and_comes_to_the_same(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    spoilt(copy, 40, "truncated", random.Random(0))
    assert nerf_("train", "--resume", copy) == 0
    assert "the one of step 20 is used" in capsys.readouterr().out
    assert receipt.read(copy)["state"] == receipt.read(run)["state"]


def test_two_broken_checkpoints_are_one_line(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    for step in (20, 40):
        spoilt(copy, step, "truncated", random.Random(step))
    assert nerf_("eval", copy) == 2
    said = one_line(capsys.readouterr().err)
    assert "checkpoint 40: broken" in said and "checkpoint 20: broken" in said


def test_every_flipped_byte_is_found(run, tmp_path):
    """Wherever it is in the arrays' files: read as it was, or not at all."""
    whole = receipt.read(run)["state"]
    rng, found = random.Random(1), 0
    for trial in range(12):
        copy = shutil.copytree(run, tmp_path / str(trial))
        shutil.rmtree(copy / "checkpoints" / "20")
        files = [p for p in (copy / "checkpoints" / "40" / "state").rglob("*") if p.is_file()]
        file = rng.choices(files, [p.stat().st_size for p in files])[0]
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(content))
        try:
            state = open_run(copy).state
        except InputError as error:
            found += "broken" in str(error)
            continue
        found += 1
        assert digest.of_arrays(named(state))[0] == whole
    assert found == 12


def test_a_checkpoint_that_leads_elsewhere_is_not_followed(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    aside = tmp_path / "aside"
    (copy / "checkpoints" / "40").rename(aside)
    (copy / "checkpoints" / "40").symlink_to(aside)
    assert int(open_run(copy).state.step) == 20
    assert "has links, which could lead out of the run's folder" in capsys.readouterr().out


def test_what_a_run_is_read_from_runs_nothing(run, tmp_path, monkeypatch):
    """No pickle: neither config nor checkpoint may name a function to call."""
    import pickle

    def never(*arguments, **named):
        raise AssertionError("pickle was asked")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    assert int(open_run(run).state.step) == 40
    evil = shutil.copytree(run, tmp_path / "evil")
    text = (evil / "config.toml").read_text()
    for bad in ("steps = \"__import__('os')\"", "steps = {py = 1}", 'scene = ["a"]'):
        name = bad.split(" =")[0]
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} ")]
        (evil / "config.toml").write_text("\n".join([bad, *lines]))
        with pytest.raises(InputError, match=r"must be|is a section"):
            read(evil / "config.toml")


def test_no_source_reads_what_could_run():
    """pickle, np.load with allow_pickle, eval, yaml.load: none in what a user imports."""
    bad = ("import pickle", "allow_pickle=True", "yaml.load", "marshal", "shelve")
    for room in ("data", "nerf", "calculus"):
        for file in (ROOT / room).rglob("*.py"):
            text = file.read_text()
            assert not any(word in text for word in bad), file


# signals and processes


def started(folder: Path, *arguments) -> subprocess.Popen:
    """A long run, once it has taken its first steps."""
    process = subprocess.Popen(
        command("train", *TINY, "--steps", 100_000, "--run", folder, *arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CPU,
    )  # fmt: skip
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 600
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


def test_a_scheduler_ends_a_run_that_another_process_wanted(tmp_path):
    """A second process on one folder is refused; SIGTERM saves, and says how to go on: 143."""
    folder = tmp_path / "long"
    process = started(folder)
    second = done("train", "--resume", folder)
    assert second.returncode == 2
    assert "another process is training it; wait, or name another --run" in one_line(second.stderr)
    process.send_signal(signal.SIGTERM)
    said, complaint = process.communicate(timeout=60)
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
    assert nerf_("train", *TINY, "--run", folder, "--steps", 20) == 0
    before = receipt.read(folder)["training_seconds"]
    a_day = 86400.0
    monkeypatch.setattr(time, "time", lambda: real() - a_day)
    for file in (folder / "checkpoints").rglob("*"):
        os.utime(file, (real() + a_day, real() + a_day))
    assert nerf_("train", "--resume", folder, "--steps", 40) == 0
    opened = open_run(folder)
    assert int(opened.state.step) == 40 and opened.seconds > before
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40]
    assert rows[0]["seconds"] < rows[1]["seconds"] and rows[1]["rays_per_second"] > 0


# data


def test_a_picture_that_is_deleted_while_training_is_missed_when_it_is_read_again(tmp_path):
    """Pictures are read once: training goes on to its end; who reads them again says which."""
    scene = shutil.copytree(MARBLES, tmp_path / "scene")
    folder = tmp_path / "run"
    tiny = [str(scene) if each == str(MARBLES) else each for each in TINY]
    process = subprocess.Popen(
        command("train", *tiny, "--steps", 100_000, "--run", folder),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CPU,
    )  # fmt: skip
    metrics = folder / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None
        time.sleep(0.1)
    (victim,) = scene.glob("train/r_3.*")
    victim.unlink()
    size = metrics.stat().st_size
    while metrics.stat().st_size <= size:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) and process.returncode == 143
    again = done("train", "--resume", folder, "--steps", 200_000)
    assert again.returncode == 2 and "r_3" in one_line(again.stderr)


# numbers that are none


def poisoned(monkeypatch, where: str, at: int, times: int) -> None:
    """Makes one number of step `at` NaN, the first `times` times that it is taken."""
    left = [times]
    honest = nerf.step.Step.run

    def run(self, state, rate):
        if int(state.step) != at or not left[0]:
            return honest(self, state, rate)
        left[0] -= 1
        if where == "parameter":
            layer = state.params["fine"]["trunk"][0]
            layer["W"] = layer["W"].at[0, 0].set(jnp.nan)
            return honest(self, state, rate)
        # programs that meet it are made anew, and it is asked at once what they met
        step = nerf.step.Step(self.model, self.photographs)
        if where == "gradient":
            true = nerf.step.slope_of_rays

            def slope(params, *given):
                seen, gradient = true(params, *given)
                layer = gradient["fine"]["trunk"][0]
                layer["W"] = layer["W"].at[1, 2].set(jnp.nan)
                return seen, gradient

            with monkeypatch.context() as patch:
                patch.setattr(nerf.step, "slope_of_rays", slope)
                found = honest(step, state, rate)
                self.first_bad_array = _kept(step.first_bad_array(found[0], step.batch(found[0])))
                return found
        rays_of = nerf.step.rays_of

        def spoilt(*given):
            rays = rays_of(*given)
            return rays._replace(photograph=rays.photograph.at[5, 1].set(jnp.nan))

        with monkeypatch.context() as patch:
            patch.setattr(nerf.step, "rays_of", spoilt)
            found = honest(step, state, rate)
            self.first_bad_array = _kept(step.first_bad_array(found[0], step.batch(found[0])))
            return found

    monkeypatch.setattr(nerf.step.Step, "run", run)


def _kept(said: str):
    """What was found out while the number was there."""
    return lambda state, batch: said


STAGES = {
    "parameter": "parameter fine trunk 0 W",
    "gradient": "gradient of fine trunk 0 W",
    "pixel": "photograph",
}
OFTEN = ["--training.checkpoint-seconds", 1e-3]


@pytest.mark.parametrize("where", list(STAGES))
def test_a_number_that_is_none_stops_the_run_and_is_named(where, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    poisoned(monkeypatch, where, 12, times=1)
    assert nerf_("train", *TINY, "--run", folder, "--steps", 30, *OFTEN) == 2
    said = one_line(capsys.readouterr().err)
    assert f"step 13: {STAGES[where]} is not finite, training stopped" in said
    kept = Checkpoints(folder).latest
    assert kept in (11, 12) and f"the checkpoint of step {kept} is kept" in said
    for name, array in named(open_run(folder).state).items():
        assert np.isfinite(np.asarray(array)).all(), name
    assert nerf_("train", "--resume", folder, "--on-nan", "rollback") == 0


@pytest.mark.parametrize("where", list(STAGES))
def test_a_rollback_goes_on_from_the_last_good_state_more_slowly(
    where, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    poisoned(monkeypatch, where, 12, times=1)
    told = ["train", *TINY, "--run", folder, "--steps", 30, "--on-nan", "rollback", *OFTEN]
    assert nerf_(*told) == 0
    said = capsys.readouterr().out
    assert f"step 13: {STAGES[where]} is not finite; back to step " in said
    assert "learning rate x 0.5 from here on" in said
    told = receipt.read(folder)
    assert told["step"] == 30 and told["rollbacks"] == 1 and told["ended"] == "done"
    (row,) = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][-1:]
    config = read(folder / "config.toml")
    assert row["learning_rate"] == pytest.approx(0.5 * learning_rate(config, 29 / 30), rel=1e-6)


def test_rollbacks_come_to_an_end(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    poisoned(monkeypatch, "gradient", 12, times=1000)
    told = ["train", *TINY, "--run", folder, "--steps", 30, "--on-nan", "rollback", *OFTEN]
    assert nerf_(*told) == 2
    captured = capsys.readouterr()
    assert captured.out.count("; back to step ") == 5
    assert "training stopped after 5 rollbacks" in one_line(captured.err)
