"""Every rule of the foundations, held to the laws of a first course."""

import importlib
import pkgutil

import jax
import pytest

from calculus import foundations
from calculus.ledger import FOUNDATIONS
from tests.calculus.laws import FOUNDATION_LAWS
from tests.calculus.test_laws import page_has_the_form

pytestmark = pytest.mark.usefixtures("strict_float64")
RULES = pytest.mark.parametrize("rule", FOUNDATIONS, ids=lambda rule: rule.name)


@RULES
@pytest.mark.parametrize("law", FOUNDATION_LAWS, ids=lambda law: law.__name__)
def test_law(rule, law):
    law(rule)


@RULES
def test_page(rule):
    page_has_the_form(rule)
    assert rule.ids, f"{rule.name}: which entry of the catalogue is it?"


def test_ledger_lists_every_rule_there_is():
    found = set()
    for module in pkgutil.walk_packages(foundations.__path__, "calculus.foundations."):
        page = importlib.import_module(module.name)
        found |= {
            (page.__name__, name)
            for name, value in vars(page).items()
            if isinstance(value, jax.custom_vjp) and value.__module__ == page.__name__
        }
    assert found == {(rule.page.__name__, rule.name) for rule in FOUNDATIONS}
    assert len({rule.name for rule in FOUNDATIONS}) == len(FOUNDATIONS)
