"""Camera paths set by hand: keyframes where the page looks from, saved for `nerf render`."""

import re
import tempfile
import threading
import time
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputError
from nerf.paths import Keyframe, load, save, through

if TYPE_CHECKING:
    from nerf.viewer.page import Page

FPS = 30
RATE = 15
"""Poses a second of the preview: the picture follows as fast as it can."""
_previews = threading.BoundedSemaphore(4)
"""Previews at once: each holds one of the threads that serve all clients."""


class Path:
    """The keyframes of one client."""

    def __init__(self, page: "Page"):
        self.page = page
        self.keys: list[Keyframe] = []
        self._playing = threading.Event()

    def build(self) -> None:
        """Makes the tab."""
        page, gui = self.page, self.page.client.gui
        self._said = gui.add_markdown("No keyframe yet.")
        add = gui.add_button("Add this view")
        remove = gui.add_button("Remove the last")
        self._seconds: Any = gui.add_number("Seconds", 4.0, min=0.5, max=600.0, step=0.5)
        self._closed: Any = gui.add_checkbox("Closed", False, hint="The path ends where it begins.")
        self._easing: Any = gui.add_dropdown("Speed", ("linear", "smooth"))
        self._play = gui.add_button("Preview")
        self._name = gui.add_text("Name", "path")
        keep = gui.add_button("Save")
        given = gui.add_upload_button(
            "Load", mime_type="application/json", hint="Keyframes that were saved before."
        )
        given.on_upload(page.guarded(lambda: self.load(given.value.name, given.value.content)))
        add.on_click(page.guarded(self.add))
        remove.on_click(page.guarded(self.remove))
        self._play.on_click(page.guarded(self.preview))
        keep.on_click(page.guarded(self.keep))

    def add(self) -> None:
        """A keyframe where the page looks from now."""
        window = self.page.window
        self.keys.append(Keyframe(window.pose, float(np.degrees(window.fov))))
        self._tell()

    def remove(self) -> None:
        """Without the last keyframe."""
        if self.keys:
            self.keys.pop()
        self._tell()

    def preview(self) -> None:
        """Flies along the path; a second click ends it."""
        if self._playing.is_set():
            self._playing.clear()
            return
        if not self.keys:
            raise InputError("no keyframe is set: add a view first")
        seconds = self._length
        track = through(self.keys, self._closed.value)
        film = track.keyframes(max(2, round(RATE * seconds)), self._easing.value)
        if not _previews.acquire(blocking=False):
            raise InputError("others fly along their paths: try again in a moment")
        self._playing.set()
        self._play.label = "Stop"
        began = time.monotonic()
        try:
            while self._playing.is_set() and self.page.here:
                part = (time.monotonic() - began) / seconds
                if part > 1:
                    break
                key = film[min(int(part * len(film)), len(film) - 1)]
                self.page.leave_photograph()
                self.page.stand(key.pose, float(np.radians(key.fov)))
                self.page.look()
                time.sleep(1 / RATE)
        finally:
            _previews.release()
            self._playing.clear()
            self._play.label = "Preview"

    def keep(self) -> None:
        """Saves the path: to the browser, and beside the run where only this machine sees it."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self._name.value).strip("-") or "path"
        with tempfile.TemporaryDirectory() as folder:
            file = File(folder) / f"{name}.json"
            self._save(file)
            content = file.read_bytes()
        self.page.client.send_file_download(f"{name}.json", content, save_immediately=True)
        said = f"{len(self.keys)} keyframes, sent to the browser's downloads"
        run = self.page.live.run
        if run is not None and self.page.local:
            file = unused(run / "paths", name)
            self._save(file)
            said = f"{file}; film it: nerf render {run} --path {file} --out film.mp4"
        self.page.client.add_notification("Path saved", said, auto_close_seconds=20.0)

    def load(self, name: str, content: bytes) -> None:
        """Takes the keyframes of a file in place of those that are set; InputError as `load`'s."""
        with tempfile.TemporaryDirectory() as folder:
            file = File(folder) / "path.json"
            file.write_bytes(content)
            try:
                path = load(file, self.page.live.scene)
            except InputError as error:
                raise InputError(str(error).replace(str(file), name)) from error
        if not path.keyframes:
            raise InputError(f"{name}: holds no keyframes, only the frames of a film")
        self.keys = path.keyframes
        self._closed.value = path.closed
        self._seconds.value = min(max(len(path.frames) / path.fps, 0.5), 600.0)
        self._tell()

    def _save(self, file: File) -> None:
        split = self.page.live.split
        save(
            file,
            self.keys,
            self.page.live.scene,
            split.width,
            split.height,
            FPS,
            self._length,
            self._closed.value,
            self._easing.value,
        )

    @property
    def _length(self) -> float:
        """Seconds of the film, whatever a client sends."""
        return min(max(float(self._seconds.value), 0.5), 600.0)

    def _tell(self) -> None:
        count = len(self.keys)
        self._said.content = f"{count} keyframe{'s' * (count != 1)}." if count else "No keyframe."


def unused(folder: File, name: str) -> File:
    """NAME.json in a folder, or NAME-2.json, ... if that is there: nothing is written over."""
    file, number = folder / f"{name}.json", 1
    while file.exists():
        number += 1
        file = folder / f"{name}-{number}.json"
    return file
