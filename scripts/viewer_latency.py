"""How long the viewer's first and sharp pictures take after a move, by a client that measures.

    python -m scripts.viewer_latency RUN [--size 400] [--moves 10] [--client socket] [--out F.json]

process   the client is a thread of the process that renders: what rendering and drawing cost
socket    `nerf view` is started, and a client that speaks its protocol moves the camera: until the
          picture has come over the websocket
browser   a headless Chromium drags the picture: all that a person waits for, the browser's own
          drawing, here in software, and the time of a screenshot included
"""

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from nerf import paths
from nerf.cli.parse import MISTAKE
from nerf.machine import prepare
from nerf.opened import open_run
from nerf.viewer.live import Live
from nerf.viewer.loop import Loop
from nerf.viewer.modes import draw, enlarged
from nerf.viewer.poses import fov_of
from nerf.viewer.watcher import Watcher, Wish
from scripts.client import Client

FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
CHANGED = 2.0
"""Mean difference, of 255, from which on two screenshots are two pictures."""


def in_process(run: Path, size: int, moves: int) -> list[tuple[float, float]]:
    """Seconds to the first and to the sharp picture, for each move."""
    live = Live.of(open_run(run))
    loop = Loop(live)
    shown: list[tuple[float, bool, int]] = []

    def show(frame, wish, snapshot):
        picture = enlarged(draw(frame.seen(), "colour"), frame.between, size, size)
        shown.append((time.perf_counter(), frame.done, len(picture)))

    def fail(error):
        raise SystemExit(f"{type(error).__name__}: {error}")

    watcher = Watcher(show, fail)
    loop.start()
    loop.enter(watcher)
    found = []
    for number, pose in enumerate(_poses(live, moves + 2)):
        camera = live.split.camera(0)
        scale = size / camera.height
        at = np.array([size / 2, size / 2], np.float32)
        intrinsics = np.concatenate([camera.intrinsics[1:2].repeat(2) * scale, at])
        camera = type(camera)(size, size, intrinsics.astype(np.float32), pose)
        shown.clear()
        began = time.perf_counter()
        loop.ask(watcher, Wish(camera))
        while not (shown and shown[-1][1]):
            time.sleep(0.002)
        if number >= 2:  # the first ones measure the machine
            found.append((shown[0][0] - began, shown[-1][0] - began))
    loop.stop()
    return found


def _poses(live: Live, count: int) -> list[np.ndarray]:
    return [camera.pose for camera in paths.orbit(live.split, count)]


def by_socket(run: Path, size: int, moves: int) -> list[tuple[float, float]]:
    """The same, seen by a client of the websocket."""
    live = Live.of(open_run(run))
    fov = fov_of(live.split.camera(0))
    found = []
    with _serving(run) as url:
        client = Client(url)
        for number, pose in enumerate(_poses(live, moves + 2)):
            began = time.perf_counter()
            client.look(pose, fov, size, size)
            shown = client.until_sharp()
            if number >= 2:  # the first ones measure the machine
                found.append((shown[0][0] - began, shown[-1][0] - began))
        client.close()
    return found


@contextmanager
def _serving(run: Path) -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "nerf.cli", "view", str(run), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield _address(server)
    finally:
        server.terminate()
        server.wait(timeout=20)


def in_browser(run: Path, size: int, moves: int) -> list[tuple[float, float]]:
    """The same, seen through Chromium: from the first move of a drag to a changed picture, and
    from its last to the one that stays."""
    from playwright.sync_api import sync_playwright

    with _serving(run) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=list(FLAGS)
        )
        page = browser.new_page(viewport={"width": size, "height": size})
        page.goto(url)
        page.wait_for_function("document.body.innerText.includes('sharp after')", timeout=120e3)
        time.sleep(3)
        found = [_drag(page, size, k) for k in range(moves)]
        browser.close()
    return found


def _address(server: subprocess.Popen) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        told = re.search(r"http://\S+", line)
        if told:
            return told[0]
    raise SystemExit("nerf view ended before it said where it is")


def _drag(page, size: int, number: int) -> tuple[float, float]:
    """One move of the mouse with its button down: one new pose."""
    x, y = 0.3 * size, 0.7 * size
    before = _screenshot(page)
    page.mouse.move(x, y)
    page.mouse.down()
    began = time.perf_counter()
    page.mouse.move(x + 40 * (-1) ** number, y)
    first = None
    while first is None and time.perf_counter() - began < 30:
        if np.abs(_screenshot(page) - before).mean() > CHANGED:
            first = time.perf_counter() - began
    page.mouse.up()
    last, still, changed_at = _screenshot(page), 0.0, time.perf_counter()
    while time.perf_counter() - changed_at < 1.5:
        now = _screenshot(page)
        still = float(np.abs(now - last).mean())
        if still > 0.05:
            last, changed_at = now, time.perf_counter()
    return first or float("nan"), changed_at - began


def _screenshot(page) -> np.ndarray:
    raw = page.screenshot(type="jpeg", quality=80)
    return np.asarray(Image.open(io.BytesIO(raw)).convert("L"), np.float32)


MEASURES = {"process": in_process, "socket": by_socket, "browser": in_browser}


def main() -> int:
    """Prints the medians; exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--size", type=int, default=400, help="side of the picture, pixels")
    parser.add_argument("--moves", type=int, default=10)
    parser.add_argument("--client", choices=list(MEASURES), default="process")
    parser.add_argument("--out", type=Path, help="file for the figures")
    told = parser.parse_args()
    if told.size < 16 or told.moves < 1:
        print("--size at least 16, --moves at least 1", file=sys.stderr)
        return MISTAKE
    prepare()
    found = MEASURES[told.client](told.run, told.size, told.moves)
    first, sharp = (statistics.median(v) for v in zip(*found, strict=True))
    load = os.getloadavg()[0]
    print(
        f"{told.run.name}, {told.size}x{told.size}, {len(found)} moves, client {told.client}, "
        f"{len(os.sched_getaffinity(0))} cores, load {load:.1f}: first picture after "
        f"{1000 * first:.0f} ms, sharp after {sharp:.2f} s (medians)"
    )
    if told.out:
        rows = {"first": [f for f, _ in found], "sharp": [s for _, s in found], "load": load}
        told.out.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
