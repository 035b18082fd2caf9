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
    """The least of up to three runs: on a busy machine threads and buffers add to a peak."""
    planned = plan(replace(read(TINY), evaluate=0), fit.pictures_of(load(MARBLES).splits["train"]))
    peaks: list[int] = []
    while len(peaks) < 3 and abs(planned.peak / min(peaks, default=1) - 1) >= 0.15:
        run = tmp_path / f"run{len(peaks)}"
        flags = f"--scene {MARBLES} --run {run} --steps 3 --evaluate 0"
        subprocess.run(
            [sys.executable, "-m", "nerf.cli", "train", str(TINY), *flags.split()],
            cwd=ROOT,
            env=as_users(JAX_COMPILATION_CACHE_DIR=str(run.with_suffix(".cache"))),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        told = receipt.read(run)
        assert told is not None
        peaks.append(told["peak_memory_bytes"])
    assert abs(planned.peak / min(peaks) - 1) < 0.15, peaks
