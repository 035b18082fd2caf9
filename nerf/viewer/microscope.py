"""The ray microscope of a page: a click on a pixel, and what its ray is made of."""

import json
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
import viser
from jaxtyping import Float, UInt8

from data.scene import Camera
from nerf.cameras import Cameras
from nerf.microscope.draw import DPI, figure
from nerf.microscope.probe import Microscope, Probe
from nerf.microscope.samples import MOTIONS
from nerf.state import TrainState
from nerf.viewer import charts, photographs
from nerf.viewer.live import Live, Snapshot

if TYPE_CHECKING:
    from nerf.viewer.page import Page

WIDTH = 380
"""Of the panel, pixels."""


class Bench:
    """The microscopes that all pages share, one for each background; one probe at a time."""

    def __init__(self, live: Live):
        self.live = live
        self._microscopes: dict[str, Microscope] = {}
        self._lock = threading.Lock()

    def ready(self, background: str) -> bool:
        """Whether the next probe compiles nothing."""
        return background in self._microscopes

    def probe(
        self,
        background: str,
        snapshot: Snapshot,
        camera: Camera,
        pixel: tuple[float, float],
        photograph: Float[np.ndarray, "3"] | None,
        picture: int | None,
    ) -> Probe:
        """As `Microscope.probe`, of a state of the run."""
        state = TrainState(
            jnp.int32(snapshot.step), jnp.uint32(0), snapshot.params, None, snapshot.grid
        )
        with self._lock:
            if background not in self._microscopes:
                self._microscopes[background] = Microscope(
                    self.live.model,
                    state,
                    self.live.split,
                    background=background,
                    scale=self.live.scene.scale,
                )
            microscope = self._microscopes[background]
            microscope.state = state
            return microscope.probe(camera, pixel, photograph, picture)


class Ray:
    """The microscope of one client."""

    def __init__(self, page: "Page", bench: Bench):
        self.page, self.bench = page, bench
        self.probe: Probe | None = None
        """The last ray that was asked."""
        self._panel: Any = None
        self._used: Any = None
        page.client.scene.on_click()(self._clicked)

    def build(self) -> None:
        """Makes the tab."""
        gui = self.page.client.gui
        self._used = gui.add_checkbox("A click asks a ray", True)
        gui.add_markdown(
            "Click into the picture: what that pixel's ray meets, and how its samples would have "
            "to change. Through a photograph's camera the pixel is held against the photograph; "
            "from elsewhere nobody knows what it should be, and its brightness is differentiated."
        )
        away = gui.add_button("Close the ray")
        away.on_click(self.page.guarded(self.close))

    def close(self) -> None:
        """Takes the panel and the ray in the scene away."""
        if self._panel is not None:
            self._panel.remove()
            self._panel = None
        self.page.overlays.hide_ray()
        self.page.draw()

    def ask(self, at: tuple[float, float]) -> None:
        """Asks the ray of a point of the window, (x, y) in parts of it, and shows what it tells."""
        page = self.page
        snapshot = page.shown
        if snapshot is None:
            return
        at = min(max(at[0], 0.0), 1.0), min(max(at[1], 0.0), 1.0)
        # what is cut away is not met
        snapshot = snapshot._replace(grid=page.loop.grid(snapshot, page.box))
        number = page.photograph
        rgb, picture = None, number
        if number is None:
            camera = page.camera
            pixel = (at[0] * camera.width, at[1] * camera.height)
        else:  # the photograph's own pixels, however large it is shown
            camera = page.live.split.camera(number)
            found = photographs.unframed(at, camera, page.aspect)
            if found is None:
                return
            pixel = found
            whole = photographs.photograph(page.live.split, number, page.background)
            rgb = whole[int(pixel[1]), int(pixel[0])].astype(np.float64)
        column = float(min(int(pixel[0]), camera.width - 1))
        row = float(min(int(pixel[1]), camera.height - 1))
        compiling = None
        if not self.bench.ready(page.background):
            compiling = page.client.add_notification(
                "Asking the ray", "The first one compiles: some seconds.", loading=True
            )
        try:
            probe = self.bench.probe(page.background, snapshot, camera, (column, row), rgb, picture)
        finally:
            if compiling is not None:
                compiling.remove()
        self.probe = probe
        self._show(probe, snapshot.step)
        origin, points = ray_points(camera, (column, row), probe.distance)
        page.overlays.show_ray(points, probe.weights, origin)
        page.draw()

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        if self._used is None or not self._used.value or self.page.overlays.clicked:
            return
        x, y = event.screen_pos
        self.page.guarded(lambda: self.ask((float(x), float(y))))(event)

    def _show(self, probe: Probe, step: int) -> None:
        gui, page = self.page.client.gui, self.page
        if self._panel is not None:
            self._panel.remove()
        self._panel = gui.add_panel()
        with self._panel.add_tab("Ray microscope"):
            gui.add_markdown(f"**{probe.sentence}**")
            gui.add_markdown(in_words(probe, page.photograph, step))
            gui.add_image(swatches(probe), format="png")
            for chart in charts.of(probe):
                gui.add_uplot(**chart)
            gui.add_markdown(pose_table(probe))
            png = gui.add_button("Download PNG")
            text = gui.add_button("Download JSON")
        self._panel.float(x=15, y=15, width=WIDTH)
        name = f"ray-{probe.column:.0f}-{probe.row:.0f}"
        client = page.client
        png.on_click(
            page.guarded(
                lambda: client.send_file_download(
                    f"{name}.png", drawn(probe), save_immediately=True
                )
            )
        )
        text.on_click(
            page.guarded(
                lambda: client.send_file_download(
                    f"{name}.json",
                    json.dumps(probe.as_dict(), indent=1).encode(),
                    save_immediately=True,
                )
            )
        )


