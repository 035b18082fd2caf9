"""What training hands over: copies, and only where somebody watches."""

import threading
from unittest import mock

import jax
import jax.numpy as jnp
import pytest

from nerf.viewer import live as module
from nerf.viewer.curves import curves, in_words
from nerf.viewer.live import Curve, Live


@pytest.fixture
def trained(live):
    with mock.patch.object(module, "EVERY", 0.0):
        yield Live(live.model, live.scene, training=True)


def test_a_state_is_copied_only_where_it_is_wanted(trained):
    params = {"fine": jnp.arange(3.0)}
    assert trained.snapshot() is None
    trained.offer(params, None, 1)
    first = trained.snapshot()
    assert first.step == 1 and first.params["fine"] is not params["fine"]
    trained.offer(params, None, 2)  # it was asked for
    assert trained.snapshot().step == 2
    trained._wanted.clear()
    trained.offer(params, None, 3)
    assert trained.snapshot().step == 2


def test_a_copy_outlives_the_step_that_takes_the_state(trained):
    step = jax.jit(lambda p: jax.tree.map(lambda v: v + 1, p), donate_argnums=0)
    params = {"fine": jnp.arange(3.0)}
    trained.offer(params, None, 1)
    step(params)
    assert params["fine"].is_deleted()
    assert trained.snapshot().params["fine"].tolist() == [0, 1, 2]


def test_training_waits_while_it_is_paused_and_can_be_stopped(trained):
    assert trained.wait() < 0.05
    trained.pause()
    assert trained.paused
    threading.Timer(0.2, trained.resume).start()
    assert trained.wait() >= 0.15
    trained.pause()
    assert trained.wait(stopped=lambda: True) < 0.05


def test_a_curve_is_thinned_and_keeps_its_ends():
    curve = Curve()
    for step in range(1, 2001):
        curve.add(step=step, loss=1 / step, psnr=None if step == 1 else 20.0,
                  rays_per_second=1000, seconds=step / 10)  # fmt: skip
    loss, psnr = curves(curve.rows())
    steps = loss["data"][0]
    assert len(steps) == 400 and steps[0] == 1 and steps[-1] == 2000
    assert loss["data"][1][-1] == pytest.approx(-3.301, abs=1e-3)
    assert psnr["data"][1][-1] == 20 and psnr["data"][1][0] != psnr["data"][1][0]
    said = in_words(curve.rows()[-1], True, False)
    assert said == "Step 2000, loss 0.0005, 20.0 dB, 1,000 rays/s, 200 s."
    assert in_words(curve.rows()[0], True, True).startswith("Paused. Step 1, loss 1, 1,000")
