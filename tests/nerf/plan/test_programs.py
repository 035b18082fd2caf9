"""The plan of every program is what the compiler says, whatever a config asks for."""

from dataclasses import replace

import jax
import pytest

from nerf.config import Config
from nerf.field import Model
from nerf.plan import compiled, traced
from nerf.plan.process import plan
from nerf.plan.sizes import Pictures, Sizes
from tests.nerf.conftest import small_grid, tiny

WITHIN = 0.15
PICTURES = Pictures(5, 48, 64)


def changed(config: Config, **sections) -> Config:
    """A config with some settings of some sections changed."""
    return replace(
        config, **{name: replace(getattr(config, name), **to) for name, to in sections.items()}
    )


def small() -> Config:
    """The hash grid in few levels, each large enough to be seen."""
    return changed(
        small_grid(),
        field={"levels": 2, "finest": 32, "log2_rows": 13, "level_features": 4},
        sampling={"steps": 128},
        training={"rays": 2048, "samples": 20000, "spread": 0.0, "exposure": False},
        occupancy={"cells": 32},
    )


PARTS = {"rays": 8192, "samples": 80000, "parts": 4, "tables": "replicated"}
ONE_AT_A_TIME = {
    "rays": {"training": {"rays": 16384}},
    "samples": {"training": {"samples": 60000}},
    "few samples": {"training": {"samples": 4096}},
    "levels": {"field": {"levels": 4}},
    "widths": {
        "field": {"features": 47, "trunk_width": 128, "head_width": 96},
        "training": {"average": 0.99},
    },
}
"""What differs from `small`, one thing in each, of widths all."""


@pytest.fixture(autouse=True)
def fused_as_users_have_it(monkeypatch):
    """What is planned is how their programs are cut, which the suite's own way is not."""
    told = compiled.QUICKLY | {"xla_cpu_use_fusion_emitters": True}
    monkeypatch.setattr(compiled, "QUICKLY", told)


def off(said: int, found: int) -> float:
    """By how much, relative to what is found."""
    return abs(said / found - 1)


def holds(config: Config, *names: str) -> None:
    """The plan of some programs, the first ones, or of all against the compiler's account."""
    planned = plan(config, PICTURES)
    said = {program.name: program for program in (*planned.training, *planned.rendering)}
    lowered = compiled.programs(config, PICTURES.number, PICTURES.height, PICTURES.width)
    left = set(names or said)
    while left:
        name, program = next(lowered)
        if name not in left:
            continue
        left.remove(name)
        found = compiled.taken(program)
        for what in ("arguments", "output", "temporary"):
            a, b = getattr(said[name], what), getattr(found, what)
            # what a program is told in single numbers, the learning rate say, is no plan's matter
            assert off(a, b) < WITHIN or abs(a - b) < 2000, (name, what, a, b)
    assert names or not list(lowered)


def test_all_programs_of_occupied_space():
    holds(small())


def test_a_step_in_parts():
    holds(changed(small(), training=PARTS, field={"levels": 1}), "step")


@pytest.mark.long
@pytest.mark.parametrize("what", ONE_AT_A_TIME)
def test_a_step_of_another_size(what):
    holds(changed(small(), **ONE_AT_A_TIME[what]), "step")


def test_more_cells_in_portions():
    config = changed(small(), occupancy={"cells": 64, "at_once": 2**14})
    holds(config, "occupancy, all cells", "occupancy, half of them")


@pytest.mark.parametrize(
    "sizes",
    [
        {"training": {"rays": 256}},
        pytest.param(
            {"training": {"rays": 4096}, "sampling": {"fine": 80}}, marks=pytest.mark.long
        ),
    ],
    ids=["as it is", "rays and fine"],
)
def test_coarse_and_fine(sizes):
    config = changed(tiny(), training={"spread": 0.0, "exposure": False}, field={"backdrop": False})
    holds(changed(config, **sizes))


def test_derivatives_by_jax():
    holds(replace(changed(small(), field={"levels": 1}), derivatives="auto"), "step")


def test_parameters_are_those_of_the_model():
    for config in (small(), tiny(), changed(small(), field={"backdrop": True})):
        sizes = Sizes.of(config)
        params = jax.eval_shape(lambda config=config: Model.create(config)[1])
        assert sizes.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))
        tables = [p.get("tables", ()) for p in params.values()]
        assert sizes.tables == sum(leaf.size for leaf in jax.tree.leaves(tables))


def test_what_the_rules_keep_of_a_sample():
    """To the byte what the residuals of all rules of a step are, a sample at a time."""
    config = changed(small(), training={"rays": 64, "samples": 9000})
    more = changed(config, training={"samples": 10000})
    kept = [traced.handed_on(each, Sizes.of(each)) for each in (config, more)]
    s = Sizes.of(config)
    head = s.head[0][0]
    # what trunk and head are given; the view beside the features; point, raw colour and colour;
    # raw density, density, length, distance; its ray
    assert kept[1] - kept[0] == 1000 * 4 * (s.encoded + head + s.view + 9 + 4 + 1)
