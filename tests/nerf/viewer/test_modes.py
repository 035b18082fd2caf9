"""From numbers to pictures."""

import numpy as np
import pytest

from nerf.film.look import normal_picture
from nerf.pictures import scaled
from nerf.render import Picture, Seen
from nerf.viewer import modes, photographs
from nerf.viewer.modes import Scale, draw, enlarged


def seen():
    """Four pixels: nothing, a wall at 2, a thin fog at 4, a wall at 3."""
    opacity = np.array([[0, 1, 0.25, 1]], np.float32)
    colour = np.array([[[1, 1, 1], [0.2, 0.4, 0.6], [0.8, 0.8, 0.8], [0, 0, 1]]], np.float32)
    depth = opacity * np.array([[9, 2, 4, 3]], np.float32)
    normal = np.array([[[0, 0, 0], [0, 0, 2], [0, 0.25, 0], [-1, 0, 0]]], np.float32)
    return Seen(colour, opacity, depth, np.array([[0, 8, 32, 16]], np.int32), normal)


def test_colour_is_quantised_as_a_file_holds_it():
    assert draw(seen(), "colour")[0, 1].tolist() == [51, 102, 153]


def test_depth_is_the_mean_distance_and_near_is_light():
    low, high = modes.scale_of(seen(), "depth")
    assert low == pytest.approx(2.01, abs=0.02) and high == pytest.approx(2.99, abs=0.02)
    picture = draw(seen(), "depth", Scale(2, 4))
    assert picture[0, 0].tolist() == [255] * 3  # nothing was hit
    assert np.array_equal(picture[0, 1], scaled(np.array([[1.0]]))[0, 0])
    assert np.array_equal(picture[0, 3], scaled(np.array([[0.5]]))[0, 0])
    fog = scaled(np.array([[0.0]]))[0, 0] * 0.25 + 255 * 0.75
    assert np.abs(picture[0, 2] - fog).max() <= 1


def test_opacity_normals_and_samples():
    assert draw(seen(), "opacity")[0, :, 0].tolist() == [0, 255, 64, 255]
    normals = draw(seen(), "normals", background="black")
    assert normals[0, 0].tolist() == [0, 0, 0]
    assert normals[0, 1].tolist() == [128, 128, 255]  # +z, whatever the length
    assert normals[0, 3].tolist() == [0, 128, 128]
    assert modes.scale_of(seen(), "samples") == Scale(0, 32)
    samples = draw(seen(), "samples")
    assert np.array_equal(samples[0, 2], scaled(np.array([[1.0]]))[0, 0])
    assert np.array_equal(samples[0, 0], scaled(np.array([[0.0]]))[0, 0])


def test_normals_have_the_colours_of_a_film():
    turn = np.array([[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]])
    view = seen()
    picture = Picture(view.colour, view.opacity, view.depth, view.samples, view.normal)
    film = normal_picture(picture, turn, 1.0)
    shown = draw(view, "normals", background="white", turn=turn)
    assert np.abs(shown.astype(int) - film).max() <= 1
    assert np.abs(shown[0, 1] - np.array([25.5, 127.5, 204])).max() < 1  # R^T z = (-0.8, 0, 0.6)


def test_error_is_against_the_photograph():
    photo = seen().colour.copy()
    photo[0, 1] += [0.03, -0.03, 0.06]
    picture = draw(seen(), "error", photograph=photo)
    assert np.array_equal(picture[0, 0], scaled(np.array([[0.0]]))[0, 0])
    expected = scaled(np.array([[0.04 / modes.FULL_ERROR]]))[0, 0].astype(int)
    assert np.abs(picture[0, 1] - expected).max() <= 1


def test_what_is_not_finite_is_background():
    bad = seen()
    bad.colour[0, 1] = np.nan
    assert draw(bad, "colour", background="black")[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("between", [(1, 1), (4, 4), (4, 2), (8, 8)])
def test_a_coarse_picture_stays_where_it_was_asked(between):
    height, width = 21, 34
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack([3 * x, 5 * y, x + y], axis=-1).astype(np.uint8)
    rows, columns = between
    whole = enlarged(ramp[::rows, ::columns], between, height, width)
    assert whole.shape == ramp.shape
    assert np.array_equal(whole[::rows, ::columns], ramp[::rows, ::columns])
    # linear between them: a ramp comes back, up to what lies beyond the last ones
    inner = (
        slice(0, (height - 1) // rows * rows + 1),
        slice(0, (width - 1) // columns * columns + 1),
    )
    assert np.abs(whole[inner].astype(int) - ramp[inner]).max() <= 1


def test_the_wipe_shows_the_photograph_to_the_left():
    rendering, photo = np.full((2, 10, 3), 10, np.uint8), np.full((2, 10, 3), 200, np.uint8)
    both = photographs.wiped(rendering, photo, 0.5)
    assert (both[:, :4] == 200).all() and (both[:, 5:] == 10).all()
    assert np.array_equal(photographs.wiped(rendering, photo, 0.0), rendering)
    assert np.array_equal(photographs.wiped(rendering, photo, 1.0), photo)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.7, 3.0])
def test_a_click_finds_the_pixel_of_a_framed_photograph(photographs_camera, aspect):
    camera = photographs_camera
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    picture[7, 11] = 255
    whole = photographs.framed(picture, aspect)
    assert whole.shape[1] / whole.shape[0] == pytest.approx(aspect, rel=0.05)
    row, column = np.argwhere((whole == 255).all(-1))[0]
    at = ((column + 0.5) / whole.shape[1], (row + 0.5) / whole.shape[0])
    x, y = photographs.unframed(at, camera, aspect)
    assert (int(x), int(y)) == (11, 7)
    if aspect > 2:
        assert photographs.unframed((0.01, 0.5), camera, aspect) is None


@pytest.fixture
def photographs_camera(marbles):
    return marbles.splits["train"].camera(0)
