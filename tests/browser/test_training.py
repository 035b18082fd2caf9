"""`nerf train --view` in the browser: it is watched, paused, left alone."""

import json
import re

import numpy as np
import pytest
import viser

from scripts.browser import picture, served, until
from scripts.panel import LONG, SHARP, press
from tests.nerf.commands import SMALL

STEPS = 2000
FAST = ["--training.samples", "512", "--training.rays", "64"]
STEP = re.compile(r"Step (\d+)")
LINE = re.compile(r"Step (\d+), loss")
NOISE = """([address, protocol]) => new Promise(done => {
  const socket = new WebSocket(address, protocol);
  socket.onopen = () => { socket.send("nobody understands this"); socket.close(); };
  socket.onclose = socket.onerror = () => done();
})"""


@pytest.fixture
def training(path_of_browser, tmp_path):
    run = tmp_path / "run"
    told = [*SMALL, *FAST, "--steps", STEPS, "--run", run]
    with served("train", *told, "--view", "--port", 0) as training:
        yield training, run


def step_of(page) -> int:
    """The step that the page says."""
    return int(LINE.search(page.get_by_text(LINE).inner_text())[1])


def test_it_is_watched_paused_and_goes_on_alone(page, watch, training):
    process, run = training
    page.goto(process.address)
    page.get_by_text(LINE).wait_for(timeout=1000 * LONG)
    press(page, "Pause")
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    page.get_by_text("Paused.").wait_for()
    shown = page.get_by_text(SHARP)
    until(page, lambda: step_of(page) <= int(STEP.search(shown.inner_text())[1]), "its state", LONG)
    first, logged = step_of(page), (run / "metrics.jsonl").read_text()
    page.wait_for_timeout(1500)  # the page looks once a second
    assert step_of(page) == first < STEPS, "paused"
    assert (run / "metrics.jsonl").read_text() == logged
    press(page, "Resume")
    until(page, lambda: step_of(page) > first, "further steps", LONG)
    chart = ".uplot"
    drawn, second = picture(page, chart), step_of(page)
    until(page, lambda: step_of(page) > second, "still further steps", LONG)
    until(page, lambda: not np.array_equal(picture(page, chart), drawn), "the curve to grow")
    page.evaluate(NOISE, [process.address.replace("http", "ws"), f"viser-v{viser.__version__}"])
    page.context.close()
    assert process.process.wait(timeout=2 * LONG) == 0, "".join(process.said)
    said = "".join(process.said)
    assert f"trained  {STEPS} steps" in said
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == STEPS and (run / "checkpoints" / str(STEPS)).is_dir()
