"""Dead starts are noticed, named and begun again; what learns is left alone."""

import copy
import json
import tomllib
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data.errors import InputError
from data.load import load
from nerf import dead_start, fit
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config
from nerf.rays import Photographs, Rays
from nerf.run import create
from nerf.shading import Pixels
from nerf.space import Space
from nerf.state import start
from nerf.step import Step
from nerf.train import learning_rate, train
from tests.nerf.conftest import MARBLES, small_grid

BIAS = {"empty": -30.0, "opaque": 12.0}
"""Raw densities from which exp never comes back: e^-30 and e^12 per scene unit."""
signs = jax.jit(dead_start.signs, static_argnums=(3, 4))
AT, WINDOW = (12, 24), 8
"""When starts are judged here, so that a test takes 24 steps."""


def small(steps: int = 40) -> Config:
    config = small_grid()
    few = replace(config.training, rays=100, samples=1024)
    return replace(config, scene=MARBLES, steps=steps, training=few)


def started(config: Config, kind: str = ""):
    """The state before the first step: alive, or dead in one of the two ways."""
    bias = BIAS.get(kind, config.field.density_bias)
    return start(replace(config, field=replace(config.field, density_bias=bias)))[1]


@pytest.fixture(scope="module")
def compiled():
    """One step for all tests of this file."""
    split = load(MARBLES, downscale=4).splits["train"]
    return Step(start(small())[0], Photographs.of(split))


def under(step: Step, config: Config, photographs: Photographs | None = None) -> Step:
    """The same programs for a config with other seconds, steps, restarts or seed."""
    other = copy.copy(step)
    other.config, other.photographs = config, photographs or step.photographs
    return other


@pytest.fixture
def soon():
    with patch.multiple(dead_start, CHECKED_AT=AT, WINDOW=WINDOW):
        yield


def begun(step, config, state, run, next_starts=()):
    """`fit`, whose next starts are dead in the ways given."""
    kinds = iter(next_starts)
    create(run, config)
    checkpoints = Checkpoints(run)
    try:
        with patch.object(fit, "start", lambda config: (None, started(config, next(kinds, "")))):
            return fit.fit(under(step, config), state, Memo({}), run, checkpoints).code
    finally:
        checkpoints.close()


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def saved(run, config):
    checkpoints = Checkpoints(run)
    try:
        return checkpoints.restore(started(config))
    finally:
        checkpoints.close()


def found(step, state, photographs=None, steps=500):
    """The steps at which it is found dead, up to the first, and how."""
    for _, told in train(under(step, small(steps), photographs), state):
        if told.dead:
            return {told.step: told.dead}
    return {}


@pytest.mark.parametrize("kind", ["empty", "opaque"])
def test_a_dead_start_is_noticed_within_500_steps_and_named(compiled, kind):
    assert found(compiled, started(small(), kind)) == {250: kind}


def test_a_start_that_learns_is_left_alone(compiled):
    assert found(compiled, started(small())) == {}


def test_a_scene_that_is_opaque_by_right_is_left_alone(compiled):
    """No alpha: the background is seen nowhere, and every ray of the right field is opaque."""
    photographs = compiled.photographs
    pictures = np.array(photographs.pictures)
    alpha = pictures[..., 3:] / 255
    pictures[..., :3] = pictures[..., :3] * alpha + 255 * (1 - alpha)
    pictures[..., 3] = 255
    opaque = photographs._replace(pictures=jnp.asarray(pictures))
    assert found(compiled, started(small()), opaque, steps=250) == {}


def test_a_run_that_goes_on_later_is_not_judged(compiled, soon):
    late = started(small(), "empty")._replace(step=jnp.int32(24))
    assert found(compiled, late, steps=60) == {}


def test_a_run_that_goes_on_between_is_judged_by_a_full_window(compiled, soon):
    between = started(small(), "empty")._replace(step=jnp.int32(5))
    assert found(compiled, between, steps=60) == {24: "empty"}


