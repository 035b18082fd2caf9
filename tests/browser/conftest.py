"""Pages in a real browser. What is tested here is what a user has in front of him."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import sync_playwright

from nerf.doctor.programs import chromium
from nerf.opened import Opened, open_run
from scripts.browser import PATIENCE, Watch, launch
from tests.nerf.commands import nerf

NONE_FOUND = "no chromium found: apt-get install chromium, or NERF_BROWSER=PATH"
WINDOW = {"width": 1200, "height": 500}
"""Of the viewer: photographs stand in its middle, as high as it is."""


@pytest.fixture(scope="package")
def path_of_browser() -> str:
    """Where the browser is. NERF_BROWSER_REQUIRED=1 makes its absence a failure."""
    path = chromium()
    if path is None:
        if os.environ.get("NERF_BROWSER_REQUIRED", "0") not in ("", "0"):
            pytest.fail(NONE_FOUND)
        pytest.skip(NONE_FOUND)
    return path


class Made(NamedTuple):
    """A run of the bundled scene, and the pages that commands made of it."""

    run: Path
    opened: Opened
    evaluation: Path
    comparison: Path
    exported: Path


@pytest.fixture(scope="package")
def made(path_of_browser, small_run, tmp_path_factory) -> Made:
    """Made before the browser is there: its event loop would be in the way."""
    folder = tmp_path_factory.mktemp("made")
    run, page, exported = folder / "marbles", folder / "compared.html", folder / "page.html"
    shutil.copytree(small_run, run)
    assert nerf("eval", run, "--views", 3) == 0
    shutil.copytree(run, folder / "copy")
    assert nerf("compare", run, folder / "copy", "--out", page) == 0
    assert nerf("export", run, "--html", exported, "--count", 1000) == 0
    return Made(run, open_run(run), run / "eval" / "index.html", page, exported)


@pytest.fixture(scope="package")
def browser(path_of_browser, made):
    """One browser for all of these tests. While it is there an event loop runs in this thread."""
    with sync_playwright() as playwright:
        browser = launch(playwright, path_of_browser)
        yield browser
        browser.close()


def new_page(browser):
    """A page of its own, and what goes wrong in it."""
    page = browser.new_context(viewport=WINDOW, accept_downloads=True).new_page()
    page.set_default_timeout(1000 * PATIENCE)
    return page, Watch.over(page)


@pytest.fixture
def page(browser):
    """A page of its own for each test; see `watch`."""
    page, page.watch = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture
def watch(page):
    """What the page asks for and what goes wrong in it. An error left at the end fails the test."""
    yield page.watch
    assert not page.watch.errors, "errors in the browser"
