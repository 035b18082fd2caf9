"""Whatever stands in the files: a Scene or one line of refusal, in bounded time.

FUZZ=N tries N inputs in each test, other ones at each run; without it a few, always the same, and
ten times as many where the tests that are `long` run.
"""

import copy
import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data.errors import InputError
from data.load import load
from data.scene import Scene
from tests.data.test_pictures import noise, write_exr
from tests.data.test_transforms import meta

FUZZ = int(os.environ.get("FUZZ", "0"))
ENDINGS = ("png", "jpg", "webp", "exr")
FEW_AND_MANY = pytest.mark.parametrize(
    "times", [1, pytest.param(10, marks=pytest.mark.long)], ids=["few", "many"]
)


def run(test, inputs, **strategies):
    """Runs the test on that number of inputs drawn by the strategies, or on FUZZ."""
    options = settings(
        max_examples=FUZZ or inputs,
        derandomize=not FUZZ,
        database=None,
        deadline=10_000,
        suppress_health_check=list(HealthCheck),
    )
    options(given(**strategies)(test))()


def outcome(folder):
    """Loads; anything but a Scene or a line is what the test is after."""
    try:
        assert isinstance(load(folder), Scene)
    except InputError as error:
        line = str(error)
        assert line and line.isprintable()


def picture(file, seed):
    pixels = noise(16, 24, 3, seed)
    if file.suffix == ".exr":
        write_exr(file, pixels / 255)
    else:
        Image.fromarray(pixels).save(file)


@pytest.fixture(scope="module", params=["transforms.json", "transforms_train.json"])
def scene(request, tmp_path_factory):
    """A folder, the name of its JSON file, and what that holds: a sound scene of three pictures."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "images").mkdir()
    content = meta(3)
    for k in range(3):
        picture(folder / "images" / f"{k:02d}.png", k)
    if request.param == "transforms_train.json":
        content["camera_angle_x"] = 0.8
    else:
        content.update(aabb_scale=1, scale=0.3, offset=[0.5, 0.5, 0.5], camera_model="OPENCV")
        content.update(k1=0.1, p1=0.01, is_fisheye=False, train_filenames=["images/00.png"])
        content.update(test_filenames=["images/01.png"])
        content["frames"][0].update(mask_path="images/00.png", fl_x=22.0)
    return folder, request.param, content


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**400, -1, 0, 1e308, 5e-324, "..", "/", "images", "images/00.png",
                       "images/00", "../x.png", "OPENCV_FISHEYE", "\0", "\ud800", "a" * 300])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def places(content, at=()):
    """The way to every value in it."""
    yield at
    inside = enumerate(content) if isinstance(content, list) else ()
    for key, value in content.items() if isinstance(content, dict) else inside:
        yield from places(value, (*at, key))


def changed(content, data):
    """The content with one to three values put, dropped, doubled or moved."""
    content = copy.deepcopy(content)
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from([place for place in places(content) if place]))
        holder = content
        for key in way[:-1]:
            holder = holder[key]
        what = data.draw(st.sampled_from(["put", "drop", "again", "other"]))
        if what == "drop":
            del holder[way[-1]]
        elif what == "again" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[way[-1]]))
        elif what == "other":  # something that stands elsewhere in the file
            other = content
            for key in data.draw(st.sampled_from(list(places(content)))):
                other = other[key]
            holder[way[-1]] = copy.deepcopy(other)
        else:
            holder[way[-1]] = data.draw(VALUES)
        if not any(places(content)):
            break
    return content


@FEW_AND_MANY
def test_values_of_every_kind(scene, times):
    folder, name, content = scene

    def hold(data):
        (folder / name).write_text(json.dumps(changed(content, data)))
        outcome(folder)

    run(hold, 15 * times, data=st.data())


@FEW_AND_MANY
def test_json_of_every_kind(scene, times):
    folder, name, _ = scene

    def hold(content):
        (folder / name).write_text(json.dumps(content))
        outcome(folder)

    run(hold, 5 * times, content=VALUES)


@st.composite
def broken(draw, content: bytes):
    """Bytes changed here and there, a stretch taken out or doubled, the rest cut off."""
    found = bytearray(content)
    near_head = draw(st.booleans())  # where sizes and formats stand
    last = min(len(found), 200) if near_head else len(found)
    for at, byte in draw(
        st.lists(st.tuples(st.integers(0, last - 1), st.integers(0, 255)), max_size=8)
    ):
        found[at] = byte
    start, length = draw(st.integers(0, len(found) - 1)), draw(st.integers(0, 40))
    match draw(st.sampled_from(["keep", "cut", "out", "double"])):
        case "cut":
            del found[start:]
        case "out":
            del found[start : start + length]
        case "double":
            found[start:start] = found[start : start + length]
    return bytes(found)


@FEW_AND_MANY
def test_bytes_of_json(scene, times):
    folder, name, content = scene

    def hold(found):
        (folder / name).write_bytes(found)
        outcome(folder)

    run(hold, 10 * times, found=broken(json.dumps(content).encode()))


@pytest.fixture(scope="module", params=ENDINGS)
def photographed(request, tmp_path_factory):
    """A scene of two pictures in the one format, and the file to be broken."""
    folder = tmp_path_factory.mktemp("photographed")
    (folder / "images").mkdir()
    content = meta(2)
    for k, frame in enumerate(content["frames"]):
        frame["file_path"] = f"images/{k:02d}.{request.param}"
        picture(folder / frame["file_path"], k)
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder, folder / "images" / f"01.{request.param}"


@FEW_AND_MANY
def test_bytes_of_pictures(photographed, times):
    folder, file = photographed
    whole = file.read_bytes()

    def hold(found):
        file.write_bytes(found)
        outcome(folder)

    try:
        run(hold, 6 * times, found=broken(whole))
    finally:
        file.write_bytes(whole)


def test_the_scenes_are_sound(scene, photographed):
    folder, name, content = scene
    (folder / name).write_text(json.dumps(content))
    for path in (folder, photographed[0]):
        assert np.isfinite(load(path).splits["train"].poses).all()
