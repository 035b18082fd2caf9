"""`nerf microscope`, as a user types it, on a run that has recorded a ray."""

import contextlib
import json
import shutil
from pathlib import Path
from unittest import mock

import imageio.v3
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nerf.checkpoint import Checkpoints
from nerf.microscope import record
from nerf.microscope.record import Ray, states
from tests.nerf.commands import TINY, mistake, nerf

RAY = "3,20,30"


THERE = Ray.of(RAY, "--record-ray")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert nerf("train", *TINY, "--run", folder, "--steps", 2, "--record-ray", RAY) == 0
    return folder


@pytest.fixture
def other(run, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(run, tmp_path / "again")


def steps(run):
    return [step for step, _ in states(run, THERE)]


def test_states_are_recorded_and_played(run, tmp_path, capsys):
    (first, before), (second, after) = states(run, THERE)
    assert (first, second) == (1, 2)
    assert before.loss != after.loss and before.photograph is not None
    film = tmp_path / "ray.gif"
    look = "microscope", run, "--view", 3, "--pixel"
    assert nerf(*look, "20,30", "--film", film) == 0
    assert imageio.v3.improps(film).shape == (2, 720, 1280, 3)
    assert "--overwrite" in mistake(capsys, *look, "20,30", "--film", film)
    assert "--record-ray 3,20,31" in mistake(capsys, *look, "20,31", "--film", tmp_path / "a.gif")
    assert "train" in mistake(
        capsys, *look, "20,30", "--film", tmp_path / "a.gif", "--split", "test"
    )


def test_a_run_that_goes_on_records_on(other):
    file = THERE.file(other)
    file.unlink()  # as if it had not been recorded so far
    resume = "train", "--resume", other, "--record-ray", RAY, "--steps"
    assert nerf(*resume, 4) == 0 and steps(other) == [3, 4]
    kept = file.read_text().splitlines()
    file.write_text("\n".join([*kept, kept[-1].replace('"step": 4', '"step": 9')]) + "\n")
    assert nerf(*resume, 5) == 0
    assert steps(other) == [3, 4, 5], "what lay ahead of it was another future"


def test_what_goes_wrong_with_recording_does_not_end_training(other, capsys):
    folder = THERE.file(other).parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    capsys.readouterr()
    assert nerf("train", "--resume", other, "--steps", 4, "--record-ray", RAY) == 0
    assert capsys.readouterr().out.count("no longer recorded") == 1
    assert Checkpoints(other).latest == 4


def test_half_a_line_of_a_killed_run_is_cut_off(other, tmp_path, capsys):
    file = THERE.file(other)
    whole = file.read_text()
    file.write_text(whole + whole.splitlines()[-1].replace('"step": 2', '"step": 3')[:300])
    assert steps(other) == [1, 2]
    assert nerf("train", "--resume", other, "--steps", 3, "--record-ray", RAY) == 0
    assert steps(other) == [1, 2, 3]
    file.write_text("")
    look = "microscope", other, "--view", 3, "--pixel", "20,30", "--film", tmp_path / "a.gif"
    assert "were recorded: it has none" in mistake(capsys, *look)


def test_a_film_is_over_the_background_of_training(tmp_path):
    given, grey = [], np.full((8, 8, 3), 9, np.uint8)
    black, folder = tmp_path / "black", tmp_path / "film"
    told = "--steps", 2, "--record-ray", RAY, "--data.background", "black"
    assert nerf("train", *TINY, "--run", black, *told) == 0
    look = "microscope", black, "--view", 3, "--pixel", "20,30", "--film", folder
    drawn = lambda _, picture, *more: given.append(picture) or grey  # noqa: E731
    with mock.patch.object(record, "drawn", drawn):
        assert nerf(*look) == 0
        assert (given[0][0, 0] == 0).all(), "a corner of the photograph, where nothing is"
        assert nerf(*look, "--overwrite") == 0 and len(list(folder.iterdir())) == 2


def test_a_figure_that_cannot_be_finished_leaves_the_old(run, tmp_path, capsys):
    out = tmp_path / "ray.png"
    out.write_bytes(b"old")

    def full(self, file, **options):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(file))

    look = "microscope", run, "--pixel", "20,30", "--out", out, "--overwrite"
    with mock.patch.object(Figure, "savefig", full):
        assert "No space left" in mistake(capsys, *look)
    assert out.read_bytes() == b"old"


