"""`nerf check`: right rules pass, wrong ones are found, in the ledger and in a run."""

import dataclasses
import json
import types
from dataclasses import replace
from unittest.mock import patch

import jax
import numpy as np

from calculus import radiance
from calculus.ledger import LEDGER
from calculus.radiance.stream import Stream
from nerf.check.error import worst
from nerf.check.ledger import rows, trained_on
from nerf.check.run import Call, check_run
from nerf.check.run import _errors as stage_errors
from nerf.state import start
from tests.nerf.commands import nerf
from tests.nerf.conftest import MARBLES, ROOT, small_grid

RULES = {rule.name: rule for rule in LEDGER}


def with_wrong_pullback(name):
    """A copy of a rule's function whose cotangent has the wrong sign."""
    right = RULES[name].page.__dict__[name]
    wrong = jax.custom_vjp(right.fun, nondiff_argnums=right.nondiff_argnums)

    def bwd(*arguments):  # None, for what has no derivative, is no leaf
        return jax.tree.map(lambda v: -v, right.bwd(*arguments))

    wrong.defvjp(right.fwd, bwd)
    return wrong


def test_a_right_rule_and_a_wrong_one():
    rule = RULES["sigmoid"]
    page = types.ModuleType(rule.page.__name__)
    vars(page).update(vars(rule.page), sigmoid=with_wrong_pullback("sigmoid"))
    wrong = dataclasses.replace(rule, page=page)
    right, found = (row for row in rows((rule, wrong)) if not isinstance(row, str))
    assert right.ok and right.path == "yes" and right.seconds > 0 and right.seconds_jax > 0
    assert not found.ok
    assert min(found.error_64, found.differences, found.error_32) > 1
    assert found.error_32_jax < 1e-6


def test_the_error_is_that_of_the_worst_array_and_what_is_not_finite_is_no_match():
    right = (np.array([1.0, -4.0]), np.array([100.0]), np.array([]))
    assert worst((np.array([2.0, -4.0]), np.array([101.0]), np.array([])), right) == 0.25
    assert worst(np.array([0.5]), np.array([0.0])) == 0.5
    for bad in (np.nan, np.inf):
        assert worst((np.zeros(1), np.array([1.0, bad])), (np.zeros(1), np.ones(2))) == np.inf
        assert worst(np.ones(2), np.array([1.0, bad])) == np.inf
        assert worst(np.array([bad]), np.array([bad])) == np.inf


def test_who_trains_is_read_off_the_step():
    on = trained_on()
    assert {name for name, said in on.items() if said == "yes"} == {
        "bounded_exp", "hash_encode", "mlp", "sigmoid", "squared_error", "volume_render_packed",
    }  # fmt: skip
    assert on["encode"] == on["rays"] == on["spherical_harmonics"] == "forward alone"
    hierarchical = "yes, with sampling.strategy hierarchical"
    assert on["coarse_and_fine"] == on["volume_render"] == hierarchical
    assert on["weights"] == "forward alone"
    assert on["huber"] == "yes, with training.loss huber"
    assert "psnr" not in on


def test_a_rule_on_a_stream_is_held_to_a_long_one():
    with patch("nerf.check.ledger.MANY", 512):  # as long a stream, for time and memory
        _, _, row = rows((RULES["weights_packed"],))
    assert row.ok and row.error_64 < 1e-12 and row.seconds > 0


def test_the_command_on_rules(tmp_path, capsys):
    assert nerf("check", "--rules", "relu", "--json", tmp_path / "found.json") == 0
    assert "1 of 1 derivatives by hand are right" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "found.json").read_text())["rules"]
    assert row["rule"] == "relu" and row["ok"] and row["error_64"] < 1e-10
    assert nerf("check", "--rules", "rely") == 2
    assert "did you mean relu?" in capsys.readouterr().err
    assert nerf("check", tmp_path) == 2
    assert "not a run" in capsys.readouterr().err


def test_the_command_on_a_run(tmp_path, capsys):
    run = tmp_path / "run"
    config = ROOT / "configs" / "tiny.toml"
    flags = ["--scene", MARBLES, "--data.downscale", "8", "--steps", "2", "--run", run]
    flags += ["--field.trunk-layers", 2, "--field.trunk-skip", 0, "--sampling.fine", 8]
    both = ["--derivatives", "both", "--check-every", "1"]
    assert nerf("train", config, *flags, *both) == 0
    said = capsys.readouterr().out
    assert "checked  2 gradients against JAX's; the worst: step" in said
    gaps = [
        json.loads(line).get("gap") for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    assert len(gaps) == 2 and max(gaps) < 1e-4
    assert nerf("check", run, "--rays", "8") == 0
    assert "the derivatives of this run are right" in " ".join(capsys.readouterr().out.split())
    found = json.loads((run / "check.json").read_text())
    assert found["ok"] and found["step"] == 2 and found["rays"] == 8 and not found["foreign"]
    assert [group["name"] for group in found["groups"]] == [
        "coarse head", "coarse trunk", "fine head", "fine trunk",
    ]  # fmt: skip
    stages = {stage["rule"]: stage for stage in found["stages"]}
    assert stages["volume_render"]["trained"] and not stages["weights"]["trained"]


def test_a_sample_on_a_face_of_the_cube_is_no_mistake():
    """There the interpolant has no derivative: JAX takes the mean of both sides, the page 0."""
    table = np.random.default_rng(0).standard_normal((9**3, 2), np.float32)
    x = np.ones((200, 3), np.float32)
    x[:, 1] = np.linspace(-0.9, 0.95, 200)
    given, static = ((table,), x), ((9,),)
    value = jax.eval_shape(lambda *given: radiance.hash_encode(*given, *static), *given)
    calls = [Call("hash_encode", given, static, value)]
    assert max(stage_errors(calls)["hash_encode"]) < 1e-5


def test_a_stage_on_a_stream_is_held_to_its_numbers_alone():
    """The rays of its samples are whole numbers: neither moved nor pulled."""
    stream = jax.jit(Stream.of, static_argnums=1)(np.array([2, 0, 3]), 8)
    tau = np.linspace(0.1, 0.9, 8, dtype=np.float32)
    value = jax.eval_shape(radiance.weights_packed, tau, stream)
    calls = [Call("weights_packed", (tau, stream), (), value)]
    assert max(stage_errors(calls)["weights_packed"]) < 1e-5
    wrong = with_wrong_pullback("weights_packed")
    with patch.object(radiance, "weights_packed", wrong):
        assert max(stage_errors(calls)["weights_packed"]) > 1


def test_a_wrong_stage_is_found_in_a_run(photographs):
    config = replace(small_grid(), scene=MARBLES)
    config = replace(config, field=replace(config.field, levels=1))
    _, state = start(config)
    with patch.object(radiance, "sigmoid", with_wrong_pullback("sigmoid")):
        found = check_run(config, state, photographs, rays=4)
    assert not found.ok
    assert {stage.rule for stage in found.stages if not stage.ok} == {"sigmoid"}
    assert "fine head" in {group.name for group in found.groups if not group.ok}
    assert found.foreign and "unlisted" in found.foreign[0]