def pixels_and_rays(seed):
    """Rays from the plane z = -3 along +z, about a half of which meet the cube."""
    rng = np.random.default_rng(seed)
    origin = np.concatenate([rng.uniform(-1.4, 1.4, (60, 2)), np.full((60, 1), -3.0)], axis=1)
    photograph, background, colour = rng.random((3, 60, 3))
    opacity = rng.random(60)
    end = rng.uniform(2, 4, 60)  # the cube is from 2 to 4
    inside = (np.abs(origin[:, :2]) < 1).all(axis=1)
    opacity *= inside
    direction = np.broadcast_to([0.0, 0.0, 1.0], (60, 3))
    rays = Rays(
        *map(narrow, (origin, direction, photograph, background)),
        narrow(opacity),
        narrow(direction),
        jnp.zeros(60, jnp.int32),
    )
    return rays, Pixels(*map(narrow, (colour, opacity, opacity * end))), end, inside


def narrow(array):
    return jnp.asarray(array, jnp.float32)


@pytest.mark.parametrize(("opacity", "kind"), [(0.02, "empty"), (0.2, "")])
def test_a_field_that_shows_its_backdrop_alone_is_empty(opacity, kind):
    rays, pixels, _, _ = pixels_and_rays(0)
    counted = jnp.ones(60, bool)
    pixels = pixels._replace(opacity=jnp.full(60, opacity), depth=jnp.full(60, 3 * opacity))
    empty_error, _ = signs(rays, pixels, counted, Space(), True)
    error = float(jnp.mean((pixels.colour - rays.photograph) ** 2))
    assert dead_start.named(error, float(empty_error), 0.95) == kind
    without, _ = signs(rays, pixels, counted, Space())
    by_error = "empty" if error >= dead_start.NO_BETTER * float(without) else ""
    assert dead_start.named(error, float(without), 0.95) == by_error


@pytest.mark.parametrize("seed", [0, 1])
def test_the_signs_are_means_over_counted_rays(seed):
    rays, pixels, end, inside = pixels_and_rays(seed)
    counted = np.random.default_rng(seed + 10).random(60) < 0.6
    empty_error, reach = signs(rays, pixels, jnp.asarray(counted), Space())
    error = (np.asarray(rays.background) - np.asarray(rays.photograph)) ** 2
    np.testing.assert_allclose(empty_error, error[counted].mean(), rtol=1e-5)
    opacity = np.asarray(pixels.opacity)
    parts = opacity * (end - 2) / 2 + (1 - opacity)
    np.testing.assert_allclose(reach, parts[counted & inside].mean(), rtol=1e-4)
    nothing = signs(rays, pixels, jnp.zeros(60, bool), Space())
    assert [float(v) for v in nothing] == [0, 1]


@pytest.mark.parametrize(
    ("error", "empty_error", "reach", "said"),
    [
        (0.05, 0.05, 1.0, "empty"),
        (0.046, 0.05, 0.95, "empty"),
        (0.044, 0.05, 0.95, ""),  # little is seen, but that is right
        (0.06, 0.05, 0.6, ""),  # fog: bad, but rays go through it, so there is a gradient
        (0.00005, 0.00005, 1.0, ""),  # nothing is there, and that was learned
        (0.0378, 0.1299, 0.02, "opaque"),  # a surface that has learned pictures by heart
        (0.01, 0.05, 0.1, ""),
    ],
)
def test_the_verdict(error, empty_error, reach, said):
    assert dead_start.named(error, empty_error, reach) == said


@pytest.mark.parametrize(
    ("kind", "reach", "growth", "judged"),
    [
        ("opaque", 0.02, 1.0, "opaque"),
        ("opaque", 0.0, 1.0, "opaque"),
        ("opaque", 0.02, 1.01, ""),  # as of exp and a bias of 5, which is out after 200 steps
        ("empty", 1.0, 1.0, "empty"),
        ("empty", 0.999, 1.0, "empty"),
        ("empty", 0.999, 1.02, ""),
    ],
)
def test_a_field_on_its_way_out_is_left_alone(kind, reach, growth, judged):
    watch, rng = dead_start.Watch(), np.random.default_rng(0)
    for step in range(1, 251):
        grown = growth ** (step - 225) * (1 + 0.01 * rng.standard_normal())
        now = reach * grown if kind == "opaque" else 1 - (1 - reach) * grown
        said = watch(step, SimpleNamespace(mean_squared_error=0.05, empty_error=0.05, reach=now))
        assert said == (judged if step == 250 else "")


