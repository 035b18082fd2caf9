"""The finding of docs/accuracy.md, on fewer rays."""

import json
import sys

import numpy as np
import pytest

from scripts import accuracy
from tests import oracles

RAYS, SAMPLES = 256, 256


@pytest.fixture(scope="module")
def behind_a_wall():
    depths = {
        "thin": accuracy.wall(0.1, RAYS, SAMPLES),
        "opaque": accuracy.wall(accuracy.OPAQUE, RAYS, SAMPLES),
    }
    rows = accuracy.measure(RAYS, SAMPLES, depths)
    return {(row["scene"], row["way"]): row for row in rows}


def test_summed_from_the_far_end_the_entries_behind_a_wall_are_right(behind_a_wall):
    assert behind_a_wall["opaque", "far end"]["worst_behind"] < 1e-4
    assert behind_a_wall["opaque", "far end"]["lost_behind"] == 0


def test_subtracted_they_have_no_correct_digit_left(behind_a_wall):
    row = behind_a_wall["opaque", "total - prefix"]
    assert row["digits_behind"] == 0 and row["worst_behind"] > 1e3
    assert row["of_largest"] < 1e-6  # and no norm of the gradient shows it
    assert behind_a_wall["thin", "total - prefix"]["digits_behind"] > 4


def test_divided_by_one_minus_alpha_the_wall_itself_is_not_finite(behind_a_wall):
    row = behind_a_wall["opaque", "/ (1 - alpha)"]
    assert row["not_finite"] == RAYS and row["worst_at"] == np.inf
    assert row["digits_behind"] == 0


def test_numbers_kept_in_bfloat16_cost_the_same_at_any_opacity(behind_a_wall):
    for scene in ("thin", "opaque"):
        row = behind_a_wall[scene, "w, T in bf16"]
        assert 2**-12 < row["worst_behind"] < 1.1 * 2**-8


def test_the_truth_is_the_formula_written_as_a_loop():
    tau = accuracy.wall(2.0, 1, 5)
    w_bar, T_bar = accuracy.cotangents(1, 5)
    right, terms = accuracy.truth(tau, w_bar, T_bar)
    tau, w_bar, T_bar = (v.astype(np.float64) for v in (tau, w_bar, T_bar))
    w, T_N = oracles.weights(tau[0])
    for k in range(5):
        light = np.exp(-tau[0, : k + 1].sum())
        parts = [light * w_bar[0, k]]
        parts += [-w[i] * w_bar[0, i] for i in range(k + 1, 5)] + [-T_N * T_bar[0]]
        np.testing.assert_allclose(right[0, k], sum(parts), rtol=1e-12)
        np.testing.assert_allclose(terms[0, k], sum(map(abs, parts)), rtol=1e-12)


def test_a_sum_by_pairs_stays_sharper_than_one_by_one():
    rows = accuracy.measure_orders(8, 1024)
    worst = {row["order"]: row["worst"] for row in rows}
    assert worst["`associative_scan`"] < worst["one by one"] < 1024 * 2**-24


def test_the_script_prints_tables_writes_what_it_measured_and_draws(tmp_path, monkeypatch, capsys):
    few = {"leak": accuracy.wall(accuracy.OPAQUE, 2, 8)}
    monkeypatch.setattr(accuracy, "scenes", lambda rays, samples: few)
    monkeypatch.setattr(accuracy, "LENGTHS", (8,))
    file, picture = tmp_path / "accuracy.json", tmp_path / "accuracy.png"
    told = ["--rays", "2", "--samples", "8", "--json", str(file), "--out", str(picture)]
    monkeypatch.setattr(sys, "argv", ["accuracy", *told])
    accuracy.main()
    out = capsys.readouterr().out
    assert "| leak | " in out and "not finite: 2 entries, leak, / (1 - alpha)" in out
    rows = json.loads(file.read_text())["pullbacks"]
    assert [row["way"] for row in rows] == list(accuracy.WAYS)
    assert picture.read_bytes().startswith(b"\x89PNG")
