"""`derivatives = "hand"`: every arithmetic stage has its rule on the path, and changes nothing."""

import types
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import radiance
from nerf.config import read
from nerf.stages import passed
from nerf.step import Step
from nerf.train import train
from tests.nerf.conftest import ROOT, prepared


def loss_and_parameters(config, split, monkeypatch):
    """What the training step hands to JAX to be differentiated, caught in the act."""
    step, state = prepared(config, split)
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

    with monkeypatch.context() as patch:
        patch.setattr(jax, "value_and_grad", caught_and_done)
        jax.eval_shape(step.gradient, state, step.batch(state))
    assert caught
    return caught[0], state.params


def strangers(loss, params):
    found = passed(loss, params)
    return found.rules, found.foreign


def test_jax_only_routes_between_the_rules(config, photographs, monkeypatch):
    rules, foreign = strangers(*loss_and_parameters(config, photographs, monkeypatch))
    assert not foreign
    assert rules == {"mlp", "sigmoid"} | (
        {"volume_render", "coarse_and_fine", "softplus"}
        if config.sampling.strategy == "hierarchical"
        else {"hash_encode", "volume_render_packed", "squared_error", "bounded_exp"}
    )


def test_the_papers_preset_is_by_hand_too(photographs, monkeypatch):
    config = read(ROOT / "configs" / "nerf.toml")
    config = replace(config, training=replace(config.training, rays=4))
    rules, foreign = strangers(*loss_and_parameters(config, photographs, monkeypatch))
    assert not foreign
    assert rules == {"mlp", "relu", "sigmoid", "volume_render", "coarse_and_fine"}


def test_huber_has_its_rule_on_the_path(config, photographs, monkeypatch):
    config = replace(config, training=replace(config.training, loss="huber"))
    rules, foreign = strangers(*loss_and_parameters(config, photographs, monkeypatch))
    assert not foreign and "huber" in rules


def test_the_check_sees_what_is_not_by_hand(config, photographs, monkeypatch):
    """The check is no formality: it refuses autodiff, and one multiplication beside the rules."""
    rules, foreign = strangers(
        *loss_and_parameters(replace(config, derivatives="auto"), photographs, monkeypatch)
    )
    assert not rules
    assert {"dot_general", "exp", "mul"} & set(foreign)
    loss, params = loss_and_parameters(config, photographs, monkeypatch)
    _, foreign = strangers(lambda p: 1.5 * loss(p), params)
    assert foreign == ["mul"]
    _, foreign = strangers(lambda p: loss(jax.tree.map(jnp.tanh, p)), params)
    assert set(foreign) == {"tanh"}


def test_the_check_sees_a_rule_that_no_ledger_lists(config, photographs, monkeypatch):
    @jax.custom_vjp
    def twice(x):
        return 2 * x

    def twice_bwd(_, y_bar):
        return (2 * y_bar,)

    twice.defvjp(lambda x: (2 * x, None), twice_bwd)
    loss, params = loss_and_parameters(config, photographs, monkeypatch)
    _, foreign = strangers(lambda p: loss(jax.tree.map(twice, p)), params)
    assert set(foreign) == {"an unlisted rule twice_bwd"}


def test_both_ways_are_compared_while_training(config, photographs, monkeypatch):
    config = replace(config, derivatives="both", check_every=2, steps=4)
    step, state = prepared(config, photographs)
    told = [progress for _, progress in train(step, state)]
    assert [progress.gap is not None for progress in told] == [True, False, True, False]
    assert all(0 < p.gap.relative < 1e-4 and p.gap.parameter for p in told if p.gap)
    # a wrong rule is seen, and where: the mask of the head's last activation forgotten
    wrong = jax.custom_vjp(radiance.sigmoid.fun)
    wrong.defvjp(radiance.sigmoid.fwd, lambda residuals, y_bar: (y_bar,))
    stages = types.ModuleType("mutated")
    vars(stages).update({name: getattr(radiance, name) for name in radiance.__all__})
    stages.sigmoid = wrong
    _, state = prepared(config, photographs)
    mutated = Step(replace(step.model, stages=stages), step.photographs)
    gap = mutated.gap(state, mutated.batch(state))
    assert gap.relative > 1 and "head" in gap.parameter


def stepped(config, split, steps, nudge=0.0, seed=0):
    """The parameters after some steps, as one vector; `nudge` moves where they start."""
    step, state = prepared(config, split)
    if nudge:
        leaves, structure = jax.tree.flatten(state.params)
        rng = np.random.default_rng(seed)
        leaves = [leaf + nudge * rng.choice([-1.0, 1.0], leaf.shape) for leaf in leaves]
        state = state._replace(params=jax.tree.unflatten(structure, leaves))
    for _ in range(steps):
        state, metrics = step.run(state, jnp.asarray(config.training.learning_rate, float))
        assert metrics.good
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])


@pytest.mark.parametrize(
    ("wide", "tolerance"), [(True, 1e-11), (False, 1e-4)], ids=["float64", "float32"]
)
def test_gradients_by_hand_and_by_jax_are_the_same(config, photographs, wide, tolerance):
    """Each parameter's gradient, relative to its length: Adam would hide a wrong factor."""
    with jax.enable_x64(wide):
        found = {}
        for mode in ("hand", "auto"):
            step, state = prepared(replace(config, derivatives=mode), photographs)
            found[mode], _ = jax.jit(step.gradient)(state, step.batch(state))
        for a, b in zip(*(jax.tree.leaves(found[mode]) for mode in found), strict=True):
            assert jnp.linalg.norm(b) > 0
            assert jnp.linalg.norm(a - b) <= tolerance * jnp.linalg.norm(b)


@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
def test_one_step_by_hand_and_by_jax_is_the_same_step(config, photographs, wide):
    with jax.enable_x64(wide):
        by_hand = stepped(config, photographs, 1)
        by_jax = stepped(replace(config, derivatives="auto"), photographs, 1)
        start = stepped(config, photographs, 0)
    np.testing.assert_allclose(by_hand, by_jax, rtol=0, atol=1e-6)
    assert np.abs(by_hand - start).max() > 1e-3, "the step moved nothing"


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
    auto = replace(config, derivatives="auto")
    steps, nudge = 20, 1e-9
    e = np.abs(stepped(config, photographs, 1) - stepped(auto, photographs, 1)).max()
    by_jax = stepped(auto, photographs, steps)
    nudged = [stepped(auto, photographs, steps, nudge, seed) for seed in (0, 1)]
    A = max(np.abs(other - by_jax).max() / nudge for other in nudged)
    tolerance = 10 * steps * max(A, 1.0) * max(e, np.finfo(np.float64).eps)
    assert tolerance < 1e-2 * config.training.learning_rate
    np.testing.assert_allclose(stepped(config, photographs, steps), by_jax, rtol=0, atol=tolerance)
