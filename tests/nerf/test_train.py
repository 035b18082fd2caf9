"""Training: it learns, repeats to the bit, resumes to the bit, and stops before it spoils."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.batches import batches
from nerf.checkpoint import Checkpoints
from nerf.rays import chosen, rays_of
from nerf.train import learning_rate, train
from tests.nerf.conftest import prepared, small_grid


def finished(config, split, **changes):
    step, state = prepared(config, split, **changes)
    told = []
    last = state
    for lent, progress in train(step, state, split):
        told.append(progress)
        last = jax.tree.map(np.asarray, lent)  # it is gone when the next step begins
    return last, told


def same_bits(a, b):
    return all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_the_loss_falls(config, photographs):
    _, told = finished(config, photographs, steps=150)
    first, last = (np.mean([p.psnr for p in part]) for part in (told[:5], told[-5:]))
    assert last > first + 4
    assert [p.step for p in told] == list(range(1, 151))
    assert told[-1].fraction == 1


@pytest.mark.parametrize("seed", [0, 7])
def test_same_seed_same_bits(config, photographs, seed):
    a, b = (finished(config, photographs, steps=12, seed=seed)[0] for _ in range(2))
    assert same_bits(a, b)


def test_another_seed_is_another_run(config, photographs):
    a, b = (finished(config, photographs, steps=2, seed=seed)[0] for seed in (0, 1))
    assert not same_bits(a.params, b.params)


def test_resumed_is_as_if_never_stopped(config, photographs, tmp_path):
    whole, _ = finished(config, photographs, steps=20)
    step, state = prepared(config, photographs, steps=20)
    checkpoints = Checkpoints(tmp_path)
    for lent, told in train(step, state, photographs):
        if told.step == 9:
            checkpoints.save(lent, told.seconds)
            break
    checkpoints.close()
    again = Checkpoints(tmp_path)
    step, fresh = prepared(config, photographs, steps=20)
    state, seconds = again.restore(fresh)
    again.close()
    assert int(state.step) == 9 and seconds == told.seconds
    for lent, later in train(step, state, photographs, seconds):
        assert later.seconds > seconds
        last = jax.tree.map(np.asarray, lent)
    assert same_bits(last, whole)


def test_the_clock_ends_it(config, photographs):
    _, told = finished(config, photographs, steps=10**6, max_seconds=0.5)
    assert told[-1].seconds >= 0.5
    assert len(told) < 1000
    _, told = finished(config, photographs, steps=10**6, max_seconds=1e-6)
    assert len(told) == 1


def test_learning_rate_falls_exponentially():
    config = small_grid()
    training = config.training
    rates = [learning_rate(config, f) for f in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(rates[0], training.learning_rate, rtol=1e-6)
    np.testing.assert_allclose(rates[2], training.final_learning_rate, rtol=1e-6)
    np.testing.assert_allclose(rates[1] ** 2, rates[0] * rates[2], rtol=1e-6)


@pytest.mark.parametrize("name", ["head", "trunk"])
def test_a_step_that_is_not_finite_touches_nothing_and_is_named(config, photographs, name):
    step, state = prepared(config, photographs)
    layer = state.params["fine"][name][0]
    layer["W"] = layer["W"].at[0, 0].set(jnp.nan)
    before = jax.tree.map(np.asarray, state)
    ((after, told),) = list(train(step, state, photographs))
    assert not told.good and told.step == 0
    assert told.bad == f"parameter fine {name} 0 W"
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_bad_array_is_on_the_road_not_at_its_end(photographs):
    """Finite parameters, an infinite network: the rendering is named, not the loss behind it."""
    step, state = prepared(small_grid(), photographs)
    for layer in (0, 1):
        state.params["fine"]["head"][layer]["W"] *= 1e38
    batch = next(batches(photographs, step.config.training.rays, 0))
    found = step.first_bad_array(state, batch)
    assert found == "the output of mlp, call 2 of the forward pass,", "the head"


@pytest.mark.parametrize("background", ["white", "black", "random"])
def test_photographs_are_laid_over_the_background(photographs, background):
    config = small_grid()
    config = replace(config, data=replace(config.data, background=background))
    step, _ = prepared(config, photographs)
    batch = next(batches(photographs, 400, 0))
    rays = rays_of(batch, step.lenses, config, jax.random.key(0))
    rgba = batch.rgba / 255.0
    behind = np.asarray(rays.background)
    expected = rgba[:, :3] * rgba[:, 3:] + behind * (1 - rgba[:, 3:])
    np.testing.assert_allclose(rays.photograph, expected, atol=1e-6)
    spread = {"white": (1, 1), "black": (0, 0), "random": (0, 1)}[background]
    np.testing.assert_allclose((behind.min(), behind.max()), spread, atol=0.01)
    assert (np.ptp(behind, axis=0) > 0.5).all() == (background == "random")


def test_rays_that_meet_nothing_are_left_out_and_none_is_dropped_unseen(photographs):
    config = small_grid()
    step, state = prepared(config, photographs)
    batch = next(batches(photographs, 400, 0))
    rays = rays_of(batch, step.lenses, config, jax.random.key(0))
    kept, probed, _, dropped = chosen(rays, state.grid, config, jax.random.key(1))
    # a full grid: every ray through the cube is met, 256 find a slot, the rest is counted
    assert int(dropped) > 0
    np.testing.assert_allclose(kept.share.sum(), 256 / (400 - int(dropped)), rtol=1e-6)
    x = (np.arange(16) + 0.5) / 8 - 1
    centre = np.abs(np.stack(np.meshgrid(x, x, x, indexing="ij"))).max(0) < 0.3
    small = state.grid._replace(occupied=jnp.asarray(centre))
    kept, probed, error, dropped = chosen(rays, small, config, jax.random.key(1))
    taken = np.asarray(kept.share) > 0
    assert int(dropped) == 0 and 10 < taken.sum() < 256
    np.testing.assert_allclose(np.asarray(kept.share)[taken], 1 / 400)
    np.testing.assert_array_equal(np.asarray(probed.hit), taken)
    # the rest shows its background: that error is counted and can't be changed
    everything = np.sum((np.asarray(rays.background) - np.asarray(rays.photograph)) ** 2)
    kept_error = np.sum(((np.asarray(kept.background) - np.asarray(kept.photograph)) ** 2)[taken])
    np.testing.assert_allclose(error, everything - kept_error, rtol=1e-4)
