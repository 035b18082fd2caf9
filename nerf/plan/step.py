r"""What a training step keeps, phase by phase.

A program takes all its temporary memory at once, as much as its fullest phase wants. Throughout:

    the gradient of every parameter                                           1
    Adam: one of the two moments in a second place: the new parameters are
    made of the old moments, and the new moments lie where the old ones lay   1        (1)

of strategy occupied, of each ray and each sample of a part of the step:

    a ray: origin, direction, view, photograph, background: five vectors      15
           its pose, which it was made of                                     12
           share, picture, jitter, where its steps begin, how many; and what
           the loss and the watch for dead starts read                        12
           what the head is given of its view                                 V        (2)
    march  the words of its occupied steps, their bits counted, and summed    3 W      (3)
    a sample's ray, distance, length, density, depth and the like             10       (4)

    looking: of RAYS_AT_ONCE rays words, and what is told of them             2 W + 12 (5)
             of SAMPLES_ASKED_AT_ONCE samples what the density takes          E + H + 6 L
    placing: what of a ray's words leads to a sample                          W        (6)
    the way there: the encoding's E numbers, the trunk's H, for which room is
             made before, and the cells of all levels                         E + H + 6 L + 3
    the head: what it is given, twice: as it is, and the cotangent of that,
             for which room is made already; the trunk's E numbers likewise,
             and what it gave; colours, and the point
                                          2 (H - 1 + V) + H + 2 E + 9          (7)
    the head's way back: the same less H, and a block's numbers (network.py)
    the trunk's way back: E numbers twice, a cotangent of H, and a block's
    the tables' way back: the cotangent of E numbers, the point; and of a
             block's points L (8 F + 4) numbers (network.py)                  E + 3    (8)

Of strategy hierarchical a part is gone through in smaller ones (nerf/loss.py), few enough that a
network takes all their samples as one block and keeps what every layer is given. Coarse comes
before fine and is over by then: what counts is the fine network, asked at C + F places of a ray.

    a ray: five vectors, three numbers, what it shows                         20       (9)
           where in its shares it is asked                                    C + F
    a sample of such a smaller part: what is encoded, given to the layers of
             trunk and head, handed on; the widest layer's cotangents, twice           (10)

Where the derivatives are JAX's nothing is known in closed form: it keeps what it computes for as
long as it may be wanted. What it hands from the way there to the way back is counted then, by
tracing; nothing is made for it, either.
"""

import math

import jax

from nerf import loss, rays
from nerf.config import Config
from nerf.plan import network, traced
from nerf.plan.amount import FLOAT, Amount, Phase, Program, numbers
from nerf.plan.sizes import Layers, Pictures, Sizes, on_cpu

Phases = list[tuple[str, tuple[Amount, ...]]]

RAY = 15 + 12 + 12
"""(2) less V."""
SAMPLE = 10
"""(4)."""


def step(config: Config, pictures: Pictures, sizes: Sizes) -> Program:
    """The program of a training step."""
    if config.derivatives == "auto":
        phases = _by_jax(config, sizes)
    elif config.sampling.strategy == "hierarchical":
        phases = _hierarchical(config, sizes)
    else:
        phases = _occupied(config, sizes)
    throughout = renewed(sizes) + _parts(config, sizes)
    state = state_bytes(config, sizes)
    return Program(
        "step",
        state + pictures.bytes,
        state,
        tuple(Phase(name, throughout + amounts) for name, amounts in phases),
    )


def state_bytes(config: Config, sizes: Sizes) -> int:
    """Parameters, two moments, averaged weights if there are any, and the occupancy grid."""
    copies = 4 if config.training.average else 3
    return copies * FLOAT * sizes.parameters + grid_bytes(config)


def grid_bytes(config: Config) -> int:
    """The occupancy grid: depth and a byte for the bit of each cell."""
    return 5 * config.occupancy.cells**3 if config.sampling.strategy == "occupied" else 0