@pytest.mark.parametrize(("kind", "seed"), [("empty", 5), ("opaque", 2**32 - 1)])
def test_it_is_cured_by_the_next_seed(compiled, kind, seed, soon, tmp_path, capsys):
    config = replace(small(), seed=seed)
    following = (seed + 1) % 2**32
    run = tmp_path / "run"
    assert begun(compiled, config, started(config, kind), run) == 0
    said = capsys.readouterr().out
    words = f"step 12: dead start ({kind}: {dead_start.WORDS[kind]})"
    assert f"{words}; begun again with seed {following}\n" in said
    assert said.count("dead start") == 1 and "trained  40 steps" in said
    cured = replace(config, seed=following)
    assert tomllib.loads((run / "config.toml").read_text())["seed"] == following
    assert [row["step"] for row in rows(run)] == [20, 40]
    # the config alone gives the same run: bit for bit what never was dead
    other = tmp_path / "other"
    assert begun(compiled, cured, started(cured), other) == 0
    ours, memo = saved(run, cured)
    theirs, _ = saved(other, cured)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)
    timed = ("seconds", "rays_per_second", "samples_per_second")
    assert [{k: v for k, v in row.items() if k not in timed} for row in rows(run)] == [
        {k: v for k, v in row.items() if k not in timed} for row in rows(other)
    ]
    assert memo.seconds > rows(run)[0]["seconds"] > 0, "the clock goes on"


def test_it_is_given_up_after_three_restarts(compiled, soon, tmp_path, capsys):
    run, config = tmp_path / "run", small()
    dead = ["opaque", "empty", "opaque"]
    with pytest.raises(InputError) as error:
        begun(compiled, config, started(config, "empty"), run, dead)
    said, line = capsys.readouterr().out, str(error.value)
    assert [f"begun again with seed {seed}" in said for seed in range(5)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert "step 12: dead start (opaque: every ray ends where it enters) with seeds 0, 1, 2, 3" in (
        line
    )
    for advice in ("lower field.density_bias", "training.learning_rate", "data.bound"):
        assert advice in line
    assert "\n" not in line
    # nothing is lost: what was tried last is saved, and can be trained regardless
    assert f"--resume {run} --training.restarts 0" in line
    state, memo = saved(run, config)
    assert int(state.step) == 12 and memo.seconds > 0
    regardless = replace(config, training=replace(config.training, restarts=0))
    checkpoints = Checkpoints(run)
    assert fit.fit(under(compiled, regardless), state, memo, run, checkpoints).code == 0
    checkpoints.close()


def test_it_is_given_up_when_its_seconds_are_over(compiled, soon, tmp_path):
    config = replace(small(), max_seconds=1e9)
    step, state = under(compiled, config), started(config, "empty")
    ticks = iter(range(10**6))  # one before the first step, two in each: over within step 12
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) * 1e9 / 23.5)
    over = pytest.raises(InputError, match="with seed 0, and its seconds are over")
    with patch("nerf.train.time", clock), over:
        begun(step, config, state, tmp_path / "run")


def test_the_seed_is_no_part_of_a_program(compiled):
    """Another seed draws other rays by the program that is there."""
    states = [started(replace(small(), seed=seed)) for seed in (0, 3)]
    same = [state._replace(params=started(small()).params) for state in states]
    losses = [float(compiled.run(state, learning_rate(small(), 0.0))[1].loss) for state in same]
    assert losses[0] != losses[1]
    assert compiled.program._cache_size() == 1


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_a_seed_on_the_device_is_the_same_seed(seed):
    draws = [jax.random.uniform(jax.random.key(s), (3,)) for s in (seed, jnp.uint32(seed))]
    np.testing.assert_array_equal(*draws)
