"""Long and crowded: does memory stay where it is, and does training go on?

    python -m scripts.load steps  [--steps 200000]
    python -m scripts.load frames [--frames 2000]
    python -m scripts.load viewer [--clients 20] [--seconds 300] [--alone 60]

steps     one process trains a tiny field; memory and compiled programs, from a twentieth to the end
frames    `nerf render` of a tiny field; memory seen from outside, from the first frames to the end
viewer    `nerf train --view` on the bundled scene; clients that move their cameras, over loopback

Prints figures and a verdict each; exit code 1 if one does not hold.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from data.load import load
from nerf import paths
from nerf.cli.scenes import bundled
from nerf.cli.train import train_run
from nerf.config import Config
from nerf.machine import prepare
from nerf.viewer.poses import fov_of
from scripts.browser import served
from scripts.client import Client

GROWTH = 0.05
"""Part of the memory by which a process may grow."""
SETTLED = 60.0
"""Seconds of a crowd after which memory is to stay where it is; a fifth of a short one."""
SIZE, PATIENCE = (320, 240), 300.0
"""Pixels of a client's window; seconds in which a first picture comes."""
COMPILED = "/jax/core/compile/backend_compile_duration"
"""What JAX tells of each program that it compiles, or reads where it is kept."""


class Verdict(NamedTuple):
    """What came of one load."""

    said: str
    holds: bool


def resident(process: int | str = "self") -> int:
    """Bytes of a process that are in memory."""
    return 4096 * int(Path(f"/proc/{process}/statm").read_text().split()[1])


def mib(size: float) -> str:
    """Bytes in words."""
    return f"{size / 2**20:,.1f} MiB"


def tiny(scene: Path, run: Path, steps: int) -> Config:
    """The defaults' road, as small as it goes: what is left is the loop."""
    config = Config(scene=scene, run=run, steps=steps)
    field = replace(
        config.field, levels=2, coarsest=4, finest=8, log2_rows=8, trunk_width=8, head_width=8
    )
    return replace(
        config,
        data=replace(config.data, downscale=8),
        field=field,
        sampling=replace(config.sampling, steps=32),
        occupancy=replace(config.occupancy, cells=8, warm_up=32),
        training=replace(config.training, rays=32, samples=256, restarts=0),
    )


