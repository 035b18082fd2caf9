"""What a run needs of the device's memory at least, against what there is."""

import math
import os
from typing import NamedTuple

import jax

from data.errors import InputError
from data.scene import Split
from nerf.config import Config
from nerf.field import Model, position_features

COPIES = 5
"""Of each parameter: itself, its gradient, Adam's two moments, and one while they are renewed."""


class Need(NamedTuple):
    """One of the things that a run keeps."""

    what: str
    bytes: int
    mend: str
    """What to do for it to need less."""


def available() -> int:
    """Bytes of memory of the device that JAX computes on; 0 where it doesn't say."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        return host()
    return (device.memory_stats() or {}).get("bytes_limit", 0)


def host() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def needs(config: Config, split: Split) -> tuple[Need, ...]:
    """What training keeps on the device: lower bounds, nothing is made to find them out."""
    params = jax.eval_shape(lambda: Model.create(config)[1])
    tables = networks = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        size = 4 * COPIES * math.prod(leaf.shape)
        if "tables" in jax.tree_util.keystr(path):
            tables += size
        else:
            networks += size
    cells = samples = 0
    if config.sampling.strategy == "occupied":
        cells = 2 * 5 * config.occupancy.cells**3  # depth and bit, and those of the next grid
        # distance, density, colour; and features with their cotangents
        samples = 4 * config.training.samples * (5 + 2 * position_features(config.field))
    return (
        Need("tables", tables, "lower field.log2_rows, field.levels or field.level_features"),
        Need("networks", networks, "lower field.trunk_width, field.features or field.head_width"),
        Need("occupancy grid", cells, "lower occupancy.cells"),
        Need("samples of a step", samples, "lower training.samples"),
        Need("pictures", split.pictures.nbytes, "raise data.downscale"),
    )


def refuse_too_large(config: Config, split: Split) -> None:
    """InputError if the device can't hold what a run keeps: said before anything is made."""
    there, wanted = available(), needs(config, split)
    total = sum(need.bytes for need in wanted)
    if not there or total <= there:
        return
    most = max(wanted, key=lambda need: need.bytes)
    raise InputError(
        f"the run needs at least {total / 2**30:.1f} GiB of memory, the device has "
        f"{there / 2**30:.1f} GiB; {most.bytes / 2**30:.1f} GiB of it are for the {most.what}: "
        f"{most.mend}"
    )
