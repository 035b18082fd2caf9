r"""What the programs around a training step keep: the occupancy grid's update, and rendering.

The update asks the density of all its cells, or of half of them, at once (nerf/occupancy.py):

    a cell asked: the encoding's E numbers, the trunk's H, for which room is
    made before, the cells of all levels, and its number                      E + H + 6 L + 1  (1)
    or fewer at once, and of each that is asked place and density             6
    before that the random bits of its place, which are made by halves        14

Rendering takes chunks of rays (nerf/render.py). Those that look for occupied cells have a number
for each step, and six for themselves                                         32 W + 6         (2)
(unbounded their steps are counted as they are made, without                  2 W + 12).

Of a chunk's rays with a few samples each, whichever of these is most:

    the way there: (1) with the point in the place of a cell's number         E + H + 6 L + 3  (3)
    the trunk: the encoding, what comes of it, and a block's                  E + H            (4)
    the head: what it is given, colours, and a block's                        H - 1 + V + 3    (5)

where a block has what a layer is given and gives, and of more blocks its own inputs once more. Of
the strategy hierarchical those that are given the encoding a second time have it, too.
"""

from nerf.config import Config
from nerf.occupancy import BITS
from nerf.plan import network
from nerf.plan.amount import FLOAT, Phase, Program, numbers
from nerf.plan.sizes import Sizes, block
from nerf.plan.step import state_bytes
from nerf.render import SAMPLES_A_ROUND, rays_in_memory, rays_that_look_in_memory


def update(config: Config, sizes: Sizes, everywhere: bool) -> Program:
    """The program that asks cells anew."""
    cells = config.occupancy.cells**3
    asked = cells if everywhere else 2 * (cells // 4)
    at_once = block(asked, config.occupancy.at_once or asked)
    E, H = sizes.encoded, sizes.handed_on
    each = E + H + network.cells(config.field) + 1
    waiting = numbers("cells asked", 0 if at_once == asked else 6, asked, "cell")
    state = state_bytes(config, sizes)
    rows, width = network.network_block(at_once), network.there(sizes.trunk, at_once)
    # asked everywhere, nobody reads which cells were occupied
    return Program(
        "occupancy, all cells" if everywhere else "occupancy, half of them",
        state - (cells if everywhere else 0),
        state,
        (
            Phase(
                "drawing",
                (
                    numbers("cells asked", 14, asked, "cell", "random bits of their places"),
                    numbers("cells", 0 if everywhere else 1, cells, "cell", "occupied so far"),
                ),
            ),
            Phase("the way there", (waiting, numbers("cells at once", each, at_once, "cell"))),
            Phase(
                "the trunk",
                (
                    waiting,
                    numbers("cells at once", E + H, at_once, "cell"),
                    numbers("a block of the network", width, rows, "cell of a block"),
                ),
            ),
        ),
    )


def rendering(config: Config, sizes: Sizes) -> tuple[Program, ...]:
    """The programs of a chunk of rays; the first one looks for occupied cells, if there are any."""
    R, E, H, V = rays_in_memory(config), sizes.encoded, sizes.handed_on, sizes.view
    hierarchical = config.sampling.strategy == "hierarchical"
    a_ray = SAMPLES_A_ROUND
    if hierarchical:
        a_ray = config.sampling.coarse + config.sampling.fine
    S = R * a_ray
    W = sizes.words
    ray = numbers("pixels and rays", 20 + V + (0 if hierarchical else W), R, "ray")
    rows = network.network_block(S)
    once_more = not network.in_one_block(S)

    def of_block(layers):
        each = network.there(layers, S)
        return numbers("a block of the network", each, rows, "sample of a block")

    phases = (
        Phase(
            "the way there",
            (
                ray,
                numbers("encoding", E, S, "sample"),
                numbers("trunk, given on", H if once_more else 0, S, "sample"),
                numbers("cells", network.cells(config.field) + 3, S, "sample"),
            ),
        ),
        Phase(
            "the trunk",
            (
                ray,
                numbers("encoding", E, S, "sample"),
                numbers("trunk, given on", H if once_more else 0, S, "sample"),
                of_block(sizes.trunk),
            ),
        ),
        Phase(
            "the head",
            (
                ray,
                numbers("head, given", H - 1 + V, S, "sample"),
                numbers("activation", 3, S, "sample"),
                of_block(sizes.head),
            ),
        ),
    )
    parameters = FLOAT * sizes.parameters
    shown = 20 * R
    if hierarchical:
        return (Program("rendering", parameters + 8 * R, shown, phases),)
    looking, cells = rays_that_look_in_memory(config), config.occupancy.cells**3
    each = 2 * W + 12 if config.data.space == "unbounded" else BITS * W + 6
    found = Phase("steps", (numbers("march", each, looking, "ray"),))
    return (
        Program("looking", cells + 8 * looking, (8 + 12 + 4 * W) * looking, (found,)),
        Program("rendering", parameters + (4 * W + 40) * R, shown, phases),
    )
