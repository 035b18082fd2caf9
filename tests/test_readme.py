"""What the documentation shows runs, and what it names is there."""

import contextlib
import io
import re
from pathlib import Path

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_gradient_of_the_first_screen_agrees_three_ways():
    code = CODE[0]
    assert len(code.strip().splitlines()) <= 11
    said = io.StringIO()
    with contextlib.redirect_stdout(said), jax.enable_x64(True):
        exec(code.replace('jax.config.update("jax_enable_x64", True)', ""), {})
    rows = [re.findall(r"-?\d+\.\d+(?:e-?\d+)?", line) for line in said.getvalue().splitlines()]
    by_hand, by_jax, by_differences = (np.array(row, float) for row in rows)
    assert by_hand.shape == (3,) and np.abs(by_hand).min() > 1e-3
    np.testing.assert_allclose(by_hand, by_jax, rtol=1e-7)
    np.testing.assert_allclose(by_hand, by_differences, rtol=1e-6)


def test_a_wrong_derivative_is_named_as_the_readme_says():
    said = io.StringIO()
    with contextlib.redirect_stdout(said), jax.enable_x64(True):
        exec(CODE[1], {})
    promised = re.search(r'# "(.*) \.\.\."', CODE[1])[1]
    assert f"the derivative is WRONG: {promised}" in said.getvalue()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "calculus/README.md",
        "docs/accuracy.md",
        "docs/benchmarks.md",
        "docs/captures.md",
        "docs/doctor.md",
        "docs/export.md",
        "docs/films.md",
        "docs/load.md",
        "docs/microscope.md",
        "docs/reports.md",
        "docs/runs.md",
        "docs/scaling.md",
        "docs/scenes.md",
        "docs/viewer.md",
    ],
)
def test_what_is_linked_is_there(page):
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
        assert (file.parent / target).exists(), f"{page} links to {target}"


def test_readme_is_short_and_names_every_folder_and_preset():
    assert len(README.splitlines()) <= 150
    for preset in (ROOT / "configs").glob("*.toml"):
        assert preset.name in README
    for folder in ("calculus", "data", "nerf", "configs", "scripts", "tests", "docs"):
        assert f"`{folder}/`" in README
