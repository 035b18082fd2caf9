"""How programs are compiled: in tests quickly, in processes that tests start as users have them.

What is compared are numbers, not speed, and most of the suite's time is compilation. Without
optimisation, and with the older way to make loops, it takes half as long. `XLA_FLAGS= make test`
compiles all as users have it.
"""

import os
from pathlib import Path

QUICK = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
"""For XLA_FLAGS, which XLA reads once in a process."""
KEPT = Path(__file__).parents[1] / "build" / "programs"
"""Where programs are kept: what one worker, one process or an emptied cache has compiled the others
read."""


def as_users(**more: str) -> dict[str, str]:
    """The environment of a process that compiles as a user's does; and variables of its own."""
    kept = {k: v for k, v in os.environ.items() if (k, v) != ("XLA_FLAGS", QUICK)}
    return kept | more
