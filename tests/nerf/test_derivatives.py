"""`derivatives = "hand"`: every arithmetic stage has its rule on the path, and changes nothing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.ledger import LEDGER
from data.batches import batches
from nerf.rays import chosen, rays_of
from nerf.train import loss_of_rays
from tests.nerf.conftest import prepared

ROUTING = {
    "reshape", "concatenate", "slice", "squeeze", "broadcast_in_dim", "gather", "dynamic_slice",
    "add", "add_any", "transpose", "convert_element_type", "copy",
}  # fmt: skip
"""What JAX may do with a cotangent between two rules: carry it to where it belongs."""
BY_HAND = {getattr(rule.page, rule.name).bwd: rule.name for rule in LEDGER}


def loss_and_parameters(config, split):
    """The very loss that the training step differentiates, as a function of the parameters."""
    step, state = prepared(config, split)
    batch = next(batches(split, config.training.rays, config.seed))
    rays = rays_of(batch, step.lenses, step.config, jax.random.key(1))
    probed = None
    if state.grid is not None:
        rays, probed, _, _ = chosen(rays, state.grid, step.config, jax.random.key(2))

    def loss(params):
        return loss_of_rays(params, step.model, rays, probed, jax.random.key(3))[0]

    return loss, state.params


def on_the_path(jaxpr, active):
    """Names of the operations that a tangent of the active inputs passes, rules by their name."""
    live = {var for var, is_active in zip(jaxpr.invars, active, strict=True) if is_active}
    found = []
    for equation in jaxpr.eqns:
        given = [not isinstance(v, jax.extend.core.Literal) and v in live for v in equation.invars]
        if not any(given) or equation.primitive.name == "stop_gradient":
            continue
        if not any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in equation.outvars):
            continue  # a comparison: nothing flows through it
        inner = equation.params.get("jaxpr")
        if equation.primitive.name == "custom_vjp_call":
            bwd = equation.params["bwd"].f
            found.append(BY_HAND.get(bwd, f"an unlisted rule {bwd.__name__}"))
        elif equation.primitive.name in ("jit", "pjit") and inner is not None:
            found += on_the_path(inner.jaxpr, given)
        else:
            found.append(f"jax:{equation.primitive.name}")
        live |= set(equation.outvars)
    return found


def strangers(loss, params):
    closed = jax.make_jaxpr(loss)(params)
    passed = on_the_path(closed.jaxpr, [True] * len(closed.jaxpr.invars))
    rules = {name for name in passed if not name.startswith("jax:")}
    return rules, [n for n in passed if n.startswith("jax:") and n[4:] not in ROUTING]


def test_jax_only_routes_between_the_rules(config, photographs):
    rules, foreign = strangers(*loss_and_parameters(config, photographs))
    assert not foreign
    expected = {"mlp", "sigmoid", "volume_render"}
    expected |= (
        {"coarse_and_fine", "softplus"}
        if config.sampling.strategy == "hierarchical"
        else {"interpolate", "squared_error", "bounded_exp"}
    )
    assert rules == expected


def test_huber_has_its_rule_on_the_path(config, photographs):
    config = replace(config, training=replace(config.training, loss="huber"))
    rules, foreign = strangers(*loss_and_parameters(config, photographs))
    assert not foreign and "huber" in rules


def test_the_check_sees_what_is_not_by_hand(config, photographs):
    """The check is no formality: it refuses autodiff, and one multiplication beside the rules."""
    rules, foreign = strangers(
        *loss_and_parameters(replace(config, derivatives="auto"), photographs)
    )
    assert not rules
    assert {"jax:dot_general", "jax:exp", "jax:mul"} & set(foreign)
    loss, params = loss_and_parameters(config, photographs)
    _, foreign = strangers(lambda p: 1.5 * loss(p), params)
    assert foreign == ["jax:mul"]
    _, foreign = strangers(lambda p: loss(jax.tree.map(jnp.tanh, p)), params)
    assert set(foreign) == {"jax:tanh"}


def stepped(config, split, steps, nudge=0.0):
    """The parameters after some steps, as one vector; `nudge` moves where they start."""
    step, state = prepared(config, split)
    if nudge:
        leaves, structure = jax.tree.flatten(state.params)
        rng = np.random.default_rng(0)
        leaves = [leaf + nudge * rng.choice([-1.0, 1.0], leaf.shape) for leaf in leaves]
        state = state._replace(params=jax.tree.unflatten(structure, leaves))
    feed = batches(split, config.training.rays, config.seed)
    for _ in range(steps):
        state, metrics = step.run(state, next(feed), np.float64(config.training.learning_rate))
        assert metrics.good
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.params)])


@pytest.mark.usefixtures("float64")
def test_one_step_by_hand_and_by_jax_is_the_same_step(config, photographs):
    by_hand = stepped(config, photographs, 1)
    by_jax = stepped(replace(config, derivatives="auto"), photographs, 1)
    start = stepped(config, photographs, 0)
    np.testing.assert_allclose(by_hand, by_jax, rtol=0, atol=1e-6)
    assert np.abs(by_hand - start).max() > 1e-3, "the step moved nothing"


@pytest.mark.usefixtures("float64")
def test_twenty_steps_by_hand_and_by_jax_stay_together(photographs):
    """Twenty steps agree to the tolerance that the rounding of each step allows.

    Let e be the largest difference that one step makes between the two programs, and A how much a
    difference in the parameters grows over up to twenty steps. A first-order error is additive:
    each of the twenty steps injects at most e, each injection grows by at most A, so the end
    differs by at most 20 A e. Both are measured, e on the first step and A by moving the start by
    a known 1e-9. The bound is checked to be far below the step itself, or it would say nothing.
    """
    from tests.nerf.conftest import MARBLES, tiny

    config = replace(tiny(), scene=MARBLES)
    auto = replace(config, derivatives="auto")
    steps, nudge = 20, 1e-9
    e = np.abs(stepped(config, photographs, 1) - stepped(auto, photographs, 1)).max()
    by_jax = stepped(auto, photographs, steps)
    A = np.abs(stepped(auto, photographs, steps, nudge) - by_jax).max() / nudge
    tolerance = steps * max(A, 1.0) * max(e, np.finfo(np.float64).eps)
    assert tolerance < 1e-2 * config.training.learning_rate
    np.testing.assert_allclose(stepped(config, photographs, steps), by_jax, rtol=0, atol=tolerance)
