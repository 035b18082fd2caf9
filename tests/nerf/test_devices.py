"""One run over several devices and several processes: the same losses, and nobody left waiting."""

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from data import pictures
from data.errors import InputError
from data.load import load
from data.share import Share
from nerf import cli, devices, memory
from nerf.cli.eval import evaluate_run
from nerf.config import DataConfig, RenderingConfig, check, write
from nerf.field import rows, vertices
from nerf.plan.fit import fitted
from nerf.rays import Photographs
from nerf.render import Renderer
from nerf.state import start
from nerf.step import Step
from nerf.step import _programs as step_programs
from nerf.train import train
from tests.nerf.conftest import CONFIGS, MARBLES, ROOT, prepared, small_grid, tiny
from tests.programs import QUICK

PARTS, STEPS = 4, 40
TOLERANCE = 2e-10
"""How far losses of the same run in float64 may lie apart, relative to them; derived as follows.

Devices change in which order sums are taken, and nothing else. A sum of n terms in another order
differs by at most 2 (n - 1) u sum |terms|, u = 2^-53 = 1.1e-16 (Higham 2002, section 4.2). An
entry of the gradient adds up at most n = 128 rays x 64 steps, of either sign: where they cancel to
a part 1 / c of their size, its relative error is 2 n u c = 1.8e-12 c. Adam divides by the size of
the entry, so that a step moves each parameter by 0.01 times that, relative error included, whatever
its size; 60 steps, of which no run here takes more, by 0.01 x 60 x 1.8e-12 c = 1.1e-12 c. Losses
are a few tenths, and so are their slopes along such a motion: with c = 100, which is cautious on
the mean over all entries, that is 1.1e-10. What is measured is 1e-15.
"""
APART = 1e-3
"""What other runs differ by at least: ten million times as much."""
PATIENCE = 60.0
"""Seconds within which a process must have noticed that another is gone."""


def forked(count, log, do, arguments):
    """What a forked process does, over so many virtual devices and in float64."""
    said = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count} {QUICK}"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    do(*arguments)


