"""The page of `nerf export --html`, opened from the disk."""

import numpy as np
import pytest

from scripts.browser import drag, picture, until

SCENE = np.s_[:170]
"""Rows of the window above the legend."""


def seen(page):
    """The scene as it is drawn now."""
    return picture(page)[SCENE].astype(float)


def test_a_page_from_the_disk_is_orbited(page, watch, made):
    page.set_viewport_size({"width": 360, "height": 300})  # drawn by the processor
    page.emulate_media(reduced_motion="reduce")  # it does not turn by itself
    page.goto(made.exported.as_uri())
    until(page, lambda: page.evaluate("window.nerf.ready || window.nerf.fault"), "the first frame")
    assert page.evaluate("window.nerf.fault") is None
    page.wait_for_load_state("networkidle")
    assert watch.requests == [made.exported.as_uri()], "it asks for nothing"

    before = seen(page)
    assert np.ptp(before, axis=-1).max() > 60, "colours of the scene, before a grey background"
    assert before.std() > 10
    azimuth, elevation = page.evaluate("[window.nerf.view.azimuth, window.nerf.view.elevation]")
    drag(page, (120, 0), (100, 100), 3)
    assert np.abs(seen(page) - before).mean() > 2
    assert page.evaluate("window.nerf.view.azimuth") != azimuth
    assert page.evaluate("window.nerf.view.elevation") == pytest.approx(elevation, abs=0.02)
    page.get_by_role("button", name="reset").click()
    until(page, lambda: np.abs(seen(page) - before).mean() < 1, "the first view again")

    for to in ((300, 0), (0, 250)):  # half a turn about the scene, and straight down on it
        drag(page, to, (40, 40), 3)
        assert np.ptp(seen(page), axis=-1).max() > 60, "not blank"
