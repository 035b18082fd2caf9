"""What the page's panel holds: what to show, of which box, through which photograph's camera."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from data.errors import InputError
from data.scene import Camera
from nerf.viewer import crop, modes, photographs
from nerf.viewer.crop import Box

if TYPE_CHECKING:
    from nerf.viewer.page import Page

AUTOMATIC = "automatic"
SIDES = (200, 400, 800, 1600)
"""Longer sides of the sharpest picture that can be chosen, pixels."""


class Controls:
    """The panel of one client."""

    def __init__(self, page: "Page"):
        self.page = page
        self._pictures = 0
        gui = page.client.gui
        tabs = gui.add_tab_group()
        with tabs.add_tab("View"):
            self._view()
        with tabs.add_tab("Photographs"):
            self._photographs()
        with tabs.add_tab("Ray"):
            page.ray.build()
        with tabs.add_tab("Path"):
            page.path.build()

    def said_frame(self, camera: Camera, first: float, whole: float, step: int) -> None:
        """Says how large the picture is that is done, and how long it took."""
        self._pictures += 1  # they are counted, so that something is said even of equal figures
        self._frame.content = (
            f"Step {step}, picture {self._pictures}, {camera.width} x {camera.height} pixels: "
            f"first seen after {1000 * first:.0f} ms, sharp after {whole:.2f} s."
        )

    def said_scale(self, mode: str, scale: modes.Scale | None) -> None:
        """Says what a mode shows, and between which numbers its colours go."""
        said = modes.SAID[self.page.mode]
        if self.page.mode == "error" and mode != "error":
            said += " There is none from here: go to a photograph."
        if scale is not None:
            low, high, unit = scale.low, scale.high, ""
            if mode == "depth":
                forward = self.page.live.model.config.data.space == "forward"
                unit = "" if forward else " (units of the scene's files)"
                share = 1.0 if forward else self.page.live.scene.scale
                # near is light: the scale is drawn from far to near
                low, high = high / share, low / share
            self._ends.content = f"dark: {low:.3g}, light: {high:.3g}{unit}"
        self._legend.visible = self._ends.visible = scale is not None
        self._said.content = said

    def said_photograph(self, number: int | None) -> None:
        """Says through which photograph's camera the page looks."""
        split = self.page.live.split
        if number is None:
            self._at.content = "Looking from where the mouse has gone."
        else:
            name = plain(split.names[number])
            self._at.content = (
                f"Looking through the camera of photograph **{number}**, {name}: "
                "its own lens, its own pixels. Drag to leave it."
            )
            self._number.value = int(number)

    def _view(self) -> None:
        page, gui = self.page, self.page.client.gui
        mode = gui.add_dropdown("Show", modes.MODES, initial_value="colour")
        self._said = gui.add_markdown(modes.SAID["colour"])
        self._legend = gui.add_image(modes.legend(), format="jpeg", visible=False)
        self._ends = gui.add_markdown("", visible=False)
        backdrop = bool(page.live.model.config.field.backdrop)
        background = gui.add_dropdown(
            "Background",
            ("white", "black"),
            initial_value=page.background,
            disabled=backdrop,
            hint="The run has learnt what lies behind everything."
            if backdrop
            else "What is behind the scene.",
        )
        side = gui.add_dropdown(
            "Sharpest",
            (AUTOMATIC, *(f"{side} pixels" for side in SIDES)),
            hint="Longer side of the picture when nothing moves, at most that of the window. "
            "Automatic: what this machine renders in a second and a half.",
        )
        self._frame = gui.add_markdown("")

        def choose() -> None:
            before, page.mode = page.mode, one_of(modes.MODES, mode.value)
            self.said_scale(mode.value, None)
            if mode.value == "error" and page.photograph is None:
                page.go_to(photographs.nearest(page.live.split, page.window.pose))
            elif "normals" in (before, mode.value):  # they are asked for of the field
                page.look()
            else:
                page.draw()

        def change() -> None:
            page.background = one_of(("white", "black"), background.value)
            chosen = one_of((AUTOMATIC, *(f"{side} pixels" for side in SIDES)), side.value)
            page.longest = None if chosen == AUTOMATIC else int(chosen.split()[0])
            page.look()

        mode.on_update(page.guarded(choose))
        background.on_update(page.guarded(change))
        side.on_update(page.guarded(change))
        self._crop()

    def _crop(self) -> None:
        page, gui = self.page, self.page.client.gui
        reach = crop.reach(page.live.model.config)
        with gui.add_folder("Crop box", expand_by_default=False):
            if reach is None:
                gui.add_markdown(
                    "This run can't be cropped: it has no occupancy grid in the scene's own space."
                )
                return
            used = gui.add_checkbox("Crop", False)
            sliders = [
                gui.add_multi_slider(axis, -reach, reach, reach / 64, (-reach, reach))
                for axis in "xyz"
            ]
            gui.add_markdown(
                f"Scene units (1 is {1 / page.live.scene.scale:.4g} of the files'), exact to a "
                "cell of the occupancy grid. A slider at its end cuts nothing there."
            )

        def cut() -> None:
            low, high = zip(*(slider.value for slider in sliders), strict=True)
            infinite = float("inf")
            page.box = (
                Box(
                    tuple(-infinite if v <= -reach else float(v) for v in low),  # type: ignore[arg-type]
                    tuple(infinite if v >= reach else float(v) for v in high),  # type: ignore[arg-type]
                )
                if used.value
                else None
            )
            page.look()

        controls: list[Any] = [used, *sliders]
        for control in controls:
            control.on_update(page.guarded(cut))

    def _photographs(self) -> None:
        page, gui = self.page, self.page.client.gui
        split = page.live.split
        self._at = gui.add_markdown("Looking from where the mouse has gone.")
        self._number: Any = gui.add_number(
            "Photograph", 0, min=0, max=len(split) - 1, step=1, hint=f"0 to {len(split) - 1}"
        )
        go = gui.add_button("Go to it")
        near = gui.add_button("Go to the nearest")
        wipe = gui.add_slider(
            "Wipe", 0.0, 1.0, 0.01, 0.0, hint="Photograph to the left, rendering to the right."
        )
        gui.add_markdown("Wipe: photograph to the left of the line, rendering to the right.")
        cameras = gui.add_checkbox("Show the cameras", False)
        count = len(photographs.shown_cameras(split))
        gui.add_markdown(f"{count} of {len(split)} cameras; click one to look through it.")

        def slide() -> None:
            page.wipe = min(max(float(wipe.value), 0.0), 1.0)
            if page.photograph is None and page.wipe > 0:
                page.go_to(photographs.nearest(page.live.split, page.window.pose))
            page.draw()

        def go_to() -> None:
            page.go_to(min(max(int(self._number.value), 0), len(split) - 1))

        go.on_click(page.guarded(go_to))
        near.on_click(
            page.guarded(lambda: page.go_to(photographs.nearest(split, page.window.pose)))
        )
        wipe.on_update(page.guarded(slide))
        cameras.on_update(page.guarded(lambda: page.overlays.show_cameras(cameras.value)))


def one_of(known: Sequence[str], chosen: Any) -> str:
    """A choice of a client; InputError for one that it was not given."""
    if chosen not in known:
        raise InputError(f"{str(chosen)[:40]!r} is none of {', '.join(known)}")
    return chosen


def plain(text: str) -> str:
    """Text from files as markdown that shows just that: no markup in it, HTML neither."""
    return "".join(c if c.isalnum() or c in " -/" else f"&#{ord(c)};" for c in text)
