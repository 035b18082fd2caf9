"""Going on with a run: what must be as it was, and what a run tells when it has ended."""

import contextlib
import json
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from data.load import load
from nerf import changes, digest, receipt
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config, as_dict
from tests.nerf.commands import mistake, nerf
from tests.nerf.conftest import MARBLES, ROOT, prepared, same_bits, tiny


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The bundled scene with eight training pictures of its own, to be spoilt."""
    folder = tmp_path_factory.mktemp("scenes") / "marbles"
    shutil.copytree(MARBLES, folder)
    file = folder / "transforms_train.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"frames": told["frames"][:8]}))
    return folder


@pytest.fixture(scope="module")
def run(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    told = [ROOT / "configs" / "tiny.toml", "--scene", scene, "--data.downscale", 4]
    assert nerf("train", *told, "--run", folder, "--steps", 25, "--evaluate", 2) == 0
    return folder


def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


def test_a_changed_setting_is_named_and_refused_unless_accepted(run, tmp_path, capsys):
    copy = copied(run, tmp_path)
    again = ["train", "--resume", copy, "--steps", 28, "--evaluate", 0]
    assert nerf(*again, "--training.rays", 128, "--training.beta1", 0.8) == 2
    said = capsys.readouterr().err
    assert "training.rays was 256, is 128, training.beta1 was 0.9, is 0.8; undo that, or " in said
    assert nerf(*again, "--training.rays", 128, "--accept-changes") == 0
    assert "changed  training.rays was 256, is 128" in capsys.readouterr().out
    assert receipt.read(copy)["changes"] == ["step 25: training.rays was 256, is 128"]
    assert nerf("reproduce", copy) == 2
    assert "was changed on its way (step 25: training.rays was" in capsys.readouterr().err


def test_a_config_that_was_edited_is_noticed(run, tmp_path, capsys):
    copy = copied(run, tmp_path)
    file = copy / "config.toml"
    file.write_text(file.read_text().replace("beta1 = 0.9", "beta1 = 0.5"))
    assert nerf("train", "--resume", copy, "--steps", 28) == 2
    assert "training.beta1 was 0.9, is 0.5" in capsys.readouterr().err


DENSITY = ('density = "softplus"', 'density = "relu"', "field.density was softplus, is relu")
WIDTH = ("trunk_width = 32", "trunk_width = 64", "field.trunk_width was 32, is 64")
NEAR = ("near = 0.4", "near = 0.5", "sampling.near was 0.4, is 0.5")
WHITE = ('background = "white"', 'background = "black"', "data.background was white, is black")


@pytest.mark.parametrize(
    ("edit", "command"),
    [
        (DENSITY, ("eval",)),
        (WIDTH, ("eval",)),
        (NEAR, ("render", "--out", "a.gif", "--frames", 2)),
        (DENSITY, ("export", "--points", "a.ply")),
        (WHITE, ("microscope", "--pixel", "3,3", "--out", "a.png")),
        (WHITE, ("microscope", "--pixel", "3,3", "--film", "b.gif")),
        (DENSITY, ("view", "--port", 0)),
        (DENSITY, ("check",)),
        (DENSITY, ("reproduce",)),
    ],
    ids=lambda given: "-".join(map(str, given[:4:3])) if isinstance(given, tuple) else None,
)
def test_no_command_takes_an_edited_config_for_what_was_trained(
    run, tmp_path, edit, command, capsys
):
    copy, (was, now, said), (name, *rest) = copied(run, tmp_path), edit, command
    file = copy / "config.toml"
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    with contextlib.chdir(tmp_path):
        complaint = mistake(capsys, name, copy, *rest)
    assert f"{copy}: is not what was trained: {said}; undo that in config.toml" in complaint
    assert {p.name for p in tmp_path.iterdir()} == {"copy"}


def test_changed_data_is_named_and_refused_unless_accepted(run, scene, tmp_path, capsys):
    other = shutil.copytree(scene, tmp_path / "other")
    names = [frame["file_path"] for frame in json.loads(
        (other / "transforms_train.json").read_text())["frames"]]  # fmt: skip
    (file,) = other.glob(f"{names[3]}.*")
    with Image.open(file) as picture:
        pixels = np.array(picture)
    pixels[:8, :8] ^= 255
    Image.fromarray(pixels).save(file, lossless=True)
    again = ["train", "--resume", copied(run, tmp_path), "--scene", other, "--steps", 28]
    assert nerf(*again) == 2
    said = capsys.readouterr().err
    assert f"picture {file.relative_to(other).with_suffix('')} is another; undo that" in said
    assert nerf(*again, "--accept-changes", "--evaluate", 0) == 0
    # from then on the data is what it is now
    assert nerf(*again[:-1], 30, "--evaluate", 0) == 0


def test_a_picture_that_is_gone_is_named(run, scene, tmp_path, capsys):
    other = shutil.copytree(scene, tmp_path / "other")
    file = other / "transforms_train.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"frames": told["frames"][1:]}))
    assert nerf("train", "--resume", copied(run, tmp_path), "--scene", other, "--steps", 28) == 2
    assert "picture train/r_0 is gone" in capsys.readouterr().err


def test_a_moved_scene_is_the_same_data(run, scene, tmp_path):
    moved = shutil.copytree(scene, tmp_path / "moved")
    again = ["train", "--resume", copied(run, tmp_path), "--scene", moved, "--steps", 26]
    assert nerf(*again, "--evaluate", 0) == 0


def test_the_receipt_tells_what_the_run_was(run):
    told = receipt.read(run)
    assert told["ended"] == "done" and told["step"] == 25 and told["seeds"] == [0]
    assert {"python", "jax", "jaxlib", "flax", "numpy"} <= told["versions"].keys()
    assert told["device"] and told["devices"] == jax.device_count()
    assert len(told["config_digest"]) == len(told["data_digest"]) == 32
    assert "scene" not in told["config"] and told["config"]["training"]["rays"] == 256
    assert 0 < told["training_seconds"] < told["wall_seconds"]
    assert told["peak_memory_bytes"] > 2**27
    evaluation = told["evaluation"]
    assert evaluation["step"] == 25 and evaluation["protocol"]["views"] == "2 of 10"
    assert [view["name"] for view in evaluation["views"]] == ["test/r_0", "test/r_5"]
    assert evaluation.pop("peak_memory_bytes") >= told["peak_memory_bytes"]
    assert evaluation == {"step": 25} | json.loads((run / "eval" / "metrics.json").read_text())


def test_a_run_is_made_again_to_the_bit(run, tmp_path, capsys):
    assert nerf("reproduce", run, "--out", tmp_path / "again") == 0
    said = capsys.readouterr().out
    for what in ("versions", "device", "config", "data", "loss: 2 logged", "state", "views: 2"):
        assert f"equal    {what}" in said
    assert "to the bit" in said and "differs" not in said


def test_it_is_said_where_a_run_differs(run, tmp_path, capsys):
    """The same run but for one number of its receipt, its curve, and its seed."""
    copy = copied(run, tmp_path)
    told = receipt.read(copy)
    told["versions"]["jax"] = "0.1.2"
    told["evaluation"]["views"][1]["psnr"] += 0.5
    (copy / receipt.FILE).write_text(json.dumps(told))
    config = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(config.replace("seed = 0", "seed = 1"))
    assert nerf("reproduce", copy, "--out", tmp_path / "again") == 1
    said = capsys.readouterr().out
    assert "differs  versions: jax 0.1.2, now " in said
    assert "differs  loss: from step 20 on: " in said
    assert "arrays; most of all " in said
    assert "differs  views: by " in said
    assert "equal    data" in said


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int32", "uint8"])
def test_a_digest_is_that_of_the_bits(dtype):
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        x = jnp.asarray(rng.integers(0, 2, (7, 5)) if dtype == "bool" else rng.integers(0, 99, 35))
        x = x.astype(dtype)
        (name, (a, b)) = next(iter(digest.of_arrays({"x": x})[0].items()))
        raw = np.asarray(x).ravel()
        words = raw if dtype in ("bool", "uint8") else raw.view(np.uint32)
        words = words.astype(object)  # whole numbers without end
        assert name == "x"
        assert a == sum(words) % 2**32
        assert b == sum((2 * k + 1) * word for k, word in enumerate(words)) % 2**32


def test_a_digest_sees_one_flipped_bit_and_two_numbers_exchanged():
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    before = digest.of_arrays({"x": jnp.asarray(x)})
    for bit in (0, 7, 22, 31):
        flipped = x.copy()
        flipped.view(np.uint32)[17, 2] ^= np.uint32(1 << bit)
        assert digest.of_arrays({"x": jnp.asarray(flipped)}) != before
    assert digest.of_arrays({"x": jnp.asarray(x[::-1])}) != before
    assert digest.of_arrays({"x": jnp.asarray(x).at[3, 1].set(jnp.inf)})[1] == ["x"]


def test_settings_that_are_off_and_those_that_are_not_set_are_the_same():
    config = Config()
    off = replace(config, training=replace(config.training, exposure=False, spread=0.0))
    assert changes.of_settings(as_dict(config), off) == []
    on = replace(config, training=replace(config.training, exposure=True))
    assert changes.of_settings(as_dict(config), on) == ["training.exposure was not set, is True"]
    assert changes.in_words(["a", "b", "c", "d", "e"]) == "a, b, c, and 2 more"


def test_averaged_weights_are_kept_shown_and_go_on(scene, tmp_path):
    """Polyak averages: a_k = r_k a_{k-1} + (1 - r_k) p_k, r_k = min(r, (1 + k) / (10 + k)).

    What is learnt they do not change, to the bit.
    """
    split = load(scene, downscale=4).splits["train"]
    config = replace(tiny(), scene=scene)
    plain, learnt = prepared(config, split)
    config = replace(config, training=replace(config.training, average=0.9))
    step, state = prepared(config, split)
    expected = np.asarray(state.params["fine"]["head"][0]["W"], np.float64)
    checkpoints = Checkpoints(tmp_path)
    for k in range(12):
        learnt, _ = plain.run(learnt, np.float32(1e-2))
        state, _ = step.run(state, np.float32(1e-2))
        keeps = min(0.9, (1 + k) / (10 + k))
        now = np.asarray(state.params["fine"]["head"][0]["W"], np.float64)
        expected = keeps * expected + (1 - keeps) * now
        if k == 5:
            assert checkpoints.save(state, Memo({})) == ""
    found = state.shown["fine"]["head"][0]["W"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert np.abs(np.asarray(found) - now).max() > 1e-3, "an average, not the last"
    assert same_bits(learnt.params, state.params) and learnt.average is None
    checkpoints.close()
    again, fresh = prepared(config, split)
    checkpoints = Checkpoints(tmp_path)
    late, _ = checkpoints.restore(fresh)
    checkpoints.close()
    for _ in range(6):
        late, _ = again.run(late, np.float32(1e-2))
    assert same_bits(late, state)
