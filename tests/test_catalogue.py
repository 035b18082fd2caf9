"""The map of the mathematics is complete and true: docs/catalogue.csv and docs/errata.csv."""

import ast
import csv
import functools
import importlib
import re
from collections import Counter
from pathlib import Path

from calculus.ledger import LEDGER

ROOT = Path(__file__).parent.parent
ENTRIES = {"0": 17, "1": 35, "2": 21, "3": 18, "4": 28, "5": 50, "6": 24, "7": 43}
"""How many entries each section of the catalogue has: 236."""
ERRATA = {"E-L0": 12, "E-L1": 20, "E-L2": 3, "E-L3": 17, "E-L4": 44}
KINDS = {"rule", "statement", "convention", "figure"}
SHOWN = "tests/calculus/foundations/test_errata.py"
"""Where each kind of erratum, but for those of words and letters, has a test of its name."""


def rows(name):
    with (ROOT / "docs" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


CATALOGUE, PRINTED = rows("catalogue.csv"), rows("errata.csv")


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


def assert_all_true(check, rows):
    """The check of each row, and all rows that fail it in one message."""
    wrong = {}
    for row in rows:
        try:
            check(row)
        except Exception as error:
            wrong[row["id"]] = error
    assert not wrong, "\n".join(f"{name}: {error}" for name, error in wrong.items())


def test_every_row_is_true():
    assert_all_true(check_row, CATALOGUE)


def check_row(row):
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


def test_every_misprint_is_of_a_kind_and_names_what_is_right():
    wanted = [f"{source}-{k:02}" for source, n in ERRATA.items() for k in range(1, n + 1)]
    assert [row["id"] for row in PRINTED] == wanted
    assert_all_true(check_misprint, PRINTED)
    kinds = Counter(row["kind"] for row in PRINTED)
    shown = {name.removeprefix("test_") for name in functions_of(SHOWN) if name.startswith("test_")}
    assert set(kinds) == shown | {"wording"}, "each kind has its test, and each test a kind"
    assert kinds["wording"] < 15, "most misprints can be computed"
    named = re.findall(r"E-L\d-\d\d", text_of(SHOWN))
    assert set(named) <= set(wanted), f"{SHOWN} shows what is not listed"


def check_misprint(row):
    assert None not in row and all(row[key] for key in ("kind", "wrong", "right", "where"))
    assert row["wrong"] != row["right"]
    for where in row["where"].split():
        if where.startswith("docs/tutorials/"):
            assert text_of(where)
        else:
            assert callable(function_at(where)), where


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
