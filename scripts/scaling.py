"""Loss curves of one run over 1, 2 and 4 devices and over two processes, for docs/scaling.md.

    python -m scripts.scaling --out docs/pictures/scaling.png --json FILE

The devices are virtual ones of this machine's CPU: that the curves are one is what is shown, not
speed. Each run is `nerf train` in processes of its own, with the same four parts. With them goes a
run under another seed, which is what a difference looks like; and what one step sends between four
devices, as the compiled program says it.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np

from nerf.config import Config, write

ROOT = Path(__file__).parents[1]
PARTS = 4
RUNS = {
    "1 device": (1, 1, "replicated"),
    "2 devices": (1, 2, "replicated"),
    "4 devices": (1, 4, "replicated"),
    "4 devices, tables dealt out": (1, 4, "sharded"),
    "2 processes of 2 devices": (2, 2, "replicated"),
}
"""Processes, devices of each, where the tables are."""
ANOTHER = "1 device, another seed"


def settings(steps: int) -> Config:
    """The default field with small tables, and a sixteenth of the samples."""
    config = Config()
    training = replace(config.training, rays=1024, samples=4096, parts=PARTS)
    data = replace(config.data, downscale=2)
    field = replace(config.field, levels=4, finest=128, log2_rows=13)
    return replace(config, steps=steps, evaluate=0, training=training, data=data, field=field)


def losses(run: Path) -> dict[int, float]:
    """As the run has logged them."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {row["step"]: row["loss"] for row in rows}


def trained(
    config: Path, run: Path, processes: int, devices: int, tables: str, seed: int = 0
) -> dict[int, float]:
    """Trains in so many processes, and returns the losses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    started = []
    for k in range(processes):
        told = [sys.executable, "-m", "nerf.cli", "train", str(config), "--run", str(run)]
        told += ["--scene", "data/scenes/marbles", "--training.tables", tables, "--seed", str(seed)]
        if processes > 1:
            told += ["--distributed", "--coordinator", f"127.0.0.1:{port}"]
            told += ["--processes", str(processes), "--process", str(k)]
        env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
        started.append(subprocess.Popen(told, cwd=ROOT, env=env))
    if any(one.wait() for one in started):
        raise SystemExit(f"{run.name}: did not end well")
    return losses(run)


def sent(text: str) -> dict[str, int]:
    """Bytes that one device gives into each kind of collective, by a compiled program's text."""
    kinds = ("all-reduce", "all-gather", "reduce-scatter")
    found = dict.fromkeys(kinds, 0)
    sizes = {"f32": 4, "s32": 4, "u32": 4, "f64": 8, "pred": 1, "u8": 1}
    for shape, kind in re.findall(r"= (\S.*?) (all-reduce|all-gather|reduce-scatter)\(", text):
        for dtype, dims in re.findall(r"(\w+)\[([\d,]*)\]", shape):
            found[kind] += sizes[dtype] * int(np.prod([int(n) for n in dims.split(",") if n]))
    return found


def collectives(tables: str) -> dict[str, int]:
    """`sent` of one step of the default config over four devices; in a process of its own."""
    code = f"""
import json, jax, numpy as np
from dataclasses import replace
from scripts.scaling import sent, PARTS
from data.load import load
from nerf import devices
from nerf.config import Config
from nerf.rays import Photographs
from nerf.state import start
from nerf.step import Step
config = Config()
config = replace(config, training=replace(config.training, parts=PARTS, tables={tables!r}))
mesh = devices.mesh_of(config)
split = load(__import__('pathlib').Path('data/scenes/marbles'), 4, None, ('train',)).splits['train']
model, state = start(config)
step = Step(model, Photographs.of(split, mesh), mesh)
lowered = step.program.lower(step.placed(state), step.photographs, np.float32(1e-2))
print(json.dumps(sent(lowered.compile().as_text())))
"""
    flags = f"--xla_force_host_platform_device_count={PARTS}"
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def drawn(curves: dict[str, dict[int, float]], out: Path) -> None:
    """The curves, and below them how far each is from that of one device."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    one = curves["1 device"]
    steps = np.array(sorted(one))
    wanted = np.array([one[k] for k in steps])
    styles = iter(["-", "--", "-.", ":", (0, (1, 3)), "-"])
    for name, curve in curves.items():
        found, style = np.array([curve[k] for k in steps]), next(styles)
        above.plot(steps, found, linestyle=style, label=name, linewidth=2)
        if name != "1 device":
            gap = np.maximum(np.abs(found - wanted) / wanted, 1e-9)
            below.plot(
                steps,
                gap,
                linestyle=style,
                marker=".",
                label=name,
                color=above.lines[-1].get_color(),
            )
    above.set(ylabel="loss of a step", yscale="log")
    below.set(ylabel="difference, relative", xlabel="step", yscale="log")
    above.legend()
    figure.savefig(out, dpi=110)


def main() -> None:
    """Trains, says how far the runs are apart, and draws them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    told = parser.parse_args()
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        write(settings(told.steps), config)
        for name, how in RUNS.items():
            curves[name] = trained(config, Path(folder) / name.replace(" ", "-"), *how)
        another = Path(folder) / "another"
        curves[ANOTHER] = trained(config, another, 1, 1, "replicated", seed=1)
    one = curves["1 device"]
    for name, curve in curves.items():
        gaps = [abs(curve[k] - one[k]) / one[k] for k in one]
        print(f"{name:28}  last loss {curve[max(curve)]:.6f}  apart at most {max(gaps):.1e}")
    found = {tables: collectives(tables) for tables in ("replicated", "sharded")}
    print(json.dumps(found))
    drawn(curves, told.out)
    if told.json:
        told.json.write_text(json.dumps({"curves": curves, "collectives": found}, indent=1))


if __name__ == "__main__":
    main()
