"""`nerf microscope`, as a user types it, on a run that has recorded a ray."""

import json

import imageio.v3
import numpy as np
import pytest
from PIL import Image

from nerf.microscope.record import Ray, states
from tests.nerf.test_cli import TINY, mistake, nerf

RAY = "3,20,30"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    trained = "train", *TINY, "--run", folder, "--steps", 4, "--record-ray", RAY
    assert nerf(*trained) == 0
    return folder


def test_states_are_recorded_and_played(run, tmp_path, capsys):
    kept = states(run, Ray(3, 20, 30))
    assert [step for step, _ in kept] == [1, 2, 3, 4]
    assert kept[0][1].loss != kept[-1][1].loss and kept[0][1].photograph is not None
    film = tmp_path / "ray.gif"
    look = "microscope", run, "--view", 3, "--pixel"
    assert nerf(*look, "20,30", "--film", film) == 0
    assert imageio.v3.improps(film).shape == (4, 720, 1280, 3)
    assert "--overwrite" in mistake(capsys, *look, "20,30", "--film", film)
    assert "--record-ray 3,20,31" in mistake(capsys, *look, "20,31", "--film", tmp_path / "a.gif")
    assert "train" in mistake(
        capsys, *look, "20,30", "--film", tmp_path / "a.gif", "--split", "test"
    )


def test_a_run_that_goes_on_records_on(run, tmp_path):
    other = tmp_path / "again"
    assert nerf("train", *TINY, "--run", other, "--steps", 2) == 0
    assert nerf("train", "--resume", other, "--steps", 4, "--record-ray", RAY) == 0
    file = Ray(3, 20, 30).file(other)
    assert [step for step, _ in states(other, Ray(3, 20, 30))] == [3, 4]
    kept = file.read_text().splitlines()
    file.write_text("\n".join([*kept, kept[-1].replace('"step": 4', '"step": 9')]) + "\n")
    assert nerf("train", "--resume", other, "--steps", 5, "--record-ray", RAY) == 0
    # what lay ahead of it was another future
    assert [step for step, _ in states(other, Ray(3, 20, 30))] == [3, 4, 5]


def test_a_figure_and_its_numbers(run, tmp_path, capsys):
    out = tmp_path / "made" / "ray.png"
    look = "microscope", run, "--view", 3, "--pixel", "20,30", "--out", out
    assert nerf(*look) == 0
    said = capsys.readouterr().out
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["sentence"] in said and told["step"] == 4 and told["view"] == 3
    assert len(told["sigma"]) == 32 and np.isfinite(told["slope_sigma"]).all()
    with Image.open(out) as figure:
        assert figure.size == (1920, 1080)
    assert "--overwrite" in mistake(capsys, *look)
    out.unlink()
    assert "ray.json: exists already" in mistake(capsys, *look)
    elsewhere = tmp_path / "numbers.json"
    assert nerf(*look, "--split", "test", "--json", elsewhere, "--overwrite") == 0
    assert json.loads(elsewhere.read_text())["split"] == "test" and out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
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
    ],
)
def test_mistakes_end_in_one_line(run, arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in mistake(capsys, "microscope", run, *arguments)
    assert not list(tmp_path.iterdir())


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
