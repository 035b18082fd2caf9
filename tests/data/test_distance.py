"""Exact distances on disk: read in order, and each way to be broken is one line."""

import json

import numpy as np
import pytest
from PIL import Image

from data.distance import distances
from data.errors import InputError


def written(folder, steps, **changes):
    frames = []
    for k, picture in enumerate(steps):
        Image.fromarray(np.asarray(picture)).save(folder / f"d_{k}.png")
        frames.append({"distance_path": f"d_{k}.png"})
    meta = {"distance_unit": 0.5, "frames": frames} | changes
    (folder / "transforms_test.json").write_text(json.dumps(meta))
    return folder


def test_steps_are_lengths_and_zero_is_nothing(tmp_path):
    steps = [np.array([[0, 3], [8, 65535]], np.uint16), np.array([[1, 2], [3, 4]], np.uint16)]
    found = distances(written(tmp_path, steps))
    np.testing.assert_array_equal(found[0], [[np.inf, 1.5], [4, 32767.5]])
    np.testing.assert_array_equal(found[1], 0.5 * steps[1])


FLAT = np.ones((2, 2), np.uint16)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distance_unit": 0}, "above 0"),
        ({"distance_unit": "far"}, "must be a float"),
        ({"distance_unit": float("nan")}, "above 0"),
        ({"frames": 3}, "must be a list"),
        ({"frames": [{"distance_path": "../d_0.png"}]}, "leads out of the scene's folder"),
        ({"frames": [{"distance_path": 5}]}, "must be a str"),
        ({"frames": [{"distance_path": "d_0.png"}, {}]}, "distance_path is missing"),
        ({"frames": [{"distance_path": "gone.png"}]}, "can't be decoded"),
        ({"frames": [{"file_path": "r_0"}]}, "holds no distances"),
        ({"frames": []}, "holds no distances"),
    ],
)
def test_broken_files_are_one_line(tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        distances(written(tmp_path, [FLAT], **changes))


def test_pictures_that_are_no_distances(tmp_path):
    with pytest.raises(InputError, match="all pictures of one size"):
        distances(written(tmp_path, [FLAT, np.ones((3, 2), np.uint16)]))
    with pytest.raises(InputError, match="one channel of 16 bits"):
        distances(written(tmp_path, [np.zeros((2, 2, 3), np.uint8)]))
    (tmp_path / "d_0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="can't be decoded"):
        distances(tmp_path)
