"""The layout is the diagram: which room may import which, and no word of where it was built."""

import ast
import functools
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("calculus", "data", "nerf", "scripts", "tests")
MAY_IMPORT = {
    "calculus": {"calculus"},
    "data": {"data"},
    "nerf": {"nerf", "calculus", "data"},
    "scripts": {"scripts", "nerf", "calculus", "data"},
}
OUTSIDE = {
    "calculus": {"jax", "jaxtyping", "numpy"},
    "data": {"numpy", "PIL", "imageio", "imageio_ffmpeg", "jaxtyping"},
}
FOR_SHOW = {"calculus/report.py": {"rich", "matplotlib"}}
"""What a leaf may import within a function, to draw what it found."""
SOURCES = [file for room in MAY_IMPORT for file in sorted((ROOT / room).rglob("*.py"))]


@functools.cache
def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the arrows"
            names.add((node.module or "").split(".")[0])
    return names


def test_imports_follow_the_arrows():
    wrong = {}
    for file in SOURCES:
        room = file.relative_to(ROOT).parts[0]
        if outside := imported(file) & set(ROOMS) - MAY_IMPORT[room]:
            wrong[str(file.relative_to(ROOT))] = outside
    assert len(SOURCES) > 100 and not wrong


def test_leaves_stay_light():
    wrong = {}
    for file in SOURCES:
        room, name = file.relative_to(ROOT).parts[0], str(file.relative_to(ROOT))
        if room in OUTSIDE:
            known = OUTSIDE[room] | FOR_SHOW.get(name, set()) | {room, *sys.stdlib_module_names}
            if heavy := imported(file) - known:
                wrong[name] = heavy
    assert not wrong
