"""The command line, as a user types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from data.share import ALL
from nerf import config
from nerf.cli.command import COMMANDS
from nerf.cli.scenes import SCENES
from nerf.cli.train import _unused, _with_all_cameras
from nerf.config import Config
from tests.nerf.commands import CPU, TINY, mistake, nerf, training
from tests.nerf.conftest import MARBLES, ROOT


@pytest.fixture(scope="module")
def run(saved_twice, tmp_path_factory):
    """A run of 40 steps."""
    return shutil.copytree(saved_twice, tmp_path_factory.mktemp("runs") / "tiny")


def test_a_run_is_a_folder(run):
    assert {"config.toml", "frame.json", "metrics.jsonl", "checkpoints", "tensorboard"} <= {
        p.name for p in run.iterdir()
    }
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40]
    assert all(row["rays_per_second"] > 0 and np.isfinite(row["loss"]) for row in rows)
    assert any(p.name.startswith("events.out") for p in (run / "tensorboard").iterdir())
    assert f'scene = "{MARBLES}"' in (run / "config.toml").read_text()


@pytest.mark.parametrize(
    "written",
    [
        lambda told: told | {"scale": 1.01 * told["scale"]},
        lambda told: told | {"motion": [[1, 0, 0, 0.01], [0, 1, 0, 0], [0, 0, 1, 0]]},
        lambda told: told | {"motion": [[1, 0], [0, 1]]},
        lambda told: {"scale": None},
        lambda told: [],
    ],
)
def test_a_run_is_not_shown_other_poses(run, written, capsys):
    file = run / "frame.json"
    kept = file.read_text()
    try:
        file.write_text(json.dumps(written(json.loads(kept))))
        assert nerf("eval", run, "--views", 1) == 2
        said = capsys.readouterr().err
        assert "train again" in said and len(said.splitlines()) == 1
    finally:
        file.write_text(kept)


def test_a_run_from_before_goes_on_as_it_was(tmp_path):
    """Settings that it does not have are not switched on, though new runs have them."""
    small = ["--field.levels", 1, "--field.log2-rows", 8, "--sampling.steps", 32]
    small += ["--training.samples", 1024, "--occupancy.cells", 8, "--data.downscale", 4]
    small += ["--scene", SCENES / "terrace", "--evaluate", 0]
    off = ["--training.exposure", "False", "--field.backdrop", "False"]
    folder, new = tmp_path / "run", tmp_path / "new"
    assert nerf("train", "--run", folder, "--steps", 2, *small, *off) == 0
    file = folder / "config.toml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(
        "".join(line for line in lines if line.split()[:1] not in (["exposure"], ["backdrop"]))
    )
    assert nerf("train", "--resume", folder, "--steps", 3) == 0
    with patch("nerf.cli.train.fit", side_effect=InputError("no step is taken")):
        assert nerf("train", "--run", new, *small) == 2
    assert "exposure = true" in (new / "config.toml").read_text()


def test_the_bounds_of_a_forward_scene_are_set_by_all_cameras():
    scene = load(MARBLES, splits=("train",))
    config = replace(Config(), data=replace(Config().data, space="forward"))
    assert set(_with_all_cameras(config, scene, ALL).splits) == {"train", "test"}
    assert _with_all_cameras(Config(), scene, ALL) is scene


def test_eval_writes_metrics_and_pictures(run, capsys):
    assert nerf("eval", run, "--views", 3) == 0
    assert "PSNR" in capsys.readouterr().out
    metrics = json.loads((run / "eval" / "metrics.json").read_text())
    assert set(metrics) == {"psnr", "ssim", "protocol", "seconds", "views"}
    assert {"background", "size", "split", "quantisation"} <= set(metrics["protocol"])
    assert [view["name"] for view in metrics["views"]] == ["test/r_0", "test/r_3", "test/r_6"]
    for key in ("psnr", "ssim"):
        np.testing.assert_allclose(metrics[key], np.mean([v[key] for v in metrics["views"]]))
    assert metrics["seconds"] > 0 and 8 < metrics["psnr"] < 60
    assert (run / "eval" / "views" / "test_r_3.png").is_file()
    with Image.open(run / "eval" / "overview.png") as overview:
        assert overview.width % 4 == 0
    receipt = json.loads((run / "eval" / "receipt.json").read_text())
    assert receipt["steps"] == 40 and receipt["parameters"] > 1000
    page = (run / "eval" / "index.html").read_text()
    for name in ("test_r_0", "test_r_3", "test_r_6"):
        for part in ("photograph", "rendering", "error", "depth"):
            assert f'src="views/{name}.{part}.webp"' in page
            assert (run / "eval" / "views" / f"{name}.{part}.webp").is_file()


@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "frames"])
def test_render_makes_a_film(run, tmp_path, name):
    out = tmp_path / name
    assert nerf("render", run, "--path", "orbit", "--out", out, "--frames", 2) == 0
    assert len(list(out.iterdir())) == 2 if name == "frames" else out.stat().st_size > 500


@pytest.mark.parametrize("show", ["depth", "opacity"])
def test_render_shows_depth_and_opacity(run, tmp_path, show):
    out = tmp_path / "frames"
    assert nerf("render", run, "--out", out, "--frames", 2, "--show", show) == 0
    with Image.open(out / "0001.png") as picture:
        assert np.ptp(np.asarray(picture)) > 30


@pytest.mark.parametrize("where", [("--port", 70000), ("--host", "no such host")])
def test_a_viewer_that_cannot_start_leaves_no_run(where, tmp_path, capsys):
    asked = "train", *TINY, "--run", tmp_path / "run", "--steps", 2, "--view", *where
    assert where[0] in mistake(capsys, *asked)
    assert not (tmp_path / "run").exists()


def test_resume_goes_on(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert nerf("train", "--resume", copy, "--steps", 60) == 0
    rows = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert "steps = 60" in (copy / "config.toml").read_text()
    assert "at step 60 of 60 already" in mistake(capsys, "train", "--resume", copy)


def test_resume_refuses_another_field(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    narrow = "train", "--resume", copy, "--steps", 60, "--field.trunk-width", 8
    said = mistake(capsys, *narrow)
    assert "is not as it was: field.trunk_width was 32, is 8; " in said
    said = mistake(capsys, *narrow, "--accept-changes")
    assert "another field: " in said and "leave the field as it was" in said


def test_a_run_is_not_overwritten(run, capsys):
    assert "--resume" in mistake(capsys, "train", *TINY, "--run", run)


def test_the_loss_goes_bad_and_the_last_good_checkpoint_stays(tmp_path, capsys):
    folder = tmp_path / "wild"
    rates = ("training.learning_rate", "training.final_learning_rate")
    any_rate = config._RANGES[rates[0]]._replace(high=1e31)
    with patch.dict(config._RANGES, dict.fromkeys(rates, any_rate)):
        said = mistake(
            capsys, "train", *TINY, "--run", folder, "--training.learning-rate", "1e30",
            "--training.final-learning-rate", "1e30",
        )  # fmt: skip
        assert re.search(
            r"step \d+: (parameter|the output of|the loss|gradient).* not finite", said
        )
        (kept,) = [p.name for p in (folder / "checkpoints").iterdir() if p.name.isdigit()]
        assert f"the checkpoint of step {kept} is kept" in said
        assert nerf(
            "train", "--resume", folder, "--training.learning-rate", "1e-3",
            "--training.final-learning-rate", "1e-3", "--steps", 20, "--accept-changes",
        ) == 0, "the advice works"  # fmt: skip
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(row["loss"]) for row in rows)


MISTAKEN = """
import os, sys
from nerf import cli
for columns in sys.argv[1:]:
    os.environ["COLUMNS"] = columns
    try:
        cli.main(["train", "--sceen", "x"])
    except SystemExit as end:
        print(end.code)
