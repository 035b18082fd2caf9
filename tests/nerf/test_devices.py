"""One run over several devices and several processes: the same losses, and nobody left waiting."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from data import pictures
from data.errors import InputError
from data.load import load
from data.share import Share
from nerf import devices, memory
from nerf.cli.eval import evaluate_run
from nerf.config import check, write
from nerf.field import rows, vertices
from nerf.plan.fit import fitted
from nerf.state import start
from tests.nerf.conftest import CONFIGS, MARBLES, ROOT, prepared, small_grid, tiny
from tests.nerf.curves import PARTS, STEPS, config_of
from tests.programs import QUICK

TOLERANCE = 2e-10
"""How far losses of the same run in float64 may lie apart, relative to them; derived as follows.

Devices change in which order sums are taken, and nothing else. A sum of n terms in another order
differs by at most 2 (n - 1) u sum |terms|, u = 2^-53 = 1.1e-16 (Higham 2002, section 4.2). An
entry of the gradient adds up at most n = 128 rays x 64 steps, of either sign: where they cancel to
a part 1 / c of their size, its relative error is 2 n u c = 1.8e-12 c. Adam divides by the size of
the entry, so that a step moves each parameter by 0.01 times that, relative error included, whatever
its size; 60 steps by 0.01 x 60 x 1.8e-12 c = 1.1e-12 c. Losses are a few tenths, and so are their
slopes along such a motion: with c = 100, which is cautious on the mean over all entries, that is
1.1e-10. What is measured is 1e-15.
"""
APART = 1e-3
"""What other runs differ by at least: ten million times as much."""
PATIENCE = 60.0
"""Seconds within which a process must have noticed that another is gone."""


def environment(count: int, cache: Path) -> dict[str, str]:
    """That of a process with so many virtual devices, computing in float64."""
    return os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count} {QUICK}",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Programs that several processes compile are compiled once."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def curves(cache):
    """(arguments of tests.nerf.curves) -> the losses by the number of devices."""
    known = {}

    def run(*arguments):
        if arguments not in known:
            done = subprocess.run(
                [sys.executable, "-m", "tests.nerf.curves", *arguments],
                cwd=ROOT,
                env=environment(4, cache),
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout)
            known[arguments] = {int(n): told for n, told in found.items()}
        return known[arguments]

    return run


def apart(a, b):
    """The largest relative difference of two curves."""
    a, b = (np.array(told["losses"]) for told in (a, b))
    assert len(a) == len(b) == STEPS
    return np.max(np.abs(a - b) / np.abs(b))


def same_picture(a, b):
    """Rendered over the devices that the run was trained on; in float32, as pictures are."""
    a, b = (np.array(told["picture"]) for told in (a, b))
    assert a.shape[-1] == 3 and np.ptp(b) > 0.1
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_occupied_rays_train_alike_on_one_two_and_four_devices(curves):
    """Tables dealt out by rows; the occupancy grid is updated on the way, by all devices."""
    found = curves("occupied", "sharded", "1,2,4")
    for count in (2, 4):
        assert apart(found[count], found[1]) < TOLERANCE
        for told in ("rays", "samples"):
            assert found[count][told] == found[1][told] > 0
        assert found[count]["parameters"] == pytest.approx(found[1]["parameters"], rel=TOLERANCE)
        same_picture(found[count], found[1])


def test_coarse_and_fine_train_alike_on_one_and_four_devices(curves):
    found = curves("hierarchical", "replicated", "1,4")
    assert apart(found[4], found[1]) < TOLERANCE
    assert found[1]["losses"][-1] < 0.8 * found[1]["losses"][0], "it learns"
    same_picture(found[4], found[1])


def test_the_tolerance_tells_right_from_wrong(curves):
    """Another seed, and devices that do not add up their gradients, differ by far more."""
    right = curves("hierarchical", "replicated", "1,4")
    assert apart(curves("hierarchical", "replicated", "4", "1")[4], right[1]) > APART
    assert apart(curves("hierarchical", "replicated", "4", "0", "4", "broken")[4], right[1]) > APART


def test_parts_one_after_another_train_as_all_at_once(curves):
    """Rays that are asked everywhere are the same ones, in how many parts soever."""
    whole = curves("hierarchical", "replicated", "1", "0", "1")[1]
    assert apart(curves("hierarchical", "replicated", "1,4")[1], whole) < TOLERANCE


def test_rays_of_all_parts_count_the_same(photographs):
    """Each part fills its samples with as many rays as fit: their numbers differ."""
    config = replace(CONFIGS["occupied"](), field=tiny().field)  # no table: it compiles sooner
    training = replace(config.training, parts=PARTS, samples=1024)
    step, state = prepared(replace(config, training=training), photographs)
    asked = jax.jit(lambda state: step._asked(state, step.batch(state), step.photographs))
    rays, packed = asked(state)
    taken, share = np.asarray(packed.taken), np.asarray(rays.share)
    assert share.shape == (PARTS, 100) and len(set(taken)) > 1
    np.testing.assert_array_equal((share > 0).sum(-1), taken)
    np.testing.assert_allclose(share[share > 0], 1 / taken.sum(), rtol=1e-6)
    assert (packed.filled <= 256).all() and (packed.filled > 256 - 64).all()


def test_rows_that_fill_a_table_up_come_and_go():
    config = config_of("occupied", "sharded")
    _, state = start(config)
    longer = devices.padded(state, config)
    counts = [rows(n, config.field) for n in vertices(config.field)]
    assert any(count % PARTS for count in counts)
    for tree in (longer.params, longer.moments.inner_state[1][0].mu):
        for k, count in enumerate(counts):
            table = np.asarray(tree["fine"]["tables"][k])
            assert len(table) % PARTS == 0 and not table[count:].any()
    again = devices.cut(longer, config)
    for a, b in zip(*map(jax.tree.leaves, (again, state)), strict=True):
        np.testing.assert_array_equal(a, b)
    alone = replace(config, training=replace(config.training, tables="replicated"))
    assert devices.padded(state, alone) is state


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rays": 100, "parts": 3}, "training.rays is 100: it can't be cut into 3 parts"),
        ({"samples": 4097, "parts": 2}, "training.samples is 4097: it can't be cut into 2"),
        ({"samples": 128, "parts": 4}, "one ray in each of 4 parts may need 64"),
        ({"parts": 0}, "training.parts is 0"),
    ],
)
def test_parts_that_can_not_be_are_refused(changes, said):
    config = small_grid()
    with pytest.raises(InputError, match=said):
        check(replace(config, training=replace(config.training, **changes)))


def test_devices_share_parts_evenly_or_not_at_all(monkeypatch):
    def with_parts(parts):
        return replace(tiny(), training=replace(tiny().training, parts=parts))

    monkeypatch.setattr(jax, "devices", lambda: list("abc"))
    with pytest.raises(InputError, match=r"training\.parts is 4: 3 devices"):
        devices.mesh_of(with_parts(4))
    assert devices.mesh_of(with_parts(1)) is None
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    assert devices.resolved(with_parts(None)).training.parts == 8
    assert devices.resolved(with_parts(2)).training.parts == 2


def test_the_plan_says_where_tables_lie(monkeypatch):
    """Large ones are dealt out over several devices, if they are much of what a device has."""
    monkeypatch.setattr(memory, "available", lambda: 2**34)
    config = small_grid()
    fields = {"log2_rows": 24, "level_features": 8, "levels": 8, "finest": 512}
    large = replace(config, field=replace(config.field, **fields))
    for asked, count, tables in (
        (config, 2, "replicated"), (large, 4, "sharded"), (config, 1, "replicated"),
    ):  # fmt: skip
        assert fitted(asked, None, count).training.tables == tables
    told = replace(large, training=replace(large.training, tables="replicated"))
    monkeypatch.setattr(memory, "available", lambda: 2**36)
    assert fitted(told, None, 4).training.tables == "replicated"


def test_each_reads_its_share_of_the_pictures_and_no_other(monkeypatch):
    """Three machines with two devices each, 64 pictures: the last one has two fewer."""
    whole = load(MARBLES, downscale=8, splits=("train",)).splits["train"]
    decoded, read = [], []
    original = pictures._decoded
    monkeypatch.setattr(pictures, "_decoded", lambda file: decoded.append(file) or original(file))
    for machine in range(3):
        decoded.clear()
        share = Share(2 * machine, 2 * machine + 2, 6)
        split = load(MARBLES, downscale=8, splits=("train",), share=share).splits["train"]
        assert len(split) == 64 and split.first == 22 * machine
        assert len(decoded) == len(split.pictures) == (22, 22, 20)[machine]
        np.testing.assert_array_equal(split.poses, whole.poses)
        read.append(split.pictures)
    np.testing.assert_array_equal(np.concatenate(read), whole.pictures)
    assert Share(5, 6, 6).of(5) == slice(5, 5), "more machines than pictures"


def started(cache, folder, command, *arguments):
    """Two processes of two devices each, and the files that they say things into."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both, said = [], []
    for k in range(2):
        said.append(folder / f"said-{k}-{time.monotonic_ns()}")
        told = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
        with said[-1].open("w") as file:
            one = subprocess.Popen(
                [sys.executable, "-m", "nerf.cli", command, *arguments, *told, "--process", str(k)],
                cwd=ROOT,
                env=environment(2, cache),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        both.append(one)
    return both, said


def newest(run):
    """The step of the newest checkpoint."""
    there = [int(at.name) for at in run.glob("checkpoints/*") if at.name.isdecimal()]
    return max(there, default=0)


def rows_of(run):
    """The losses that the run has logged."""
    told = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in told}


