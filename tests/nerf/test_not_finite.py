"""A number that is none, in a parameter, a gradient and a pixel.

docs/runs.md states each outcome.
"""

import json
from functools import lru_cache
from unittest.mock import patch

import jax
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

AT = 6
"""The step that is poisoned."""
poisoned_now = [""]


def none_in(where: str):
    """Asked while a program runs: NaN where it is poisoned, else 0. One program serves all."""

    def value():
        return np.float32(np.nan if poisoned_now[0] == where else 0)

    return jax.pure_callback(value, jax.ShapeDtypeStruct((), jnp.float32))


def slope_of_rays(params, *given, true=of_step.slope_of_rays):
    seen, gradient = true(params, *given)
    layer = gradient["fine"]["trunk"][0]
    layer["W"] = layer["W"].at[1, 2].add(none_in("gradient"))
    return seen, gradient


def rays_of(*given, true=of_step.rays_of):
    rays = true(*given)
    return rays._replace(photograph=rays.photograph.at[5, 1].add(none_in("pixel")))


@pytest.fixture(scope="module", autouse=True)
def programs_that_can_be_poisoned():
    own = lru_cache(of_step._programs.__wrapped__)
    with patch.multiple(of_step, slope_of_rays=slope_of_rays, rays_of=rays_of, _programs=own):
        yield


def poisoned(where: str, times: int):
    """Makes one number of step AT NaN, the first `times` times that it is taken."""
    left = [times]
    honest = of_step.Step.run

    def run(self, state, rate):
        now = int(state.step) == AT and left[0] > 0
        poisoned_now[0] = where if now else ""
        left[0] -= now
        if now and where == "parameter":
            layer = state.params["fine"]["trunk"][0]
            layer["W"] = layer["W"].at[0, 0].set(jnp.nan)
        return honest(self, state, rate)

    return patch.object(of_step.Step, "run", run)


STAGES = {
    "parameter": "parameter fine trunk 0 W",
    "gradient": "gradient of fine trunk 0 W",
    "pixel": "photograph",
}
TOLD = [*TINY, "--steps", 16, "--training.checkpoint-seconds", 1e-3]


@pytest.mark.parametrize("where", list(STAGES))
def test_a_number_that_is_none_stops_the_run_or_is_rolled_back(where, tmp_path, capsys):
    """It is named, the last good state is kept, and a rollback goes on from it more slowly."""
    folder = tmp_path / "run"
    with poisoned(where, times=2):
        assert nerf("train", *TOLD, "--run", folder) == 2
        said = one_line(capsys.readouterr().err)
        assert f"step {AT + 1}: {STAGES[where]} is not finite, training stopped" in said
        kept = Checkpoints(folder).latest
        assert kept in (AT - 1, AT) and f"the checkpoint of step {kept} is kept" in said
        for name, array in named(open_run(folder).state).items():
            assert np.isfinite(np.asarray(array)).all(), name
        assert nerf("train", "--resume", folder, "--on-nan", "rollback") == 0
    said = capsys.readouterr().out
    assert f"step {AT + 1}: {STAGES[where]} is not finite; back to step " in said
    assert "learning rate x 0.5 from here on" in said
    told = receipt.read(folder)
    assert told["step"] == 16 and told["rollbacks"] == 1 and told["ended"] == "done"
    row = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    config = read(folder / "config.toml")
    assert row["learning_rate"] == pytest.approx(0.5 * learning_rate(config, 15 / 16), rel=1e-6)


def test_rollbacks_come_to_an_end(tmp_path, capsys):
    with poisoned("gradient", times=1000):
        assert nerf("train", *TOLD, "--run", tmp_path / "run", "--on-nan", "rollback") == 2
    captured = capsys.readouterr()
    assert captured.out.count("; back to step ") == 5
    assert "training stopped after 5 rollbacks" in one_line(captured.err)
