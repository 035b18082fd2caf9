"""Pictures from coarse to fine: every pixel once, the last one the renderer's own."""

from dataclasses import replace

import numpy as np
import pytest

from data.scene import Camera
from nerf.cameras import Cameras
from nerf.render import Renderer, Seen
from nerf.state import start
from nerf.viewer.frames import COARSEST, Frame, Pace, Superseded, levels
from tests.nerf.conftest import MARBLES, small_grid


def camera(height=13, width=22):
    intrinsics = np.array([20, 20, width / 2, height / 2], np.float32)
    return Camera(width, height, intrinsics, np.eye(3, 4, dtype=np.float32))


def place(at):
    """Shows where it was asked."""
    x, y = at.T
    colour = np.stack([x, y, x * y], axis=-1).astype(np.float32)
    return Seen(colour, x, y, np.round(x).astype(np.int32), -colour)


@pytest.mark.parametrize("stride", [1, 2, 8, 32])
@pytest.mark.parametrize("size", [(13, 22), (1, 1), (32, 5), (1, 100), (100, 2)])
def test_levels_ask_every_pixel_once(size, stride):
    found = levels(*size, stride)
    asked = np.concatenate([numbers for _, numbers in found])
    assert np.array_equal(np.sort(asked), np.arange(size[0] * size[1]))
    assert found[-1][0] == (1, 1) and all(len(numbers) for _, numbers in found)
    assert len(found[0][1]) == -(-size[0] // stride) * -(-size[1] // stride)
    whole = np.arange(size[0] * size[1]).reshape(size)
    for k, ((rows, columns), _) in enumerate(found):  # all so far are the pixels at its distances
        so_far = np.concatenate([numbers for _, numbers in found[: k + 1]])
        assert np.array_equal(np.sort(so_far), whole[::rows, ::columns].ravel())


def test_each_level_shows_the_pixels_where_they_are():
    frame = Frame(camera(), 8)
    at = np.mgrid[0:13, 0:22].transpose(1, 2, 0)[..., ::-1] + 0.5
    shown = []
    while not frame.done:
        if frame.advance(place, 7):
            rows, columns = frame.between
            seen = frame.seen()
            shown.append(frame.between)
            assert np.array_equal(seen.colour[..., :2], at[::rows, ::columns])
            assert np.array_equal(seen.normal, -seen.colour)
    assert shown == [(8, 8), (4, 4), (2, 2), (2, 1), (1, 1)]
    assert frame.left == 0


def test_what_is_superseded_leaves_the_frame_as_it_was():
    frame = Frame(camera(), 4)
    frame.advance(place, frame.left)
    before, left = frame.seen(), frame.left

    def superseded(at):
        raise Superseded

    with pytest.raises(Superseded):
        frame.advance(superseded, 5)
    assert frame.left == left and frame.between == (4, 4)
    assert np.array_equal(frame.seen().colour, before.colour)


def test_the_last_level_is_the_renderers_picture(photographs):
    model, state = start(replace(small_grid(), scene=MARBLES))
    renderer = Renderer(model)
    view = photographs.camera(3)
    frame, seen_from = Frame(view, 8), Cameras.of(view)
    while not frame.done:  # 700: no level comes out even
        frame.advance(lambda at: renderer.pixels(state.params, state.grid, at, seen_from), 700)
    whole, found = renderer.picture(state.params, state.grid, view), frame.seen()
    np.testing.assert_allclose(found.colour, whole.colour, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.depth, whole.depth, rtol=0, atol=1e-5)
    assert np.array_equal(found.samples, whole.samples)


def test_the_pace_is_a_fixed_part_and_one_for_each_pixel():
    pace = Pace()
    assert pace.pixels(0.1) == 256  # nothing is known: a small one first
    for n in (1000, 20000, 2500, 40000, 1000, 10000) * 3:
        pace.note(n, 0.02 + n * 1e-5)
    start_, slope = pace.line()
    assert start_ == pytest.approx(0.02, rel=1e-3) and slope == pytest.approx(1e-5, rel=1e-3)
    assert pace.pixels(0.07) == pytest.approx(5000, rel=1e-2)


@pytest.mark.parametrize(("each", "stride"), [(1e-9, 1), (3e-6, 4), (1e-5, 8), (1.0, COARSEST)])
def test_a_slower_machine_begins_coarser(each, stride):
    pace = Pace()
    for n in (500, 4000):
        pace.note(n, n * each)
    found = pace.stride(400, 400, 0.07)
    assert found == stride
    assert found == COARSEST or (400 / found) ** 2 * each <= 0.07


def test_the_pace_follows_a_machine_that_changes():
    pace = Pace()
    for each in (1e-4, 1e-6):
        for n in (500, 4000) * 15:
            pace.note(n, n * each)
        assert pace.pixels(0.1) == pytest.approx(0.1 / each, rel=0.2)
