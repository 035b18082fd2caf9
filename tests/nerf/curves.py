"""Losses of short runs over several devices of this process, as JSON: run by test_devices.py.

python -m tests.nerf.curves STRATEGY TABLES DEVICES,DEVICES.. [SEED] [PARTS] [broken]
"""

import json
import sys
from dataclasses import replace

import jax
import numpy as np
from jax.sharding import Mesh

from data.load import load
from nerf import devices
from nerf.config import DataConfig, RenderingConfig
from nerf.rays import Photographs
from nerf.render import Renderer
from nerf.state import start
from nerf.step import Step
from nerf.train import train
from tests.nerf.conftest import CONFIGS, MARBLES

PARTS, STEPS = 4, 60


def config_of(strategy, tables, seed=0, parts=PARTS):
    """Both roads in miniature. The occupancy grid is updated, some cells at a time, each 8 steps;
    the rows of two of the three tables are no multiple of the parts.
    """
    config = replace(CONFIGS[strategy](), data=DataConfig(downscale=8))
    training = replace(config.training, parts=parts, tables=tables, rays=128, samples=1024)
    field = replace(config.field, finest=14)
    occupancy = replace(config.occupancy, warm_up=0)
    changes = {"training": training, "field": field, "occupancy": occupancy}
    changes["rendering"] = RenderingConfig(memory=1)  # several chunks a picture
    return replace(config, steps=STEPS, seed=seed, evaluate=0, **changes)


def curve(config, count):
    """The losses of each step over so many devices, the last parameters, what they show."""
    mesh = Mesh(np.array(jax.devices()[:count]), (devices.AXIS,))
    if count == 1 and config.training.tables == "replicated":
        mesh = None
    split = load(MARBLES, downscale=8).splits["train"]
    model, state = start(config)
    step = Step(model, Photographs.of(split, mesh), mesh)
    losses = []
    for lent, told in train(step, step.placed(state)):
        losses.append(told.loss)
        last = lent
    state = step.fetched(last)
    params = jax.tree.leaves(state.params)
    shown = Renderer(model, mesh=mesh).picture(state.params, state.grid, split.camera(3))
    return {
        "losses": losses,
        "rays": told.rays,
        "samples": told.samples,
        "parameters": float(sum(np.square(leaf).sum() for leaf in params)),
        "picture": np.round(shown.colour, 12).tolist(),
    }


def main(strategy, tables, counts, seed="0", parts=str(PARTS), broken=""):
    """Prints one curve for each number of devices."""
    if broken:  # each device takes its own gradient for that of all
        devices.summed = lambda gradient, config, axis: gradient
    config = config_of(strategy, tables, int(seed), int(parts))
    print(json.dumps({int(n): curve(config, int(n)) for n in counts.split(",")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