"""


def test_a_mistake_is_one_line_on_a_terminal_too():
    """tyro draws a frame in colours there; what is left of it must still be the line."""
    import pty

    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MISTAKEN, "40", "80", "200"],
        stdin=writer, stdout=writer, stderr=writer, env=CPU | {"TERM": "xterm-256color"},
    )  # fmt: skip
    process.wait(timeout=60)
    os.close(writer)
    said = os.read(reader, 10000).decode().split("\r\n")
    os.close(reader)
    line = "nerf: train: unknown option --sceen; did you mean --scene?"
    assert said == [line, "2"] * 3 + [""]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "did you mean train?"),
        (["train"], "no scene: name its folder with --scene PATH"),
        (["train", "--sceen", "x"], "unknown option --sceen; did you mean --scene?"),
        (["train", "--field.trunk-widht", "3"], "did you mean --field.trunk-width?"),
        (["train", "--steps", "many"], "--steps"),
        (["train", "--steps", "-4"], "steps is -4: it must be from 1 to"),
        (["train", "--derivatives", "foot"], "Expected one of ('hand', 'auto', 'both')"),
        (["train", "--scene", "/nowhere/at/all"], "no such folder"),
        (["train", "nope.toml"], "nope.toml: no such file"),
        (["train", "--resume", "/nowhere"], "no such folder"),
        (["eval"], "Folder of the run"),
        (["eval", "/nowhere"], "no such folder"),
        (["eval", str(MARBLES)], "not a run: it has no config.toml"),
        (["render", str(MARBLES), "--out", "x.mp4"], "not a run"),
        (["render", "x", "--out", "x.avi"], "unknown ending"),
        (["render", "x", "--out", "x.mp4", "--frames", "0"], "--frames 0"),
        (["eval", "x", "--views", "0"], "--views 0"),
        (["demo", "--frames", "0"], "--frames 0"),
        (["demo", "marble"], "no bundled scene marble; did you mean marbles?"),
        (["demo", "../scenes"], "there are bricks, glaze, marbles, smoke, terrace"),
        (["scenes", "marbles"], "scenes: "),
        (["train", "--seed", str(2**70)], "seed is"),
        (["train", "--scene", "x" * 300], "File name too long"),
        (["train", "--resume", str(MARBLES), "--run", "other"], "not a run"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(arguments, said, capsys):
    assert said in mistake(capsys, *arguments)


def test_a_split_that_is_not_there(run, capsys):
    assert "no split 'val'; it has train, test" in mistake(capsys, "eval", run, "--split", "val")


def test_a_run_without_checkpoint(run, tmp_path, capsys):
    (tmp_path / "config.toml").write_text((run / "config.toml").read_text())
    assert "no checkpoint" in mistake(capsys, "eval", tmp_path)


def test_a_broken_checkpoint(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for file in (copy / "checkpoints").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    said = mistake(capsys, "eval", copy)
    assert str(copy) in said and "broken" in said


def test_a_run_goes_on_in_its_own_folder(run, capsys):
    assert "stays in its folder" in mistake(capsys, "train", "--resume", run, "--run", "other")


def test_a_scene_that_was_moved(run, tmp_path, capsys):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    text = (moved / "config.toml").read_text()
    (moved / "config.toml").write_text(text.replace(str(MARBLES), "/gone"))
    assert "/gone: no such folder" in mistake(capsys, "eval", moved)
    assert nerf("eval", moved, "--views", 1, "--scene", MARBLES) == 0


def test_help_says_what_every_option_means(capsys):
    for command in COMMANDS:
        assert nerf(command, "--help") == 0
        text = capsys.readouterr().out
        for option in re.findall(r"^│ (--[\w.-]+)", text, flags=re.MULTILINE):
            described = text.split(option, 1)[1].split("│ --", 1)[0]
            assert len(re.findall(r"[a-z]{3,}", described)) >= 3, f"{command} {option}"
    assert nerf("--help") == 0
    overview = capsys.readouterr().out
    assert all(f"  {command}" in overview for command in COMMANDS)


def test_a_fresh_run_gets_a_name_of_its_own(tmp_path):
    (tmp_path / "a").mkdir()
    assert _unused(tmp_path, "a") == tmp_path / "a-2"
    assert _unused(tmp_path, "b") == tmp_path / "b"


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "long"
    process = training(folder)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=300)
    assert process.returncode == 130, complaint
    assert f"nerf train --resume {folder}" in said
    assert "Traceback" not in complaint
    kept = max(int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdigit())
    assert kept > 0 and f"stopped at step {kept}" in said


def test_the_scenes_are_listed(capsys):
    assert nerf("scenes") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(p.name for p in SCENES.iterdir())
    assert all(re.search(r" +\d+ \+ \d+ pictures  [A-Z].*\.$", line) for line in lines)
    assert "nerf demo NAME" in last


def test_the_demo_end_to_end(tmp_path, capsys):
    folder = tmp_path / "demo"
    code = nerf(
        "demo", "--run", folder, "--steps", 5, "--frames", 2, "--data.downscale", 8,
        "--field.levels", 1, "--field.finest", 32, "--occupancy.cells", 8,
        "--sampling.steps", 32, "--training.samples", 1024,
    )  # fmt: skip
    assert code == 0
    assert f"all of it is in {folder}" in capsys.readouterr().out
    for made in ("eval/metrics.json", "eval/overview.png", "eval/index.html", "orbit.mp4"):
        assert (folder / made).is_file()


def test_real_lego_from_the_command_line(real_data, tmp_path):
    """The default preset learns real pictures: seconds of it are worth 18 dB on held-out views."""
    lego, few, folder = real_data / "lego", tmp_path / "few", tmp_path / "lego"
    few.mkdir()
    for split in ("train", "test"):
        (few / split).symlink_to(lego / split)
        told = json.loads((lego / f"transforms_{split}.json").read_text())
        some = json.dumps(told | {"frames": told["frames"][::4]})
        (few / f"transforms_{split}.json").write_text(some)
    small = ["--data.downscale", 8, "--sampling.steps", 128, "--training.samples", 8192]
    small += ["--field.log2-rows", 14, "--steps", 100, "--evaluate", 0]
    preset = ROOT / "configs" / "fast.toml"
    assert nerf("train", preset, "--scene", few, "--run", folder, *small) == 0
    assert nerf("eval", folder, "--views", 2) == 0
    assert json.loads((folder / "eval" / "metrics.json").read_text())["psnr"] > 18
