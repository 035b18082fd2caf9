"""Sizes that can't be: refused before anything is made, in one line that says why, exit code 2."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import InputError
from data.scene import Split
from nerf import memory
from nerf.config import Config, check, read
from nerf.plan import fit
from tests.nerf.commands import MARBLES, mistake

MARBLES_SMALL = ["--scene", MARBLES, "--data.downscale", "4"]


def changed(**sections) -> Config:
    config = Config()
    return replace(
        config, **{name: replace(getattr(config, name), **to) for name, to in sections.items()}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[field]\nlevels = 0", "field.levels is 0: it must be from 1 to 64"),
        ("[field]\nlevels = 1000000000", "field.levels is 1000000000: it must be from 1 to 64"),
        ("[field]\nlevel_features = 0", "field.level_features is 0: it must be from 1 to 64"),
        ("[field]\ncoarsest = 1", "field.coarsest is 1: it must be from 2 to 4096"),
        ("[field]\nfinest = 1", "field.finest is 1: it must be from 2 to 65536"),
        ("[field]\nfinest = 8", "field.finest is 8: it must be at least field.coarsest (16)"),
        ("[field]\nlog2_rows = 3", "field.log2_rows is 3: it must be from 4 to 28"),
        ("[field]\nlog2_rows = 29", "field.log2_rows is 29: it must be from 4 to 28"),
        ("[field]\nharmonics = 0", "field.harmonics is 0: it must be from 1 to 4"),
        ("[field]\nharmonics = 5", "field.harmonics is 5: it must be from 1 to 4"),
        ("[field]\ntrunk_layers = 0", "field.trunk_layers is 0: it must be from 1 to 64"),
        ("[field]\nhead_width = 10000000", "it must be from 1 to 65536"),
        ("[field]\ndensity_bias = inf", "field.density_bias is inf: it must be from -50 to 50"),
        ("[occupancy]\ncells = 1", "occupancy.cells is 1: it must be from 2 to 1024"),
        ("[occupancy]\ncells = 2000", "occupancy.cells is 2000: it must be from 2 to 1024"),
        ("[occupancy]\nwarm_up = -1", "occupancy.warm_up is -1: it must be from 0 to 2"),
        ("[occupancy]\ndecay = 1.5", "occupancy.decay is 1.5: it must be from 0 to below 1"),
        ("[sampling]\nsteps = 1", "sampling.steps is 1: it must be from 2 to 8192"),
        ("[sampling]\nsteps = 100000", "sampling.steps is 100000: it must be from 2 to 8192"),
        ("[sampling]\ncoarse = 1", "sampling.coarse is 1: it must be from 2 to 8192"),
        ("[training]\nrays = 0", "training.rays is 0: it must be from 1 to 16777216"),
        ("[training]\nrestarts = -1", "training.restarts is -1: it must be from 0 to 2"),
        (
            "[sampling]\nsteps = 100\n[training]\nsamples = 127",
            "training.samples is 127: one ray may need 128 (sampling.steps 100, in words of 32)",
        ),
        ("[data]\nbound = 1e-308", "data.bound is 1e-308: it must be from 1e-06 to 1e+09"),
        ("[field]\ndensity_bias = 1e30", "from -50 to 50, the density starts at exp of it"),
        ("[training]\nlearning_rate = 1e308", "it must be from 1e-12 to 10, a step of Adam's"),
        ("[training]\neps = 1e-300", "training.eps is 1e-300: it must be from 1e-37 to 1"),
        ("[training]\ncheckpoints = 10000000000", "from 1 to 2147483647, a count of 32 bits"),
        ("seed = -1", "seed is -1: it must be from 0 to 4294967295"),
    ],
)
def test_a_size_out_of_range_is_refused_with_the_range(text, said, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read(file)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "sections",
    [
        {"field": {"levels": 1, "coarsest": 2, "finest": 2}},
        {"field": {"levels": 64, "log2_rows": 28}},
        {"sampling": {"steps": 100}, "training": {"samples": 128}},
        {"sampling": {"strategy": "hierarchical"}, "training": {"samples": 1}},
        {"occupancy": {"cells": 2, "warm_up": 0, "decay": 0.0}},
        {"training": {"restarts": 0}},
    ],
)
def test_sizes_at_the_edge_are_allowed(sections):
    config = changed(**sections)
    assert check(config) == config


@pytest.mark.parametrize(
    ("arguments", "most", "advice"),
    [
        (
            ("--field.log2-rows", "28", "--field.levels", "64", "--field.coarsest", "1024"),
            "moments",
            "whatever is lowered it needs",
        ),
        (
            ("--field.log2-rows", "22", "--field.levels", "16"),
            "moments",
            "lower field.log2_rows to 2",
        ),
        (
            ("--field.trunk-width", "16384", "--field.trunk-layers", "3"),
            "moments",
            "lower field.trunk_width to",
        ),
    ],
)
def test_what_memory_can_t_hold_is_refused_before_it_is_made(
    arguments, most, advice, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "available", lambda: 3 * 2**30)
    run = tmp_path / "run"
    said = mistake(capsys, "train", *MARBLES_SMALL, "--run", run, *arguments)
    assert "GiB of memory, a tenth more to be safe; the device has 3 GiB" in said
    assert f"{most} " in said and advice in said
    assert not run.exists(), "nothing is left behind"


def test_pictures_count_too(monkeypatch):
    many = 2**14
    huge = Split(
        names=("one",) * many,
        pictures=np.broadcast_to(np.uint8(0), (many, 2**12, 2**12, 4)),  # 1 TiB that nothing holds
        intrinsics=np.zeros((many, 4)),
        poses=np.zeros((many, 3, 4)),
    )
    monkeypatch.setattr(memory, "available", lambda: 4 * 2**30)
    with pytest.raises(InputError, match=r"pictures 1024 GiB.*: raise data\.downscale to 32$"):
        fit.fitted(Config(), huge)


def test_a_device_that_does_not_say_is_not_judged(photographs, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 0)
    config = changed(field={"levels": 64, "log2_rows": 28})
    chosen = changed(training={"tables": "replicated"}, field={"levels": 64, "log2_rows": 28})
    assert fit.fitted(config, photographs) == chosen, "only the place of the tables is chosen"


def test_the_device_says_how_much_it_has():
    assert memory.available() == 0 or memory.available() > 2**28
