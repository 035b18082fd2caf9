"""Curves pass through their points, ticks are round and hold what is drawn."""

import re

import numpy as np
import pytest

from nerf.report import charts
from nerf.report.charts import Line
from tests.nerf.report.runs import Page


def points(svg: str, kind: str) -> np.ndarray:
    found = re.findall(rf'class="{kind}" d="M([^"]*)"', svg)
    assert len(found) == 1
    return np.array(found[0].split(), float).reshape(-1, 2)


@pytest.mark.parametrize("log", [False, True])
def test_a_line_is_where_its_numbers_are(log):
    x = np.array([0.0, 10, 20, 40])
    y = np.array([0.1, 1, 10, 100])
    svg = charts.lines([Line("<a>", x, y)], "what", "x", "y", log=log, smooth=False)
    assert "&lt;a&gt;" in svg
    Page(svg)
    at = points(svg, "line s0 d0")
    np.testing.assert_allclose(np.diff(at[:, 0]) / (at[-1, 0] - at[0, 0]), [0.25, 0.25, 0.5], 2e-3)
    heights = np.diff(at[:, 1])
    assert (heights < 0).all(), "up is less"
    share = heights / heights.sum()
    np.testing.assert_allclose(share, [1 / 3] * 3 if log else np.diff(y) / 99.9, atol=2e-3)


def test_what_is_not_finite_is_left_out():
    y = np.array([1.0, np.nan, np.inf, -1, 0, 3])
    line = Line("a", np.arange(6), y)
    drawn = charts.lines([line], "", "", "", smooth=False)
    assert len(points(drawn, "line s0 d0")) == 4
    drawn = charts.lines([line], "", "", "", log=True, smooth=False)
    assert len(points(drawn, "line s0 d0")) == 2
    assert charts.lines([line._replace(y=np.full(6, np.nan))], "", "", "") == ""
    assert charts.lines([], "", "", "") == ""


def test_a_long_line_is_means():
    values = np.arange(10 * charts.MOST + 3, dtype=float)
    short = charts.fewer(values)
    assert len(short) <= charts.MOST
    np.testing.assert_allclose(short[:2], [5, 16])
    np.testing.assert_array_equal(charts.fewer(values[:9]), values[:9])


def test_smooth_is_the_mean_around():
    values = np.random.default_rng(0).random(200)
    found, reach = charts.smoothed(values), 200 // (2 * charts.SMOOTHED)
    for k in range(200):
        near = min(k, 199 - k, reach)
        np.testing.assert_allclose(found[k], values[k - near : k + near + 1].mean())


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (3, 3), (1e-7, 3e-7), (17.2, 42.9), (-3, 120000), (1e-9, 1e9)]
)
def test_ticks_hold_what_is_drawn(low, high):
    at = charts._ticks(float(low), float(high))
    assert at[0] <= low and at[-1] >= high and len(at) <= 8
    if low > 0:
        at = charts._decades(np.array([low, high], float))
        assert at[0] <= low and at[-1] >= high and 2 <= len(at) <= 12
        assert (np.diff(at) > 0).all()


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (2500, "2500"), (12500, "12.5k"), (2e6, "2M"), (1e-3, "10⁻³"), (5e-4, "5·10⁻⁴"),
     (0.25, "0.25"), (-3, "-3")],
)  # fmt: skip
def test_numbers_are_short(value, said):
    assert charts.number(float(value)) == said


def test_bars_are_as_high_as_their_counts():
    svg = charts.bars(
        np.arange(4), np.array([4, 0, 2]), "what", "x", "y", ["<four>", "none", "two"]
    )
    Page(svg)
    heights = [float(h) for h in re.findall(r'<rect.*?height="([\d.]+)"', svg)]
    assert len(heights) == 2 and heights[0] == pytest.approx(2 * heights[1], rel=1e-2)
    assert "&lt;four&gt;" in svg
    assert charts.bars(np.arange(2), np.array([0]), "", "", "", [""]) == ""
