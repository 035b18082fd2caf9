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


def test_every_rule_has_its_line_its_derivation_and_its_code(pages):
    missing = {rule.name: found for rule in LEDGER if (found := lacking(rule, pages))}
    assert not missing


def lacking(rule, pages):
    """What the pages lack of a rule."""
    line = line_of(rule, pages["index.md"])
    page = pages[re.search(r"\]\((.*?)\)", line)[1]]
    derivation, _, code = page.partition("## Code")
    wanted = [(f"def {rule.name}_bwd(", code), ("(1)", derivation)]
    wanted += [(part, derivation) for part in ("Symbols", "Value", "Jacobian", "Cotangent")]
    if rule in FOUNDATIONS:
        wanted += [(number, line) for number in rule.ids]
    else:
        count = sum(mutant.rule == rule.name for mutant in MUTANTS)
        wanted += [(f"{count} wrong versions" if count >= 2 else "two wrong versions", line)]
    return [part for part, text in wanted if part not in text]


def test_laws_and_paths_are_those_of_the_code(pages):
    index = pages["index.md"]
    for law in (*LAWS, *FOUNDATION_LAWS):
        assert f"`{law.__name__}`: {law.__doc__.splitlines()[0]}" in index
    (rule,) = (rule for rule in RADIANCE if rule.name == "volume_render_packed")
    assert line_of(rule, index).split(" | ")[1] == "yes"
