"""What is no regular file is refused in a line wherever a file is read: opened, a pipe hangs."""

import json
import os
import shutil
import signal

import pytest

from data.distance import distances
from data.errors import InputError
from data.files import read_json
from data.load import load
from nerf.reproduce import _losses
from tests.nerf.commands import mistake

SAID = "is a pipe; put a regular file there"


@pytest.fixture(autouse=True)
def in_time():
    """A pipe that is opened nonetheless hangs: the test fails then."""

    def over(number, frame):
        raise TimeoutError("a pipe was opened")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(file):
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    return file


def test_settings(tmp_path, capsys):
    file = pipe(tmp_path / "settings.toml")
    assert f"{file}: {SAID}" in mistake(capsys, "train", file)


@pytest.mark.parametrize("name", ["path.json", "dataparser_transforms.json"])
def test_a_path(small_run, tmp_path, capsys, name):
    path = tmp_path / "path.json"
    camera = {"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1], "fov": 50}
    told = {"render_width": 8, "render_height": 8, "fps": 10, "camera_path": [camera] * 2}
    path.write_text(json.dumps(told))
    pipe(tmp_path / name)
    said = mistake(capsys, "render", small_run, "--path", path, "--out", tmp_path / "film.mp4")
    assert f"{name}: {SAID}" in said


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("frame.json", "eval"),
        ("metrics.jsonl", "train --resume"),
        ("lock", "train --resume"),
        ("run.json", "reproduce"),
    ],
)
def test_a_file_of_a_run(small_run, tmp_path, capsys, name, command):
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    pipe(run / name)
    more = ("--steps", 10_000) if "resume" in command else ()
    assert f"{name}: {SAID}" in mistake(capsys, *command.split(), run, *more)


def test_the_log_of_a_run(tmp_path):
    pipe(tmp_path / "metrics.jsonl")
    with pytest.raises(InputError, match=SAID):
        _losses(tmp_path)


@pytest.mark.parametrize(
    "name", ["transforms.json", "transforms_train.json", "poses_bounds.npy", "sparse/0/cameras.bin"]
)
def test_the_file_that_a_scene_is_known_by(tmp_path, name):
    (tmp_path / "sparse/0").mkdir(parents=True)
    pipe(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: {SAID}"):
        load(tmp_path)


def test_files_of_a_scene(tmp_path):
    with pytest.raises(InputError, match=SAID):
        read_json(pipe(tmp_path / "transforms.json"))
    (tmp_path / "transforms_test.json").write_text(
        '{"distance_unit": 0.1, "frames": [{"distance_path": "0.png"}]}'
    )
    pipe(tmp_path / "0.png")
    with pytest.raises(InputError, match=SAID):
        distances(tmp_path)
