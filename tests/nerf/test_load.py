"""Long runs in short: memory and compiled programs stay where they are, nobody who watches breaks
anything. `scripts/load.py` at its full lengths is docs/load.md."""

from types import SimpleNamespace
from unittest.mock import patch

import jax
import pytest

from scripts import load
from tests.nerf.commands import SMALL

FLAGS = tuple(SMALL[2:])
"""All but the scene, which the load names itself."""


@pytest.mark.parametrize("count", [1000, pytest.param(20_000, marks=pytest.mark.long)])
def test_many_steps_take_no_more_memory_and_compile_nothing(count):
    # a short run still fills what it keeps: leaks of a byte a pixel or an array a step show
    with patch.object(load, "GROWTH", 0.1):
        verdict = load.steps(count)
    assert verdict.holds, verdict.said


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.long)])
def test_many_frames_take_no_more_memory(count):
    with patch.object(load, "GROWTH", 0.1):
        verdict = load.frames(count)
    assert verdict.holds, verdict.said


@pytest.mark.parametrize("crowd", [(2, 5, 1), pytest.param((6, 40, 5), marks=pytest.mark.long)])
def test_a_crowd_breaks_nothing(crowd):
    with patch.object(load, "GROWTH", 0.1):
        verdict = load.viewer(*crowd, FLAGS)
    assert verdict.holds, verdict.said


@pytest.mark.parametrize(("grows", "compiles"), [(0, 0), (10**7, 0), (0, 1)])
def test_a_leak_is_seen_and_a_program_that_is_compiled(grows, compiles):
    """In runs that only say that they take steps."""

    def steps(config, watching):
        with watching[0](None, None, None) as note:
            for step in range(1, config.steps + 1):
                if compiles and step == config.steps // 2:
                    jax.monitoring.record_event_duration_secs(load.COMPILED, 1.0)
                taken.append(step)
                note(None, SimpleNamespace(step=step), lambda: False)
        return config.run, 0

    taken: list[int] = []
    with (
        patch.object(load, "train_run", steps),
        patch.object(load, "resident", lambda: 10**8 + grows * len(taken)),
    ):
        verdict = load.steps(100)
    assert verdict.holds == (not grows and not compiles)
    assert ("(+0.00%), 0 programs 0" in verdict.said) == verdict.holds, verdict.said
