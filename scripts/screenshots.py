"""The pictures of the viewer's page and of the offline page that the docs show.

`python -m scripts.screenshots RUN OUT` writes OUT/viewer-*.webp, each below 120 kB, through the
system's chromium.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from scripts import browser, panel
from scripts.browser import drag, launch, served, until

LARGEST = 120_000
"""Bytes of a picture."""
MODES = ("depth", "opacity", "normals", "samples", "error")
PHOTOGRAPH = 12
SHARPEST = 1600


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
    page.wait_for_timeout(500)
    yield "colour"
    for mode in MODES:
        panel.sharp_after(page, lambda mode=mode: panel.choose(page, "Show", mode))
        yield mode
    panel.sharp_after(page, lambda: panel.choose(page, "Show", "colour"))
    panel.go_to_photograph(page, PHOTOGRAPH)
    panel.tab(page, "Photographs")
    page.get_by_role("slider", name="Wipe").or_(page.get_by_role("slider")).first.focus()
    for _ in range(5):
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowRight")
    panel.standing(page)
    yield "wipe"
    page.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    panel.standing(page)
    panel.tab(page, "Ray")
    panel.ask_a_ray(page, 620, 430)
    page.wait_for_timeout(1000)
    panel.standing(page)
    yield "ray"
    panel.press(page, "Close the ray")


def offline_page(page: Page, file: Path) -> None:
    """Opens the exported page and waits for its picture."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(file.as_uri())
    until(page, lambda: page.evaluate("window.nerf.ready || window.nerf.fault"), "the first frame")
    drag(page, (-120, -30), (600, 300))
    page.mouse.move(5, 5)
    panel.standing(page)


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
    path = browser.find()
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
        file = Path(folder) / f"{told.run.name}.html"
        export(told.run, file)
        page = window(chromium)
        offline_page(page, file)
        save(page, told.out / "viewer-offline.webp")
        chromium.close()


if __name__ == "__main__":
    main()
