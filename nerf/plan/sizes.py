"""What a config asks for, in numbers that the plan counts with."""

from typing import NamedTuple

import jax

from nerf import occupancy
from nerf.config import Config
from nerf.field import (
    BACKDROP_WIDTH,
    direction_features,
    position_features,
    rows,
    vertices,
)

Layers = tuple[tuple[int, int], ...]
"""Of a network: how many numbers each layer is given, and how many it gives."""


class Pictures(NamedTuple):
    """The pictures of a run to be planned; none where no scene is named."""

    number: int = 0
    height: int = 0
    width: int = 0
    masked: bool = False

    @property
    def bytes(self) -> int:
        """Of straight RGBA, a byte each, and a mask if there is one."""
        return self.number * self.height * self.width * (5 if self.masked else 4)


class Sizes(NamedTuple):
    """One device's part of a run."""

    rays: int
    """In one part of a step."""
    samples: int
    """Places where the field is asked, in one part of a step."""
    parts: int
    """That one device goes through one after another."""
    fields: int
    """Networks with their tables: two of the strategy hierarchical."""
    words: int
    """In which the occupied steps of a ray are bits."""
    encoded: int
    """Numbers that the trunk is given of a position."""
    handed_on: int
    """Numbers that the trunk gives: the density's, and those for the head."""
    view: int
    """Numbers that the head is given of a direction."""
    trunk: Layers
    head: Layers
    backdrop: Layers
    tables: int
    """Numbers in all tables of all fields."""
    table: int
    """Numbers in the largest of them."""
    networks: int
    """Numbers in everything else that is learnt."""

    @property
    def parameters(self) -> int:
        """Numbers that are learnt."""
        return self.tables + self.networks

    @classmethod
    def of(cls, config: Config, devices: int = 1) -> "Sizes":
        """Those of a config on one of so many devices."""
        field, sampling, training = config.field, config.sampling, config.training
        hierarchical = sampling.strategy == "hierarchical"
        parts = max(training.parts or 1, devices)
        rays = max(training.rays // parts, 1)
        samples = max(training.samples // parts, 1)
        if hierarchical:
            samples = rays * (2 * sampling.coarse + sampling.fine)
        encoded, view = position_features(field), direction_features(field)
        handed_on, fields = 1 + field.features, 2 if hierarchical else 1
        trunk = _layers(
            encoded, [field.trunk_width] * field.trunk_layers + [handed_on], field.trunk_skip
        )
        head = _layers(field.features + view, [field.head_width] * field.head_layers + [3], 0)
        backdrop = _layers(view, [BACKDROP_WIDTH, 3], 0) if field.backdrop else ()
        tables = [0]
        if field.encoding == "hash":
            tables = [field.level_features * rows(n, field) for n in vertices(field)]
        networks = sum((given + 1) * gives for given, gives in trunk + head + backdrop)
        return cls(
            rays,
            samples,
            -(-parts // devices),
            fields,
            -(-sampling.steps // occupancy.BITS),
            encoded,
            handed_on,
            view,
            trunk,
            head,
            backdrop,
            fields * sum(tables),
            max(tables),
            fields * networks + 3 * config.data.pictures * bool(training.exposure),
        )


def on_cpu() -> bool:
    """Whether blocks are those of a CPU."""
    return jax.default_backend() == "cpu"


def block(count: int, most: int) -> int:
    """Rows of a block, of `count` in as few as hold at most so many (calculus.radiance.blocks)."""
    blocks = max(1, -(-count // most))
    return -(-count // blocks)


def _layers(inputs: int, sizes: list[int], skip: int) -> Layers:
    layers, given = [], inputs
    for number, gives in enumerate(sizes, start=1):
        layers.append((given + inputs if number == skip else given, gives))
        given = gives
    return tuple(layers)