def test_a_figure_and_its_numbers(run, tmp_path, capsys):
    out = tmp_path / "made" / "ray.png"
    look = "microscope", run, "--view", 3, "--pixel", "20,30", "--out", out
    assert nerf(*look) == 0
    said = capsys.readouterr().out
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["sentence"] in said and told["step"] == 2 and told["view"] == 3
    assert len(told["sigma"]) == 32 and np.isfinite(told["slope_sigma"]).all()
    with Image.open(out) as figure:
        assert figure.size == (1920, 1080)
    assert "--overwrite" in mistake(capsys, *look)
    out.unlink()
    assert "ray.json: exists already" in mistake(capsys, *look)
    elsewhere = tmp_path / "numbers.json"
    assert nerf(*look, "--split", "test", "--json", elsewhere, "--overwrite") == 0
    assert json.loads(elsewhere.read_text())["split"] == "test" and out.exists()


MISTAKES = [
    (["--pixel", "50,3", "--out", "a.png"], "pixel 50,3: outside the picture of 50x50"),
    (["--pixel", "-1,3", "--out", "a.png"], "outside the picture"),
    (["--pixel", "3", "--out", "a.png"], "--pixel 3: give COLUMN,ROW"),
    (["--pixel", "a,b", "--out", "a.png"], "--pixel a,b: give COLUMN,ROW"),
    (["--pixel", "3,4", "--view", "999", "--out", "a.png"], "view 999: there are 64"),
    (["--pixel", "3,4", "--out", "a.bmp"], "a.bmp: unknown ending; give .png"),
    (["--pixel", "3,4", "--film", "a.xyz"], "unknown ending"),
    (["--pixel", "3,4"], "nothing to write"),
    (["--pixel", "3,4", "--film", "a.gif", "--fps", "0"], "--fps 0"),
    (["--pixel", "3,4", "--out", "/proc/nowhere/a.png"], "/proc/nowhere"),
    (["--pixel", "3,4", "--split", "val", "--out", "a.png"], "val"),
    (["--pixel", "3,4", "--json", "."], ".: is a folder; name a file"),
    (["--pixel", "3,4", "--out", "a.png", "--json", "a.png"], "a.png: named twice"),
    (["--pixel", "3,4", "--film", "a.gif", "--background", "black"], "for --out and --json"),
]


def test_mistakes_end_in_one_line(run, capsys, tmp_path):
    with contextlib.chdir(tmp_path):
        for arguments, said in MISTAKES:
            assert said in mistake(capsys, "microscope", run, *arguments)
            assert not list(tmp_path.iterdir()), arguments


def test_a_run_without_checkpoint_and_a_ray_outside(run, capsys, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.toml").write_text((run / "config.toml").read_text())
    look = "microscope", empty, "--pixel", "3,4", "--out", tmp_path / "a.png"
    assert "no checkpoint yet" in mistake(capsys, *look)
    outside = "train", *TINY, "--run", tmp_path / "b", "--record-ray", "3,20,50"
    assert "outside the picture" in mistake(capsys, *outside)
    assert "--record-ray 3: give VIEW" in mistake(capsys, *outside[:-1], "3")
    assert not (tmp_path / "b").exists()
    broken = Ray(0, 1, 1).file(run)
    broken.write_text('{"step": 1}\n')
    look = "microscope", run, "--pixel", "1,1", "--film", tmp_path / "a.gif"
    assert "broken" in mistake(capsys, *look)
