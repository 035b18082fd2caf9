"""Measures everything that docs/benchmarks.md says, in one run.

`python scripts/benchmark.py --scene LEGO [--json FILE] [--only PART ..] [--curve FILE.png]`

LEGO is a folder that holds NeRF-synthetic lego as `lego100`, `lego400` (and `lego800`, used where
an accelerator is). The parts:

steps     whole training steps of configs/fast.toml, derivatives by hand and by JAX in turn
paper     the same of configs/nerf.toml with 1,024 rays, against the floor of its matrix products
profile   where a step's time goes, stage by stage, against what each must cost at least
start     seconds from the start of the process to the first step, programs compiled anew and kept
learn     seconds of wall clock against PSNR on 25 held-out views
render    seconds for one 400x400 view of what `learn` left

Times are medians of alternated repetitions. Nothing else should run on the machine.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from data.load import load
from nerf.config import Config, read
from nerf.machine import prepare
from nerf.profile import profile
from nerf.rays import Photographs
from nerf.state import TrainState, start
from nerf.step import Step

ROOT = Path(__file__).parents[1]
PARTS = ("steps", "paper", "profile", "start", "learn", "render")
MODES: tuple[Literal["hand"], Literal["auto"]] = ("hand", "auto")
TRAINED_FIRST = 300
"""Steps before a fast step is timed: by then most cells are known to be empty."""
BUDGETS = (20, 60, 120, 600)
"""Seconds of wall clock, from the start of the process, at 400x400."""
ACCELERATED = (60, 300)
"""The same at 800x800 on an accelerator."""

Found = dict[str, float]


def seconds_of(run: Callable[[], Any], times: int = 10) -> float:
    """Median over `times` runs, after one to warm up."""
    jax.block_until_ready(run())
    found = []
    for _ in range(times):
        began = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - began)
    return float(np.median(found))


def matrix_peak() -> float:
    """Floating-point operations a second of a large float32 matrix product, the best of ten."""
    n = 2048 if jax.default_backend() == "cpu" else 8192
    product, a = jax.jit(jnp.matmul), jnp.ones((n, n))
    jax.block_until_ready(product(a, a))
    found = []
    for _ in range(10):
        began = time.perf_counter()
        jax.block_until_ready(product(a, a))
        found.append(time.perf_counter() - began)
    return 2 * n**3 / min(found)


def prepared(config: Config, scene: Path) -> tuple[Step, TrainState]:
    """A step and the state before it."""
    split = load(scene, config.data.downscale, config.data.bound, ("train",)).splits["train"]
    model, state = start(config)
    return Step(model, Photographs.of(split)), state


def alternated(config: Config, scene: Path, times: int, trained: int, name: str) -> Found:
    """Whole steps by hand and by JAX in turn, from the same state; what the compiler set aside."""
    found: Found = {}
    step, state = prepared(replace(config, derivatives="hand"), scene)
    rate = np.float32(config.training.learning_rate)
    every = config.occupancy.update_every
    for done in range(1, trained + 1):
        state, _ = step.run(state, rate)
        if state.grid is not None and done % every == 0:
            state = step.look_around(state, everywhere=done <= config.occupancy.warm_up)
    programs, states = {}, {}
    for mode in MODES:
        model, _ = start(replace(config, derivatives=mode))
        states[mode] = jax.tree.map(jnp.copy, state)
        lowered = Step(model, step.photographs).program.lower(state, step.photographs, rate)
        programs[mode] = lowered.compile()
        memory = programs[mode].memory_analysis()
        found[f"{name}_{mode}_temporary_MiB"] = (
            memory.temp_size_in_bytes / 2**20 if memory else float("nan")
        )
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    samples = 0
    for k in range(times + 1):
        for mode in MODES:
            began = time.perf_counter()
            states[mode], metrics = programs[mode](states[mode], step.photographs, rate)
            jax.block_until_ready(metrics)
            if k:
                seconds[mode].append(time.perf_counter() - began)
        samples = int(metrics.samples)
    for mode in MODES:
        found[f"{name}_{mode}_step_s"] = float(np.median(seconds[mode]))
        found[f"{name}_{mode}_step_s_least"] = float(np.min(seconds[mode]))
    pairs = np.array(seconds["hand"]) / np.array(seconds["auto"])
    found[f"{name}_hand_over_auto_time"] = float(np.median(pairs))
    found[f"{name}_hand_over_auto_memory"] = (
        found[f"{name}_hand_temporary_MiB"] / found[f"{name}_auto_temporary_MiB"]
    )
    found[f"{name}_samples_a_step"] = samples
    if state.grid is not None:
        look = jax.jit(step._look_around, static_argnames="everywhere")
        asked = seconds_of(lambda: look(states["hand"], everywhere=False), 5)
        found[f"{name}_look_around_s"] = asked
        whole = found[f"{name}_hand_step_s"] + asked / every
        found[f"{name}_million_samples_a_second"] = samples / whole / 1e6
    return found


def paper(scene: Path, times: int) -> Found:
    """The paper's step, and the floor of its matrix products."""
    config = read(ROOT / "configs" / "nerf.toml")
    config = replace(config, training=replace(config.training, rays=1024))
    found = alternated(config, scene, times, 0, "paper")
    params = start(config)[1].params
    sampling, operations = config.sampling, 0
    asked = {"coarse": sampling.coarse, "fine": sampling.coarse + sampling.fine}
    for name, each in asked.items():
        weights = [leaf.size for leaf in jax.tree.leaves(params[name]) if leaf.ndim == 2]
        operations += 3 * 2 * sum(weights) * each * config.training.rays  # value, and two ways back
    peak = matrix_peak()
    found["matrix_peak_GFLOPs"] = peak / 1e9
    found["paper_operations_GFLOP"] = operations / 1e9
    found["paper_time_over_floor"] = found["paper_hand_step_s"] / (operations / peak)
    return found


