"""The memory plan against what the compiler says, and against what processes take.

    python scripts/memory.py [SCENE]

For each config: what `nerf.plan` says of every program, what XLA's memory_analysis says of it, and
the peak resident memory of a `nerf train` that starts with no program compiled. Prints the table of
docs/memory.md.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from data.load import load
from nerf import receipt, space
from nerf.cli.parse import parse
from nerf.config import Config, read
from nerf.plan import compiled, fit
from nerf.plan.process import plan

ROOT = Path(__file__).parent.parent
CONFIGS = (
    ("", 18),
    ("--training.samples 262144 --training.rays 65536", 18),
    ("--field.levels 16 --field.level-features 2 --field.log2-rows 19", 18),
    ("--field.levels 4 --occupancy.cells 128", 18),
    ("configs/tiny.toml", 18),
    ("configs/nerf.toml --training.rays 512", 2),
)
"""Flags, and steps: to the first update of the occupancy grid, where there is one."""
MIB = 2**20


def main(scene: Path) -> None:
    """Prints the table."""
    print("| config | program | plan, MiB | compiled, MiB | |")
    print("| --- | --- | --- | --- | --- |")
    for flags, steps in CONFIGS:
        config = config_of(flags, scene)
        split = load(scene, config.data.downscale, config.data.bound, ("train",)).splits["train"]
        pictures = fit.pictures_of(split)
        planned = plan(config, pictures)
        compiles = dict(compiled.programs(config, pictures.number, pictures.height, pictures.width))
        for program in (*planned.training, *planned.rendering):
            told = compiled.taken(compiles[program.name])
            said = program.arguments + program.temporary
            row(flags, program.name, said, told.arguments + told.temporary)
        row(flags, "peak of the process", planned.peak, peak(flags, scene, steps))


def row(flags: str, name: str, said: int, found: int) -> None:
    """One line of the table."""
    cells = f"`{flags or 'the defaults'}`", name, f"{said / MIB:.1f}", f"{found / MIB:.1f}"
    print(f"| {' | '.join(cells)} | {100 * (said / found - 1):+.1f} % |", flush=True)


def config_of(flags: str, scene: Path) -> Config:
    """The config of a line of flags, as a run of the scene has it."""
    told = flags.split()
    default = read(ROOT / told.pop(0)) if told and told[0].endswith(".toml") else Config()
    config = replace(parse(Config, told, "memory", default), scene=scene)
    return space.resolved(config, load(scene, config.data.downscale, config.data.bound))


def peak(flags: str, scene: Path, steps: int) -> int:
    """Peak resident memory, bytes, of a run of training whose programs are compiled anew."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nerf.cli", "train", *flags.split()]
        command += ["--scene", str(scene), "--steps", str(steps), "--run", f"{folder}/run"]
        command += ["--training.restarts", "0"]
        cache = {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
        subprocess.run(
            command, cwd=ROOT, env=os.environ | cache, stdout=subprocess.DEVNULL, check=True
        )
        told = receipt.read(Path(folder) / "run") or {}
    evaluated = told["evaluation"] or {"peak_memory_bytes": 0}
    return max(told["peak_memory_bytes"], evaluated["peak_memory_bytes"])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data" / "scenes" / "marbles")