def ray_points(
    camera: Camera, pixel: tuple[float, float], distance: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "n 3"]]:
    """The camera's place, and the points at some distances along a pixel's ray, scene units."""
    at = jnp.asarray([[pixel[0] + 0.5, pixel[1] + 0.5]], float)
    origin, direction = Cameras.of(camera).rays(jnp.zeros(1, jnp.int32), at)
    o, d = np.asarray(origin[0]), np.asarray(direction[0])
    return o, (o + distance[:, None].astype(o.dtype) * d).astype(np.float32)


def in_words(probe: Probe, photograph: int | None, step: int) -> str:
    """Which ray it is, what it shows, and what is differentiated."""
    place = f"Pixel ({probe.column:.0f}, {probe.row:.0f})"
    where = " of this view" if photograph is None else f" of photograph {photograph}"
    opacity = f"opacity {probe.opacity:.3f}"
    if probe.photograph is None:
        what = (
            "No photograph was taken from here: slopes are those of the pixel's **brightness**, "
            "the mean of its channels."
        )
    else:
        what = f"Slopes are those of this pixel's **loss**, {probe.loss:.3g}."
    return (
        f"{place}{where}, step {step}: {len(probe.t)} samples, {opacity}. {what} By hand and by "
        f"finite differences they differ by {probe.gap:.0e} of the largest."
    )


def swatches(probe: Probe) -> UInt8[np.ndarray, "h w 3"]:
    """The rendered colour to the left, the photograph's to the right if there is one."""
    colours = [probe.shown] + ([] if probe.photograph is None else [probe.photograph])
    parts = [np.tile(np.clip(colour, 0, 1), (24, 160, 1)) for colour in colours]
    return np.round(np.concatenate(parts, axis=1) * 255).astype(np.uint8)


def pose_table(probe: Probe) -> str:
    """dC / dpose as a table."""
    rows = ["| motion of the camera | red | green | blue |", "| --- | ---: | ---: | ---: |"]
    for name, slopes in zip(MOTIONS, probe.pose, strict=True):
        rows.append(f"| {name} | " + " | ".join(f"{v:.3g}" for v in slopes) + " |")
    table = "\n".join(rows)
    return (
        "Slope of the colour with the camera's six motions, per scene unit and per radian "
        f"(finite differences differ by {probe.pose_gap:.0e}):\n\n{table}"
    )


def drawn(probe: Probe) -> bytes:
    """A probe as a PNG."""
    file = BytesIO()
    figure(probe).savefig(file, format="png", dpi=DPI)
    return file.getvalue()
