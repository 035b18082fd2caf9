"""Joining the other processes of a command, for those that can share their work."""

from nerf import processes
from nerf.console import console
from nerf.processes import Joining


def join(told: Joining) -> None:
    """Joins them if the flags say so; all but the first are quiet from then on."""
    processes.join(told)
    console.quiet = not processes.is_first()
