"""Which captures are taken for cameras side by side, and where their near plane stands."""

import numpy as np
import pytest

from data.errors import InputError
from data.forward import MARGIN
from data.load import load
from data.nearest import SHARE
from data.normalise import Similarity, inverse, moved
from tests.data.captures import (
    Point,
    entries,
    llff_rows,
    ring,
    write_binary,
    write_pictures,
    write_points,
)
from tests.data.test_normalise import looking

NAMES = [f"{k:04}.png" for k in range(9)]
PINHOLE = ("PINHOLE", 16, 12, (12.0, 12.0, 8.0, 6.0))


def side_by_side(aside=0.2, foremost=0.0, seed=0):
    """Nine cameras that look along x, a little askew, z upwards; the first stands before them."""
    generator = np.random.default_rng(seed)
    poses = []
    for k in range(9):
        y, z, a, b = generator.uniform(-1, 1, 4)
        place = [foremost if k == 0 else 0, y, z]
        poses.append(looking(place, [-1, aside * a, aside * b], [0, 0, 1]))
    return np.stack(poses)


def wall(nearest, count=2000, seed=1):
    """Points between `nearest` and ten times as far along x, seen by all."""
    generator = np.random.default_rng(seed)
    depth = nearest / generator.uniform(0.1, 1, count)
    x = np.stack([depth, *(0.3 * depth * generator.uniform(-1, 1, (2, count)))], axis=-1)
    return [Point(tuple(row), 0.5, tuple(range(1, 10))) for row in x]


def colmap(folder, poses, points=None, camera=PINHOLE):
    write_pictures(folder / "images", NAMES[: len(poses)])
    write_binary(folder / "sparse" / "0", {1: camera}, entries(poses))
    if points is not None:
        write_points(folder / "sparse" / "0", points)
    return folder


def test_cameras_side_by_side_before_points(tmp_path):
    poses = side_by_side()
    found = load(colmap(tmp_path, poses, wall(2.0)))
    assert found.space == "forward" and not found.warnings
    x = np.array([point.x for point in wall(2.0)])
    R, m = found.motion[:, :3], found.motion[:, 3]
    z = (found.scale * (x @ R.T + m))[:, 2]
    assert (z > -1).mean() < SHARE and z.max() > -1.5
    train = found.splits["train"]
    assert (train.poses[:, 2, 2] > 0.9).all() and (train.poses[:, 2, 3] > -1).all()
    back = moved(inverse(Similarity(found.scale, found.motion)), train.poses.astype(float))
    np.testing.assert_allclose(back, poses[1:8], atol=1e-5)
    assert 0.9 < found.nearest < 1.7  # in the scene's units


def test_as_near_as_llff_says_it(tmp_path):
    poses = side_by_side(aside=0.0)
    (tmp_path / "llff").mkdir()
    a = load(colmap(tmp_path / "colmap", poses, wall(2.0)))
    write_pictures(tmp_path / "llff" / "images", NAMES)
    np.save(tmp_path / "llff" / "poses_bounds.npy", llff_rows(poses, (12.0, 16.0, 12.0)))
    b = load(tmp_path / "llff")
    assert a.space == b.space == "forward"
    np.testing.assert_allclose(a.scale, b.scale, rtol=0.01)
    np.testing.assert_allclose(a.motion, b.motion, atol=1e-6)
    np.testing.assert_allclose(b.scale, 1 / (MARGIN * 2.0), rtol=1e-6)


def test_without_points_how_near_things_are_is_not_known(tmp_path):
    assert load(colmap(tmp_path, side_by_side())).space == "unbounded"
    (tmp_path / "sparse" / "0" / "points3D.bin").write_bytes(b"\1")
    found = load(tmp_path)
    assert found.space == "unbounded" and "points3D" in found.warnings[0]


@pytest.mark.parametrize(
    ("poses", "nearest"),
    [
        (ring(9, about=(0.0, 0.0, 0.0)), 1.0),
        (side_by_side(aside=0.8), 2.0),
        (side_by_side(foremost=2.5), 2.0),
        (side_by_side(foremost=1.9), 2.0),
        (side_by_side(), -2.0),
    ],
    ids=["a ring", "turned aside", "one beyond the nearest", "one close to it", "behind"],
)
def test_other_cameras(tmp_path, poses, nearest):
    assert load(colmap(tmp_path, poses, wall(nearest))).space == "unbounded"


@pytest.mark.parametrize(
    ("camera", "space"),
    [
        (("OPENCV", 16, 12, (12.0, 12.0, 8.0, 6.0, 0.01, 0.0, 0.0, 0.0)), "forward"),
        (("OPENCV", 16, 12, (6.0, 6.0, 8.0, 6.0, 0.01, 0.0, 0.0, 0.0)), "unbounded"),
        (("PINHOLE", 16, 12, (2.0, 2.0, 8.0, 6.0)), "unbounded"),
        (("OPENCV_FISHEYE", 16, 12, (12.0, 12.0, 8.0, 6.0, 0.0, 0.0, 0.0, 0.0)), "unbounded"),
    ],
    ids=["bent a little", "bent and wide", "wide", "fisheye"],
)
def test_lenses(tmp_path, camera, space):
    assert load(colmap(tmp_path, side_by_side(), wall(2.0), camera)).space == space


def test_bound_is_the_near_planes_distance(tmp_path):
    colmap(tmp_path, side_by_side(foremost=0.5), wall(2.0))
    found = load(tmp_path, bound=1.25)
    assert found.space == "forward" and found.scale == 0.8
    with pytest.raises(InputError, match=r"bound 0\.001 puts the near plane behind a camera"):
        load(tmp_path, bound=0.001)


def test_real_can_goes_around(real_data):
    assert load(real_data / "can", splits=("test",)).space == "unbounded"


def test_real_fern_as_colmap_would_have_it(real_data, tmp_path):
    """Poses, lens and bounds of LLFF's file, which came of COLMAP, and points between them."""
    llff = load(real_data / "fern")
    back = inverse(Similarity(llff.scale, llff.motion))
    names = sorted(file.name for file in (real_data / "fern" / "images_8").iterdir())
    by_name = {
        name: pose
        for split in llff.splits.values()
        for name, pose in zip(split.names, moved(back, split.poses.astype(float)), strict=True)
    }
    poses = np.stack([by_name[name.rsplit(".", 1)[0]] for name in names])
    pictures = [e._replace(name=name) for e, name in zip(entries(poses), names, strict=True)]
    camera = ("SIMPLE_RADIAL", 4032, 3024, (3260.526, 2016.0, 1512.0, 0.01))
    write_binary(tmp_path / "sparse" / "0", {1: camera}, pictures)
    (tmp_path / "images_8").symlink_to(real_data / "fern" / "images_8")
    bounds = np.load(real_data / "fern" / "poses_bounds.npy")[:, 15:]
    generator = np.random.default_rng(0)
    points = []
    for _ in range(3000):
        k = int(generator.integers(len(poses)))
        depth = 1 / generator.uniform(1 / bounds[k, 1], 1 / bounds[k, 0])
        ray = np.append(0.4 * generator.uniform(-1, 1, 2), -1)
        x = poses[k, :, 3] + depth * poses[k, :, :3] @ ray
        points.append(Point(tuple(x), 0.5, tuple(range(1, len(poses) + 1))))
    write_points(tmp_path / "sparse" / "0", points)
    found = load(tmp_path, downscale=8)
    assert found.space == llff.space == "forward"
    assert 0.8 < found.scale / llff.scale < 1.5
