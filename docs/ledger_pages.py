"""The pages of the ledger, written anew from `calculus.ledger` at each build of the site."""

import ast
import csv
import inspect
from collections import Counter
from pathlib import Path
from types import ModuleType

from calculus.ledger import FOUNDATIONS, LEDGER, RADIANCE, Rule
from nerf.check.ledger import trained_on

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"


def write(folder: Path = HERE / "ledger") -> list[Path]:
    """Writes index.md and a page for each module that derives something; returns them."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    modules = list(dict.fromkeys(rule.page for rule in LEDGER))
    pages = {folder / "index.md": _index(modules)}
    pages |= {folder / f"{_slug(module)}.md": _page(module) for module in modules}
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    return list(pages)


def _index(modules: list[ModuleType]) -> str:
    paths, mutants = trained_on(), _mutants()
    with (HERE / "catalogue.csv").open(newline="", encoding="utf-8") as file:
        tests = {row["id"]: row["test"] for row in csv.DictReader(file)}
    lines = [
        "# The ledger\n",
        f"All {len(LEDGER)} derivatives by hand, generated from `calculus.ledger`: where each is "
        "derived, the laws and tests that hold it, and whether training runs on it. "
        "`nerf check` measures the same list on your machine.\n",
    ]
    for title, rules, laws in (
        ("The steps of a ray", RADIANCE, "LAWS"),
        ("The foundations", FOUNDATIONS, "FOUNDATION_LAWS"),
    ):
        lines += [f"## {title}\n", "Laws that run over each of them:\n"]
        lines += [f"* `{name}`: {said}" for name, said in _laws(laws).items()]
        lines += [
            "\n| rule | on the path of training | entries | value | held beyond the laws |",
            "| --- | --- | --- | --- | --- |",
        ]
        for rule in rules:
            named = [name for number in rule.ids for name in tests[number].split()]
            named = [name for name in dict.fromkeys(named) if not name.endswith("::test_law")]
            held = "; ".join(_in_words(name) for name in named)
            if mutants[rule.name]:
                wrong = f"{mutants[rule.name]} wrong versions, each refused"
                held = f"{held}; {wrong}" if held else wrong
            lines.append(
                f"| [`{rule.name}`]({_slug(rule.page)}.md) | {paths.get(rule.name, '')} | "
                f"{' '.join(rule.ids)} | {_first_line(_function(rule))} | {held} |"
            )
        lines.append("")
    names = "\n".join(_slug(module) for module in modules)
    return "\n".join(lines) + f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def _in_words(test: str) -> str:
    return test.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _laws(names: str) -> dict[str, str]:
    """The laws of the tuple of that name, with what each says: read, since nobody imports tests."""
    tree = ast.parse((TESTS / "calculus" / "laws.py").read_text(encoding="utf-8"))
    said = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == names:
            listed = [
                name.id for name in ast.walk(node.value or node) if isinstance(name, ast.Name)
            ]
            return {name: (ast.get_docstring(said[name]) or "").split("\n")[0] for name in listed}
    raise LookupError(f"tests/calculus/laws.py has no {names}")


def _mutants() -> Counter[str]:
    """How many wrong versions the suite holds of each rule."""
    found: Counter[str] = Counter()
    for file in (TESTS / "mutants").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Mutant":
                rule = node.args[1]
                assert isinstance(rule, ast.Constant)
                found[rule.value] += 1
    return found


def _page(module: ModuleType) -> str:
    source = inspect.getsource(module)
    head = ast.parse(source).body[0]
    assert isinstance(head, ast.Expr) and head.end_lineno is not None
    code = "\n".join(source.splitlines()[head.end_lineno :]).strip()
    title, _, derivation = inspect.cleandoc(module.__doc__ or "").partition("\n")
    return (
        f"# {module.__name__.removeprefix('calculus.')}\n\n{title}\n\n"
        f"## Derivation\n\n```text\n{derivation.strip()}\n```\n\n"
        f"## Code\n\n```python\n{code}\n```\n"
    )


def _slug(module: ModuleType) -> str:
    return module.__name__.removeprefix("calculus.").replace(".", "-")


def _function(rule: Rule):
    return getattr(rule.page, rule.name)


def _first_line(thing) -> str:
    line = inspect.cleandoc(thing.__doc__ or "").splitlines()[0]
    return line.replace("|", "\\|")
