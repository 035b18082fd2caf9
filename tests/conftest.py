"""Fixtures. Settings of JAX that hold for a whole process are changed here and nowhere else."""

import os
from pathlib import Path

# most of the suite's time is compilation: what one worker, one process or an emptied cache has
# compiled the others read. Said before JAX is imported, and to the commands that tests start
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / "build" / "programs")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest


@pytest.fixture
def strict_float64():
    """Float64, and no silent promotion of dtypes or ranks."""
    with (
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        yield


@pytest.fixture
def float64():
    """Float64, with JAX's usual promotion: for code that is not `calculus`."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes named by NERF_DATA; a test that asks for it skips without."""
    folder = os.environ.get("NERF_DATA")
    if not folder:
        pytest.skip("NERF_DATA is not set: no real scenes to test on")
    path = Path(folder)
    assert path.is_dir(), f"NERF_DATA names {path}, which is no folder"
    return path


def pytest_terminal_summary(terminalreporter):
    """The mutation score of this run, counted from what came of the tests that name a mutant."""
    ran = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    killed = {
        dict(report.user_properties)["mutant"]: report.passed
        for report in ran
        if report.when == "call" and "mutant" in dict(report.user_properties)
    }
    if killed:
        from tests.mutants import MUTANTS, score

        terminalreporter.write_line(score(killed, MUTANTS))
