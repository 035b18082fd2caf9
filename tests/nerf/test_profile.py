"""The profile of a step: every stage once, on what the step gives it."""

from unittest.mock import patch

import jax

from nerf import profile
from tests.nerf.conftest import prepared, small_grid

STAGES = ("draw", "march", "encode", "trunk", "head", "composite", "optimiser")


@patch.object(profile, "TRAINED_FIRST", 9)
@patch.object(profile, "bandwidth", lambda seconds_of: 1e10)
def test_every_stage_is_timed_and_has_a_floor(photographs):
    runs = []

    def seconds_of(run):
        runs.append(jax.block_until_ready(run()))
        return 1e-3 * len(runs)

    found = profile.profile(*prepared(small_grid(), photographs), 1e11, seconds_of)
    assert [found[f"profile_{name}_ms"] for name in STAGES] == sorted(
        found[f"profile_{name}_ms"] for name in STAGES
    )
    assert all(found[f"profile_{name}_floor_ms"] > 0 for name in STAGES)
    assert len(runs) == sum(name.endswith("_ms") for name in found) / 2
    # products of 65 numbers a neuron, forwards and backwards twice that
    assert found["profile_trunk_back_floor_ms"] > found["profile_trunk_floor_ms"]