def renewed(sizes: Sizes) -> tuple[Amount, ...]:
    """(1)."""
    return (
        numbers("gradients of tables", 1, sizes.tables, "parameter"),
        numbers("gradients of networks", 1, sizes.networks, "parameter"),
        numbers("Adam", 1, sizes.parameters, "parameter", "a moment while it is renewed"),
    )


def _parts(config: Config, sizes: Sizes) -> tuple[Amount, ...]:
    """Where parts follow one another: the sum of their gradients, and all their rays."""
    if sizes.parts == 1:
        return ()
    waiting = numbers("rays of all parts", 24, sizes.rays * sizes.parts, "ray")
    added = numbers("sum over parts", 1, sizes.parameters, "parameter")
    if config.sampling.strategy == "hierarchical":
        return added, waiting
    placed = numbers("samples of all parts", 4, sizes.samples * sizes.parts, "sample")
    return added, waiting, placed


def _occupied(config: Config, sizes: Sizes) -> Phases:
    field, training = config.field, config.training
    S, R, E, H, V, W = (
        sizes.samples,
        sizes.rays,
        sizes.encoded,
        sizes.handed_on,
        sizes.view,
        sizes.words,
    )
    hashed = field.encoding == "hash"
    a_ray = RAY + V + (2 * config.data.pictures if training.exposure else 0)
    ray = numbers("pixels and rays", a_ray, R, "ray")
    pixel = numbers("loss", 5, R, "ray", "colour, opacity, depth")
    sample = numbers("compositing", SAMPLE + (8 if training.spread else 0), S, "sample")
    point = numbers("points", 3, S, "sample")
    wider = 1 if on_cpu() else rays.WIDER
    kind = "bounded" if config.data.space == "auto" else config.data.space
    at_once = min(wider * rays.RAYS_AT_ONCE[kind], R)
    asked = min(wider * rays.SAMPLES_ASKED_AT_ONCE, S)
    block, given = network.network_block(S), numbers("head, given", H - 1 + V, S, "sample")
    there = (numbers("encoding", E, S, "sample"), numbers("trunk, given on", H, S, "sample"))
    # nobody asks for the cotangent of a position: only of tables for what the trunk is given
    x_bar = numbers("encoding, cotangent", E if hashed else 0, S, "sample")
    if network.in_one_block(S):
        kept = (sizes.trunk[0][0], sizes.head[0][0], H)
        return [
            *_march(ray, W, R, at_once, asked, S, sizes, config),
            (
                "the networks' way back",
                (
                    *(ray, pixel, sample, point),
                    numbers("trunk and head", sum(kept), S, "sample", "what they are given"),
                    numbers("hidden layers", _hidden(sizes), S, "sample"),
                    numbers("activation", 6, S, "sample", "colours raw and with their cotangent"),
                ),
            ),
            *_tables(config, sizes),
        ]
    # where blocks of one size hold more samples than there are, these are copied to fill them up
    filled = given._replace(stage="head, filled up", each=given.each if S % block else 0)
    colours = numbers("activation", 6, S, "sample", "colours raw and with their cotangent")
    head_bar = given._replace(stage="head, cotangent")
    return [
        *_march(ray, W, R, at_once, asked, S, sizes, config),
        (
            "the way there",
            (ray, sample, point, *there, numbers("cells", network.cells(field), S, "sample")),
        ),
        ("the head", (ray, pixel, point, *there, x_bar, given, head_bar, colours)),
        ("the head's blocks", (point, *there, x_bar, given, filled, head_bar, colours)),
        (
            "the head's way back",
            (
                *(ray, pixel, point, there[0], x_bar, given, head_bar, colours),
                _of_a_block(sizes.head, block, sizes),
            ),
        ),
        (
            "the trunk's way back",
            (
                *(ray, point, there[0], x_bar),
                there[1]._replace(stage="trunk, cotangent"),
                _of_a_block(sizes.trunk, block, sizes),
            ),
        ),
        *_tables(config, sizes),
    ]


