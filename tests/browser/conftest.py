"""Pages in a real browser. What is tested here is what a user has in front of him."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from nerf.doctor.programs import chromium
from nerf.opened import Opened, open_run
from scripts.browser import PATIENCE, Served, Watch, launch, served
from tests.nerf.conftest import MARBLES, ROOT
from tests.programs import as_users

NONE_FOUND = "no chromium found: apt-get install chromium, or NERF_BROWSER=PATH"
SMALL = {
    "data.downscale": 4,
    "field.levels": 4,
    "field.coarsest": 8,
    "field.finest": 64,
    "field.log2-rows": 13,
    "field.trunk-width": 16,
    "field.head-width": 16,
    "sampling.steps": 128,
    "occupancy.cells": 32,
    "training.samples": 8192,
    "training.rays": 1024,
}
"""The default road in miniature: seconds, and its pictures are within 25 dB of the photographs."""
WINDOW = {"width": 800, "height": 500}
FLAGS = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]


def nerf(*arguments: object) -> str:
    """What a command prints, in a process of its own, as a user runs it; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "nerf.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=as_users(PYTHONPATH=str(ROOT), COLUMNS="200"),
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="package")
def path_of_browser() -> str:
    """Where the browser is. NERF_BROWSER_REQUIRED=1 makes its absence a failure."""
    path = chromium()
    if path is None:
        if os.environ.get("NERF_BROWSER_REQUIRED", "0") not in ("", "0"):
            pytest.fail(NONE_FOUND)
        pytest.skip(NONE_FOUND)
    return path


@pytest.fixture(scope="package")
def browser(path_of_browser):
    """One browser for all of these tests.

    While it is there an event loop runs in this thread: what wants to run its own (reading a
    checkpoint does) is run elsewhere.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright, path_of_browser)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page of its own for each test; see `watch`."""
    context = browser.new_context(viewport=WINDOW, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    yield page
    context.close()


@pytest.fixture
def watch(page):
    """What the page asks for and what goes wrong in it. An error left at the end fails the test."""
    watch = Watch.over(page)
    yield watch
    assert not watch.errors, "errors in the browser"


@pytest.fixture(scope="package")
def run(path_of_browser, tmp_path_factory) -> Path:
    """A run of the bundled scene, at a quarter of its size."""
    folder = tmp_path_factory.mktemp("runs") / "marbles"
    nerf("train", "--scene", MARBLES, *FLAGS, "--steps", 200, "--run", folder)
    return folder


@pytest.fixture(scope="package")
def evaluated(run) -> Path:
    """That run, with its evaluation of three views."""
    nerf("eval", run, "--views", 3)
    return run


@pytest.fixture(scope="package")
def opened(run) -> Opened:
    """That run, opened in the test's own process."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(open_run, run).result()


@pytest.fixture(scope="package")
def viewer(run) -> Served:
    """`nerf view` of that run."""
    with served("view", run, "--port", 0) as viewer:
        yield viewer
    assert viewer.process.returncode == 0, "".join(viewer.said)
    assert "Traceback" not in "".join(viewer.said)
