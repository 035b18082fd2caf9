"""`nerf view` in the browser."""

import numpy as np
import pytest
import viser
from PIL import Image

from nerf.pictures import over
from scripts.browser import drag, picture, settled, until
from scripts.panel import (
    choose,
    go_to_photograph,
    open_viewer,
    sharp_after,
    tick,
)

SCENE = np.s_[30:470, 10:460]
"""Rows and columns of the page where nothing but the scene is."""
MODES = ("colour", "depth", "opacity", "normals", "samples", "error")


@pytest.fixture
def shown(page, watch, viewer):
    """The viewer's page, once it shows the scene and that is sharp."""
    open_viewer(page, viewer, 200)
    return page


def apart(one, other) -> float:
    """The mean difference of two pictures of the scene, of 255."""
    return float(np.abs(one[SCENE].astype(float) - other[SCENE]).mean())


def test_it_loads(shown, watch, viewer):
    assert shown.get_by_text("∇NeRF").first.is_visible()
    assert picture(shown)[SCENE].std() > 20, "not blank"
    here = viewer.address.removeprefix("http://")
    assert all(here in address for address in watch.requests), watch.requests


def test_a_drag_changes_the_picture(shown):
    before = settled(shown)
    after = sharp_after(shown, lambda: drag(shown, (120, 30), (200, 250)))
    assert apart(before, after) > 5


def test_each_mode_has_its_picture(shown):
    seen = {"colour": settled(shown)}
    for mode in MODES[1:]:
        seen[mode] = sharp_after(shown, lambda mode=mode: choose(shown, "Show", mode))
        assert seen[mode][SCENE].std() > 5, f"{mode} is blank"
        for other in seen:
            assert other == mode or apart(seen[other], seen[mode]) > 5, (other, mode)


def test_the_crop_box_takes_pixels_away(shown):
    def covered(seen):
        return int((seen[SCENE].min(axis=-1) < 200).sum())

    before = covered(settled(shown))
    shown.get_by_text("Crop box").click()
    shown.get_by_label("Crop", exact=True).wait_for(state="attached")
    whole = sharp_after(shown, lambda: tick(shown, "Crop"))
    assert covered(whole) == pytest.approx(before, rel=0.01), "a box around everything"
    # the upper end of z, after both ends of x and of y, is drawn to the middle
    upper, track = (
        shown.locator(f".multi-slider-{part}").nth(which).bounding_box()
        for part, which in (("thumb", 5), ("track", 2))
    )
    end = (upper["x"] + upper["width"] / 2, upper["y"] + upper["height"] / 2)
    drag(shown, (-track["width"] / 2, 0), end)
    until(shown, lambda: covered(picture(shown)) < 0.8 * before, "the upper half to go")


def psnr(one, other) -> float:
    return float(-10 * np.log10(np.mean((one.astype(float) - other) ** 2) / 255**2))


def test_a_training_camera_sees_what_it_photographed(page, watch, viewer, opened):
    split = opened.scene("train").splits["train"]
    photographs = [255 * over(picture, 1.0) for picture in split.pictures]
    page.set_viewport_size({"width": 1200, "height": 500})
    open_viewer(page, viewer, 200)

    def seen():
        middle = Image.fromarray(picture(page)[:, 350:850])  # as high as the window
        return np.asarray(middle.resize((50, 50), Image.Resampling.BOX))

    for number in (3, 40):
        go_to_photograph(page, number)
        until(page, lambda n=number: psnr(seen(), photographs[n]) > 20, "what was photographed")
        shown = seen()
        likeness = [psnr(shown, photograph) for photograph in photographs]
        assert np.argmax(likeness) == number
        assert psnr(shown[:, ::-1], photographs[number]) < likeness[number] - 3


CONNECT = """([address, protocol]) => new Promise(done => {
  const socket = new WebSocket(address, protocol);
  socket.onmessage = () => { done("served"); socket.close(); };
  socket.onclose = event => done(event.code);
})"""
POLICY = 1008


def test_pages_of_other_sites_are_told_nothing(page, watch, viewer, tmp_path):
    at = [viewer.address.replace("http", "ws"), f"viser-v{viser.__version__}"]
    page.goto(viewer.address)
    assert page.evaluate(CONNECT, at) == "served", "the viewer's own page"
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text("<!doctype html>")
    page.goto(elsewhere.as_uri())
    assert page.evaluate(CONNECT, at) == POLICY
