"""The viewer's page, used as a hand uses it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from playwright.sync_api import Page

from scripts.browser import PATIENCE, Served, settled, until

LONG = 3 * PATIENCE
"""How long a first picture of its kind may take, seconds: programs are compiled for it."""
SHARP = "sharp after"
"""What the page says of a picture that is done."""


def open_viewer(page: Page, viewer: Served, sharpest: int | None = None) -> None:
    """Opens the page and waits for a sharp picture, its longer side so many pixels."""
    page.goto(viewer.address)
    if sharpest is not None:
        choose(page, "Sharpest", f"{sharpest} pixels")
    page.get_by_text(SHARP).wait_for(timeout=1000 * LONG)
    dismiss_notice(page)


def dismiss_notice(page: Page) -> None:
    """Closes what viser says of software WebGL, if it does: it covers the scene."""
    notice = page.get_by_role("alert").get_by_role("button")
    if notice.count():
        notice.first.click()
        until(page, lambda: notice.count() == 0, "the notice to go")


def tab(page: Page, name: str) -> None:
    """Opens a tab of the panel."""
    page.get_by_role("tab", name=name, exact=True).click()


def press(page: Page, name: str) -> None:
    """Presses a button."""
    page.get_by_role("button", name=name, exact=True).click()


def tick(page: Page, label: str) -> None:
    """Changes a checkbox."""
    page.get_by_label(label, exact=True).click()


def choose(page: Page, label: str, option: str) -> None:
    """Chooses in a list."""
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def sharp_after(
    page: Page, act: Callable[[], object], quiet: float = 0.5
) -> UInt8[np.ndarray, "h w 3"]:
    """The page once a picture is done that an action asked for, and has stood for so many seconds.

    The page counts pictures that are done, so that another one can be told from the same again.
    """
    tab(page, "View")
    done = page.get_by_text(SHARP)
    before = done.inner_text()
    act()
    tab(page, "View")
    until(page, lambda: done.inner_text() != before, "another sharp picture", LONG)
    return settled(page, quiet)


def go_to_photograph(page: Page, number: int) -> None:
    """Looks through the camera of a photograph."""
    tab(page, "Photographs")
    page.get_by_label("Photograph", exact=True).fill(str(number))
    press(page, "Go to it")
    page.get_by_text(f"through the camera of photograph {number},").wait_for()


def ask_a_ray(page: Page, x: float, y: float) -> None:
    """Clicks into the scene and waits until the microscope shows that ray."""
    page.mouse.click(x, y)
    page.get_by_role("button", name="Download JSON", exact=True).wait_for(timeout=1000 * LONG)


def download(page: Page, button: str) -> bytes:
    """What a button gives to save."""
    with page.expect_download(timeout=1000 * PATIENCE) as given:
        press(page, button)
    return given.value.path().read_bytes()
