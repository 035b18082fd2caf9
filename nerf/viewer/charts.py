"""Charts of a ray for the page: what uPlot is told."""

from typing import Any

import numpy as np

from nerf.microscope.probe import Probe

BLUE, ORANGE, GREEN, RED, GREY = "#2c6fbb", "#d9822b", "#3a9a5b", "#c0392b", "#888888"
HEIGHT = 150


def of(probe: Probe) -> list[dict[str, Any]]:
    """Density; transmittance and weights; colours; slopes: each against distance, scene units."""
    if not len(probe.distance):
        return []
    t = probe.distance
    points = {"points": {"show": True, "size": 5}, "width": 0}
    return [
        chart(t, "density", [("density", probe.sigma, BLUE, {})]),
        chart(
            t,
            "transmittance, weight",
            [
                ("transmittance", probe.transmittance, GREY, {}),
                ("weight", probe.weights, ORANGE, {"fill": "rgba(217,130,43,0.25)"}),
            ],
        ),
        chart(
            t,
            "colour of each sample",
            [
                (name, probe.colour[:, k], stroke, {})
                for k, (name, stroke) in enumerate((("r", RED), ("g", GREEN), ("b", BLUE)))
            ],
        ),
        chart(
            t,
            f"d {probe.quantity} / d density",
            [
                ("shows", probe.shows, GREEN, {"dash": (4, 3)}),
                ("hides", probe.hides, RED, {"dash": (4, 3)}),
                ("both", probe.slope_sigma, "#222222", {"width": 2}),
                ("differences", probe.differences, ORANGE, points),
            ],
        ),
    ]


def chart(
    x: np.ndarray, title: str, lines: list[tuple[str, np.ndarray, str, dict[str, Any]]]
) -> dict[str, Any]:
    """What `add_uplot` is given for lines (name, values, colour, more) over x."""
    if len(x) == 1:  # a line needs two points
        x = np.repeat(x, 2)
        lines = [(name, np.repeat(values, 2), stroke, more) for name, values, stroke, more in lines]
    series: list[dict[str, Any]] = [{"label": "distance"}]
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
