"""nerf demo: everything once, on a bundled scene."""

from dataclasses import dataclass, field, replace

import tyro

from nerf.cli.eval import evaluate_run
from nerf.cli.parse import at_least_one, parse
from nerf.cli.render import render_run
from nerf.cli.scenes import bundled
from nerf.cli.train import as_config, train_run
from nerf.config import Config, OccupancyConfig
from nerf.paths import Shot


@dataclass(frozen=True)
class Arguments(Config):
    """Train on a bundled scene, evaluate, render an orbit: everything once, in two minutes."""

    bundled: tyro.conf.Positional[str] = "marbles"
    """Which one: nerf scenes lists them. --scene goes over it."""
    max_seconds: float | None = 60.0
    """Training ends after this many seconds, compilation included, unless its steps end first."""
    frames: int = 72
    """Views of the orbit."""
    occupancy: OccupancyConfig = field(default_factory=lambda: OccupancyConfig(threshold=0.002))
    """Lower than for solids: the bundled scene has fog, whose rim must not end in steps."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "demo")
    at_least_one(frames=told.frames)
    config = as_config(Config, told)
    if config.scene is None:
        config = replace(config, scene=bundled(told.bundled))
    run, code = train_run(replace(config, evaluate=0))
    if code == 0:
        render_run(run, run / "orbit.mp4", Shot("orbit", told.frames, 24.0))
        evaluate_run(run)
        print(f"all of it is in {run}; look around in it, and click on a pixel: nerf view {run}")
    return code
