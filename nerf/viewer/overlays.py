"""What is drawn into the scene: the cameras of the photographs, the ray that was asked."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from nerf.pictures import scaled
from nerf.viewer import photographs, poses

if TYPE_CHECKING:
    from nerf.viewer.page import Page

CLICKED = 0.5
"""Seconds in which a click on a camera asks no ray."""


class Overlays:
    """Things in the scene of one client."""

    def __init__(self, page: "Page"):
        self.page = page
        self._cameras: list[Any] = []
        self._ray: list[Any] = []
        self._hidden = False
        self._clicked_at = 0.0

    @property
    def visible(self) -> bool:
        """Whether something is there that the picture may hide."""
        return bool(self._cameras or self._ray) and not self._hidden

    @property
    def clicked(self) -> bool:
        """Whether a camera was clicked just now."""
        return time.monotonic() < self._clicked_at + CLICKED

    def show_cameras(self, shown: bool) -> None:
        """Draws the cameras of the photographs, or takes them away."""
        for camera in self._cameras:
            camera.remove()
        self._cameras = []
        if shown:
            split = self.page.live.split
            size = photographs.frustum_size(split)
            for number in photographs.shown_cameras(split):
                self._cameras.append(self._frustum(number, size))
        self.page.draw()

    def show_ray(
        self, points: Float[np.ndarray, "n 3"], weights: Float[np.ndarray, " n"], origin: Any
    ) -> None:
        """Draws a ray and its samples, light where they show much."""
        self.hide_ray()
        if not len(points):
            return
        scene = self.page.client.scene
        line = np.stack([np.asarray(origin, np.float32), points[-1]])[None].astype(np.float32)
        light = weights / max(float(weights.max()), 1e-9)
        reach = photographs.frustum_size(self.page.live.split)
        self._ray = [
            scene.add_line_segments(
                "/ray/line", line, (90, 90, 90), thickness=1.5, thickness_units="screen"
            ),
            scene.add_point_cloud(
                "/ray/samples",
                points.astype(np.float32),
                scaled(light[None])[0],
                point_size=0.12 * reach,
                point_shape="circle",
            ),
        ]
        for part in self._ray:
            part.visible = not self._hidden

    def hide_ray(self) -> None:
        """Takes the ray away."""
        for part in self._ray:
            part.remove()
        self._ray = []

    def hide(self, hidden: bool = True) -> None:
        """Hides all, or shows it again: nothing lies over a photograph."""
        if hidden == self._hidden:
            return
        self._hidden = hidden
        for thing in (*self._cameras, *self._ray):
            thing.visible = not hidden

    def _frustum(self, number: int, size: float) -> Any:
        split = self.page.live.split
        camera = split.camera(number)
        frustum = self.page.client.scene.add_camera_frustum(
            f"/cameras/{number}",
            fov=poses.fov_of(camera),
            aspect=camera.width / camera.height,
            scale=size,
            thickness=1.5,
            thickness_units="screen",
            color=(40, 90, 160),
            image=photographs.thumbnail(split, number),
            format="jpeg",
            wxyz=poses.wxyz_of(camera.pose),
            position=camera.pose[:, 3].astype(float),
            visible=not self._hidden,
            cast_shadow=False,
            receive_shadow=False,
        )

        def jump() -> None:
            self._clicked_at = time.monotonic()
            self.page.go_to(number)

        frustum.on_click(self.page.guarded(jump))
        return frustum
