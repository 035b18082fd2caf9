"""One browser that is connected: its camera, what it asks for, the pictures that it is sent."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import viser
from jaxtyping import Float

from data.scene import Camera
from nerf import paths
from nerf.pictures import quantised
from nerf.viewer import crop, modes, photographs, poses
from nerf.viewer.complaints import Complaints
from nerf.viewer.controls import Controls
from nerf.viewer.frames import Frame
from nerf.viewer.keyframes import Path
from nerf.viewer.live import Live, Snapshot
from nerf.viewer.loop import Loop
from nerf.viewer.microscope import Bench, Ray
from nerf.viewer.overlays import Overlays
from nerf.viewer.watcher import Watcher, Wish

QUALITY = {False: 80, True: 92}
"""Of JPEG, of coarse pictures and of those that are done."""
ARRIVES = 2.0
"""Seconds in which a browser is where it was sent."""
DEPTHS = 240
"""Longer side of the depths that go with a picture where things are drawn into it, pixels."""
LARGEST = 1600
"""Longer side of a photograph that is compared with its own pixels, where nobody chose; pixels."""
FAR = 160.0
"""Depth of what is not there, scene units: viser's depths end at 167."""


class Page:
    """What one client sees, and what it asks for."""

    def __init__(
        self,
        client: viser.ClientHandle,
        live: Live,
        loop: Loop,
        bench: Bench,
        local: bool,
        complaints: Complaints,
    ):
        self.client, self.live, self.loop, self.local = client, live, loop, local
        """`local`: only this machine reaches the page."""
        self._complaints = complaints
        self.here = True
        """Until the client is gone."""
        self.watcher = Watcher(self._show, self.fail)
        self.mode: str = "colour"
        self.background = "white"
        self.longest: int | None = None
        """Longer side of the sharpest picture, pixels; None: what the machine can do."""
        self.box: crop.Box | None = None
        self.shown: Snapshot | None = None
        """The state of the picture that was sent last."""
        self.wipe = 0.0
        self.photograph: int | None = None
        """The photograph whose camera is looked through; None: the mouse's."""
        self._sent_at, self._arrived = 0.0, False
        self._scale: tuple[Any, modes.Scale | None] = (None, None)
        self._asked_at = self._first_at = 0.0
        self._photo: tuple[tuple[Any, ...], Float[np.ndarray, "h w 3"]] | None = None
        self.overlays = Overlays(self)
        self.path = Path(self)
        self.ray = Ray(self, bench)
        self.controls = Controls(self)
        self.watcher.renew = self._renewed
        loop.enter(self.watcher)
        client.camera.on_update(self._moved)
        self.look()

    def leave(self) -> None:
        """The client is gone."""
        self.here = False
        self.loop.leave(self.watcher)

    def fail(self, error: Exception) -> None:
        """Says an error in the page and, in one line, on the terminal."""
        said = (str(error) or type(error).__name__).splitlines()[0][:300]
        self._complaints.note(type(error).__name__, said)
        if self.here:
            self.client.add_notification("That did not work", said, color="red")

    def guarded(self, act: Callable[[], Any]) -> Callable[[Any], None]:
        """A callback whose errors are said, and end nothing."""

        def called(event: Any) -> None:
            try:
                act()
            except Exception as error:
                self.fail(error)

        return called

    @property
    def window(self) -> poses.Window:
        """How the browser looks at the scene."""
        at = self.client.camera
        return poses.window(at.wxyz, at.position, at.fov, at.image_width, at.image_height)

    @property
    def camera(self) -> Camera:
        """The camera of the picture that is asked for."""
        window = self.window
        can = self.loop.longest(window.height, window.width)
        if self.photograph is None:
            return window.camera(self.longest or can)
        longest = self.longest or (can if self.loop.busy else LARGEST)
        return photographs.camera_of(self.live.split, self.photograph, longest)

    @property
    def aspect(self) -> float:
        """Width of the window by its height."""
        return self.window.width / self.window.height

    def look(self) -> None:
        """Asks for the picture of the camera and the controls as they are now."""
        self._asked_at, self._first_at = time.perf_counter(), 0.0
        self.loop.ask(self.watcher, self.wish())

    def wish(self) -> Wish:
        """What the camera and the controls ask for."""
        normals = self.mode == "normals"
        return Wish(self.camera, self.background, normals, self.box, self.photograph)

    def draw(self) -> None:
        """Shows what is rendered already in another way."""
        self.loop.draw(self.watcher)

    def go_to(self, number: int) -> None:
        """Looks through the camera of a photograph."""
        split = self.live.split
        camera = split.camera(number)
        self.photograph, self._sent_at, self._arrived = number, time.monotonic(), False
        self.stand(camera.pose, photographs.fitting_fov(camera, self.aspect))
        self.overlays.hide()
        self.controls.said_photograph(number)
        self.look()

    def stand(self, pose: Float[np.ndarray, "3 4"], fov: float | None = None) -> None:
        """Puts the browser's camera somewhere; what it looks at stays as far away as it is."""
        camera = self.client.camera
        away = float(np.linalg.norm(camera.look_at - camera.position))
        pose = pose.astype(np.float64)
        up = paths.upright(self.live.split.poses.astype(np.float64))
        with self.client.atomic():
            camera.position = pose[:, 3]
            camera.look_at = pose[:, 3] - max(away, 0.1) * pose[:, 2]
            camera.up_direction = up
            if fov is not None:
                camera.fov = fov

    def leave_photograph(self) -> None:
        """Looks from where the mouse is again."""
        if self.photograph is not None:
            self.photograph = None
            self.overlays.hide(False)
            self.controls.said_photograph(None)

    def _renewed(self) -> Wish:
        self._asked_at, self._first_at = time.perf_counter(), 0.0
        return self.wish()

    async def _moved(self, camera: viser.CameraHandle) -> None:
        if self.photograph is not None:
            pose = self.live.split.poses[self.photograph]
            if photographs.still_there(self.window, pose):
                self._arrived = True
            elif self._arrived or time.monotonic() > self._sent_at + ARRIVES:
                self.leave_photograph()
            else:  # on its way still
                return
        self.look()

    def _show(self, frame: Frame, wish: Wish, snapshot: Snapshot) -> None:
        """Sends what is rendered so far; called by the thread that renders."""
        if not self.here:
            return
        seen, between = frame.seen(), frame.between or (1, 1)
        camera, mode, number = wish.camera, self.mode, wish.photograph
        photo = None
        if number is not None:
            photo = self._photograph(number, wish.background, camera)
        if mode == "error" and photo is None:
            mode = "colour"
        coarse = None if photo is None else photo[:: between[0], :: between[1]]
        scale = self._scale_for(frame, mode, seen)
        turn = self.live.scene.motion[:, :3]
        picture = modes.draw(seen, mode, scale, wish.background, coarse, turn)
        whole = modes.enlarged(picture, between, camera.height, camera.width)
        if photo is not None:
            if self.wipe > 0 and mode != "error":
                whole = photographs.wiped(whole, quantised(photo), self.wipe)
            whole = photographs.framed(whole, self.aspect)
        depth = None
        if number is None and self.overlays.visible:
            depth = self._depths(frame, camera)
        self.client.scene.set_background_image(
            whole, format="jpeg", jpeg_quality=QUALITY[frame.done], depth=depth
        )
        self.client.flush()
        self.shown = snapshot
        now = time.perf_counter()
        self._first_at = self._first_at or now
        if frame.done:
            self.controls.said_frame(
                camera, self._first_at - self._asked_at, now - self._asked_at, snapshot.step
            )
            self.controls.said_scale(mode, scale)

    def _scale_for(self, frame: Frame, mode: str, seen: Any) -> modes.Scale | None:
        """One scale for a frame from its first level to its last, so that colours stay."""
        key, scale = self._scale
        if key != (id(frame), mode) or mode == "samples":
            scale = modes.scale_of(seen, mode)
            self._scale = ((id(frame), mode), scale)
        return scale

    def _photograph(
        self, number: int, background: str, camera: Camera
    ) -> Float[np.ndarray, "h w 3"]:
        key = (number, background, camera.height, camera.width)
        if self._photo is None or self._photo[0] != key:
            whole = photographs.photograph(self.live.split, number, background)
            self._photo = (key, photographs.resized(whole, camera.height, camera.width))
        return self._photo[1]

    def _depths(self, frame: Frame, camera: Camera) -> Float[np.ndarray, "h w"] | None:
        """Depths along the camera's axis, scene units, so that what is drawn is hidden by it."""
        if self.live.model.config.data.space == "forward":
            return None
        seen, (rows, columns) = frame.seen(), frame.between or (1, 1)
        step = -(-max(seen.opacity.shape) // DEPTHS)
        opacity, depth = seen.opacity[::step, ::step], seen.depth[::step, ::step]
        fx, fy, cx, cy = camera.intrinsics
        y = (np.arange(opacity.shape[0]) * rows * step + 0.5 - cy) / fy
        x = (np.arange(opacity.shape[1]) * columns * step + 0.5 - cx) / fx
        along = np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)
        there = np.nan_to_num(depth / np.maximum(opacity, 1e-6)) / along
        return np.where(opacity > 0.5, np.clip(there, 0, FAR), FAR).astype(np.float32)
