"""A small run that is shown, without the training: nobody looks at its colours."""

from dataclasses import replace

import pytest

from data.load import load
from nerf.state import start
from nerf.viewer.live import Live, Snapshot
from tests.nerf.conftest import MARBLES, small_grid


@pytest.fixture(scope="module")
def live():
    """Parameters as drawn, every cell occupied."""
    scene = load(MARBLES, 4, None, ("train",))
    model, state = start(replace(small_grid(), scene=MARBLES))
    live = Live(model, scene)
    live.show(Snapshot(state.params, state.grid, 7))
    return live
