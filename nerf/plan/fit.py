"""Settings that fit a limit of memory; and what is said where none do, or where memory runs out.

What is changed, in this order, and only as far as it must be: `occupancy.at_once` and
`rendering.memory`, which change nothing that is learnt; `training.parts`, with which sums are taken
in another order; then `training.samples` and `training.rays`, by halves, with which a step learns
from less. The field is never changed: what it would take is said.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from typing import Any

from data.errors import InputError
from data.scene import Split
from nerf import memory, processes
from nerf.config import Config, check
from nerf.console import console
from nerf.occupancy import BITS
from nerf.plan.amount import size
from nerf.plan.process import Plan, plan
from nerf.plan.sizes import Pictures

SPARE = 1.1
"""Times the plan that must be there: by about so much it may be off."""
MOST_PARTS = 64
"""Parts that a step is cut into for memory's sake: with more, what is not cut is most of it."""
CELLS_AT_ONCE = 2**16
"""Cells of the occupancy grid that are asked at once where memory is short."""
CHUNK = 8
"""MiB that a chunk of rays takes in a rendering where memory is short."""
LARGE = 0.25
"""Part of a device's memory from which on tables, with all that goes with them, are dealt out."""


def pictures_of(split: Split | None) -> Pictures:
    """The pictures of a split, as the plan counts them."""
    if split is None:
        return Pictures()
    return Pictures(len(split), split.height, split.width, split.masks is not None)


def limit_of(config: Config) -> int:
    """Bytes that training may take of a device: as the config says, or all; 0 if unknown.

    Of several processes all go by the one that has least.
    """
    if config.memory is not None:
        return memory.bytes_of(config.memory)
    return min(processes.exchange(memory.available()))


def fitted(config: Config, split: Split | None, devices: int = 1, resumed: bool = False) -> Config:
    """The config, with parts, samples and rays that fit its memory; says in one line what it chose.

    And with the tables' place, where that is left to the plan.

    InputError with the plan's numbers, and the smallest change that would do, where none fit; or
    where any would have to be changed of a run that is resumed, which stays what it is.
    """
    limit, pictures = limit_of(config), pictures_of(split)
    if config.training.tables == "auto" and not resumed:
        dealt = sharded(config, pictures, devices, limit)
        config = replace_in(config, "training", tables="sharded" if dealt else "replicated")
    asked = plan(config, pictures, devices)
    if not limit or fits(asked, limit):
        return config
    chosen = None if resumed else choice(config, pictures, devices, limit)
    if chosen is None:
        raise InputError(too_large(asked, limit))
    console.print(f"memory   {chosen_in_words(config, chosen)}", markup=False)
    return chosen.config


def fits(planned: Plan, limit: int) -> bool:
    """Whether a plan stays within so many bytes, though it be off."""
    return planned.peak * SPARE <= limit


def choice(config: Config, pictures: Pictures, devices: int, limit: int) -> Plan | None:
    """The plan of the first settings that fit, from what changes least on; None where none do."""
    tries = list(_smaller(config, devices))
    if not fits(plan(tries[-1], pictures, devices), limit):  # it needs least of all
        return None
    for tried in tries:
        planned = plan(tried, pictures, devices)
        if fits(planned, limit):
            break
    for section in ("rendering", "occupancy"):  # what turned out to be no part of the matter
        back = replace(planned.config, **{section: getattr(config, section)})
        if back != planned.config and fits(without := plan(back, pictures, devices), limit):
            planned = without
    return planned


def chosen_in_words(before: Config, chosen: Plan) -> str:
    """The settings that were changed, and what the plan then takes."""
    told = [
        f"{name} {new}" + (f" in place of {old}" if old else "")
        for name, old, new in _changes(before, chosen.config)
    ]
    limit = size(limit_of(before))
    return f"{', '.join(told) or 'as it was'}: {size(chosen.peak)} of {limit}"


CHOSEN = (
    "occupancy.at_once",
    "rendering.memory",
    "training.parts",
    "training.samples",
    "training.rays",
)
"""Settings that are chosen."""


def _changes(before: Config, after: Config) -> list[tuple[str, Any, Any]]:
    values = [(name, attrgetter(name)(before), attrgetter(name)(after)) for name in CHOSEN]
    return [(name, old, new) for name, old, new in values if old != new]


def too_large(planned: Plan, limit: int) -> str:
    """What a plan needs, what for, and the smallest change of one setting that fits."""
    whose = "--memory allows" if planned.config.memory else "the device has"
    return (
        f"the run needs {size(planned.peak)} of memory, a tenth more to be safe; {whose} "
        f"{size(limit)} ({in_words(planned)}): {_smallest(planned, limit)}"
    )


def in_words(planned: Plan) -> str:
    """The plan in half a line."""
    parts = {amount.stage: amount.bytes for amount in planned.always}
    told = {
        "tables": parts["tables"],
        "networks": parts["networks"],
        "moments": parts["moments"],
        "pictures": parts["pictures"],
        "occupancy grid": parts["occupancy grid"],
        planned.largest.name: planned.largest.temporary,
    }
    if planned.peak != planned.device:
        told["process"] = planned.process
    large = sorted(told.items(), key=lambda item: -item[1])[:4]
    return ", ".join(f"{name} {size(bytes)}" for name, bytes in large)


