"""The layout is the diagram: which room may import which, and no word of where it was built."""

import ast
from pathlib import Path

import pytest

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


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the arrows"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file):
    room = file.relative_to(ROOT).parts[0]
    assert imported(file) & set(ROOMS) <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", ["calculus", "data"])
def test_leaves_stay_light(room):
    import sys

    known = OUTSIDE[room] | {room} | set(sys.stdlib_module_names)
    for file in (ROOT / room).rglob("*.py"):
        shown = FOR_SHOW.get(str(file.relative_to(ROOT)), set())
        assert imported(file) <= known | shown, file
