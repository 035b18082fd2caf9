"""Settings that fit a limit, what is said where none do, and memory that runs out."""

import re
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from data import pictures
from data.errors import InputError
from data.load import load
from data.scene import Split
from nerf import cli, memory
from nerf.config import Config, check
from nerf.plan import fit
from nerf.plan.process import plan
from nerf.plan.sizes import Pictures, Sizes
from tests.nerf.commands import CPU
from tests.nerf.conftest import MARBLES, ROOT, tiny

MIB = 2**20


def large(**training) -> Config:
    """A config whose step is most of what it takes."""
    config = Config()
    training = {"samples": 2**22, "rays": 2**17, "spread": 0.0, "exposure": False, **training}
    config = replace(config, training=replace(config.training, **training))
    return replace(config, field=replace(config.field, backdrop=False))


@pytest.mark.parametrize(
    ("text", "bytes"),
    [("2GiB", 2**31), ("1500MB", 15 * 10**8), ("0.5 gib", 2**29), ("800", 800), ("3k", 3000)],
)
def test_sizes_are_read(text, bytes):
    assert memory.bytes_of(text) == bytes


@pytest.mark.parametrize("text", ["", "much", "-2GiB", "0", "2GiX", "1e9", "2 GiB more"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError, match="give a size: 2GiB"):
        check(replace(Config(), memory=text))


def test_what_fits_is_left_alone(marbles, monkeypatch, capsys):
    config = fit.replace_in(Config(), "training", tables="replicated")
    split = marbles.splits["train"]
    for limit in (0, 2**36):  # 0: the device does not say
        monkeypatch.setattr(memory, "available", lambda limit=limit: limit)
        assert fit.fitted(config, split) is config
    assert fit.fitted(replace(config, memory="64GiB"), split).training == config.training
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("limit", ["4GiB", "2GiB", "1500MiB"])
def test_parts_come_first_then_fewer_samples(limit, marbles, capsys):
    config = replace(large(), memory=limit)
    chosen = fit.fitted(config, marbles.splits["train"])
    allowed = memory.bytes_of(limit)
    assert plan(chosen, fit.pictures_of(marbles.splits["train"])).peak * fit.SPARE <= allowed
    training, before = chosen.training, config.training
    assert check(chosen).field == config.field
    if training.samples < before.samples:  # less is learnt from only where parts do not do
        most = replace(before, parts=fit.MOST_PARTS)
        with_parts = fit.replace_in(replace(config, training=most), "occupancy", at_once=2**16)
        assert plan(with_parts).peak * fit.SPARE > allowed
    said = capsys.readouterr().out
    assert said.startswith("memory   ") and said.count("\n") == 1
    assert f"training.parts {training.parts}" in said or "occupancy.at_once" in said


def test_a_run_that_goes_on_stays_what_it_is(marbles):
    config = replace(large(), memory="2GiB")
    with pytest.raises(InputError, match=r"--memory allows 2 GiB .*training.parts"):
        fit.fitted(config, marbles.splits["train"], resumed=True)


@pytest.mark.parametrize(
    ("field", "cells", "size", "mend"),
    [
        ({"log2_rows": 22, "levels": 16}, 64, 50, r"lower field\.log2_rows to 18"),
        ({"trunk_width": 8192, "trunk_layers": 4}, 64, 50, r"lower field\.trunk_width to 2048"),
        ({}, 512, 50, r"lower occupancy\.cells to 128"),
        ({}, 64, 6400, r"raise data\.downscale to 4"),
    ],
)
def test_the_smallest_change_that_fits_is_named(field, cells, size, mend):
    config = replace(large(), memory="2GiB")
    config = replace(config, field=replace(config.field, **field))
    config = replace(config, occupancy=replace(config.occupancy, cells=cells))
    many = np.broadcast_to(np.uint8(0), (10, size, size, 4))
    split = Split(("one",) * 10, many, np.zeros((10, 4)), np.zeros((10, 3, 4)))
    with pytest.raises(InputError, match=rf"the run needs .* --memory allows 2 GiB .*: {mend}$"):
        fit.fitted(config, split)


@pytest.mark.parametrize("cells", [64, 256])
@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("config", [large(), Config(), tiny()], ids=["large", "default", "tiny"])
def test_what_is_tried_last_needs_least(config, devices, cells):
    """Where it does not fit nothing does, and nothing else has to be tried."""
    config = fit.replace_in(config, "occupancy", cells=cells)
    *others, last = (plan(each, devices=devices).peak for each in fit._smaller(config, devices))
    assert len(others) > 10 and last <= min(others)


def test_less_than_a_process_is_never_enough(marbles):
    with pytest.raises(InputError, match="whatever is lowered it needs"):
        fit.fitted(replace(Config(), memory="100MiB"), marbles.splits["train"])


def test_tables_are_dealt_out_where_they_are_large():
    config, pictures = large(), Pictures()
    assert not fit.sharded(config, pictures, 1, 2**20)
    assert not fit.sharded(config, pictures, 8, 2**36)
    huge = fit.replace_in(config, "field", log2_rows=24, levels=16)
    assert fit.sharded(huge, pictures, 8, 2**34)
    whole = plan(fit.replace_in(huge, "training", tables="replicated"), pictures, 8)
    dealt = plan(fit.replace_in(huge, "training", tables="sharded"), pictures, 8)
    of_others = 3 * 4 * Sizes.of(huge).tables * 7 / 8
    assert whole.device - dealt.device == pytest.approx(of_others, rel=0.01)


def test_a_plan_is_printed_from_headers_alone(capsys, monkeypatch):
    def decoded(file):
        raise AssertionError(f"{file} was read")

    monkeypatch.setattr(pictures, "_decoded", decoded)
    with pytest.raises(SystemExit) as end:
        cli.main(["plan", "--scene", str(MARBLES), "--memory", "64GiB"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert "64 picture" in said and "the tables' way back" in said and "it fits as it is" in said
    with pictures.headers_alone():
        split = load(MARBLES, downscale=4).splits["train"]
    assert split.pictures.shape == (64, 50, 50, 4) and split.pictures.strides == (0, 0, 0, 1)


def test_a_plan_says_what_it_would_choose(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["plan", "--training.samples", str(2**22), "--memory", "2GiB"])
    assert end.value.code == 0
    assert "chosen   " in capsys.readouterr().out


def test_memory_that_runs_out_is_said_with_the_plan(tmp_path):
    """A step that asks the system for more than the process may have, for real."""
    program = f"""
        import resource, sys
        from nerf import cli
        from nerf.step import Step
        run, steps = Step.run, []

        def under_a_limit(self, *arguments):
            steps.append(1)
            if len(steps) == 2:  # compiled by then
                with open("/proc/self/statm") as file:
                    pages = int(file.read().split()[0])
                most = pages * resource.getpagesize() + {100 * MIB}
                resource.setrlimit(resource.RLIMIT_AS, (most, most))
            return run(self, *arguments)

        Step.run = under_a_limit
        cli.main(sys.argv[1:])
    """
    flags = "--data.downscale 4 --field.levels 1 --field.log2-rows 12 --training.samples 524288 "
    flags += "--sampling.steps 32 --training.rays 16384 --training.restarts 0 --steps 9 "
    flags += f"--occupancy.cells 4 --scene {MARBLES} --run {tmp_path / 'run'}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), "train", *flags.split()],
        cwd=ROOT, env=CPU, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("nerf: out of memory: the plan is ") and " step " in said
    assert re.search(r"--training\.parts \d+ needs [\d.]+ GiB$", said)


def test_only_what_has_to_be_changed_is_changed(marbles, capsys):
    """A rendering's chunks are what is too large: they are cut, and nothing else."""
    config = replace(Config(), rendering=replace(Config().rendering, memory=4096))
    config = fit.replace_in(config, "training", tables="replicated")
    pictures = fit.pictures_of(marbles.splits["train"])
    large, small = (
        plan(each, pictures).peak
        for each in (config, fit.replace_in(config, "rendering", memory=8))
    )
    assert large > small
    config = replace(config, memory=str(int(fit.SPARE * (large + small) / 2)))
    chosen = fit.fitted(config, marbles.splits["train"])
    assert chosen == fit.replace_in(config, "rendering", memory=fit.CHUNK)
    assert "rendering.memory 8 in place of 4096: " in capsys.readouterr().out
