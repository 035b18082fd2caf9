"""How near things are: by COLMAP's points, by LLFF's bounds, and what is wrong with points."""

import struct
import tracemalloc

import numpy as np
import pytest

from data import sparse
from data.errors import InputError
from data.load import load
from data.nearest import FEWEST, SHARE
from tests.data.captures import (
    Point,
    entries,
    llff_rows,
    ring,
    write_binary,
    write_pictures,
    write_points,
    write_text,
)

POSES = ring(9)
MIDDLE = np.array([1.0, 2.0, 3.0])
AWAY = np.hypot(4, 1)
"""Of every camera from the middle."""
CAMERAS = {1: ("PINHOLE", 16, 12, (12.0, 12.0, 8.0, 6.0))}
EVERY = tuple(range(1, 10))


def cloud(count=1000, radius=0.5, seed=0):
    """Points in a ball about what the cameras look at, seen by all."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 3))
    x *= radius * generator.random((count, 1)) / np.linalg.norm(x, axis=-1, keepdims=True)
    return [Point(tuple(row), 0.5, EVERY) for row in MIDDLE + x]


def before(camera, distance, error=0.5, track=EVERY):
    """A point so far ahead of a camera."""
    return Point(tuple(POSES[camera, :, 3] - distance * POSES[camera, :, 2]), error, track)


@pytest.fixture
def scene(tmp_path):
    folder = tmp_path / "scene"
    write_pictures(folder / "images", [f"{k:04}.png" for k in range(9)])
    write_binary(folder / "sparse" / "0", CAMERAS, entries(POSES))
    return folder


def found(scene, points, text=False):
    """How near, in the files' units."""
    write_points(scene / "sparse" / "0", points, text)
    loaded = load(scene)
    assert not loaded.warnings
    return None if loaded.nearest is None else loaded.nearest / loaded.scale


@pytest.mark.parametrize("text", [False, True])
def test_points_in_a_ball(scene, text):
    distance = found(scene, cloud(), text)
    x = np.array([point.x for point in cloud()])
    nearest = np.linalg.norm(x[:, None] - POSES[None, :, :, 3], axis=-1).min(1)
    np.testing.assert_allclose(distance, np.quantile(nearest, SHARE), rtol=1e-6)
    assert AWAY - 0.5 < distance < AWAY - 0.4


def test_few_that_are_nearer_are_taken_for_mistakes(scene):
    calm = found(scene, cloud(5000))
    assert found(scene, [*cloud(5000), *[before(2, 0.1)] * 3]) > 0.99 * calm
    assert found(scene, [*cloud(5000), *[before(2, 1.0)] * 30]) == pytest.approx(1)


@pytest.mark.parametrize(
    "point",
    [
        before(2, 1.0, track=(3, 4)),
        before(2, 1.0, error=5.0),
        before(2, 1.0, error=np.nan),
        before(2, -1.0, track=(3, 3, 3)),
        before(2, 1.0, track=(70, 80, 90)),
        Point((np.nan, 0.0, 0.0), 0.5, EVERY),
        Point((1e300, 0.0, 0.0), 0.5, EVERY),
    ],
    ids=["two sightings", "far off", "no error", "behind", "of no picture", "NaN", "huge"],
)
def test_points_that_are_not_to_be_trusted(scene, point):
    assert found(scene, [*cloud(), *[point] * 500]) == found(scene, cloud())


def test_only_the_pictures_that_are_there_count(scene):
    near = [*cloud(), *[before(2, 1.0, track=(1, 2, 3))] * 50]
    assert found(scene, near) == pytest.approx(1)
    (scene / "images" / "0002.png").unlink()
    assert load(scene).nearest / load(scene).scale > 2


def test_numbers_in_any_order(scene):
    """Of the pictures, whose names are in another one."""
    names = [f"{8 - k:04}.png" for k in range(9)]
    pictures = [e._replace(name=name) for e, name in zip(entries(POSES), names, strict=True)]
    write_binary(scene / "sparse" / "0", CAMERAS, pictures)
    near = [*cloud(), *[before(2, 1.0, track=(3, 3, 3))] * 50]
    assert found(scene, near) == pytest.approx(1)


