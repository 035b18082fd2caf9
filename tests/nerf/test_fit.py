"""Who is told of the steps of a run, and what that costs it."""

import os
import signal
import time
from dataclasses import replace
from signal import SIGHUP, SIGINT, SIGTERM
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from nerf.checkpoint import Checkpoints, Memo
from nerf.fit import fit
from nerf.run import create
from tests.nerf.conftest import prepared, small_grid


@pytest.fixture
def begun(photographs, tmp_path):
    """A run of a few steps, about to begin."""
    config = replace(small_grid(), steps=6, run=tmp_path)
    create(tmp_path, config)
    checkpoints = Checkpoints(tmp_path)
    yield *prepared(config, photographs), checkpoints
    checkpoints.close()


def test_a_listener_hears_of_each_step_and_its_pauses_are_no_training(begun, tmp_path):
    step, state, checkpoints = begun
    heard, seconds, now = [], [], [0.0]

    def clock():
        now[0] += 0.25
        return now[0]

    def pausing(state, told, stopped):
        heard.append((told.step, int(state.step), stopped()))
        seconds.append(told.seconds)
        if told.step == 3:
            now[0] += 30.0
            return 30.0
        return 0.0

    with patch("nerf.train.time", SimpleNamespace(perf_counter=clock)):
        assert fit(step, state, Memo({}), tmp_path, checkpoints, [pausing]).code == 0
    assert heard == [(k, k, False) for k in range(1, 7)]
    assert (np.diff(seconds) > 0).all()
    np.testing.assert_allclose(np.diff(seconds), seconds[0], err_msg="the pause was counted")


@pytest.mark.parametrize("sent", [(SIGINT,), (SIGTERM, SIGHUP), (SIGHUP, SIGHUP)])
def test_a_paused_run_can_be_stopped(begun, tmp_path, sent):
    """A signal while a listener keeps the loop waiting: it is asked, and the run is saved.

    A terminal that is closed sends SIGHUP, and its shell does again; systemd sends SIGTERM first.
    """
    step, state, checkpoints = begun

    def until_stopped(state, told, stopped):
        if told.step == 2:
            for number in sent:
                os.kill(os.getpid(), number)
                while not stopped():
                    time.sleep(0.01)
        return 0.0

    code = fit(step, state, Memo({}), tmp_path, checkpoints, [until_stopped]).code
    assert code == 128 + sent[-1 if sent[0] == SIGHUP else 0]
    assert checkpoints.latest == 2
    assert signal.getsignal(SIGHUP) == signal.SIG_DFL, "as before"


def test_under_nohup_a_run_goes_on(begun, tmp_path):
    step, state, checkpoints = begun

    def hang_up(state, told, stopped):
        os.kill(os.getpid(), SIGHUP)
        return 0.0

    before = signal.signal(SIGHUP, signal.SIG_IGN)
    try:
        assert fit(step, state, Memo({}), tmp_path, checkpoints, [hang_up]).code == 0
    finally:
        signal.signal(SIGHUP, before)
    assert checkpoints.latest == 6
