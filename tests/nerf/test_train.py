"""Training: it learns, repeats to the bit, resumes to the bit, and stops before it spoils."""

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nerf import train as loop
from nerf.checkpoint import Checkpoints, Memo
from nerf.loss import SAMPLES_TOGETHER, loss_of_rays, slope_of_rays
from nerf.rays import Packed
from nerf.shading import shade, shade_packed
from nerf.space import Space
from nerf.state import optimiser
from nerf.train import DROPS, learning_rate, train
from tests.nerf.conftest import finished, prepared, same_bits, small_grid, tiny


def with_training(config, **changes):
    return replace(config, training=replace(config.training, **changes))


def test_the_loss_falls(config, photographs):
    config = with_training(config, learning_rate=4 * config.training.learning_rate)
    _, told = finished(config, photographs, steps=80)
    first, last = (np.mean([p.psnr for p in part]) for part in (told[:5], told[-5:]))
    assert last > first + 4
    assert [p.step for p in told] == list(range(1, 81))
    assert told[-1].fraction == 1


def test_same_seed_same_bits_and_resumed_as_if_never_stopped(config, photographs, tmp_path):
    config = replace(config, steps=20, seed=7)
    whole, steps = finished(config, photographs)
    assert same_bits(finished(config, photographs)[0], whole)
    _, others = finished(config, photographs, steps=2, seed=1)
    assert all(a.loss != b.loss for a, b in zip(others, steps[:2], strict=True))
    step, state = prepared(config, photographs)
    checkpoints = Checkpoints(tmp_path)
    for lent, told in train(step, state):
        if told.step == 9:
            assert checkpoints.save(lent, Memo({}, seconds=told.seconds)) == ""
            break
    checkpoints.close()
    again = Checkpoints(tmp_path)
    step, fresh = prepared(config, photographs)
    state, memo = again.restore(fresh)
    again.close()
    assert int(state.step) == 9 and memo.seconds == told.seconds
    for lent, later in train(step, state, memo.seconds):
        assert later.seconds > memo.seconds
        last = jax.tree.map(np.asarray, lent)
    assert same_bits(last, whole)


def test_the_clock_ends_it(photographs):
    config = replace(small_grid(), steps=10**6)
    began = time.perf_counter()
    _, told = finished(config, photographs, max_seconds=0.2)
    assert time.perf_counter() - began >= 0.2  # it may be over between two steps
    assert len(told) < 1000
    _, told = finished(config, photographs, max_seconds=1e-6)
    assert len(told) == 1


