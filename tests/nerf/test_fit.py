"""Who is told of the steps of a run, and what that costs it."""

import time

import numpy as np
import pytest

from nerf.checkpoint import Checkpoints, Memo
from nerf.fit import fit
from nerf.rays import Photographs
from nerf.run import create
from nerf.state import start
from nerf.step import Step
from tests.nerf.conftest import small_grid


@pytest.fixture
def begun(photographs, tmp_path):
    """A run of a few steps, about to begin."""
    from dataclasses import replace

    config = replace(small_grid(), steps=6, run=tmp_path)
    model, state = start(config)
    create(tmp_path, config)
    checkpoints = Checkpoints(tmp_path)
    yield Step(model, Photographs.of(photographs)), state, checkpoints
    checkpoints.close()


def test_a_listener_hears_of_each_step_and_its_pauses_are_no_training(begun, tmp_path):
    step, state, checkpoints = begun
    heard, seconds = [], []

    def pausing(state, told, stopped):
        heard.append((told.step, int(state.step), stopped()))
        seconds.append(told.seconds)
        if told.step == 3:
            time.sleep(3.0)
            return 3.0
        return 0.0

    assert fit(step, state, Memo({}), tmp_path, checkpoints, [pausing]).code == 0
    assert heard == [(k, k, False) for k in range(1, 7)]
    assert (np.diff(seconds) > 0).all()
    assert seconds[-1] - seconds[2] < 2.9, "the pause was counted"


def test_a_paused_run_can_be_stopped(begun, tmp_path):
    """Ctrl-C while a listener keeps the loop waiting: it is asked, and the run is saved."""
    import os
    import signal

    step, state, checkpoints = begun

    def until_stopped(state, told, stopped):
        if told.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
            while not stopped():
                time.sleep(0.01)
        return 0.0

    assert fit(step, state, Memo({}), tmp_path, checkpoints, [until_stopped]).code == 130
    assert checkpoints.latest == 2
