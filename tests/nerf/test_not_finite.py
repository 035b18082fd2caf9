"""A number that is none, in a parameter, a gradient and a pixel.

docs/runs.md states each outcome.
"""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from nerf import receipt
from nerf import step as of_step
from nerf.checkpoint import Checkpoints, named
from nerf.config import read
from nerf.opened import open_run
from nerf.train import learning_rate
from tests.nerf.commands import TINY, nerf, one_line


def poisoned(monkeypatch, where: str, at: int, times: int) -> None:
    """Makes one number of step `at` NaN, the first `times` times that it is taken."""
    left = [times]
    honest = of_step.Step.run

    def run(self, state, rate):
        if int(state.step) != at or not left[0]:
            return honest(self, state, rate)
        left[0] -= 1
        if where == "parameter":
            layer = state.params["fine"]["trunk"][0]
            layer["W"] = layer["W"].at[0, 0].set(jnp.nan)
            return honest(self, state, rate)
        # programs that meet it are made anew, and it is asked at once what they met
        step = of_step.Step(self.model, self.photographs)
        if where == "gradient":
            true = of_step.slope_of_rays

            def slope(params, *given):
                seen, gradient = true(params, *given)
                layer = gradient["fine"]["trunk"][0]
                layer["W"] = layer["W"].at[1, 2].set(jnp.nan)
                return seen, gradient

            with monkeypatch.context() as patch:
                patch.setattr(of_step, "slope_of_rays", slope)
                found = honest(step, state, rate)
                self.first_bad_array = _kept(step.first_bad_array(found[0], step.batch(found[0])))
                return found
        rays_of = of_step.rays_of

        def spoilt(*given):
            rays = rays_of(*given)
            return rays._replace(photograph=rays.photograph.at[5, 1].set(jnp.nan))

        with monkeypatch.context() as patch:
            patch.setattr(of_step, "rays_of", spoilt)
            found = honest(step, state, rate)
            self.first_bad_array = _kept(step.first_bad_array(found[0], step.batch(found[0])))
            return found

    monkeypatch.setattr(of_step.Step, "run", run)


def _kept(said: str):
    """What was found out while the number was there."""
    return lambda state, batch: said


STAGES = {
    "parameter": "parameter fine trunk 0 W",
    "gradient": "gradient of fine trunk 0 W",
    "pixel": "photograph",
}
OFTEN = ["--training.checkpoint-seconds", 1e-3]


@pytest.mark.parametrize("where", list(STAGES))
def test_a_number_that_is_none_stops_the_run_and_is_named(where, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    poisoned(monkeypatch, where, 12, times=1)
    assert nerf("train", *TINY, "--run", folder, "--steps", 30, *OFTEN) == 2
    said = one_line(capsys.readouterr().err)
    assert f"step 13: {STAGES[where]} is not finite, training stopped" in said
    kept = Checkpoints(folder).latest
    assert kept in (11, 12) and f"the checkpoint of step {kept} is kept" in said
    for name, array in named(open_run(folder).state).items():
        assert np.isfinite(np.asarray(array)).all(), name
    assert nerf("train", "--resume", folder, "--on-nan", "rollback") == 0


@pytest.mark.parametrize("where", list(STAGES))
def test_a_rollback_goes_on_from_the_last_good_state_more_slowly(
    where, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "run"
    poisoned(monkeypatch, where, 12, times=1)
    told = ["train", *TINY, "--run", folder, "--steps", 30, "--on-nan", "rollback", *OFTEN]
    assert nerf(*told) == 0
    said = capsys.readouterr().out
    assert f"step 13: {STAGES[where]} is not finite; back to step " in said
    assert "learning rate x 0.5 from here on" in said
    told = receipt.read(folder)
    assert told["step"] == 30 and told["rollbacks"] == 1 and told["ended"] == "done"
    (row,) = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][-1:]
    config = read(folder / "config.toml")
    assert row["learning_rate"] == pytest.approx(0.5 * learning_rate(config, 29 / 30), rel=1e-6)


def test_rollbacks_come_to_an_end(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    poisoned(monkeypatch, "gradient", 12, times=1000)
    told = ["train", *TINY, "--run", folder, "--steps", 30, "--on-nan", "rollback", *OFTEN]
    assert nerf(*told) == 2
    captured = capsys.readouterr()
    assert captured.out.count("; back to step ") == 5
    assert "training stopped after 5 rollbacks" in one_line(captured.err)
