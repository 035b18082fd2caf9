"""The map of the mathematics is complete and true: docs/catalogue.csv and docs/errata.csv."""

import ast
import csv
import functools
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from calculus.ledger import LEDGER

ROOT = Path(__file__).parent.parent
ENTRIES = {"0": 17, "1": 35, "2": 21, "3": 18, "4": 28, "5": 50, "6": 24, "7": 43}
"""How many entries each section of the catalogue has: 236."""
ERRATA = {"E-L0": 12, "E-L1": 20, "E-L2": 3, "E-L3": 17, "E-L4": 44}
KINDS = {"rule", "statement", "convention", "figure"}


def rows(name):
    with (ROOT / "docs" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


CATALOGUE, PRINTED = rows("catalogue.csv"), rows("errata.csv")
ROWS = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row["id"])


@functools.cache
def functions_of(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@functools.cache
def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def assert_tests_exist(named):
    for test in named.split():
        file, _, name = test.partition("::")
        assert name.startswith("test_"), f"{test}: not path::test_name"
        assert name in functions_of(file), f"{test}: no such test"


def function_at(path):
    """What a dotted path names."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise AssertionError(f"{path}: no such module")


def test_every_entry_has_one_row():
    wanted = [f"{section}.{k:02}" for section, n in ENTRIES.items() for k in range(1, n + 1)]
    assert [row["id"] for row in CATALOGUE] == wanted
    assert len({row["name"] for row in CATALOGUE}) == len(wanted) == 236


@ROWS
def test_a_row_is_true(row):
    assert row["kind"] in KINDS
    for path in row["function"].split():
        assert function_at(path) is not None, path
    assert_tests_exist(row["test"])
    assert f"[{row['id']}]" in text_of(row["page"]), f"{row['page']} does not treat {row['id']}"
    if row["kind"] in ("rule", "statement"):
        assert row["test"], "no test"
    if row["kind"] == "rule":
        named = {function_at(path) for path in row["function"].split()}
        rules = [rule for rule in LEDGER if row["id"] in rule.ids]
        assert rules, "in no rule's ids"
        for rule in rules:
            assert getattr(rule.page, rule.name) in named, f"{rule.name} is not named"
    if row["kind"] == "figure":
        assert re.search(r"plt\.|SVG\(|\.svg", text_of(row["page"])), "no figure on its page"


def test_every_rules_entry_is_in_the_map():
    kinds = {row["id"]: row["kind"] for row in CATALOGUE}
    for rule in LEDGER:
        for number in rule.ids:
            assert kinds[number] == "rule", f"{rule.name} answers {number}, a {kinds[number]}"


def test_every_misprint_is_refuted_or_says_why_not():
    wanted = [f"{source}-{k:02}" for source, n in ERRATA.items() for k in range(1, n + 1)]
    assert [row["id"] for row in PRINTED] == wanted
    for row in PRINTED:
        assert row["wrong"] and row["right"], row["id"]
        if not row["test"].startswith("by reading: "):
            assert row["test"], row["id"]
            assert_tests_exist(row["test"])
    by_reading = Counter(row["test"].startswith("by reading: ") for row in PRINTED)
    assert by_reading[False] >= 60, "most misprints can be computed"


def test_every_tutorial_is_of_the_form():
    pages = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
    assert len(pages) >= 24
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith("---\njupytext:"), page.name
        assert "```{code-cell} ipython3" in text, page.name
        assert not re.search(r"^(:::|```\{(?!code-cell))", text, flags=re.MULTILINE), page.name
        if not page.name.startswith("00"):
            assert text.count("<details>") >= 2, f"{page.name}: exercises with answers"
            assert text.count("assert") >= 3, f"{page.name}: equalities are asserted"
