"""The whole of a run: its programs, and the process around them.

A process takes, from its start on:

    Python, the libraries, JAX's first array                                 STARTED
    compiling: what tracing and compiling leave behind; the C library keeps
    it, in pieces too small for the arrays of a step                         COMPILING
    the pictures as they were read, and again as the device has them         2 x
    parameters, moments and occupancy grid; and a second time as a
    checkpoint while it is written                                           2 x
    measuring held-out views at the end, with programs of its own            EVALUATING
    the temporary arrays of one program at a time: of the largest, then

so its peak is at the largest program's call, the update of the occupancy grid or a step, with all
that is left behind beside it. Programs that were compiled before, and lie on disk
(nerf/machine.py), cost less than COMPILING: the plan is that of a first run.

STARTED, COMPILING and EVALUATING are measured and not derived: x86_64, 2 cores, JAX 0.10.2,
2026-11-30, by scripts/memory.py. On an accelerator the device has what is its own; the process is
beside it.
"""

from typing import NamedTuple

from nerf.config import Config
from nerf.plan import around
from nerf.plan.amount import FLOAT, Amount, Program
from nerf.plan.sizes import Pictures, Sizes, on_cpu
from nerf.plan.step import grid_bytes, state_bytes, step

STARTED = 400 * 10**6
"""Bytes."""
COMPILING = {"occupied": 500 * 10**6, "hierarchical": 200 * 10**6}
"""Bytes, of the programs of a strategy."""
EVALUATING = 230 * 10**6
"""Bytes that measuring held-out views adds when training is done: programs, drawing, pictures."""
COMPILING_A_LEVEL = 22 * 10**6
"""Bytes, of the programs' part for one table: there and back, in the march and in the update."""
COMPILING_A_LAYER = 4 * 10**6
"""Bytes, of the programs' part for one layer of one network (strategy hierarchical)."""


NONE = Pictures()
"""Where no scene is named."""


class Plan(NamedTuple):
    """What a run takes, on one of its devices."""

    config: Config
    pictures: Pictures
    devices: int
    always: tuple[Amount, ...]
    """What is there from beginning to end, on the device."""
    beside: tuple[Amount, ...]
    """What the process has beside that; on a CPU it is the same memory."""
    training: tuple[Program, ...]

    @property
    def largest(self) -> Program:
        """That whose temporary arrays make the peak; held-out views are rendered at the end."""
        programs = self.training + (self.rendering if self.config.evaluate else ())
        return max(programs, key=lambda program: program.temporary)

    @property
    def device(self) -> int:
        """Bytes of the device's memory at the peak of training."""
        return sum(amount.bytes for amount in self.always) + self.largest.temporary

    @property
    def peak(self) -> int:
        """Bytes at the peak of training: of a CPU with the process, of an accelerator without."""
        return self.device + (self.process if on_cpu() else 0)

    @property
    def process(self) -> int:
        """Bytes of the process beside the device's."""
        return sum(amount.bytes for amount in self.beside)

    @property
    def rendering(self) -> tuple[Program, ...]:
        """The programs of rendering."""
        return around.rendering(self.config, Sizes.of(self.config, self.devices))

    @property
    def peak_of_rendering(self) -> int:
        """The same of `nerf eval`, which has parameters and one picture at a time."""
        programs = self.rendering
        arguments = max(program.arguments for program in programs)
        temporary = max(program.temporary for program in programs)
        return arguments + temporary + (STARTED if on_cpu() else 0)


def plan(config: Config, pictures: Pictures = NONE, devices: int = 1) -> Plan:
    """The plan of a run: nothing is made to find it out."""
    sizes = Sizes.of(config, devices)
    held = sizes
    if config.training.tables == "sharded":  # a row of each is gathered for a step, whole
        held = sizes._replace(tables=-(-sizes.tables // devices))
    here = pictures._replace(number=-(-pictures.number // devices))
    cells = grid_bytes(config)
    averaged = held.parameters if config.training.average else 0
    always = (
        Amount("pictures", here.bytes / max(here.number, 1), here.number, "picture"),
        Amount("tables", FLOAT, held.tables, "parameter"),
        Amount("networks", FLOAT, held.networks, "parameter"),
        Amount("moments", 2 * FLOAT, held.parameters, "parameter"),
        Amount("averaged weights", FLOAT, averaged, "parameter"),
        Amount("occupancy grid", 5, cells // 5, "cell"),
    )
    layers = sizes.fields * (len(sizes.trunk) + len(sizes.head))
    compiling = COMPILING[config.sampling.strategy]
    if config.sampling.strategy == "hierarchical":
        compiling += COMPILING_A_LAYER * layers
    if config.field.encoding == "hash":
        compiling += COMPILING_A_LEVEL * config.field.levels * sizes.fields
    beside = (
        Amount("process", STARTED, 1, "process", "Python, libraries, JAX"),
        Amount("compiling", compiling, 1, "run", "what it leaves behind"),
        Amount("evaluation", EVALUATING if config.evaluate else 0, 1, "run", "held-out views"),
        Amount("pictures as read", here.bytes / max(here.number, 1), here.number, "picture"),
        Amount("checkpoint", state_bytes(config, held), 1, "copy of the state"),
    )
    training = [step(config, here, sizes)]
    if cells:
        training += [around.update(config, sizes, everywhere) for everywhere in (True, False)]
    return Plan(config, pictures, devices, always, beside, tuple(training))
