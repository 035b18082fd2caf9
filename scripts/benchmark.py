"""Hand against auto: the same training step with derivatives by hand and by JAX, in turn.

`python scripts/benchmark.py configs/nerf.toml --scene PATH --steps 20 [--rays N] [--json FILE]`
prints seconds per step (medians of alternated steps), the ratio, what the compiler needs for
temporary arrays, and how far the parameters of the two have drifted apart.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from data.batches import batches
from data.load import load
from nerf.config import Config, read
from nerf.rays import Lenses
from nerf.train import Step, learning_rate, start

MODES: tuple[Literal["hand"], Literal["auto"]] = ("hand", "auto")


def measure(config: Config, scene: Path, steps: int) -> dict[str, float]:
    """Flat name -> number: medians over `steps` steps of each mode, after one to warm up."""
    split = load(scene, config.data.downscale, config.data.bound).splits["train"]
    lenses = Lenses(jnp.asarray(split.intrinsics), jnp.asarray(split.poses))
    feed = batches(split, config.training.rays, config.seed)
    programs, states, found = {}, {}, {}
    rate = learning_rate(config, 0.0)
    first = next(feed)
    for mode in MODES:
        model, states[mode] = start(replace(config, derivatives=mode))
        step = Step(model, lenses)
        began = time.perf_counter()
        programs[mode] = step.run.lower(states[mode], first, rate).compile()
        found[f"{mode}_compile_s"] = time.perf_counter() - began
        memory = programs[mode].memory_analysis()
        temporary = memory.temp_size_in_bytes if memory else float("nan")
        found[f"{mode}_temporary_MiB"] = temporary / 2**20
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    for k in range(steps + 1):
        batch = first if k == 0 else next(feed)
        for mode in MODES:
            began = time.perf_counter()
            states[mode], metrics = programs[mode](states[mode], batch, rate)
            jax.block_until_ready((states[mode], metrics))
            if k:
                seconds[mode].append(time.perf_counter() - began)
                print(f"step {k}/{steps} {mode}: {seconds[mode][-1]:.3f} s", flush=True)
            found[f"{mode}_loss"] = float(metrics.loss)
        if k == 0:
            found["drift_after_1_step"] = _drift(states)
    for mode in MODES:
        found[f"{mode}_step_s"] = float(np.median(seconds[mode]))
        found[f"{mode}_step_s_least"] = float(np.min(seconds[mode]))
        found[f"{mode}_step_s_most"] = float(np.max(seconds[mode]))
    pairs = np.array(seconds["hand"]) / np.array(seconds["auto"])
    found["hand_over_auto_time"] = float(np.median(pairs))
    found["hand_over_auto_memory"] = found["hand_temporary_MiB"] / found["auto_temporary_MiB"]
    found[f"drift_after_{steps + 1}_steps"] = _drift(states)
    return found


def _drift(states) -> float:
    leaves = (jax.tree.leaves(states[mode].params) for mode in MODES)
    return max(float(jnp.max(jnp.abs(a - b))) for a, b in zip(*leaves, strict=True))


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--scene", type=Path, required=True)
    parser.add_argument("--downscale", type=int, default=1)
    parser.add_argument("--rays", type=int, help="rays a step, in place of the config's")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    config = read(told.config)
    config = replace(config, data=replace(config.data, downscale=told.downscale))
    if told.rays:
        config = replace(config, training=replace(config.training, rays=told.rays))
    found = measure(config, told.scene, told.steps)
    device = jax.devices()[0]
    protocol = (
        f"{told.config.name}, {told.scene.name}, {config.training.rays} rays a step, "
        f"{told.steps} steps of each, alternated, medians"
    )
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {device.device_kind}",
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "date": time.strftime("%Y-%m-%d"),
        "protocol": protocol,
    }
    table = Table(title=protocol, caption=f"{about['machine']}, {about['date']}")
    table.add_column("measurement")
    table.add_column("value", justify="right")
    for name, value in found.items():
        table.add_row(name, f"{value:.4g}")
    Console().print(table)
    if told.json:
        told.json.write_text(json.dumps(about | {"measurements": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