@contextmanager
def explained(config: Config, split: Split | None = None, devices: int = 1) -> Iterator[None]:
    """Turns a device's `out of memory` into an InputError with the plan of training's numbers."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        planned = plan(config, pictures_of(split), devices)
        mend = _smallest(planned, planned.peak)
        raise InputError(
            f"out of memory: the plan is {size(planned.peak)} ({in_words(planned)}), "
            f"{size(memory.available())} were there; {mend}"
        ) from error


@contextmanager
def rendering_explained(config: Config) -> Iterator[None]:
    """The same of rendering."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        planned = plan(config)
        largest = max(planned.rendering, key=lambda program: program.temporary)
        less = max(config.rendering.memory // 2, 1)
        smaller = plan(replace_in(config, "rendering", memory=less))
        raise InputError(
            f"out of memory: the plan of rendering is {size(planned.peak_of_rendering)} "
            f"({largest.name} {size(largest.temporary)}), {size(memory.available())} were there; "
            f"rendering.memory = {less} in the run's config.toml needs "
            f"{size(smaller.peak_of_rendering)}"
        ) from error


def ran_out(error: Exception) -> bool:
    """Whether memory is what an error of JAX's is about."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def sharded(config: Config, pictures: Pictures, devices: int, limit: int) -> bool:
    """Whether tables are better dealt out over the devices than kept whole on each.

    Where a plan with whole ones does not fit, or where these, with moments, gradient and what is
    renewed, take a LARGE part of a device's memory.
    """
    if devices == 1 or config.field.encoding != "hash":
        return False
    whole = plan(replace_in(config, "training", tables="replicated"), pictures, devices)
    tables = next(amount.bytes for amount in whole.always if amount.stage == "tables")
    return bool(limit) and (not fits(whole, limit) or 5 * tables > LARGE * limit)


def _smaller(config: Config, devices: int) -> Iterator[Config]:
    """Configs that need less and less, from what changes least on; the last needs least."""
    training, occupied = config.training, config.sampling.strategy == "occupied"
    yield config
    if occupied and config.occupancy.at_once is None and config.occupancy.cells**3 > CELLS_AT_ONCE:
        config = replace_in(config, "occupancy", at_once=CELLS_AT_ONCE)
        yield config
    if config.rendering.memory > CHUNK:
        config = replace_in(config, "rendering", memory=CHUNK)
        yield config
    first = max(training.parts or 1, devices)
    least = -(-config.sampling.steps // BITS) * BITS
    samples, rays = training.samples, training.rays
    while True:
        parts = first
        while parts <= max(first, MOST_PARTS):
            if not rays % parts and not (occupied and (samples % parts or samples < least * parts)):
                chosen = training.parts if parts == first else parts
                yield replace_in(config, "training", parts=chosen, samples=samples, rays=rays)
            parts *= 2
        if rays < 2 * first or (occupied and samples // 2 < least * first):
            return
        rays //= 2
        if occupied:
            samples //= 2


HALVED = {
    "field": ("log2_rows", "trunk_width", "head_width"),
    "occupancy": ("cells",),
}


def _smallest(planned: Plan, limit: int) -> str:
    """The smallest change that fits: flags for what is chosen elsewhere, or one setting more."""
    smaller = choice(planned.config, planned.pictures, planned.devices, limit)
    if smaller is None:
        return _mend(planned, limit)
    flags = [f"--{name} {new}" for name, _, new in _changes(planned.config, smaller.config)]
    return f"{' '.join(flags)} needs {size(smaller.peak)}"


def _mend(planned: Plan, limit: int) -> str:
    """The smallest change of one setting that the step can't do without, with which all fits."""
    config, pictures, devices = planned.config, planned.pictures, planned.devices
    for times in range(1, 12):
        found = []
        for name, changed, smaller in _changed(config, pictures, times):
            chosen = choice(changed, smaller, devices, limit)
            if chosen is not None:
                found.append((chosen.peak, name))
        if found:
            return max(found)[1]
    *_, least = _smaller(config, devices)
    needed = size(SPARE * plan(least, pictures, devices).peak)
    return f"whatever is lowered it needs {needed}: give it as much"


def _changed(
    config: Config, pictures: Pictures, times: int
) -> Iterator[tuple[str, Config, Pictures]]:
    if pictures.number:
        factor = 2**times
        small = pictures._replace(height=pictures.height // factor, width=pictures.width // factor)
        if small.height and small.width:
            down = factor * config.data.downscale
            yield (
                f"raise data.downscale to {down}",
                replace_in(config, "data", downscale=down),
                small,
            )
    for section, names in HALVED.items():
        for name in names:
            now = getattr(getattr(config, section), name)
            less = now - times if name == "log2_rows" else now // 2**times
            try:
                changed = check(replace_in(config, section, **{name: less}))
            except InputError:
                continue
            yield f"lower {section}.{name} to {less}", changed, pictures


def replace_in(config: Config, section: str, **changes: Any) -> Config:
    """A config with some settings of one section changed."""
    return replace(config, **{section: replace(getattr(config, section), **changes)})
