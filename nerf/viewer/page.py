"""One browser that is connected: its camera, its controls, the pictures that it is sent."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import viser

from nerf.console import console
from nerf.viewer import modes, poses
from nerf.viewer.frames import Frame
from nerf.viewer.live import Live, Snapshot
from nerf.viewer.loop import Loop, Watcher, Wish

QUALITY = {False: 80, True: 92}
"""Of JPEG, of coarse pictures and of those that are done."""


class Page:
    """What one client sees, and what it asks for."""

    def __init__(self, client: viser.ClientHandle, live: Live, loop: Loop):
        self.client, self.live, self.loop = client, live, loop
        self.watcher = Watcher(self._show, self.fail)
        self.mode, self.background, self.longest = "colour", "white", 1600
        self.scale: modes.Scale | None = None
        loop.enter(self.watcher)
        client.camera.on_update(self._moved)
        self.look()

    def leave(self) -> None:
        """The client is gone."""
        self.loop.leave(self.watcher)

    def fail(self, error: Exception) -> None:
        """Says an error in the page and, in one line, on the terminal."""
        said = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        console.print(f"viewer   {said}", markup=False)
        self.client.add_notification("Something went wrong", said, color="red")

    def look(self) -> None:
        """Asks for the picture of the camera and the controls as they are now."""
        at = self.client.camera
        window = poses.Window(
            poses.pose_of(at.wxyz, at.position), at.fov, at.image_width, at.image_height
        )
        self.loop.ask(self.watcher, Wish(window.camera(self.longest), self.background))

    async def _moved(self, camera: viser.CameraHandle) -> None:
        self.look()

    def _show(self, frame: Frame, wish: Wish, snapshot: Snapshot) -> None:
        seen = frame.seen()
        picture = modes.draw(seen, self.mode, None, wish.background)
        camera = wish.camera
        whole = modes.enlarged(picture, frame.between or (1, 1), camera.height, camera.width)
        self.client.scene.set_background_image(
            whole, format="jpeg", jpeg_quality=QUALITY[frame.done]
        )
        self.client.flush()
