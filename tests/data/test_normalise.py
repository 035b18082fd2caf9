"""Centre, up and scale: what they bring about, the way back, and cameras that leave them open."""

import numpy as np
import pytest

from data.normalise import centre, every_eighth, inverse, moved, similarity
from tests.data.captures import ring

SPACES = ("bounded", "unbounded", "forward")


def turned(seed, poses):
    """The same capture in a frame that lies askew."""
    generator = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    Q *= np.linalg.det(Q)
    moved = np.concatenate([Q @ poses[:, :, :3], Q @ poses[:, :, 3:]], axis=-1)
    moved[:, :, 3] += generator.normal(size=3)
    return moved


def looking(o, z, up=(0.0, 1.0, 0.0)):
    z = np.array(z, float) / np.linalg.norm(z)
    x = np.cross(up, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z, np.array(o, float)], axis=1)


@pytest.mark.parametrize("space", ["bounded", "unbounded"])
@pytest.mark.parametrize("seed", range(3))
def test_ring_is_centred_upright_and_scaled(seed, space):
    poses = turned(seed, ring(12))
    found = moved(similarity(poses, space), poses)
    o = found[:, :, 3]
    np.testing.assert_allclose(np.linalg.norm(o, axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(found[:, :, 2], o, atol=1e-12)  # all look at the origin
    np.testing.assert_allclose(found[:, :, 1].mean(0) / found[0, 2, 1], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(o[:, 2], o[0, 2], atol=1e-12)
    assert o[0, 2] > 0


def test_centre_is_nearest_to_axes_that_miss_one_another():
    # along x at height 1, along y at height -1: they pass one another at the origin
    up = (0, 0, 1)
    poses = np.stack([looking([3, 0, 1], [1, 0, 0], up), looking([0, 5, -1], [0, 1, 0], up)])
    np.testing.assert_allclose(centre(poses), 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_forward_facing_cameras_look_along_minus_z_about_the_origin(seed):
    generator = np.random.default_rng(seed)
    poses = np.stack(
        [
            looking([*generator.uniform(-1, 1, 2), 0.1], [*generator.uniform(-0.2, 0.2, 2), 1])
            for _ in range(10)
        ]
    )
    found = moved(similarity(turned(seed, poses), "forward"), turned(seed, poses))
    np.testing.assert_allclose(found[:, :, 3].mean(0), 0, atol=1e-12)
    backwards = found[:, :, 2].mean(0)
    np.testing.assert_allclose(backwards[:2], 0, atol=1e-12)
    assert backwards[2] > 0.9
    assert abs(found[:, 0, 1].mean()) < 1e-12 and found[:, 1, 1].mean() > 0.9
    # lengths are the files'
    np.testing.assert_allclose(
        np.linalg.norm(found[0, :, 3] - found[1, :, 3]),
        np.linalg.norm(poses[0, :, 3] - poses[1, :, 3]),
    )


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", range(3))
def test_the_way_back(seed, space):
    poses = turned(seed, ring(5))
    found = similarity(poses, space)
    np.testing.assert_allclose(moved(inverse(found), moved(found, poses)), poses, atol=1e-12)
    twice = inverse(inverse(found))
    np.testing.assert_allclose(twice.motion, found.motion, atol=1e-12)
    np.testing.assert_allclose(twice.scale, found.scale)


ASKEW = looking([1, 2, 3], [0.3, 0.4, 0.5])
HALF_TURN = ASKEW @ np.diag([-1.0, -1.0, 1.0, 1.0])
OPEN = {
    "one camera": [ASKEW],
    "twice the same": [ASKEW, ASKEW],
    "all at one place": [looking([1, 2, 3], z) for z in ([1, 0, 0], [0, 0.1, 1], [-1, 1, 0])],
    "parallel axes": [looking([k, 0, 0], [0, 0, 1]) for k in range(4)],
    "nearly parallel axes": [looking([k, 0, 0], [1e-4 * k * k, 0, 1]) for k in range(4)],
    "ups that cancel": [ASKEW, HALF_TURN],
    "upside down": [ring(6)[k] @ np.diag([-1.0, -1.0, 1.0, 1.0]) for k in range(6)],
    "back to back": [looking([0, 0, 0], [0, 0, 1]), looking([0, 0, 0], [0, 0, -1])],
    "axes that cancel": [looking([0, 0, k], [0, 0, k]) for k in (1, -1)],
    "far away": [pose + np.array([0, 0, 0, 1e8]) for pose in ring(6)],
    "tiny": [pose * [1, 1, 1, 1e-8] for pose in ring(6)],
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", OPEN)
def test_what_cameras_leave_open_stays_finite_and_rigid(name, space):
    poses = np.stack(OPEN[name])
    found = similarity(poses, space)
    R = found.motion[:, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) > 0 and np.isfinite(found.scale) and found.scale > 0
    assert np.isfinite(found.motion).all()
    o = moved(found, poses)[:, :, 3]
    if space != "forward":
        farthest = np.linalg.norm(o, axis=-1).max()
        assert farthest < 1e-9 or abs(farthest - 1) < 1e-6


def test_parallel_axes_are_centred_ahead():
    poses = np.stack(OPEN["parallel axes"])
    np.testing.assert_allclose(centre(poses), [1.5, 0, -1.5])


def test_upside_down_pictures_are_turned():
    poses = np.stack(OPEN["upside down"])
    assert (moved(similarity(poses, "unbounded"), poses)[:, 2, 1] > 0.9).all()


def test_every_eighth_of_the_sorted_names():
    names = [f"{k:02}" for k in range(20)][::-1]
    parts = every_eighth(names)
    assert [names[k] for k in parts["test"]] == ["00", "08", "16"]
    assert [names[k] for k in parts["train"]][:8] == [f"{k:02}" for k in (1, 2, 3, 4, 5, 6, 7, 9)]
    assert sorted([*parts["test"], *parts["train"]]) == list(range(20))
    assert len(every_eighth(["only"])["train"]) == 0
