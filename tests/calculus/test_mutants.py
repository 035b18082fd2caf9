"""The laws refuse every mutant, and a mutant is refused by the very laws that it names."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.ledger import RADIANCE
from tests.calculus import laws
from tests.mutants import MUTANTS, Mutant, mutate

pytestmark = pytest.mark.usefixtures("strict_float64")
RULES = {rule.name: rule for rule in RADIANCE}


def refused_by(mutant: Mutant, law) -> bool:
    """Whether the law raises on the mutant for at least one of the suite's seeds."""
    rule = RULES[mutant.rule]
    page = types.ModuleType(rule.page.__name__)
    page.__dict__.update(vars(rule.page))
    if mutant.is_jacobian:
        setattr(page, f"{mutant.rule}_jacobian", mutant.bwd)
    else:
        setattr(page, mutant.rule, mutate(mutant, rule.page))
    mutated = dataclasses.replace(rule, page=page)
    for seed in (0, 1, 2):
        try:
            law(mutated, seed)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant):
    for name in mutant.killed_by:
        assert refused_by(mutant, getattr(laws, name)), f"{mutant.name} survived {name}"


@pytest.mark.parametrize("rule", RADIANCE, ids=lambda rule: rule.name)
def test_every_rule_has_a_mutant(rule):
    assert any(mutant.rule == rule.name for mutant in MUTANTS)


def test_a_symmetric_loss_misses_the_wrong_suffix():
    """Why the cotangents of the laws are random: some plausible losses can't see this mutant.

    The opacity is 1 - exp(-sum tau), symmetric in the samples; on equal samples whose worths
    mirror each other, what lies before adds up to what lies behind in the middle of the ray.
    """
    (mutant,) = (m for m in MUTANTS if m.name == "the suffix summed in the wrong order")
    rule = RULES["weights"]
    wrong = mutate(mutant, rule.page)
    tau = jnp.full(3, 0.4)
    w, _ = rule.by_hand(tau)

    def pull(f, w_bar):
        return jax.vjp(f, tau)[1]((w_bar, jnp.zeros(())))[0]

    symmetric = jnp.array([1.0, 1.0, 1.0]) / w
    np.testing.assert_allclose(pull(wrong, symmetric)[1], pull(rule.by_hand, symmetric)[1])
    lopsided = jnp.array([1.0, 1.0, 3.0]) / w
    assert abs(pull(wrong, lopsided)[1] - pull(rule.by_hand, lopsided)[1]) > 1
