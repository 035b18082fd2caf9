"""The ledger's pages: every rule has its line, its derivation, its code, and tests."""

import importlib.util
import re

import pytest

from calculus.ledger import FOUNDATIONS, LEDGER, RADIANCE
from tests.calculus.laws import FOUNDATION_LAWS, LAWS
from tests.mutants import MUTANTS
from tests.test_catalogue import ROOT


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("ledger_pages", ROOT / "docs/ledger_pages.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    return {page.name: page.read_text() for page in writer.write(tmp_path_factory.mktemp("led"))}


def line_of(rule, index):
    (line,) = (part for part in index.splitlines() if part.startswith(f"| [`{rule.name}`]"))
    return line


@pytest.mark.parametrize("rule", LEDGER, ids=lambda rule: rule.name)
def test_every_rule_has_its_line_its_derivation_and_its_code(rule, pages):
    line = line_of(rule, pages["index.md"])
    page = pages[re.search(r"\]\((.*?)\)", line)[1]]
    assert f"def {rule.name}_bwd(" in page.partition("## Code")[2]
    derivation = page.partition("## Code")[0]
    assert all(heading in derivation for heading in ("Symbols", "Value", "Jacobian", "Cotangent"))
    assert "(1)" in derivation
    if rule in FOUNDATIONS:
        assert all(number in line for number in rule.ids)
    else:
        count = sum(mutant.rule == rule.name for mutant in MUTANTS)
        assert f"{count} wrong versions" in line and count >= 2


def test_laws_and_paths_are_those_of_the_code(pages):
    index = pages["index.md"]
    for law in (*LAWS, *FOUNDATION_LAWS):
        assert f"`{law.__name__}`: {law.__doc__.splitlines()[0]}" in index
    (rule,) = (rule for rule in RADIANCE if rule.name == "volume_render_packed")
    assert line_of(rule, index).split(" | ")[1] == "yes"
