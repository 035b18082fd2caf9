"""Masks: which pixels count, in which kinds of files, and what is refused."""

import json
import os
import re
import socket

import numpy as np
import pytest
from PIL import Image

from data import masks
from data.errors import InputError
from data.load import load
from data.masks import Mask
from data.pictures import read_all, size_of
from nerf.reach import load as load_reached
from tests.data.test_pictures import refusal, write, write_exr
from tests.data.test_transforms import meta

COUNTS = np.random.default_rng(0).random((8, 16)) < 0.3
"""Of pictures of 16x8."""


def scene(folder, values=None, name="images/dynamic_mask_{}.png", **keys):
    """Nine pictures of 16x8, and a mask of these values for each."""
    (folder / "images").mkdir(parents=True)
    told = meta(fl_x=14, fl_y=14, cx=8, cy=4, w=16, h=8, **keys)
    for frame in told["frames"]:
        stem = frame["file_path"].split("/")[-1].split(".")[0]
        write(folder / "images" / f"{stem}.png", np.full((8, 16, 3), 90, np.uint8))
        if values is not None:
            (folder / name.format(stem)).parent.mkdir(exist_ok=True)
            write(folder / name.format(stem), values)
        if "dynamic" not in name:
            frame["mask_path"] = name.format(stem)
    (folder / "transforms.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize(
    ("values", "ending", "options"),
    [
        (COUNTS.astype(np.uint8), "png", {}),
        (COUNTS.astype(np.uint8) * 255, "png", {}),
        (COUNTS.astype(np.uint16), "png", {}),
        (COUNTS, "png", {}),
        (np.where(COUNTS, np.arange(16, dtype=np.uint8) + 1, 0).astype(np.uint8), "png", {}),
        (np.stack([COUNTS * 0, COUNTS, COUNTS * 0], -1).astype(np.uint8), "png", {}),
        (COUNTS.astype(np.uint8) * 255, "jpg", {"quality": 75}),
        (COUNTS.astype(np.uint8) * 40, "jpg", {"quality": 90}),
        (np.stack([COUNTS.astype(np.uint8) * 255] * 3, -1), "webp", {"quality": 75}),
        (COUNTS.astype(np.float32)[..., None].repeat(3, -1), "exr", {}),
    ],
    ids=["0 1", "0 255", "16 bits", "1 bit", "labels", "green", "jpg", "dark jpg", "webp", "exr"],
)
def test_what_is_not_zero_counts(tmp_path, values, ending, options):
    file = tmp_path / f"a.{ending}"
    (write_exr if ending == "exr" else write)(file, values, **options)
    found = masks.read([(Mask(file),), (Mask(file, dynamic=True),), ()], (16, 8))
    np.testing.assert_array_equal(found, [COUNTS, ~COUNTS, np.ones_like(COUNTS)])


def test_transparent_pixels_of_a_mask_are_zero(tmp_path):
    white = np.full((8, 16, 4), 255, np.uint8)
    white[..., 3] = COUNTS
    file = write(tmp_path / "a.png", white)
    found = masks.read([(Mask(file),), (Mask(file, dynamic=True),)], (16, 8))
    np.testing.assert_array_equal(found, [COUNTS, np.zeros_like(COUNTS)])


def test_a_smaller_pixel_counts_if_all_of_it_does(tmp_path):
    black = np.full((4, 6), 255, np.uint8)
    black[1, 2] = 0
    file = write(tmp_path / "a.png", black)
    found = masks.read([(Mask(file),)], (6, 4), 2)[0]
    np.testing.assert_array_equal(found, [[True, False, True], [True, True, True]])
    assert "6x4" in refusal(masks.read, [(Mask(file),)], (8, 4))


@pytest.mark.parametrize("smaller", [False, True], ids=["alone", "beside images_2"])
def test_dynamic_masks_say_where_not_to_learn(tmp_path, smaller):
    folder = scene(tmp_path / "a", COUNTS.astype(np.uint8))
    if smaller:  # whose pixels have no masks
        (folder / "images_2").mkdir()
        for file in (folder / "images").glob("[!d]*.png"):
            write(folder / "images_2" / file.name, np.zeros((4, 8, 3), np.uint8))
    for split in load(folder, downscale=1 + smaller).splits.values():
        kept = ~COUNTS
        if smaller:
            kept = kept.reshape(4, 2, 8, 2).all((1, 3))
        np.testing.assert_array_equal(split.masks, np.broadcast_to(kept, split.masks.shape))


def test_both_kinds_of_masks_of_one_picture(tmp_path):
    folder = scene(tmp_path / "a", COUNTS.astype(np.uint8), "masks/{}.png")
    hidden = np.zeros((8, 16), np.uint8)
    hidden[:, :8] = 1
    for file in list((folder / "images").iterdir()):
        write(folder / "images" / f"dynamic_mask_{file.name}", hidden)
    split = load(folder).splits["train"]
    np.testing.assert_array_equal(split.masks[0], COUNTS & (hidden == 0))


def test_dynamic_masks_of_files_for_each_split(tmp_path):
    folder = scene(tmp_path / "a", COUNTS.astype(np.uint8))
    (folder / "transforms.json").rename(folder / "transforms_train.json")
    split = load(folder).splits["train"]
    np.testing.assert_array_equal(split.masks, np.broadcast_to(~COUNTS, split.masks.shape))


def test_alpha_in_a_file_of_its_own_is_refused(tmp_path):
    folder = scene(tmp_path / "a")
    picture = next((folder / "images").iterdir())
    for name in (f"{picture.name}.alpha.png", f"{picture.stem}.alpha.png"):
        alpha = write(picture.with_name(name), COUNTS.astype(np.uint8))
        assert "an alpha channel in a file of its own is not read" in refusal(load, folder)
        alpha.unlink()


@pytest.mark.parametrize(
    ("value", "name"), [(0, "masks/{}.png"), (255, "images/dynamic_mask_{}.png")]
)
def test_masks_that_leave_nothing_are_refused(tmp_path, value, name):
    folder = scene(tmp_path / "a", np.full((8, 16), value, np.uint8), name)
    assert f"{folder}: masks leave no pixel of train to learn from" in refusal(load_reached, folder)


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a folder"])
@pytest.mark.parametrize("ending", ["png", "exr"])
def test_only_regular_files_are_opened(tmp_path, kind, ending):
    file = tmp_path / f"a.{ending}"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a folder":
        file.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.relpath(file))
    for do in (size_of, lambda f: read_all([f]), lambda f: masks.read([(Mask(f),)], (8, 8))):
        assert f"a.{ending}: is {kind}; put a regular file there" in refusal(do, file)


def test_a_link_to_a_file_is_one(tmp_path):
    Image.new("L", (4, 2)).save(tmp_path / "b.png")
    (tmp_path / "a.png").symlink_to("b.png")
    assert size_of(tmp_path / "a.png") == (4, 2)


@pytest.mark.parametrize("name", ["dynamic_mask_f.PNG", "dynamic_mask_f.jpg", "rays_f.dat"])
def test_what_instant_ngp_would_take_beside_a_picture_is_refused_by_name(tmp_path, name):
    assert masks.of(tmp_path / "f.png") == ()
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=re.escape(name)):
        masks.of(tmp_path / "f.png")
