"""A run that is watched: it takes the steps that it would have taken, whatever the viewer does."""

import threading
import time
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from nerf.checkpoint import Checkpoints, create
from nerf.fit import fit
from nerf.rays import Photographs
from nerf.train import Step, start
from nerf.viewer import training
from nerf.viewer.live import Live
from tests.nerf.conftest import small_grid

STEPS = 30


def trained(marbles, folder, listeners=()):
    """The loss of each step, by step, of a short run."""
    config = replace(small_grid(), steps=STEPS, run=folder)
    model, state = start(config)
    create(folder, config)
    checkpoints = Checkpoints(folder)
    losses = []

    def note(state, told, stopped):
        losses.append(told.loss)
        return 0.0

    step = Step(model, Photographs.of(marbles.splits["train"]))
    try:
        assert fit(step, state, 0.0, folder, checkpoints, [note, *listeners]) == 0
    finally:
        checkpoints.close()
    return losses


@pytest.fixture(scope="module")
def alone(marbles, tmp_path_factory):
    """The losses of the run that nobody watches."""
    return trained(marbles, tmp_path_factory.mktemp("alone"))


@pytest.fixture
def model():
    return start(small_grid())[0]


def test_a_watched_run_takes_the_very_same_steps(marbles, model, alone, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(training, "serve", lambda *a: served.append(serve(*a)) or served[-1])
    from nerf.viewer.server import serve

    with training.watched(model, marbles, tmp_path, port=0) as listener:
        live, url = served[0].live, served[0].url

        def look(state, told, stopped):
            live.snapshot()  # somebody asks for each state
            return listener(state, told, stopped)

        losses = trained(marbles, tmp_path, [look])
        assert urllib.request.urlopen(url, timeout=10).status == 200
        rows = live.curve.rows()
    assert losses == alone
    assert [row["step"] for row in rows] == [20, 30]
    np.testing.assert_allclose(rows[1]["loss"], np.mean(alone[20:]), rtol=1e-6)
    assert all(row["rays_per_second"] > 0 and row["psnr"] > 0 for row in rows)
    assert not live.training
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)


def test_what_is_shown_is_a_copy_of_a_state_that_was(marbles, model, tmp_path):
    live = Live(model, marbles, training=True)
    listen, shown = training._listener(live, []), []

    def look(state, told, stopped):
        held = listen(state, told, stopped)
        if told.step == 1:
            shown.append((live.snapshot(), np.array(state.params["fine"]["tables"][0])))
        return held

    trained(marbles, tmp_path, [look])
    snapshot, then = shown[0]
    assert snapshot.step == 1
    np.testing.assert_array_equal(snapshot.params["fine"]["tables"][0], then)  # not given away


def test_a_pause_lasts_until_somebody_ends_it_and_no_step_is_lost(marbles, model, alone, tmp_path):
    live, heard, shown = Live(model, marbles, training=True), [], []
    listen = training._listener(live, [])

    def resume():
        shown.append(live.snapshot().step)
        live.resume()

    def look(state, told, stopped):
        heard.append(told.step)
        if told.step == 5:
            live.pause()
            threading.Timer(1.0, resume).start()
        return listen(state, told, stopped)

    began = time.monotonic()
    assert trained(marbles, tmp_path, [look]) == alone
    assert time.monotonic() - began >= 1.0
    assert heard == list(range(1, STEPS + 1))
    assert shown == [5], "the state that it was paused at"


def test_a_viewer_that_breaks_is_said_once_and_ends_nothing(
    marbles, model, alone, tmp_path, capsys, monkeypatch
):
    live = Live(model, marbles, training=True)

    def breaks(*state):
        raise RuntimeError("no memory left for a copy")

    monkeypatch.setattr(live, "offer", breaks)
    assert trained(marbles, tmp_path, [training._listener(live, [])]) == alone
    assert capsys.readouterr().out.count("no memory left for a copy") == 1


def test_the_curve_of_a_run_that_goes_on_begins_where_it_was(tmp_path):
    assert training._earlier(tmp_path) == []
    whole = '{"step": 20, "loss": 0.5, "psnr": 9.0, "rays_per_second": 3, "seconds": 1.5}\n'
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 40, "lo')
    rows = training._earlier(tmp_path)
    assert rows == [{"step": 20, "loss": 0.5, "psnr": 9.0, "rays_per_second": 3, "seconds": 1.5}]
