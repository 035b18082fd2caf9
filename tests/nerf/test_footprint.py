"""How much of the pictures the cube covers: a scene in other units is told, or refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from nerf import footprint, inspect, paths
from tests.nerf.commands import TINY, mistake, nerf
from tests.nerf.test_inspect import around, pinhole, scene


@pytest.fixture
def millimetres(tmp_path):
    """A Blender scene, as Blender exports it in other units: `times` those of the format."""

    def write(times, **more):
        frames = []
        for k in range(12):
            angle, file = 2 * np.pi * k / 12, tmp_path / f"{k}.png"
            o = 4.0 * np.array([np.cos(angle), np.sin(angle), 0.4])
            pose = np.eye(4)
            pose[:3] = paths.look_at(o, np.zeros(3), np.array([0, 0, 1.0]))
            pose[:3, 3] = o * times
            Image.fromarray(np.full((16, 16, 3), 20 * k, np.uint8)).save(file)
            frames.append({"file_path": file.name, "transform_matrix": pose.tolist()})
        meta = {"camera_angle_x": 0.69, "frames": frames, **more}
        (tmp_path / "transforms_train.json").write_text(json.dumps(meta))
        return tmp_path

    return write


def test_the_footprint_is_that_of_every_pixel():
    """Against all pixels of the picture, one by one, from near and from far."""
    camera = pinhole()
    for times in (1.0, 4.0, 15.0, 40.0, 400.0):
        pose = camera.pose.astype(np.float64)
        pose[:, 3] *= times
        moved = replace(camera, pose=pose.astype(np.float32))
        split = replace(
            around(1),
            pictures=np.zeros((1, moved.height, moved.width, 4), np.uint8),
            intrinsics=moved.intrinsics[None],
            poses=moved.pose[None],
        )
        y, x = np.mgrid[: moved.height, : moved.width].reshape(2, -1) + 0.5
        directions = np.stack([(x - 62) / 90, (49 - y) / 95, -np.ones_like(x)], axis=-1)
        directions = directions @ pose[:, :3].T
        first, second = ((s - pose[:, 3]) / directions for s in (-1, 1))
        meets = np.minimum(first, second).max(-1) < np.maximum(first, second).min(-1)
        found = footprint.footprint(scene(split)).mean
        np.testing.assert_allclose(found, meets.mean(), atol=0.02 if times < 10 else 1e-9)
        assert (found == 0) == (not meets.any())


def test_train_refuses_what_no_pixel_shows(millimetres, tmp_path, capsys):
    folder = millimetres(1000)
    said = mistake(capsys, "train", *TINY[:1], "--scene", folder, "--run", tmp_path / "run")
    assert "no ray of any pixel meets the cube of half side 1.5" in said
    assert "stand 4308 from its middle" in said and "--data.bound 1600" in said
    assert not (tmp_path / "run").exists()


def test_inspect_warns_of_it_and_of_a_few_per_cent(millimetres, capsys):
    folder = millimetres(1000)
    assert nerf("inspect", folder) == 0
    said = capsys.readouterr().out
    assert "rays     none meets the cube" in said
    assert "warning  no ray of any pixel meets the cube of half side 1.5" in said
    assert "give --bound 1600" in said
    assert nerf("inspect", folder, "--bound", 1600) == 0
    assert "warning" not in capsys.readouterr().out
    assert nerf("inspect", millimetres(10)) == 0
    assert "of all rays meet the cube" in capsys.readouterr().out


def test_a_few_per_cent_are_a_warning_of_training(millimetres):
    (said,) = footprint.checked(load(millimetres(10)), "bounded").warnings
    assert said.startswith("0.01") and "of all rays meet the cube" in said
    with pytest.raises(InputError, match="no ray of any pixel"):
        footprint.checked(load(millimetres(1000)), "bounded")
    (said,) = footprint.checked(load(millimetres(1000, aabb_scale=16)), "unbounded").warnings
    assert "no ray of any pixel" in said
    assert footprint.checked(load(millimetres(1000)), "forward").warnings == ()


def test_a_cube_far_too_large_is_told(millimetres):
    (said,) = footprint.checked(load(millimetres(0.001)), "bounded").warnings
    assert said.startswith("all cameras stand next to one another in the cube of half side 1.5")
    assert "kilometres say, give --data.bound 0.0016" in said
    assert footprint.checked(load(millimetres(0.001), bound=0.0016), "bounded").warnings == ()


def test_cameras_that_look_away_are_no_matter_of_units():
    split = around()
    flipped = split.poses.copy()
    flipped[:, :, 1:3] *= -1
    said = inspect.inspect(scene(replace(split, poses=flipped))).warnings
    assert any("the cameras look away from it" in line for line in said)
    assert not any("millimetres" in line for line in said)
