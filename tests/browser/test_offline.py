"""The page of `nerf export --html`, opened from the disk."""

import numpy as np
import pytest

from scripts.browser import drag, picture, until
from tests.browser.conftest import nerf

SCENE = np.s_[:200, 60:420]
"""Rows and columns of the window where the scene is and the legend is not."""


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("exported") / "page.html"
    nerf("export", run, "--html", file, "--count", 3000)
    return file


@pytest.fixture
def still(page, watch, file):
    """The page, once it is drawn, that does not turn by itself."""
    page.set_viewport_size({"width": 480, "height": 400})  # drawn by the processor
    page.emulate_media(reduced_motion="reduce")
    page.goto(file.as_uri())
    until(page, lambda: page.evaluate("window.nerf.ready || window.nerf.fault"), "the first frame")
    assert page.evaluate("window.nerf.fault") is None
    return page


def test_it_asks_for_nothing(still, watch, file):
    still.wait_for_load_state("networkidle")
    assert watch.requests == [file.as_uri()]


def test_it_draws_and_a_drag_orbits(still):
    before = picture(still)
    scene = before[SCENE].astype(int)
    assert np.ptp(scene, axis=-1).max() > 60, "colours of the scene, before a grey background"
    assert scene.std() > 10
    azimuth, elevation = still.evaluate("[window.nerf.view.azimuth, window.nerf.view.elevation]")
    drag(still, (120, 0), (150, 150))
    turned = picture(still)
    assert still.evaluate("window.nerf.view.azimuth") != azimuth
    assert still.evaluate("window.nerf.view.elevation") == pytest.approx(elevation, abs=0.02)
    assert np.abs(turned.astype(float) - before).mean() > 2
    still.get_by_role("button", name="reset").click()
    until(
        still,
        lambda: np.abs(picture(still)[SCENE].astype(float) - before[SCENE]).mean() < 1,
        "the first view again",
    )


def test_other_views_of_it_are_not_blank(still):
    """Half a turn about the scene, and straight down on it."""
    for to in ((300, 0), (0, 250)):
        drag(still, to, (100, 100))
        assert np.ptp(picture(still)[SCENE].astype(int), axis=-1).max() > 60
