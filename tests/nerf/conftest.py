"""Small runs for the tests of the application."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import pytest

from data.load import load
from nerf.config import Config, read
from nerf.rays import Lenses
from nerf.train import Step, start

ROOT = Path(__file__).parents[2]
MARBLES = ROOT / "data" / "scenes" / "marbles"


def tiny() -> Config:
    """NeRF's own road, coarse and fine."""
    return read(ROOT / "configs" / "tiny.toml")


def small_grid() -> Config:
    """The grid field and the occupancy grid, in miniature."""
    config = Config()
    return replace(
        config,
        steps=60,
        data=replace(config.data, downscale=4),
        field=replace(
            config.field, grid_vertices=(8, 16, 32), grid_features=2, trunk_width=16, head_width=16
        ),
        sampling=replace(config.sampling, samples=16, render_samples=24, probes=48),
        occupancy=replace(config.occupancy, cells=16, update_every=8, warm_up=24),
        training=replace(config.training, rays=400, slots=256),
    )


CONFIGS = {"hierarchical": tiny, "occupied": small_grid}


@pytest.fixture(params=list(CONFIGS))
def config(request) -> Config:
    """Both roads."""
    return replace(CONFIGS[request.param](), scene=MARBLES)


@pytest.fixture(scope="session")
def marbles():
    """The bundled scene at a quarter of its size."""
    return load(MARBLES, downscale=4)


@pytest.fixture(scope="session")
def photographs(marbles):
    """What it is trained on."""
    return marbles.splits["train"]


def prepared(config: Config, split, **changes):
    """A step and the state before it."""
    model, state = start(replace(config, **changes))
    step = Step(model, Lenses(jnp.asarray(split.intrinsics), jnp.asarray(split.poses)))
    return step, state
