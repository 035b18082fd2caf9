"""The browser's cameras and ours are the same cameras."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from viser.transforms import SO3

from nerf.cameras import Cameras
from nerf.viewer import photographs
from nerf.viewer.poses import Window, fov_of, pose_of, wxyz_of


def test_there_and_back(photographs_split):
    for pose in photographs_split.poses:
        found = pose_of(wxyz_of(pose), pose[:, 3])
        np.testing.assert_allclose(found, pose, atol=1e-6)


def test_the_browser_looks_along_its_z_and_its_y_points_down():
    """A browser's camera at the origin, unturned, looks along +z: ours must see the same ray."""
    pose = pose_of(np.array([1.0, 0, 0, 0]), np.zeros(3))
    window = Window(pose, math.radians(90), 200, 100)
    camera = window.camera(1000)
    assert (camera.width, camera.height) == (200, 100)
    at = jnp.array([[100.0, 50.0], [200.0, 50.0], [100.0, 0.0]])
    _, direction = jax.jit(Cameras.of(camera).rays)(jnp.zeros(3, jnp.int32), at)
    middle, right, top = np.asarray(direction)
    np.testing.assert_allclose(middle, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(right, np.array([2, 0, 1]) / math.sqrt(5), atol=1e-6)
    np.testing.assert_allclose(top, np.array([0, -1, 1]) / math.sqrt(2), atol=1e-6)


def test_a_turned_browser(photographs_split):
    turn = SO3.from_rpy_radians(0.3, -0.8, 1.2)
    pose = pose_of(turn.wxyz, np.array([1.0, 2, 3]))
    np.testing.assert_allclose(-pose[:, 2], turn.as_matrix()[:, 2], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(pose[:, :3]), 1, atol=1e-12)


@pytest.mark.parametrize("longest", [50, 500, 5000])
def test_a_picture_is_never_larger_than_the_window(longest):
    window = Window(np.eye(3, 4), 1.0, 800, 600)
    camera = window.camera(longest)
    assert max(camera.width, camera.height) == min(longest, 800)
    assert fov_of(camera) == pytest.approx(1.0, rel=1e-5)


def test_a_window_without_a_size_has_a_pixel():
    camera = Window(np.eye(3, 4), 1.0, 0, 0).camera(400)
    assert (camera.width, camera.height) == (1, 1)


def test_the_nearest_photograph_is_where_it_was_taken(photographs_split):
    for number in (0, 5, len(photographs_split) - 1):
        assert photographs.nearest(photographs_split, photographs_split.poses[number]) == number


@pytest.mark.parametrize("aspect", [0.4, 1.0, 2.5])
def test_a_window_holds_the_whole_photograph(photographs_split, aspect):
    camera = photographs_split.camera(0)
    half = math.tan(photographs.fitting_fov(camera, aspect) / 2)
    fx, fy = camera.intrinsics[:2]
    assert half >= camera.height / 2 / fy - 1e-6 and half * aspect >= camera.width / 2 / fx - 1e-6


@pytest.fixture
def photographs_split(marbles):
    return marbles.splits["train"]
