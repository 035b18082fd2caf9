"""Fixtures. Settings of JAX that hold for a whole process are changed here and nowhere else."""

import gc
import itertools
import os
from pathlib import Path

from tests.programs import KEPT, QUICK

# before JAX is imported, and for the commands that tests start
os.environ.setdefault("XLA_FLAGS", QUICK)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(KEPT))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest

from nerf import render, step
from nerf.export import ends, source
from nerf.microscope import samples


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


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Path:
    """A run of the bundled scene that shows its marbles. For reading: spoil a copy."""
    from tests.nerf.commands import SMALL, nerf

    folder = tmp_path_factory.mktemp("runs") / "marbles"
    assert nerf("train", *SMALL, "--steps", 200, "--run", folder) == 0
    return folder


@pytest.fixture(autouse=True)
def programs_of_patched_code(request):
    """A test that patches code gets programs of its own, and leaves none to the others."""
    if "monkeypatch" not in request.fixturenames:
        yield
        return
    shared = [module._programs for module in (ends, render, samples, source, step)]
    for programs in shared:
        programs.cache_clear()
    yield
    for programs in shared:
        programs.cache_clear()


CALCULUS = Path(__file__).parent / "calculus"
FEW = 25_000
"""Maps of memory that a process may have before its programs are dropped."""
_done = itertools.count(1)


def pytest_runtest_teardown(item, nextitem):
    """Drops compiled programs now and then.

    JAX keeps all that it has compiled, each in maps of its own, of which the system gives a process
    65,530: the compiler that is refused one aborts. Those needed again are read from disk.
    """
    maps = Path("/proc/self/maps")
    if next(_done) % 25 == 0 and maps.exists():
        with maps.open("rb") as lines:
            if sum(1 for _ in lines) > FEW:
                jax.clear_caches()
                gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps together on one worker what shares programs and fixtures: a rule, a run, else a file.

    Rules are many and short, so they come last: both workers are busy to the end.
    """
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        rule = given["mutant"].rule if "mutant" in given else getattr(given.get("rule"), "name", "")
        small = "small_run" if "small_run" in getattr(item, "fixturenames", ()) else ""
        item.add_marker(pytest.mark.xdist_group(rule or small or item.nodeid.split("::")[0]))
    items.sort(key=lambda item: item.path.is_relative_to(CALCULUS))


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
