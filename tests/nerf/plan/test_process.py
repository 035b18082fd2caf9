"""The plan's peak is that of a real process, base included."""

import subprocess
import sys
from dataclasses import replace

from data.load import load
from nerf import receipt
from nerf.config import read
from nerf.plan import fit
from nerf.plan.process import plan
from tests.nerf.conftest import MARBLES, ROOT
from tests.programs import as_users

TINY = ROOT / "configs" / "tiny.toml"


def test_a_run_takes_what_was_planned(tmp_path):
    flags = f"--scene {MARBLES} --run {tmp_path / 'run'} --steps 3 --evaluate 0"
    subprocess.run(
        [sys.executable, "-m", "nerf.cli", "train", str(TINY), *flags.split()],
        cwd=ROOT,
        env=as_users(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "cache")),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    told = receipt.read(tmp_path / "run")
    assert told is not None
    planned = plan(replace(read(TINY), evaluate=0), fit.pictures_of(load(MARBLES).splits["train"]))
    assert abs(planned.peak / told["peak_memory_bytes"] - 1) < 0.15
