"""What the microscope's panel draws."""

import numpy as np
import pytest

from nerf.viewer.charts import REST, chart, telling


def test_charts_end_behind_the_last_sample_that_is_seen():
    weights = np.zeros(1000)
    weights[40:60] = 0.05
    n = telling(weights)
    assert 60 <= n <= 80 and weights[:n].sum() >= (1 - REST) * weights.sum()


@pytest.mark.parametrize("weights", [np.zeros(7), np.full(7, 1e-6), np.eye(7)[6], np.ones(1)])
def test_charts_of_thin_and_short_rays_are_whole(weights):
    assert telling(weights) == len(weights)


def test_a_line_has_two_points_at_least():
    told = chart(np.array([2.0]), "one", [("a", np.array([3.0]), "#000", {})])
    assert [len(v) for v in told["data"]] == [2, 2] and len(told["series"]) == 2
