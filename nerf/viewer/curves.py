"""The panel of a run in training: its curves, where it is, pause and resume."""

import threading
from typing import Any

import numpy as np
import viser

from nerf.console import console
from nerf.viewer.charts import BLUE, ORANGE, chart
from nerf.viewer.live import Live

EVERY = 1.0
"""Seconds between two looks at the curve."""
POINTS = 400
"""Of a curve, at most."""


class Training:
    """Shown to all clients alike."""

    def __init__(self, server: viser.ViserServer, live: Live):
        self.server, self.live = server, live
        self._stopped, self._updating = threading.Event(), threading.Lock()
        self._charts: list[Any] = []
        with server.gui.add_folder("Training", order=-1):
            self._said = server.gui.add_markdown("Training has not begun.")
            self._button = server.gui.add_button("Pause")
            self._place = server.gui.add_folder(None)
        self._button.on_click(lambda event: self._turn())
        self._thread = threading.Thread(target=self._run, name="nerf-viewer-curves", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends its thread."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def update(self) -> None:
        """Shows the newest figures."""
        with self._updating:  # whoever presses the button is another thread
            self._update()

    def _update(self) -> None:
        rows, live = self.live.curve.rows(), self.live
        self._button.visible = live.training
        self._button.label = "Resume" if live.paused else "Pause"
        if not rows:
            self._said.content = "Paused." if live.paused else "No figures yet."
            return
        self._said.content = in_words(rows[-1], live.training, live.paused)
        if len(rows) < 2:
            return
        data = curves(rows)
        if self._charts:
            for shown, told in zip(self._charts, data, strict=True):
                shown.data = told["data"]
        else:
            with self._place:
                self._charts = [self.server.gui.add_uplot(**told) for told in data]

    def _turn(self) -> None:
        if self.live.paused:
            self.live.resume()
        else:
            self.live.pause()
        self.update()

    def _run(self) -> None:
        told: Any = None
        said: str | None = None
        while not self._stopped.wait(EVERY):
            rows = self.live.curve.rows()
            newest = rows[-1]["step"] if rows else None
            now = (len(rows), newest, self.live.training, self.live.paused)
            if now == told or not self.server.get_clients():
                continue
            told = now
            try:
                self.update()
            except Exception as error:  # the curve is not worth a thread
                wrong = f"viewer   the curve is not shown: {type(error).__name__}: {error}"
                if wrong != said:
                    console.print(wrong, markup=False)
                said = wrong


def in_words(row: dict[str, Any], training: bool, paused: bool) -> str:
    """Where training is."""
    state = "" if training and not paused else ("Paused. " if training else "Training has ended. ")
    loss = "" if row.get("loss") is None else f", loss {row['loss']:.3g}"
    psnr = "" if row.get("psnr") is None else f", {row['psnr']:.1f} dB"
    return (
        f"{state}Step {row['step']}{loss}{psnr}, "
        f"{row.get('rays_per_second') or 0:,.0f} rays/s, {row['seconds']:.0f} s."
    )


def curves(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Loss (logarithm) and PSNR over steps, evenly thinned; the newest row is always there."""
    if len(rows) > POINTS:
        rows = [rows[round(k * (len(rows) - 1) / (POINTS - 1))] for k in range(POINTS)]
    steps = np.array([row["step"] for row in rows], float)
    loss, psnr = (
        np.array([np.nan if row.get(name) is None else row[name] for row in rows], float)
        for name in ("loss", "psnr")
    )
    loss = np.maximum(loss, 1e-12)
    return [
        chart(steps, "log10 loss", [("log10 loss", np.log10(loss), BLUE, {})], "step"),
        chart(steps, "PSNR of the rays, dB", [("PSNR", psnr, ORANGE, {})], "step"),
    ]
