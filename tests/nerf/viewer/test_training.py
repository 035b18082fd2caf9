"""A run that is watched: it takes the steps that it would have taken, whatever the viewer does."""

import threading
import time
import urllib.request
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from nerf.checkpoint import Checkpoints, Memo
from nerf.fit import fit
from nerf.rays import Photographs
from nerf.run import create
from nerf.state import start
from nerf.step import Step
from nerf.train import Progress
from nerf.viewer import serve, training
from nerf.viewer.curves import curves, in_words
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
        assert fit(step, state, Memo({}), folder, checkpoints, [note, *listeners]).code == 0
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


def test_a_watched_run_takes_the_very_same_steps(marbles, model, alone, tmp_path):
    served = []
    with (
        mock.patch.object(training, "serve", lambda *a: served.append(serve(*a)) or served[-1]),
        training.watched(model, marbles, tmp_path, port=0) as listener,
    ):
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
            threading.Timer(0.3, resume).start()
        return listen(state, told, stopped)

    began = time.monotonic()
    assert trained(marbles, tmp_path, [look]) == alone
    assert time.monotonic() - began >= 0.3
    assert heard == list(range(1, STEPS + 1))
    assert shown == [5], "the state that it was paused at"


def test_a_viewer_that_breaks_is_said_once_and_ends_nothing(
    marbles, model, alone, tmp_path, capsys
):
    live = Live(model, marbles, training=True)

    def breaks(*state):
        raise RuntimeError("no memory left for a copy")

    live.offer = breaks
    assert trained(marbles, tmp_path, [training._listener(live, [])]) == alone
    assert capsys.readouterr().out.count("no memory left for a copy") == 1


def test_the_curve_of_a_run_that_goes_on_begins_where_it_was(tmp_path):
    assert training._earlier(tmp_path) == []
    whole = '{"step": 20, "loss": 0.5, "psnr": 9.0, "rays_per_second": 3, "seconds": 1.5}\n'
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 40, "lo')
    rows = training._earlier(tmp_path)
    assert rows == [{"step": 20, "loss": 0.5, "psnr": 9.0, "rays_per_second": 3, "seconds": 1.5}]


def test_a_curve_that_is_odd_is_read_as_far_as_it_can_be(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(
        b'[1]\n7\n{"step": "x", "seconds": 1}\n\xff\xfe\n{"step": 40, "seconds": 2, "loss": NaN}\n'
    )
    (row,) = training._earlier(tmp_path)
    assert row == {"step": 40, "loss": None, "psnr": None, "rays_per_second": None, "seconds": 2}
    assert in_words(row, True, False) == "Step 40, 0 rays/s, 2 s."
    loss, _ = curves([row, row | {"step": 60, "loss": 0.1}])
    assert np.isnan(loss["data"][1][0]) and loss["data"][1][1] == pytest.approx(-1)
    file.unlink()
    file.mkdir()
    assert training._earlier(tmp_path) == []


def told(step, loss=0.5):
    return Progress(step, step / 10, step / 100, loss, 10.0, 64, 0, 640, 0.5, "", "", 1e-2)


def test_a_curve_never_runs_backwards(marbles, model):
    live = Live(model, marbles, training=True)
    for step in (20, 40, 60, 80):  # beyond the checkpoint that the run goes on from
        live.curve.add(step=step, loss=9.0, psnr=1.0, rays_per_second=1.0, seconds=1.0)
    since = dict(training.NOTHING)
    for step in range(31, 71):
        training._add(live, since, told(step))
    assert [row["step"] for row in live.curve.rows()] == [20, 40, 60]
    for step in range(1, 41):  # a dead start: nothing of it is in the new one's means
        training._add(live, since, told(step, 0.25))
    rows = live.curve.rows()
    assert [(row["step"], row["loss"]) for row in rows] == [(20, 0.25), (40, 0.25)]


@mock.patch("nerf.viewer.curves.EVERY", 0.02)
def test_a_panel_that_breaks_is_said_once_and_goes_on(marbles, model, capsys):
    live, tries = Live(model, marbles, training=True), []
    viewer = serve(live, port=0)
    try:
        panel = viewer.training

        def breaks():
            tries.append(1)
            raise RuntimeError("no place for a chart")

        panel._update = breaks
        panel.server.get_clients = lambda: {0: None}
        for step in (20, 40, 60):
            live.curve.add(step=step)
            deadline, before = time.monotonic() + 20, len(tries)
            while len(tries) == before and time.monotonic() < deadline:
                time.sleep(0.01)
        assert len(tries) >= 3 and panel._thread.is_alive()
    finally:
        viewer.stop()
    assert capsys.readouterr().out.count("no place for a chart") == 1
