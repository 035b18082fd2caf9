"""`derivatives = "hand"`: every arithmetic stage has its rule on the path, and changes nothing."""

import types
from dataclasses import replace
from functools import cache
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import radiance
from nerf.config import read
from nerf.stages import passed
from nerf.step import Step
from nerf.train import train
from tests.nerf.conftest import ROOT, prepared, tiny


@pytest.fixture(scope="module")
def loss_and_parameters(photographs):
    """What the training step hands to JAX to be differentiated, caught in the act, and shapes."""

    @cache
    def of_config(config):
        step, state = prepared(config, photographs)
        caught = []

        def caught_and_done(f, **options):
            def value_and_gradient(params, model, *of_rays):
                shapes = jax.eval_shape(lambda: of_rays)  # the rest of them dies with the program

                def loss(params):
                    zeros = jax.tree.map(lambda v: jnp.zeros(v.shape, v.dtype), shapes)
                    return f(params, model, *zeros)[0]

                caught.append(loss)
                return f(params, model, *of_rays), params

            return value_and_gradient

        with patch.object(jax, "value_and_grad", caught_and_done):
            jax.eval_shape(step.gradient, state, jax.eval_shape(step.batch, state))
        assert caught
        return caught[0], state.params

    return of_config


def strangers(loss, params):
    found = passed(loss, params)
    return found.rules, found.foreign


def test_jax_only_routes_between_the_rules(config, loss_and_parameters):
    rules, foreign = strangers(*loss_and_parameters(config))
    assert not foreign
    assert rules == {"mlp", "sigmoid"} | (
        {"volume_render", "coarse_and_fine", "softplus"}
        if config.sampling.strategy == "hierarchical"
        else {"hash_encode", "volume_render_packed", "squared_error", "bounded_exp"}
    )


def test_the_papers_preset_is_by_hand_too(loss_and_parameters):
    config = read(ROOT / "configs" / "nerf.toml")
    config = replace(config, training=replace(config.training, rays=4))
    rules, foreign = strangers(*loss_and_parameters(config))
    assert not foreign
    assert rules == {"mlp", "relu", "sigmoid", "volume_render", "coarse_and_fine"}


def test_huber_has_its_rule_on_the_path(config, loss_and_parameters):
    config = replace(config, training=replace(config.training, loss="huber"))
    rules, foreign = strangers(*loss_and_parameters(config))
    assert not foreign and "huber" in rules


def test_the_check_sees_what_is_not_by_hand(config, loss_and_parameters):
    """The check is no formality: it refuses autodiff, one multiplication beside the rules, and a
    rule that no ledger lists."""
    rules, foreign = strangers(*loss_and_parameters(replace(config, derivatives="auto")))
    assert not rules
    assert {"dot_general", "exp", "mul"} & set(foreign)
    loss, params = loss_and_parameters(config)
    _, foreign = strangers(lambda p: 1.5 * loss(p), params)
    assert foreign == ["mul"]
    _, foreign = strangers(lambda p: loss(jax.tree.map(jnp.tanh, p)), params)
    assert set(foreign) == {"tanh"}

    @jax.custom_vjp
    def twice(x):
        return 2 * x

    def twice_bwd(_, y_bar):
        return (2 * y_bar,)

    twice.defvjp(lambda x: (2 * x, None), twice_bwd)
    _, foreign = strangers(lambda p: loss(jax.tree.map(twice, p)), params)
    assert set(foreign) == {"an unlisted rule twice_bwd"}


def few_rays(config):
    return replace(config, training=replace(config.training, rays=64, samples=1024))


def test_gradients_by_hand_and_by_jax_are_the_same(config, photographs):
    """Each parameter's gradient, relative to its length: Adam would hide a wrong factor."""
    step, state = prepared(config, photographs)
    assert 0 < step.gap(state, step.batch(state)).relative < 1e-4


@pytest.mark.usefixtures("float64")
def test_both_ways_are_compared_while_training(config, photographs):
    config = replace(few_rays(config), derivatives="both", check_every=2, steps=4)
    told = [progress for _, progress in train(*prepared(config, photographs))]
    assert [progress.gap is not None for progress in told] == [True, False, True, False]
    assert all(0 < p.gap.relative <= 1e-11 and p.gap.parameter for p in told if p.gap)


def test_a_wrong_rule_is_seen_and_where(photographs):
    """The mask of the head's last activation, forgotten."""
    wrong = jax.custom_vjp(radiance.sigmoid.fun)
    wrong.defvjp(radiance.sigmoid.fwd, lambda residuals, y_bar: (y_bar,))
    stages = types.ModuleType("mutated")
    vars(stages).update({name: getattr(radiance, name) for name in radiance.__all__})
    stages.sigmoid = wrong
    step, state = prepared(tiny(), photographs)
    mutated = Step(replace(step.model, stages=stages), step.photographs)
    gap = mutated.gap(state, mutated.batch(state))
    assert gap.relative > 1 and "head" in gap.parameter


def stepped(config, split, steps, nudge=0.0, seed=0):
    """The parameters after some steps, array by array; `nudge` moves where they start."""
    step, state = prepared(config, split)
    if nudge:
        rng = np.random.default_rng(seed)
        state = state._replace(params=jax.tree.map(
            lambda leaf: np.asarray(leaf) + nudge * rng.choice([-1.0, 1.0], leaf.shape),
            state.params,
        ))  # fmt: skip
    for _ in range(steps):
        state, metrics = step.run(state, jnp.asarray(config.training.learning_rate, float))
        assert metrics.good
    return [np.array(leaf) for leaf in jax.tree.leaves(state.params)]


def apart(some, others):
    """By how much each array differs, at most."""
    return np.array([np.abs(a - b).max() for a, b in zip(some, others, strict=True)])


@pytest.mark.usefixtures("float64")
def test_twenty_steps_by_hand_and_by_jax_stay_together(config, photographs):
    """Twenty steps agree to what the rounding of each step, as measured, can grow to.

    Let e be the difference that one step makes between the two programs, and A how much a
    difference in the parameters grows over twenty steps. To first order differences add up: each
    of the twenty steps injects about e, each injection grows by at most about A, so the end
    differs by about 20 A e. Both are estimated, e on the first step and A as the largest growth of
    two nudges of 1e-9; a factor of 10 is left for what the estimates miss. The tolerance is
    checked to be far below one step itself, or it would say nothing.
    """
    config = few_rays(config)
    auto = replace(config, derivatives="auto")
    steps, nudge = 20, 1e-9
    first = stepped(config, photographs, 1)
    e = apart(first, stepped(auto, photographs, 1)).max()
    assert e <= 1e-6, "one step by hand and by JAX is the same step"
    moved = apart(first, stepped(config, photographs, 0))
    assert moved.min() > 1e-3, "the step moved nothing of an array"
    by_jax = stepped(auto, photographs, steps)
    nudged = [stepped(auto, photographs, steps, nudge, seed) for seed in (0, 1)]
    A = max(apart(other, by_jax).max() / nudge for other in nudged)
    tolerance = 10 * steps * max(A, 1.0) * max(e, np.finfo(np.float64).eps)
    assert tolerance < 1e-2 * config.training.learning_rate
    assert apart(stepped(config, photographs, steps), by_jax).max() <= tolerance