def killed(which, run, both, said):
    """Kills one of the processes once there is a new checkpoint; what the other says then."""
    saved, began = newest(run), time.monotonic()
    while newest(run) == saved:
        assert all(one.poll() is None for one in both), [file.read_text() for file in said]
        assert time.monotonic() - began < 300
        time.sleep(0.02)
    both[which].send_signal(signal.SIGKILL)
    both[which].wait()
    began, other = time.monotonic(), both[1 - which]
    assert other.wait(PATIENCE) not in (0, 2)
    while "nerf: " not in (text := said[1 - which].read_text()):
        # where JAX itself has ended the process, its guard speaks for it, a moment later
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.1)
    assert "nerf: " not in said[which].read_text()
    return [line for line in text.splitlines() if line.startswith("nerf: ")]


def guarded(folder, process):
    """The guard of one of two processes; silence is two seconds here, and not 25."""
    patient = "from nerf.processes import guard; guard.SILENT = 2.0; guard.main()"
    return subprocess.Popen(
        [sys.executable, "-c", patient, str(folder), str(process), "2", "start again"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_machine_that_falls_silent_is_noticed(tmp_path):
    """It takes its guard with it: no good-bye, and no news that its process is gone."""
    with guarded(tmp_path, 0) as left, guarded(tmp_path, 1) as vanishing:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "1.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        vanishing.kill()
        try:
            said, _ = left.communicate(timeout=PATIENCE)
        finally:
            left.kill()
    assert said == (
        "nerf: process 1 has not been heard of for 2 s, and process 0 can't go on without it; "
        "start again\n"
    )


def test_a_picture_that_one_machine_alone_can_not_read_ends_all(cache, tmp_path):
    scene = shutil.copytree(MARBLES, tmp_path / "marbles")
    victim = scene / "train" / "r_63.webp"
    victim.write_bytes(victim.read_bytes()[:100])
    arguments = str(ROOT / "configs" / "tiny.toml"), "--scene", str(scene)
    both, said = started(cache, tmp_path, "train", *arguments, "--run", str(tmp_path / "run"))
    try:
        assert [one.wait(PATIENCE) for one in both] == [2, 2]
    finally:
        for one in both:
            one.kill()
            one.wait()
    first, second = ([x for x in f.read_text().splitlines() if "nerf: " in x] for f in said)
    assert len(first) == 1 and first[0].startswith(f"nerf: process 1: {victim}: "), first
    assert not second, "one process speaks for all"
    assert not (tmp_path / "run").exists(), "nothing is left behind"


@pytest.mark.usefixtures("float64")
def test_two_processes_train_alike_though_one_is_killed_and_then_the_other(curves, cache, tmp_path):
    """The second to be killed is the one that coordinates all. Tables lie on every device."""
    write(config_of("occupied", "replicated"), tmp_path / "small.toml")
    run = tmp_path / "run"
    beginning = str(tmp_path / "small.toml"), "--scene", str(MARBLES), "--run", str(run)
    often = "--training.checkpoint-seconds", "0.5"
    both, said = started(cache, tmp_path, "train", *beginning, *often)
    try:
        for which in (1, 0):
            lines = killed(which, run, both, said)
            assert lines == [
                f"nerf: process {which} is gone, and process {1 - which} can't go on without it; "
                f"start all again with --resume {run}"
            ]
            assert newest(run) < STEPS
            both, said = started(cache, tmp_path, "train", "--resume", str(run))
        assert [one.wait(300) for one in both] == [0, 0], [file.read_text() for file in said]
        both, measured = started(cache, tmp_path, "eval", str(run), "--views", "3")
        assert [one.wait(300) for one in both] == [0, 0], [file.read_text() for file in measured]
    finally:
        for one in both:
            one.kill()
            one.wait()
    assert f"trained  {STEPS} steps" in said[0].read_text()
    noise = "[Gloo]"
    spoken = [line for line in said[1].read_text().splitlines() if not line.startswith(noise)]
    assert not spoken, "one process speaks for all"
    assert not (run / ".processes").exists()
    wanted = curves("occupied", "sharded", "1,2,4")[1]["losses"]
    found = rows_of(run)
    assert sorted(found) == [20, 40, 60]
    for step, loss in found.items():
        assert loss == pytest.approx(wanted[step - 1], rel=TOLERANCE)
    # the views were taken in turn, and are those that one process measures
    assert "over 3 views" in measured[0].read_text()
    kept = json.loads((run / "eval" / "metrics.json").read_text())
    alone = evaluate_run(run, views=3)
    assert [view["name"] for view in kept["views"]] == [view["name"] for view in alone["views"]]
    for a, b in zip(kept["views"], alone["views"], strict=True):
        assert a["psnr"] == pytest.approx(b["psnr"], abs=1e-3)
