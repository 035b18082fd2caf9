"""Files that can't be read as what they are, and names that are no text: one line each."""

import json
import os
import shutil

import numpy as np
import pytest

from data.errors import InputError
from data.load import load
from nerf import log
from nerf.config import read
from nerf.paths import keyframes
from tests.data.captures import llff_rows, ring, write_pictures
from tests.nerf.commands import TINY, mistake, nerf
from tests.nerf.conftest import MARBLES

DEEP = {
    "deep.toml": "steps = " + "[" * 10_000 + "]" * 10_000,
    "digits.toml": "steps = " + "9" * 5_000,
    "zeros.toml": "steps = 1\0",
    "latin.toml": b'derivatives = "h\xe4nd"',
    "deep.json": "[" * 10_000 + "]" * 10_000,
    "digits.json": '{"fps": ' + "9" * 5_000 + "}",
    "zeros.json": '{"fps": 1\0}',
    "latin.json": b'{"camera_type": "\xe4"}',
    "empty.json": "",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_file_of_settings_or_a_camera_path_that_can_not_be_read_is_one_line(name, tmp_path):
    text, file = DEEP[name], tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    scene = load(MARBLES, downscale=8, splits=("train",))
    with pytest.raises(InputError, match=rf"{name}: ") as error:
        read(file) if name.endswith("toml") else keyframes.load(file, scene)
    said = str(error.value)
    assert "\n" not in said and len(said) < 400 and "sys." not in said


def test_a_log_with_bytes_that_are_no_text_is_gone_on_with(tmp_path, capsys):
    rows = [json.dumps({"step": step, "loss": 1.0}).encode() for step in (10, 20, 30, 40)]
    rows[1] = b'{"step": 20, "loss": \xff}'
    rows.insert(2, b"[" * 10_000)
    file = tmp_path / log.FILE
    file.write_bytes(b"\n".join(rows) + b'\n{"step": 5')
    with log.metrics_log(tmp_path, 30, 1.0):
        pass
    assert [json.loads(line)["step"] for line in file.read_text().splitlines()] == [10, 30]
    assert "2 lines can't be read and are left out" in capsys.readouterr().out


def test_names_that_are_no_text_are_one_line(tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9")
    folder = tmp_path / odd
    shutil.copytree(MARBLES, folder)
    assert "no file has such a name" in mistake(capsys, "inspect", "a\0b")
    for arguments in (("inspect", folder), ("train", "--scene", folder), ("eval", folder)):
        said = mistake(capsys, *arguments)
        assert "a name is not UTF-8: " in said and r"caf\udce9" in said
    pictured = tmp_path / "llff"
    write_pictures(pictured / "images", [f"{odd}.png", *(f"{k}.png" for k in range(8))])
    np.save(pictured / "poses_bounds.npy", llff_rows(ring(9)))
    assert "a picture's name is not UTF-8: 'caf" in mistake(capsys, "inspect", pictured)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, capsys):
    """What `train` and `eval` advise is true; where checkpoints are gone it is not advised."""
    run = tmp_path / "run"
    assert nerf("train", *TINY, "--steps", 3, "--run", run) == 0
    for name in ("checkpoints", "tensorboard"):
        shutil.rmtree(run / name)
    assert "its checkpoints are gone" in mistake(capsys, "eval", run)
    (run / "run.json").unlink()
    assert f"go on with --resume {run}" in mistake(capsys, "train", *TINY, "--run", run)
    assert f"nerf train --resume {run} begins it again" in mistake(capsys, "eval", run)
    assert nerf("train", "--resume", run) == 0
    out = capsys.readouterr().out
    assert f"resumed  {run}: it has no checkpoint yet, and begins at step 0" in out
    assert (run / "checkpoints" / "3").is_dir()
