"""A real browser that tests and screenshots drive: the system's chromium, headless.

It is never downloaded. `NERF_BROWSER=PATH` names another one than what is found. WebGL is drawn by
the processor, so that pictures are the same with and without a graphics card.
"""

import io
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, Request, ViewportSize

FLAGS = (
    "--no-sandbox",  # containers lack what the sandbox asks of the kernel
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb",
)
VIEWPORT: ViewportSize = {"width": 1200, "height": 750}
PATIENCE = 60.0
"""How long something that comes at all may take on a loaded machine, seconds."""


def launch(playwright: Playwright, path: str) -> Browser:
    """Starts it without a window."""
    browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
    return browser


@dataclass
class Watch:
    """What a page asked for, and what went wrong in it."""

    errors: list[str] = field(default_factory=list)
    """Of the console, exceptions that nothing caught, and requests that failed."""
    requests: list[str] = field(default_factory=list)
    """Addresses, those of sockets too; what the page made itself (blob:, data:) left out."""

    @classmethod
    def over(cls, page: Page) -> "Watch":
        """Watches a page from now on."""
        watch = cls()
        page.on(
            "console",
            lambda said: watch.errors.append(said.text) if said.type == "error" else None,
        )
        page.on("pageerror", lambda error: watch.errors.append(str(error)))
        page.on("requestfailed", watch._failed)
        page.on("request", lambda request: watch._asked(request.url))
        page.on("websocket", lambda socket: watch._asked(socket.url))
        return watch

    def _failed(self, request: Request) -> None:
        self.errors.append(f"{request.url}: {request.failure}")

    def _asked(self, address: str) -> None:
        if not address.startswith(("blob:", "data:")):
            self.requests.append(address)


def picture(page: Page, selector: str | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The page as it looks now, or the first of its elements that the selector names."""
    shot = page if selector is None else page.locator(selector).first
    with Image.open(io.BytesIO(shot.screenshot(animations="disabled"))) as image:
        return np.asarray(image.convert("RGB"))


def until(page: Page, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Waits until something holds; AssertionError that names it if it does not come to hold."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s for this: {what}")
        page.wait_for_timeout(100)  # the browser's events are handled meanwhile


def settled(page: Page, quiet: float = 1.0) -> UInt8[np.ndarray, "h w 3"]:
    """What `picture` gives once it has not changed for so many seconds."""
    last, since = picture(page), time.monotonic()

    def still() -> bool:
        nonlocal last, since
        now = picture(page)
        if not np.array_equal(now, last):
            last, since = now, time.monotonic()
        return time.monotonic() - since >= quiet

    until(page, still, "a picture that stands still", 3 * PATIENCE)
    return last


def drag(page: Page, by: tuple[float, float], start: tuple[float, float], moves: int = 8) -> None:
    """Drags with the left button, as a hand does: in several moves."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=moves)
    page.mouse.up()


class Served:
    """A command of ours that serves a page, as a process of its own."""

    def __init__(self, process: subprocess.Popen):
        self.process, self.said = process, list[str]()
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.address = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def close(self) -> None:
        """After the process has ended: reads what it said last."""
        self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def wait_for_address(self, seconds: float = 2 * PATIENCE) -> None:
        """Until it has printed where it is; RuntimeError with what it said if it ends before."""
        end = time.monotonic() + seconds
        while not self.address:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            if line is None:
                raise RuntimeError("no address was printed:\n" + "".join(self.said))
            found = re.search(r"https?://[\w.:\[\]-]+", line)
            self.address = found.group() if found else ""


@contextmanager
def served(*arguments: object) -> Iterator[Served]:
    """`nerf` with these arguments, once it has printed its address; interrupted at the end."""
    command = [sys.executable, "-u", "-m", "nerf.cli", *map(str, arguments)]
    root = Path(__file__).parents[1]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "200"},
    )
    running = Served(process)
    try:
        running.wait_for_address()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        running.close()
