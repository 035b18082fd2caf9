"""The laws refuse every mutant, and a mutant is refused by the very laws that it names."""

import dataclasses
import functools
from collections import Counter
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.ledger import RADIANCE
from tests import conftest
from tests.calculus import evaluated, laws
from tests.calculus.laws import LAWS
from tests.mutants import MUTANTS, Mutant, mutate

pytestmark = pytest.mark.usefixtures("strict_float64")
RULES = {rule.name: rule for rule in RADIANCE}
EVERY_RULE = pytest.mark.parametrize("rule", RADIANCE, ids=lambda rule: rule.name)


@functools.cache
def mutated(mutant: Mutant):
    rule = RULES[mutant.rule]
    return dataclasses.replace(rule, page=mutate(mutant, rule.page))


def refused_by(mutant: Mutant, law) -> bool:
    """Whether the law raises on the mutant."""
    try:
        law(mutated(mutant))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant, record_property):
    record_property("mutant", mutant.name)
    for name in mutant.killed_by:
        assert refused_by(mutant, getattr(laws, name)), f"{mutant.name} survived {name}"


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in MUTANTS if mutant.killed_by == ("limits_are_jax",)],
    ids=lambda mutant: mutant.name,
)
def test_what_is_wrong_at_a_limit_alone_passes_every_other_law(mutant):
    """Why the limits are compared with another program: one program's two widths agree."""
    others = [law for law in LAWS if law is not laws.limits_are_jax]
    assert not any(refused_by(mutant, law) for law in others)


@EVERY_RULE
def test_every_rule_has_two_mutants(rule):
    assert sum(mutant.rule == rule.name for mutant in MUTANTS) >= 2


def test_mutants_have_names_of_their_own():
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    assert all(mutant.killed_by for mutant in MUTANTS)


def pulled(rule) -> np.ndarray:
    """Every cotangent that the pullback makes of one at each seed, in one row."""
    _, bars = evaluated.pulled(rule, "by_hand", evaluated.examples(rule))
    return np.concatenate([np.ravel(bar[: len(evaluated.SEEDS)]) for bar in jax.tree.leaves(bars)])


@EVERY_RULE
def test_the_mutants_of_a_rule_are_different_and_none_is_zero(rule):
    """At the example; a mutant that shows only in a limit or in a batch is right there."""
    wrong = [
        pulled(mutated(mutant))
        for mutant in MUTANTS
        if mutant.rule == rule.name and "pullback_is_jax" in mutant.killed_by
    ]
    right = pulled(rule)
    assert wrong and all(np.any(row) for row in wrong)
    for a, b in combinations([right, *wrong], 2):
        assert np.max(np.abs(a - b)) > 1e-3 * np.max(np.abs(right))


# Harmless changes: what they pull is the derivative, so no law may refuse them. Without these a
# machinery that refuses whatever it is handed would have the best score there is.
HARMLESS = (
    Mutant("weights as it is", "weights", RULES["weights"].page.weights_bwd),
    Mutant("the keeping as it is", "weights", RULES["weights"].page.weights_fwd, replaces="fwd"),
    Mutant(
        "the Jacobian as it is",
        "weights",
        RULES["weights"].page.weights_jacobian,
        replaces="jacobian",
    ),
    Mutant(
        "relu's mask read off its value",
        "relu",
        lambda z: (RULES["relu"].page.relu_fwd(z)[0],) * 2,
        replaces="fwd",
    ),
)


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda mutant: mutant.name)
def test_what_is_right_survives(harmless):
    assert not any(refused_by(harmless, law) for law in LAWS)


class Terminal:
    """What pytest hands to the summary, as far as the summary reads it."""

    def __init__(self, killed: dict[str, bool]):
        self.lines: list[str] = []
        self.write_line = self.lines.append
        self.stats: dict[str, list] = {"passed": [], "failed": []}
        for name, passed in killed.items():
            self.stats["passed" if passed else "failed"].append(
                pytest.TestReport(
                    nodeid=name,
                    location=("", None, ""),
                    keywords={},
                    outcome="passed" if passed else "failed",
                    longrepr=None,
                    when="call",
                    user_properties=[("mutant", name)],
                )
            )
        self.stats["passed"].append(
            pytest.TestReport("another", ("", None, ""), {}, "passed", None, "call")
        )


def summary(killed: dict[str, bool]) -> list[str]:
    terminal = Terminal(killed)
    conftest.pytest_terminal_summary(terminal)
    return terminal.lines


def test_the_score_counts_what_was_killed():
    every = {mutant.name: True for mutant in MUTANTS}
    n = len(every)
    (line,) = summary(every)
    assert line.startswith(f"mutants: {n} of {n} killed ({len(RADIANCE)} rules, ")
    (line,) = summary(every | {"sigma and delta exchanged": False})
    assert line.startswith(f"mutants: {n - 1} of {n} killed (")
    assert line.endswith("survived: sigma and delta exchanged")
    (line,) = summary({"sigma and delta exchanged": True})
    assert line == f"mutants: 1 of 1 killed, of those run ({n} in all)"
    assert summary({}) == []


def test_a_symmetric_loss_misses_the_wrong_suffix():
    """Why the cotangents of the laws are random: some plausible losses can't see this mutant.

    The opacity is 1 - exp(-sum tau), symmetric in the samples; on equal samples whose worths
    mirror each other, what lies before adds up to what lies behind in the middle of the ray.
    """
    (mutant,) = (m for m in MUTANTS if m.name == "the suffix summed in the wrong order")
    rule = RULES["weights"]
    wrong = mutated(mutant).by_hand
    tau = jnp.full(3, 0.4)
    w, _ = rule.by_hand(tau)

    def pull(f, w_bar):
        return jax.vjp(f, tau)[1]((w_bar, jnp.zeros(())))[0]

    symmetric = jnp.array([1.0, 1.0, 1.0]) / w
    np.testing.assert_allclose(pull(wrong, symmetric)[1], pull(rule.by_hand, symmetric)[1])
    lopsided = jnp.array([1.0, 1.0, 3.0]) / w
    assert abs(pull(wrong, lopsided)[1] - pull(rule.by_hand, lopsided)[1]) > 1
