"""Charts of a ray for the page: what uPlot is told."""

from typing import Any

import numpy as np
from jaxtyping import Float

from nerf.microscope.probe import Probe

BLUE, ORANGE, GREEN, RED, GREY = "#2c6fbb", "#d9822b", "#3a9a5b", "#c0392b", "#888888"
HEIGHT = 150
"""Of a chart, pixels."""
REST = 1e-3
"""Part of what is seen that the charts may leave out."""


def of(probe: Probe) -> list[dict[str, Any]]:
    """Density; transmittance and weights; colours; slopes: each against distance, scene units."""
    if not len(probe.distance):
        return []
    n = telling(probe.weights)
    t = probe.distance[:n]
    points = {"points": {"show": True, "size": 5}, "width": 0}
    return [
        chart(t, "density", [("density", probe.sigma[:n], BLUE, {})]),
        chart(
            t,
            "transmittance, weight",
            [
                ("transmittance", probe.transmittance[:n], GREY, {}),
                ("weight", probe.weights[:n], ORANGE, {"fill": "rgba(217,130,43,0.25)"}),
            ],
        ),
        chart(
            t,
            "colour of each sample",
            [
                (name, probe.colour[:n, k], stroke, {})
                for k, (name, stroke) in enumerate((("r", RED), ("g", GREEN), ("b", BLUE)))
            ],
        ),
        chart(
            t,
            f"d {probe.quantity} / d density",
            [
                ("shows", probe.shows[:n], GREEN, {"dash": (4, 3)}),
                ("hides", probe.hides[:n], RED, {"dash": (4, 3)}),
                ("both", probe.slope_sigma[:n], "#222222", {"width": 2}),
                ("differences", probe.differences[:n], ORANGE, points),
            ],
        ),
    ]


def telling(weights: Float[np.ndarray, " N"]) -> int:
    """How many samples from the camera on show all that is seen, and a few behind these.

    Rays through surroundings without an end go on for long after they are opaque; charts of the
    whole way would show nothing of what matters.
    """
    through = np.cumsum(weights)
    if through[-1] < REST:
        return len(weights)
    last = int(np.searchsorted(through, (1 - REST) * through[-1])) + 1
    return min(len(weights), last + max(4, last // 4))


def chart(
    x: np.ndarray,
    title: str,
    lines: list[tuple[str, np.ndarray, str, dict[str, Any]]],
    along: str = "distance",
) -> dict[str, Any]:
    """What `add_uplot` is given for lines (name, values, colour, more) over x."""
    if len(x) == 1:  # a line needs two points
        x = np.repeat(x, 2)
        lines = [(name, np.repeat(values, 2), stroke, more) for name, values, stroke, more in lines]
    series: list[dict[str, Any]] = [{"label": along}]
    series += [
        {"label": name, "stroke": stroke, "width": 1, "points": {"show": False}, **more}
        for name, _, stroke, more in lines
    ]
    return {
        "data": (np.asarray(x, float), *(np.asarray(values, float) for _, values, _, _ in lines)),
        "series": tuple(series),
        "title": title,
        "scales": {"x": {"time": False}},
        "height": HEIGHT,
    }