def steps(count: int) -> Verdict:
    """Trains so many steps, in this process, as `nerf train` does."""
    programs: list[str] = []

    def hear(event: str, duration_secs: float, **more: str | int) -> None:
        if event == COMPILED:
            programs.append(event)

    jax.monitoring.register_event_duration_secs_listener(hear)
    noted: list[tuple[int, int, int]] = []

    def note(state, told, stopped) -> float:
        if told.step % max(count // 20, 1) == 0:
            noted.append((told.step, resident(), len(programs)))
            print(f"step {told.step}: {mib(noted[-1][1])}, {len(programs)} programs", flush=True)
        return 0.0

    @contextmanager
    def watching(model, scene, run) -> Iterator[Callable]:
        yield note

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _, code = train_run(
            tiny(bundled("marbles"), Path(folder) / "run", count), watching=[watching]
        )
        rate = count / (time.perf_counter() - began)
    (first, before, compiled), (last, after, compiled_then) = noted[0], noted[-1]
    said = (
        f"steps    {last:,} at {rate:,.0f} a second; from step {first:,} on {mib(before)} became "
        f"{mib(after)} ({after / before - 1:+.2%}), {compiled} programs {compiled_then}"
    )
    holds = code == 0 and after <= (1 + GROWTH) * before and compiled == compiled_then
    return Verdict(said, holds)


def frames(count: int) -> Verdict:
    """Renders so many frames in a process of its own, and looks at its memory meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_run(tiny(bundled("marbles"), folder / "run", 200))
        command = [sys.executable, "-m", "nerf.cli"]
        film = folder / "film" / "orbit.mp4"
        film.parent.mkdir()
        asked = ["--out", film, "--frames", count, "--resolution", "48x48"]
        began = time.perf_counter()
        process = subprocess.Popen([*command, "render", folder / "run", *map(str, asked)])
        seen = []
        while process.poll() is None:
            done = sum(1 for _ in film.parent.rglob("*.png"))
            try:
                seen.append((done, resident(process.pid)))
            except (OSError, IndexError):  # it has just ended
                break
            time.sleep(0.1)
        code, seconds = process.wait(), time.perf_counter() - began
        there = film.is_file()
    since = min(100, count // 20)
    after = [size for done, size in seen if done >= since and size]
    before, peak, last = after[0], max(after), after[-1]
    said = (
        f"frames   {count:,} in {seconds:.0f} s; from frame {since} on {mib(before)} became "
        f"{mib(last)} ({last / before - 1:+.2%}), {mib(peak)} at most ({peak / before - 1:+.2%})"
    )
    return Verdict(said, code == 0 and there and peak <= (1 + GROWTH) * before)


class Watching(threading.Thread):
    """One client: looks from somewhere for a while, reads all that it is sent, and moves on."""

    def __init__(self, url: str, number: int, poses: list[np.ndarray], fov: float, until: float):
        super().__init__(daemon=True)
        self._url, self._number, self._poses, self._fov, self._until = (
            url,
            number,
            poses,
            fov,
            until,
        )
        self.pictures, self.failed = 0, ""

    def run(self) -> None:
        """Until the time is over."""
        rng = np.random.default_rng(self._number)
        try:
            client = Client(self._url)
            while (left := self._until - time.perf_counter()) > 0:
                pose = self._poses[rng.integers(len(self._poses))]
                client.look(pose, self._fov, *SIZE)
                self.pictures += client.pictures(min(left, rng.uniform(1, 6)))
            client.close()
        except Exception as error:
            self.failed = f"client {self._number}: {type(error).__name__}: {error}"


def viewer(count: int, seconds: float, alone: float, flags: tuple[str, ...] = ()) -> Verdict:
    """Clients that watch a run of training: first nobody does, then all of them do."""
    scene = bundled("marbles")
    split = load(scene, 4, None, ("train",)).splits["train"]
    poses = [camera.pose for camera in paths.orbit(split, 36)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        asked = ["train", "--scene", scene, "--run", run, "--view", "--port", 0]
        with served(*asked, "--steps", 10**7, *flags) as server:
            print(f"trains   process {server.process.pid}, {server.address}", flush=True)
            _wait(lambda: len(_rows(run)) >= 2, server.process)
            before = _rate(run, alone)
            fov = fov_of(split.camera(0))
            first_client = Client(server.address)  # what pictures are made by is compiled for it
            first_client.look(poses[0], fov, *SIZE)
            if not first_client.pictures(PATIENCE, most=1):
                raise SystemExit("no picture came")
            first_client.close()
            until = time.perf_counter() + seconds
            clients = [Watching(server.address, k, poses, fov, until) for k in range(count)]
            for client in clients:
                client.start()
            sizes: list[int] = []
            begun = _rows(run)[-1]
            while (left := until - time.perf_counter()) > 0 and server.process.poll() is None:
                sizes.append(resident(server.process.pid))
                if len(sizes) % 30 == 1:
                    print(f"{left:4.0f} s left: {mib(sizes[-1])}", flush=True)
                time.sleep(min(1.0, left))
            ended = _rows(run)[-1]
            alive = server.process.poll() is None
            for client in clients:
                client.join(30)
        told = "".join(server.said)
    with_clients = _steps_a_second(begun, ended)
    settled = int(len(sizes) * min(SETTLED / seconds, 0.2))
    few = max(1, min(15, len(sizes) // 5))
    first, last = (statistics.median(part) for part in (sizes[settled:][:few], sizes[-few:]))
    failed = [client.failed for client in clients if client.failed]
    errors = [line for line in told.splitlines() if "Error" in line or "Traceback" in line]
    each = [client.pictures for client in clients]
    said = (
        f"viewer   {count} clients for {seconds:.0f} s, {sum(each):,} pictures sent, "
        f"{min(each)} to {max(each)} each; "
        f"{mib(first)} became {mib(last)} ({last / first - 1:+.2%}); "
        f"{before:.1f} steps a second alone, {with_clients:.1f} watched"
    )
    for problem in failed + errors:
        said += f"\n         {problem}"
    well = alive and not failed and not errors and min(each) > 0 and ended["step"] > begun["step"]
    return Verdict(said, well and last <= (1 + GROWTH) * first)


def _rows(run: Path) -> list[dict]:
    """What is logged of a run so far; half a line is none."""
    file = run / "metrics.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]


def _rate(run: Path, seconds: float) -> float:
    first = _rows(run)[-1]
    time.sleep(seconds)
    return _steps_a_second(first, _rows(run)[-1])


def _steps_a_second(first: dict, last: dict) -> float:
    return (last["step"] - first["step"]) / max(last["seconds"] - first["seconds"], 1e-9)


def _wait(holds: Callable[[], bool], process: subprocess.Popen, seconds: float = 300) -> None:
    end = time.perf_counter() + seconds
    while not holds():
        if time.perf_counter() > end or process.poll() is not None:
            raise SystemExit("training did not begin")
        time.sleep(0.2)


def main() -> int:
    """Prints figures and a verdict; exit code 0 if it holds, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("load", choices=["steps", "frames", "viewer"])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300, help="that clients watch")
    parser.add_argument("--alone", type=float, default=60, help="of training before they come")
    told = parser.parse_args()
    if min(told.steps, told.frames, told.clients, told.seconds, told.alone) <= 0:
        parser.error("numbers must be above 0")
    prepare()
    verdict = {
        "steps": lambda: steps(told.steps),
        "frames": lambda: frames(told.frames),
        "viewer": lambda: viewer(told.clients, told.seconds, told.alone),
    }[told.load]()
    print(f"{verdict.said}\n         {'holds' if verdict.holds else 'DOES NOT HOLD'}")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
