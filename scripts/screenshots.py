"""The pictures of the viewer's page and of the offline page that the docs show.

`python -m scripts.screenshots RUN OUT` writes OUT/viewer-*.webp, each below 120 kB, through the
system's chromium.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from nerf.doctor import programs
from nerf.opened import config_of
from scripts import browser, panel
from scripts.browser import Served, drag, launch, served, settled, until

LARGEST = 120_000
"""Bytes of a picture."""
MODES = ("depth", "opacity", "normals", "samples", "error")
PHOTOGRAPH = 12
ASKED = (620, 430)
"""Where the ray is asked, pixels of the page."""
SHARPEST = 1600
QUIET = 5.0
"""Seconds without change after which a picture is taken to be sharp."""


def save(page: Page, file: Path) -> None:
    """The page as WebP, as good as the size allows."""
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as shot:
        picture = shot.convert("RGB")
    for quality in (92, 85, 75, 60, 45):
        picture.save(file, quality=quality, method=6)
        if file.stat().st_size < LARGEST:
            break
    else:
        raise SystemExit(f"{file}: {file.stat().st_size:,} bytes even at quality {quality}")
    print(f"{file}: {file.stat().st_size:,} bytes, quality {quality}", flush=True)


def viewer_page(page: Page) -> Iterator[str]:
    """Brings the viewer's page from one state to the next; the name of each."""
    settled(page, quiet=QUIET)
    yield "colour"
    for mode in MODES:
        panel.sharp_after(page, partial(panel.choose, page, "Show", mode))
        yield mode
    panel.sharp_after(page, partial(panel.choose, page, "Show", "colour"))
    panel.go_to_photograph(page, PHOTOGRAPH)
    settled(page, quiet=QUIET)
    panel.tab(page, "Photographs")
    slider = page.locator(".mantine-Slider-root").first
    slider.click()  # in its middle
    page.mouse.move(5, 5)
    settled(page, quiet=QUIET)
    yield "wipe"
    slider.click(position={"x": 1, "y": 5})
    panel.tab(page, "Ray")
    panel.ask_a_ray(page, *ASKED)
    settled(page, quiet=QUIET)
    yield "ray"
    drag(page, (110, -30), (600, 650))
    settled(page, quiet=QUIET)
    yield "ray-aside"
    panel.press(page, "Close the ray")


def training_page(page: Page, process: Served) -> None:
    """Opens the page of a run in training and waits until there is a curve."""
    page.goto(process.address)
    line = page.get_by_text(re.compile(r"Step \d+, loss"))
    line.wait_for()
    until(page, lambda: len(re.findall(r"Step (\d{3,}),", line.inner_text())) > 0, "100 steps", 600)
    panel.dismiss_notice(page)
    panel.press(page, "Pause")
    shown = page.get_by_text(panel.SHARP)
    until(page, lambda: bool(re.match(r"Step \d{3,},", shown.inner_text())), "it", panel.LONG)
    settled(page, quiet=QUIET)


def offline_page(page: Page, file: Path) -> None:
    """Opens the exported page and waits for its picture."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(file.as_uri())
    until(page, lambda: page.evaluate("window.nerf.ready || window.nerf.fault"), "the first frame")
    drag(page, (-120, -30), (600, 300))
    page.mouse.move(5, 5)
    settled(page)


def window(chromium: Browser) -> Page:
    """A new page of the pictures' size."""
    page = chromium.new_page(viewport=browser.VIEWPORT)
    page.set_default_timeout(1000 * panel.LONG)
    return page


def export(run: Path, file: Path) -> None:
    """`nerf export RUN --html FILE`."""
    command = [sys.executable, "-m", "nerf.cli", "export", str(run), "--html", str(file)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": os.getcwd()})


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    path = programs.chromium()
    if path is None:
        raise SystemExit("no chromium found: apt-get install chromium, or NERF_BROWSER=PATH")
    told.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = launch(playwright, path)
        page = window(chromium)
        with served("view", told.run, "--port", 0) as viewer:
            panel.open_viewer(page, viewer, SHARPEST)
            for name in viewer_page(page):
                save(page, told.out / f"viewer-{name}.webp")
            page.close()
        page = window(chromium)
        scene = config_of(told.run).scene
        again = ["--scene", scene, "--steps", 5000, "--run", Path(folder) / told.run.name]
        with served("train", *again, "--view", "--port", 0) as process:
            training_page(page, process)
            save(page, told.out / "viewer-training.webp")
            page.close()
        file = Path(folder) / f"{told.run.name}.html"
        export(told.run, file)
        page = window(chromium)
        offline_page(page, file)
        save(page, told.out / "viewer-offline.webp")
        chromium.close()


if __name__ == "__main__":
    main()
