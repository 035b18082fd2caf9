"""Pixels that no ray reaches: masked, counted, said, and not measured."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from nerf.evaluate import measured
from nerf.reach import load, reached
from tests.data.test_transforms import meta

W, H = 24, 16


def scene(folder, **lens):
    """Nine pictures of 24x16 taken through a lens."""
    (folder / "images").mkdir()
    for k in range(9):
        Image.new("RGB", (W, H), (20 * k, 90, 90)).save(folder / "images" / f"{k:02d}.png")
    (folder / "transforms.json").write_text(json.dumps(meta(cx=W / 2, cy=H / 2, **lens)))
    return folder


def off_axis(focal):
    """Distance of pixels from the middle in focal lengths."""
    y, x = np.mgrid[0:H, 0:W] + 0.5
    return np.hypot(x - W / 2, y - H / 2) / focal


@pytest.mark.parametrize(
    ("lens", "farthest"),
    [
        ({"camera_model": "OPENCV_FISHEYE", "fl_x": 7, "fl_y": 7}, math.pi / 2),
        ({"camera_model": "OPENCV", "fl_x": 14, "fl_y": 14, "k1": -1 / 3}, 2 / 3),
    ],
    ids=["behind the camera", "beyond the fold"],
)
def test_pixels_that_no_ray_reaches_are_masked_counted_and_not_measured(tmp_path, lens, farthest):
    found = load(scene(tmp_path, **lens))
    inside = off_axis(lens["fl_x"]) < farthest
    assert 0.3 < inside.mean() < 0.95
    for split in found.splits.values():
        assert np.array_equal(split.masks, np.broadcast_to(inside, split.masks.shape))
    (line,) = (line for line in found.warnings if "of train" in line)
    assert line.startswith(f"{1 - inside.mean():.1%} of the pixels of train are reached by no ray")
    split = found.splits["train"]
    assert np.array_equal(reached(split.camera(3)), inside)
    a = np.random.default_rng(0).random((H, W, 3))
    b = np.where(inside[..., None], np.clip(a + 0.1, 0, 1), a)
    whole, seen = measured(a, b)["psnr"], measured(a, b, inside)["psnr"]
    assert whole - seen == pytest.approx(-10 * math.log10(inside.mean()), abs=0.02)


@pytest.mark.parametrize("model", ["OPENCV_FISHEYE", "PINHOLE"])
def test_pixels_beyond_a_crop_are_reached_by_none(tmp_path, model):
    folder = scene(tmp_path, camera_model=model, fisheye_crop_radius=5.0)
    found, inside = load(folder), off_axis(1) <= 5
    split = found.splits["train"]
    assert np.array_equal(split.masks, np.broadcast_to(inside, split.masks.shape))
    assert np.array_equal(reached(split.camera(0)), inside)
    share = f"{1 - inside.mean():.1%}"
    assert any(
        line.startswith(f"{share} of the pixels of train") and "fisheye_crop_radius" in line
        for line in found.warnings
    )
    file = folder / "transforms.json"
    file.write_text(
        file.read_text().replace('"fisheye_crop_radius": 5.0', '"fisheye_crop_radius": 1.0')
    )
    with pytest.raises(InputError, match="fisheye_crop_radius leaves none"):
        load(folder, downscale=8)


def test_masks_of_the_user_are_kept_beside(tmp_path):
    lens = {"camera_model": "OPENCV_FISHEYE", "fl_x": 7, "fl_y": 7}
    folder = scene(tmp_path, **lens)
    Image.fromarray(np.uint8(255) * (np.arange(W) < 12) * np.ones((H, 1), np.uint8)).save(
        folder / "mask.png"
    )
    file = folder / "transforms.json"
    content = json.loads(file.read_text())
    for frame in content["frames"]:
        frame["mask_path"] = "mask.png"
    file.write_text(json.dumps(content))
    masks = load(folder).splits["train"].masks
    inside = off_axis(7) < math.pi / 2
    assert np.array_equal(masks[0], inside & (np.arange(W) < 12))


def test_a_lens_that_no_pixel_fits_is_refused(tmp_path):
    folder = scene(tmp_path, camera_model="OPENCV", fl_x=14, fl_y=14, k1=-900.0)
    with pytest.raises(InputError, match="no ray reaches any pixel of train"):
        load(folder)


def test_a_lens_that_is_hit_everywhere_has_no_masks(tmp_path):
    found = load(scene(tmp_path, camera_model="OPENCV", k1=0.01))
    assert all(split.masks is None for split in found.splits.values())
    camera = dataclasses.replace(found.splits["train"].camera(0), distortion=None)
    assert reached(camera).all()