def test_too_few_points_say_nothing(scene):
    assert load(scene).nearest is None
    assert found(scene, []) is None
    assert found(scene, cloud(FEWEST - 1)) is None
    assert found(scene, cloud(FEWEST)) is not None


def test_a_bound_scales_it_too(scene):
    write_points(scene / "sparse" / "0", cloud())
    a, b = load(scene), load(scene, bound=8.0)
    np.testing.assert_allclose(a.nearest / a.scale, b.nearest / b.scale)


def test_of_very_many_some_are_kept(scene, monkeypatch):
    monkeypatch.setattr(sparse, "MOST_POINTS", 100)
    write_points(scene / "sparse" / "0", cloud(1000))
    kept = sparse.points(scene / "sparse" / "0")
    x = np.array([point.x for point in cloud(1000)])
    np.testing.assert_array_equal(kept.x, x[::16])
    assert kept.point.tolist() == np.repeat(np.arange(63), 9).tolist()
    assert kept.picture.tolist() == list(EVERY) * 63


# ---- what is broken: a warning, for a scene can do without points ----


def warning(scene):
    loaded = load(scene)
    assert loaded.nearest is None
    (said,) = loaded.warnings
    assert said.isprintable() and "points3D" in said and "how near" in said
    return said


def test_cut_short(scene):
    write_points(scene / "sparse" / "0", cloud(200))
    file = scene / "sparse" / "0" / "points3D.bin"
    whole = file.read_bytes()
    for length in (0, 7, 8, 30, 60, 1000, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert "cut short" in warning(scene)
    file.write_bytes(whole + b"\0")
    assert "goes on" in warning(scene)


def test_counts_that_can_not_be(scene):
    write_points(scene / "sparse" / "0", cloud(200))
    file = scene / "sparse" / "0" / "points3D.bin"
    whole = file.read_bytes()
    tracemalloc.start()
    for count in (2**64 - 1, 2**40, 10**6):
        file.write_bytes(struct.pack("<Q", count) + whole[8:])
        assert "cut short" in warning(scene)
        file.write_bytes(whole[:51] + struct.pack("<Q", count) + whole[59:])
        assert "cut short" in warning(scene)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 2 3", "a point is"),
        ("1 2 3 4 5 6 7 0.5 9", "a point is"),
        ("1 2 x 4 5 6 7 0.5 1 2", "are not all numbers"),
        ("1 2 3 4 5 6 7 0.5 1.5 2", "are not all numbers"),
        ("1 2 3 4 5 6 7 0.5 -1 2", "can't be pictures'"),
        ("1 2 3 4 5 6 7 0.5 99999999999999999999 2", "can't be pictures'"),
    ],
)
def test_bad_line(scene, line, said):
    place = scene / "sparse" / "0"
    (place / "cameras.bin").unlink()
    (place / "images.bin").unlink()
    write_text(place, CAMERAS, entries(POSES))
    write_points(place, cloud(200), text=True)
    with (place / "points3D.txt").open("a") as lines:
        lines.write(f"{line}\n")
    assert said in warning(scene) and "line 202" in warning(scene)
    with pytest.raises(InputError):
        sparse.points(place)


# ---- other formats, and the real one ----


def test_by_llffs_bounds(tmp_path):
    write_pictures(tmp_path / "images", [f"{k:02}.png" for k in range(9)])
    rows = llff_rows(POSES, bounds=(3.0, 6.0))
    rows[4, 15] = 2.5
    np.save(tmp_path / "poses_bounds.npy", rows)
    loaded = load(tmp_path)
    np.testing.assert_allclose(loaded.nearest / loaded.scale, 2.5)


def test_real_can(real_data):
    points = sparse.points(real_data / "can" / "sparse" / "0")
    assert len(points.x) > 3000 and len(np.unique(points.picture)) == 71
    loaded = load(real_data / "can", splits=("test",))
    assert 0.45 < loaded.nearest < 0.55  # of the distance to the farthest camera