@pytest.fixture(scope="module")
def fork():
    """(devices, file for what is said, function, arguments) -> a process.

    Forked from one that has imported everything, so that it costs a second and not five.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "nerf.cli.train"])

    def begin(*arguments):
        process = context.Process(target=forked, args=arguments)
        process.start()
        return process

    return begin


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


def curve(split, config, count):
    """The losses of each step over so many devices, the last parameters, what they show."""
    mesh = Mesh(np.array(jax.devices()[:count]), (devices.AXIS,))
    if count == 1 and config.training.tables == "replicated":
        mesh = None
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


def all_curves(file):
    """Writes curves by (strategy, devices, seed, parts), and one of devices that add up nothing."""
    split, found = load(MARBLES, downscale=8, splits=("train",)).splits["train"], {}
    asked = [("occupied", "sharded", count, 0, PARTS) for count in (1, 2, 4)]
    given = (1, 0, PARTS), (4, 0, PARTS), (4, 1, PARTS), (1, 0, 1)
    asked += [("hierarchical", "replicated", *each) for each in given]
    for strategy, tables, count, seed, parts in asked:
        found[f"{strategy} {count} {seed} {parts}"] = curve(
            split, config_of(strategy, tables, seed, parts), count
        )
    jax.clear_caches()
    step_programs.cache_clear()
    devices.summed = lambda gradient, config, axis: gradient
    found["broken"] = curve(split, config_of("hierarchical", "replicated"), 4)
    file.write_text(json.dumps(found))


@pytest.fixture(scope="module")
def curves(fork, tmp_path_factory):
    """What `all_curves` finds, by one process of four devices."""
    folder = tmp_path_factory.mktemp("curves")
    process = fork(4, folder / "log", all_curves, (folder / "found.json",))
    process.join()
    assert process.exitcode == 0, (folder / "log").read_text()
    return json.loads((folder / "found.json").read_text())


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
    one, *others = (curves[f"occupied {count} 0 4"] for count in (1, 2, 4))
    for found in others:
        assert apart(found, one) < TOLERANCE
        for told in ("rays", "samples"):
            assert found[told] == one[told] > 0
        assert found["parameters"] == pytest.approx(one["parameters"], rel=TOLERANCE)
        same_picture(found, one)


def test_coarse_and_fine_train_alike_on_one_and_four_devices(curves):
    """And all at once, without parts. Another seed, and devices that do not add up their gradients,
    differ by far more: the tolerance tells right from wrong."""
    four, one = (curves[f"hierarchical {count} 0 4"] for count in (4, 1))
    assert apart(four, one) < TOLERANCE
    assert one["losses"][-1] < 0.8 * one["losses"][0], "it learns"
    same_picture(four, one)
    assert apart(one, curves["hierarchical 1 0 1"]) < TOLERANCE
    for wrong in ("hierarchical 4 1 4", "broken"):
        assert apart(curves[wrong], one) > APART


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


def command(*arguments):
    """What one of several processes does."""
    cli.main([str(each) for each in arguments])


@pytest.fixture
def pair(fork, tmp_path):
    """(arguments) -> two processes of two devices each, and the files that they say things into."""
    begun = []

    def start(*arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        told = [*arguments, "--distributed", "--coordinator", f"127.0.0.1:{port}"]
        told += ["--processes", 2, "--process"]
        said = [tmp_path / f"said-{k}-{len(begun)}" for k in range(2)]
        both = [fork(2, said[k], command, (*told, k)) for k in range(2)]
        begun.extend(both)
        return both, said

    yield start
    for one in begun:
        one.kill()


def codes(both, patience):
    """The exit codes of processes that have so many seconds to end."""
    for one in both:
        one.join(patience)
    return [one.exitcode for one in both]


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
        assert all(one.is_alive() for one in both), [file.read_text() for file in said]
        assert time.monotonic() - began < 300
        time.sleep(0.02)
    both[which].kill()
    assert codes([both[1 - which]], PATIENCE)[0] not in (None, 0, 2)
    # where JAX itself has ended the process, its guard speaks for it, a moment later
    until(lambda: "nerf: " in said[1 - which].read_text())
    assert "nerf: " not in said[which].read_text()
    lines = said[1 - which].read_text().splitlines()
    return [line for line in lines if line.startswith("nerf: ")]


@pytest.fixture
def guards(tmp_path):
    """The guards of two processes at work; silence is two seconds here, and not 25."""
    patient = "from nerf.processes import guard; guard.SILENT = 2.0; guard.main()"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", patient, str(tmp_path), str(k), "2", "start again"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for k in range(2)
    ]  # fmt: skip
    until(lambda: all((tmp_path / f"{k}.json").exists() for k in range(2)))
    yield both
    for one in both:
        one.kill()
        one.wait()
        for pipe in (one.stdin, one.stdout, one.stderr):
            pipe.close()


def until(so):
    """Waits, PATIENCE at most."""
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_machine_that_falls_silent_is_noticed(guards):
    """It takes its guard with it: no good-bye, and no news that its process is gone."""
    left, vanishing = guards
    vanishing.kill()
    assert left.communicate(timeout=PATIENCE)[0] == (
        b"nerf: process 1 has not been heard of for 2 s, and process 0 can't go on without it; "
        b"start again\n"
    )


def test_a_guard_speaks_for_a_process_that_went_with_another(guards, tmp_path):
    """JAX ends the others once the process that coordinates is gone: nobody hears their guards."""
    first, second = guards
    second.stdout.close()
    first.stdin.close()
    until(lambda: '"is gone"' in (tmp_path / "0.json").read_text())
    second.stdin.close()
    assert second.stderr.read() == (
        b"nerf: process 0 is gone, and process 1 can't go on without it; start again\n"
    )


def test_a_picture_that_one_machine_alone_can_not_read_ends_all(pair, tmp_path):
    scene = shutil.copytree(MARBLES, tmp_path / "marbles")
    victim = scene / "train" / "r_63.webp"
    victim.write_bytes(victim.read_bytes()[:100])
    run = tmp_path / "run"
    both, said = pair("train", ROOT / "configs" / "tiny.toml", "--scene", scene, "--run", run)
    assert codes(both, PATIENCE) == [2, 2]
    first, second = ([x for x in f.read_text().splitlines() if "nerf: " in x] for f in said)
    assert len(first) == 1 and first[0].startswith(f"nerf: process 1: {victim}: "), first
    assert not second, "one process speaks for all"
    assert not run.exists(), "nothing is left behind"


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kills", [[1], pytest.param([1, 0], marks=pytest.mark.long)])
def test_two_processes_train_alike_though_one_is_killed_and_then_the_other(
    kills, curves, pair, tmp_path
):
    """The second to be killed is the one that coordinates all. Tables lie on every device."""
    config = replace(config_of("occupied", "replicated"), scene=MARBLES, evaluate=3)
    write(config, tmp_path / "small.toml")
    run = tmp_path / "run"
    often = "--training.checkpoint-seconds", 0.2
    both, said = pair("train", tmp_path / "small.toml", "--run", run, *often)
    for which in kills:
        assert killed(which, run, both, said) == [
            f"nerf: process {which} is gone, and process {1 - which} can't go on without it; "
            f"start all again with --resume {run}"
        ]
        assert newest(run) < STEPS
        both, said = pair("train", "--resume", run, *often)
    assert codes(both, 300) == [0, 0], [file.read_text() for file in said]
    first, second = (file.read_text() for file in said)
    assert f"trained  {STEPS} steps" in first
    noise = "[Gloo]"
    spoken = [line for line in second.splitlines() if not line.startswith(noise)]
    assert not spoken, "one process speaks for all"
    assert not (run / ".processes").exists()
    wanted, found = curves["occupied 1 0 4"]["losses"], rows_of(run)
    assert sorted(found) == [20, 40]
    for step, loss in found.items():
        assert loss == pytest.approx(wanted[step - 1], rel=TOLERANCE)
    # the views were taken in turn, and are those that one process measures
    assert "over 3 views" in first
    kept = json.loads((run / "eval" / "metrics.json").read_text())
    alone = evaluate_run(run, views=3)
    assert [view["name"] for view in kept["views"]] == [view["name"] for view in alone["views"]]
    for a, b in zip(kept["views"], alone["views"], strict=True):
        assert a["psnr"] == pytest.approx(b["psnr"], abs=1e-3)