def command(*arguments: str, cache: Path, cwd: Path) -> tuple[str, float]:
    """Runs `nerf ARGUMENTS`; what it printed, and its seconds of wall clock."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "nerf.cli", *arguments],
        env=environment,
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout, time.perf_counter() - began


def first_step(scene: Path, folder: Path) -> Found:
    """Seconds from the start of a process to its first step, programs compiled anew and kept.

    `before_training_s` is what of a whole process, warm, lies outside the clock of training.
    """
    found = {}
    for name in ("cold", "warm"):
        run = folder / f"start-{name}"
        began = time.time()
        _, seconds = command(
            *("train", str(ROOT / "configs" / "fast.toml"), "--scene", str(scene)),
            *("--steps", "1", "--run", str(run)),
            cache=folder / "cache",
            cwd=ROOT,
        )
        log = run / "metrics.jsonl"  # its one line is written when the step is done
        found[f"first_step_{name}_s"] = log.stat().st_mtime - began
        trained = json.loads(log.read_text().splitlines()[-1])["seconds"]
        found["before_training_s"] = seconds - trained
    return found


def learned(scene: Path, budget: int, folder: Path, before: float) -> tuple[Found, Path]:
    """PSNR and SSIM after `budget` seconds of wall clock; `before` of them the process needs."""
    run = folder / f"{scene.name}-{budget}"
    _, seconds = command(
        *("train", str(ROOT / "configs" / "fast.toml"), "--scene", str(scene)),
        *("--max-seconds", str(budget - before), "--steps", "1000000", "--run", str(run)),
        cache=folder / "cache",
        cwd=ROOT,
    )
    command("eval", str(run), cache=folder / "cache", cwd=ROOT)
    metrics = json.loads((run / "eval" / "metrics.json").read_text())
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    name = f"{scene.name}_{budget}s"
    return {
        f"{name}_wall_s": seconds,
        f"{name}_steps": last["step"],
        f"{name}_psnr_dB": metrics["psnr"],
        f"{name}_ssim": metrics["ssim"],
    }, run


def rendered(run: Path, times: int = 5) -> Found:
    """Seconds for one view of a run at the size of its pictures."""
    from nerf.checkpoint import Checkpoints
    from nerf.render import Renderer
    from nerf.run import config_of

    config = config_of(run)
    assert config.scene is not None
    split = load(config.scene, config.data.downscale, config.data.bound, ("test",)).splits["test"]
    model, state = start(config)
    checkpoints = Checkpoints(run)
    state, _ = checkpoints.restore(state)
    checkpoints.close()
    renderer = Renderer(model)
    views = [split.camera(k * len(split) // times) for k in range(times)]
    renderer.picture(state.shown, state.grid, views[0])
    found = []
    for view in views:
        began = time.perf_counter()
        renderer.picture(state.shown, state.grid, view)
        found.append(time.perf_counter() - began)
    return {"render_view_s": float(np.median(found)), "render_view_pixels": split.width**2}


def draw_curve(found: Found, scene: str, file: Path) -> None:
    """PSNR against seconds as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    points = sorted(
        (value, found[name.replace("_wall_s", "_psnr_dB")])
        for name, value in found.items()
        if name.startswith(scene) and name.endswith("_wall_s")
    )
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.plot(*zip(*points, strict=True), "o-", color="#1f4e79")
    for seconds, psnr in points:
        axes.annotate(f"{psnr:.1f}", (seconds, psnr), (0, 7), textcoords="offset points")
    axes.set(xscale="log", xlabel="seconds from the start of the process", ylabel="PSNR, dB")
    axes.set_xticks([x for x, _ in points], [f"{x:.0f}" for x, _ in points])
    axes.minorticks_off()
    axes.margins(0.1)
    axes.set_title(f"{scene}: each point a run that ended there", fontsize=10)
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scene", type=Path, required=True, help="folder with lego100, lego400")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--times", type=int, default=15, help="repetitions of a fast step")
    parser.add_argument("--paper-times", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--curve", type=Path, help="picture of PSNR against seconds")
    told = parser.parse_args()
    prepare()
    found: Found = {}
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    small, scene = told.scene / "lego100", told.scene / "lego400"
    try:
        if "start" in told.only or "learn" in told.only:
            found |= first_step(scene, folder)  # in processes of their own, before this one grows
            say(found)
        if "learn" in told.only:
            before = found["before_training_s"]
            # pictures of this size have programs of their own: the first run keeps them
            for _ in range(2):
                shutil.rmtree(folder / f"{small.name}-20", ignore_errors=True)
                found |= learned(small, 20, folder, before)[0]
            for budget in told.budgets:
                more, run = learned(scene, budget, folder, before)
                found |= more
                say(more)
            if jax.default_backend() != "cpu" and (told.scene / "lego800").is_dir():
                for budget in ACCELERATED:
                    found |= learned(told.scene / "lego800", budget, folder, before)[0]
            if "render" in told.only:
                found |= rendered(run)
            if told.curve:
                draw_curve(found, scene.name, told.curve)
        if "steps" in told.only:
            config = read(ROOT / "configs" / "fast.toml")
            found |= alternated(config, scene, told.times, TRAINED_FIRST, "fast")
        if "paper" in told.only:
            found |= paper(small, told.paper_times)
        if "profile" in told.only:
            step, state = prepared(read(ROOT / "configs" / "fast.toml"), scene)
            found |= profile(step, state, matrix_peak(), seconds_of)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    device = jax.devices()[0]
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {device.device_kind}",
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "date": time.strftime("%Y-%m-%d"),
        "protocol": (
            "medians of alternated repetitions; PSNR over 25 views of the test split, white "
            "background, both sides 8 bits; seconds of wall clock from the start of the process"
        ),
    }
    table = Table(title="benchmark", caption=f"{about['machine']}, {about['date']}")
    table.add_column("measurement")
    table.add_column("value", justify="right")
    for name, value in found.items():
        table.add_row(name, f"{value:.4g}")
    Console(width=100).print(table)
    if told.json:
        told.json.write_text(json.dumps(about | {"measurements": found}, indent=1) + "\n")


def say(found: Found) -> None:
    """What is known so far: the whole takes a while."""
    print(" · ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