def _march(ray, W, R, at_once, asked, S, sizes, config):
    """(3), (5), (6)."""
    words = numbers("march", W, R, "ray", "words of occupied steps")
    density = sizes.encoded + sizes.handed_on + network.cells(config.field)
    yield (
        "looking",
        (
            *(ray, words),
            numbers("march", 2 * W + 12, at_once, "ray at once"),
            numbers("march, density", density + W, asked, "sample at once"),
        ),
    )
    yield (
        "placing",
        (
            *(ray, words._replace(each=3 * words.each)),
            numbers("march", W + SAMPLE, S, "sample", "what leads to its step"),
        ),
    )


def _tables(config: Config, sizes: Sizes):
    """(8)."""
    if config.field.encoding == "hash":
        block = network.table_block(sizes.samples)
        yield (
            "the tables' way back",
            (
                numbers("points", 3, sizes.samples, "sample"),
                numbers("encoding, cotangent", sizes.encoded, sizes.samples, "sample"),
                numbers(
                    "gradients of tables", network.added(config.field), block, "sample of a block"
                ),
            ),
        )


def _of_a_block(layers: Layers, block: int, sizes: Sizes) -> Amount:
    """(11)."""
    widths = [given for given, _ in layers]
    widths.append(network.back(layers) // 2)
    each = sum(width for width in widths if width * block > sizes.table)
    return numbers("a block of the network", each, block, "sample of a block")


def _hidden(sizes: Sizes) -> int:
    """What layers but the first are given, as far as (11) does not leave it out."""
    widths = [given for layers in (sizes.trunk, sizes.head) for given, _ in layers[1:]]
    return sum(width for width in widths if width * sizes.samples > sizes.table)


def _by_jax(config: Config, sizes: Sizes) -> Phases:
    kept = traced.handed_on(config, sizes) / sizes.samples
    hierarchical = config.sampling.strategy == "hierarchical"
    ray = numbers("pixels and rays", RAY + (0 if hierarchical else sizes.view), sizes.rays, "ray")
    amount = Amount("what JAX keeps", kept, sizes.samples, "sample", "counted by tracing")
    return [("the way back", (ray, amount))]


def rays_together(config: Config, sizes: Sizes) -> int:
    """Rays of a part that are gone there and back for at once, of the strategy hierarchical."""
    each = 2 * config.sampling.coarse + config.sampling.fine
    limit = loss.SAMPLES_TOGETHER.get(jax.default_backend(), loss.ANYWHERE_ELSE)
    return math.gcd(sizes.rays, 2 ** max(0, (limit // each).bit_length() - 1))


def _hierarchical(config: Config, sizes: Sizes) -> Phases:
    """(9), (10)."""
    C, F, R = config.sampling.coarse, config.sampling.fine, sizes.rays
    together = rays_together(config, sizes)
    S, widest = together * (C + F), max(network.back(sizes.trunk), network.back(sizes.head))
    rays_of_a_part = (
        numbers("pixels and rays", 20, R, "ray"),
        numbers("march", C + F, R, "ray", "where in its shares it is asked"),
    )
    given = network.kept(sizes.trunk, S) + network.kept(sizes.head, S) + sizes.handed_on
    amounts = (
        *rays_of_a_part,
        numbers("trunk and head", given, S, "sample", "what layers are given"),
        numbers("trunk and head, cotangents", widest, S, "sample"),
        numbers("compositing", SAMPLE, S, "sample"),
    )
    phases: Phases = [("the fine network's way back", amounts)]
    if config.field.encoding == "hash":
        added = numbers("sum of gradients", 1, sizes.tables, "parameter")
        for name, those in _tables(config, sizes._replace(samples=S)):
            phases.append((name, (*rays_of_a_part, added, *those)))
    return phases