def test_learning_rate_falls_exponentially():
    config = with_training(small_grid(), schedule="exponential")
    training = config.training
    rates = [learning_rate(config, f) for f in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(rates[0], training.learning_rate, rtol=1e-6)
    np.testing.assert_allclose(rates[2], training.final_learning_rate, rtol=1e-6)
    np.testing.assert_allclose(rates[1] ** 2, rates[0] * rates[2], rtol=1e-6)


def test_learning_rate_falls_by_drops():
    config = with_training(small_grid(), schedule="drops", learning_rate=0.1)
    at = (0.0, 0.49, 0.5, 0.74, 0.75, 0.89, 0.9, 1.0)
    drops = (0, 0, 1, 1, 2, 2, 3, 3)
    found = [learning_rate(config, f) for f in at]
    np.testing.assert_allclose(found, 0.1 * 0.33 ** np.array(drops), rtol=1e-6)
    assert DROPS == (0.5, 0.75, 0.9)


def test_a_clock_that_ends_the_run_drives_the_rate(photographs):
    """Steps without end, a tenth of a second at each look at the clock: the rate has dropped."""
    config = replace(small_grid(), steps=10**6, max_seconds=3.0)
    ticks = itertools.count()
    with patch.object(loop, "time", SimpleNamespace(perf_counter=lambda: next(ticks) / 10)):
        _, told = finished(config, photographs)
    fractions = [p.fraction for p in told]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9 and 10 < len(told) < 20
    assert fractions[-1] == pytest.approx(min(1.0, told[-1].seconds / 3.0))
    for before, now in itertools.pairwise(told):  # the clock is looked at between the two
        rates = [learning_rate(config, f) for f in (before.fraction, now.fraction)]
        assert rates[1] <= np.float32(now.learning_rate) <= rates[0]
    assert told[-1].learning_rate < told[0].learning_rate


def test_weights_of_networks_decay_and_tables_do_not(photographs):
    """Without a gradient, decay is all that moves a parameter."""
    config = with_training(small_grid(), weight_decay=0.1)
    _, state = prepared(config, photographs)
    nothing = jax.tree.map(np.zeros_like, state.params)
    updates, _ = jax.jit(optimiser(config).update)(nothing, state.moments, state.params)
    for (path, moved), at in zip(
        jax.tree_util.tree_leaves_with_path(jax.device_get(updates["fine"])),
        jax.device_get(jax.tree.leaves(state.params["fine"])),
        strict=True,
    ):
        network = path[0].key != "tables"
        assert (moved != 0).any() == (network and (at != 0).any())
        assert not network or (moved * at <= 0).all()  # towards zero


@pytest.mark.parametrize("name", ["head", "trunk"])
def test_a_step_that_is_not_finite_touches_nothing_and_is_named(config, photographs, name):
    step, state = prepared(config, photographs)
    layer = state.params["fine"][name][0]
    layer["W"] = np.array(layer["W"])
    layer["W"][0, 0] = np.nan
    before = jax.tree.map(np.array, state)
    ((after, told),) = list(train(step, state))
    assert not told.good and told.step == 0
    assert told.bad == f"parameter fine {name} 0 W"
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_bad_array_is_on_the_road_not_at_its_end(photographs):
    """Finite parameters, an infinite network: the rendering is named, not the loss behind it."""
    step, state = prepared(small_grid(), photographs)
    for layer in (0, 1):
        weights = state.params["fine"]["head"][layer]
        weights["W"] = np.float32(1e38) * np.asarray(weights["W"])
    found = step.first_bad_array(state, step.batch(state))
    assert found == "the output of mlp, call 2 of the forward pass,", "the head"


def test_a_step_of_packed_samples_is_the_step_of_each_ray_by_itself(photographs):
    """The stream is a way of storing: the same samples ray by ray show the same pixels."""
    config = small_grid()
    step, state = prepared(config, photographs)
    rays, asked = jax.jit(step._asked)(state, step.batch(state), step.photographs)
    assert isinstance(asked, Packed)
    space, stages = Space.of(config), step.model.stages
    length = 2 * np.sqrt(3) / config.sampling.steps
    np.testing.assert_allclose(asked.length, np.full(asked.t.shape, length), rtol=1e-6)
    first = np.asarray(asked.stream.first)
    counts = np.diff(first)
    ranks = np.arange(counts.max())[None]
    within = ranks < counts[:, None]
    t = np.where(within, np.asarray(asked.t)[np.where(within, first[:-1, None] + ranks, 0)], 0.0)
    delta = np.where(within, length, 0.0)

    @jax.jit
    def both(params, rays, asked, t, delta):
        field, at = step.model.field(params), (rays.origin, rays.direction, rays.view)
        steps, behind = jnp.full(asked.t.shape, length), rays.background
        stored = shade_packed(field, *at, asked.t, steps, behind, asked.stream, space, stages)
        return stored[0], shade(field, *at, t, delta, behind, space, stages)[0]

    packed, each = both(state.params, rays, asked, *map(np.float32, (t, delta)))
    assert (counts > 0).sum() > 50 and (counts == 0).any()
    for a, b in zip(packed, each, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.usefixtures("float64")
def test_the_gradient_of_parts_is_that_of_the_whole(photographs):
    """Rays are gone through a few at a time; the loss and its gradient are sums over rays."""
    config = with_training(tiny(), rays=48)
    step, state = prepared(config, photographs)

    @jax.jit
    def in_parts_and_whole(state, batch, photographs):
        given = (state.params, step.model, *step._asked(state, batch, photographs))
        found = []
        for together in (16, 10**6):  # one ray after another; sixteen, the most that divide them
            with patch.dict(SAMPLES_TOGETHER, cpu=together):
                found.append(slope_of_rays(*given))
        return found, jax.value_and_grad(loss_of_rays, has_aux=True)(*given)

    found, whole = jax.device_get(in_parts_and_whole(state, step.batch(state), step.photographs))
    for parts in found:
        for a, b in zip(*map(jax.tree.leaves, (parts, whole)), strict=True):
            assert np.linalg.norm(a - b) <= 1e-12 * np.linalg.norm(b)
