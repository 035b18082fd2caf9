"""Settings: what a TOML file may say, and one line for what it may not."""

import dataclasses
import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

from data.errors import InputError
from nerf import config
from nerf.config import Config, check, read, write

CONFIGS = Path(__file__).parents[2] / "configs"


def test_the_default_preset_is_the_defaults():
    assert read(CONFIGS / "fast.toml") == Config()


@pytest.mark.parametrize("file", ["nerf.toml", "tiny.toml"])
def test_every_other_preset_says_only_what_differs(file):
    told, default = tomllib.loads((CONFIGS / file).read_text()), Config()
    for name, value in told.items():
        section = value if isinstance(value, dict) else {name: value}
        holder = getattr(default, name) if isinstance(value, dict) else default
        for key, chosen in section.items():
            if (name, key) == ("field", "direction_frequencies"):
                continue  # said for the reader: the paper's number
            assert getattr(holder, key) != chosen, f"{file}: {key} = {chosen} is the default"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.name)
def test_a_written_config_reads_back(file, tmp_path):
    config = replace(read(file), scene=Path("here/there"), max_seconds=3.5)
    write(config, tmp_path / "config.toml")
    assert read(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepz = 3", "unknown option stepz; did you mean steps?"),
        ("[field]\ntrunk_widht = 3", "field.trunk_widht; did you mean field.trunk_width?"),
        ("[fields]\nx = 1", "unknown option fields; did you mean field?"),
        ("steps = 'many'", "steps = 'many': must be a whole number"),
        ("steps = 2.5", "must be a whole number"),
        ("steps = true", "must be a whole number"),
        ("steps = 0", "steps is 0: it must be from 1 to 2147483647, a count"),
        ("max_seconds = 'x'", "must be a number"),
        ("derivatives = 'hands'", "must be one of hand, auto, both; did you mean 'hand'?"),
        ("field = 3", "field is a section"),
        ("scene = 3", "scene = 3: must be a path"),
        ("[field]\nencoding = 'hsah'", "one of hash, positional; did you mean 'hash'?"),
        ("[field]\nview = 'sines'", "must be one of harmonics, positional"),
        ("[field]\nfinest = 100000", "field.finest is 100000"),
        ("[training]\nschedule = 'drop'", "one of drops, exponential; did you mean 'drops'?"),
        ("[training]\nsamples = 0", "training.samples is 0: it must be from 1 to"),
        (
            "[training]\nweight_decay = 1.0",
            "training.weight_decay is 1.0: it must be from 0 to below 1",
        ),
        ("[field]\ninclude_input = 1", "must be true or false"),
        ("[field]\ntrunk_skip = 1", "trunk_skip is 1"),
        (
            '[field]\nbackdrop = true\n[sampling]\nstrategy = "hierarchical"',
            "field.backdrop is for sampling.strategy occupied",
        ),
        ("[training]\nbeta1 = 1.0", "training.beta1 is 1.0"),
        ("[training]\nlearning_rate = inf", "training.learning_rate is inf"),
        ("[data]\nbound = nan", "data.bound is nan"),
        ("steps = ", "not a TOML file"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(text, said, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read(file)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(InputError, match=r"did you mean .*mine\.toml\?"):
        read(tmp_path / "mien.toml")


def test_defaults_are_fit_to_run():
    assert check(Config()) == Config()


def test_every_number_has_a_range_that_refuses_what_is_not_finite():
    numbers = {
        name: hint
        for name, hint in described(Config)
        if {int, float} & ({hint} | set(get_args(hint)))
    }
    assert numbers.keys() == config._RANGES.keys()
    for name, hint in numbers.items():
        whole = int in {hint, *get_args(hint)}
        for value in (10**30, -(10**30)) if whole else (math.nan, math.inf, -math.inf, 1e300):
            *section, last = name.split(".")
            value = (value, 1.0) if get_origin(hint) is tuple else value
            changed = replace(getattr(Config(), *section) if section else Config(), **{last: value})
            if section:
                changed = replace(Config(), **{section[0]: changed})
            with pytest.raises(InputError, match=rf"^{name} is .*: it must be from "):
                check(changed)


def described(section, prefix=""):
    """Names and annotations of all settings."""
    for name, hint in get_type_hints(section).items():
        if dataclasses.is_dataclass(hint):
            yield from described(hint, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint
