"""Long runs in short: memory and compiled programs stay where they are, nobody who watches breaks
anything. `scripts/load.py` at its full lengths is docs/load.md."""

import pytest

from scripts import load
from tests.browser.conftest import FLAGS


@pytest.fixture(autouse=True)
def in_short(monkeypatch):
    # a short run still fills what it keeps: leaks of a byte a pixel or an array a step show
    monkeypatch.setattr(load, "GROWTH", 0.1)


def test_many_steps_take_no_more_memory_and_compile_nothing():
    verdict = load.steps(2000)
    assert verdict.holds, verdict.said


def test_many_frames_take_no_more_memory():
    verdict = load.frames(40)
    assert verdict.holds, verdict.said


def test_a_crowd_breaks_nothing():
    verdict = load.viewer(3, 10, 2, FLAGS)
    assert verdict.holds, verdict.said


def test_a_leak_is_seen(monkeypatch):
    kept = []

    def leaks(*process):
        kept.append(1)
        return 10**8 * (1 + len(kept))

    monkeypatch.setattr(load, "resident", leaks)
    verdict = load.steps(100)
    assert not verdict.holds and "+" in verdict.said
