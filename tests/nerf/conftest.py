"""Small runs for the tests of the application."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from data.load import load
from nerf import frame
from nerf.checkpoint import Checkpoints, Memo
from nerf.config import Config, as_dict, read
from nerf.rays import Photographs
from nerf.run import create
from nerf.state import start
from nerf.step import Step
from nerf.train import train
from tests.nerf.commands import MARBLES, ROOT, TINY, nerf


def tiny() -> Config:
    """NeRF's own road, coarse and fine."""
    return read(ROOT / "configs" / "tiny.toml")


def small_grid() -> Config:
    """The hash grid and the occupancy grid, in miniature: one table of three is hashed."""
    config = Config()
    return replace(
        config,
        steps=60,
        data=replace(config.data, downscale=4),
        field=replace(
            config.field,
            levels=3,
            level_features=2,
            coarsest=4,
            finest=16,
            log2_rows=9,
            trunk_width=16,
            head_width=16,
        ),
        sampling=replace(config.sampling, steps=48),
        occupancy=replace(config.occupancy, cells=16, update_every=8, warm_up=24),
        training=replace(config.training, rays=400, samples=4096),
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
    return Step(model, Photographs.of(split)), state


def finished(config, split, **changes):
    """The state at the end of a run, and what its steps told."""
    step, state = prepared(config, split, **changes)
    told = []
    last = state
    for lent, progress in train(step, state):
        told.append(progress)
        last = jax.tree.map(np.asarray, lent)  # it is gone when the next step begins
    return last, told


def same_bits(a, b) -> bool:
    """Whether two trees hold the same arrays."""
    return all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.fixture(scope="session")
def untrained(tmp_path_factory, marbles):
    """Folder of a run as it is before its first step. For reading: spoil a copy."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    config = tiny()
    config = replace(config, scene=MARBLES, data=replace(config.data, downscale=4))
    create(folder, config)
    frame.keep(marbles, folder)
    checkpoints = Checkpoints(folder)
    assert not checkpoints.save(start(config)[1], Memo(as_dict(config)))
    checkpoints.close()
    return folder


@pytest.fixture(scope="session")
def saved_twice(tmp_path_factory):
    """Folder of a run with checkpoints of steps 20 and 40. For reading: spoil a copy."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert nerf("train", *TINY, "--run", folder, "--steps", 20) == 0
    assert nerf("train", "--resume", folder, "--steps", 40) == 0
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["20", "40"]
    return folder
