"""Every rule of the ledger, held to every law."""

import importlib
import inspect
import pkgutil
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import by_jax, radiance
from calculus.ledger import RADIANCE
from tests import oracles
from tests.calculus import evaluated
from tests.calculus.laws import LAWS

pytestmark = pytest.mark.usefixtures("strict_float64")
RULES = pytest.mark.parametrize("rule", RADIANCE, ids=lambda rule: rule.name)


@RULES
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(rule, law):
    law(rule)


@RULES
def test_value_is_the_formula_written_as_a_loop(rule):
    at = evaluated.examples(rule)
    value, _ = evaluated.pulled(rule, "by_hand", at)
    for k, name in enumerate(at.names):
        wanted = getattr(oracles, rule.name)(*at[k][0], **rule.given)
        found = evaluated.row(value, k)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=name)


def test_ledger_lists_every_rule_there_is():
    found = set()
    for module in pkgutil.iter_modules(radiance.__path__):
        page = importlib.import_module(f"calculus.radiance.{module.name}")
        found |= {
            (page.__name__, name)
            for name, value in vars(page).items()
            if isinstance(value, jax.custom_vjp) and value.__module__ == page.__name__
        }
    assert found == {(rule.page.__name__, rule.name) for rule in RADIANCE}
    public = {name for name, value in vars(by_jax).items() if inspect.isfunction(value)}
    assert public == {rule.name for rule in RADIANCE} == set(radiance.__all__)


@RULES
def test_every_rule_says_where_it_is_hard(rule):
    assert rule.limits, f"{rule.name}: no limits for float32 to survive"


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        pytest.param(rule, name, id=f"{rule.name}, {name}")
        for rule in RADIANCE
        for name in rule.beyond_jax
    ],
)
def test_jax_is_wrong_where_a_rule_says_so(rule, name):
    assert rule.beyond_jax[name]
    (at,) = (at for at in evaluated.limits(rule) if name in at.names)
    _, bars = evaluated.pulled(rule, "by_jax", at)
    by_jax = evaluated.row(bars, at.names.index(name))
    truth = evaluated.truth(rule, at, name)
    pairs = zip(jax.tree.leaves(by_jax), jax.tree.leaves(truth), strict=True)
    # a hundred thousand times what law 7 allows: this is no matter of rounding
    assert any(np.any(np.abs(a - b) > 1e-5 * np.abs(b)) for a, b in pairs)


@RULES
def test_page_has_the_form(rule):
    page_has_the_form(rule)


def page_has_the_form(rule):
    headings = ["Symbols", "Value", "Jacobian", "Cotangent"]
    found = re.findall(rf"^({'|'.join(headings)})\b", rule.page.__doc__, flags=re.MULTILINE)
    assert found == headings, rule.page.__name__
    source = inspect.getsource(rule.page)
    order = [f"def {rule.name}(", f"def {rule.name}_fwd(", f"def {rule.name}_bwd("]
    order += [f"{rule.name}.defvjp(", f"def {rule.name}_jacobian("]
    at = [source.find(line) for line in order]
    assert -1 not in at and at == sorted(at)


def test_forward_mode_passes_by_jax_and_not_by_hand():
    tau = jnp.linspace(0.1, 0.9, 4)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(radiance.weights, (tau,), (tau,))
    (w, _), (w_dot, _) = jax.jvp(by_jax.weights, (tau,), (tau,))
    assert w.shape == w_dot.shape == (4,)
