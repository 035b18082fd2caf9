"""nerf doctor: whether this machine is ready, and the cure where it is not."""

from dataclasses import dataclass
from pathlib import Path

from nerf.cli.parse import parse
from nerf.cli.scenes import bundled
from nerf.console import console
from nerf.doctor import device, limits, programs, self_test, versions
from nerf.doctor.finding import Finding, code


@dataclass(frozen=True)
class Arguments:
    """Look this machine over: versions, device, memory, disk, browser, codecs; and a self-test.

    Each line is ok, or a warning with its cure. Exit code 1 if gradients are wrong."""

    run: Path = Path("runs")
    """Folder that runs are to be written to; it need not be there."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "doctor")
    found: list[Finding] = []
    for part in (
        versions.found,
        device.found,
        lambda: limits.found(programs.nearest(told.run)),
        lambda: programs.found(told.run),
        lambda: self_test.found(bundled("marbles")),
    ):
        for each in part():
            console.print(each.line, markup=False)
            found.append(each)
    warnings = sum(bool(each.cure) for each in found)
    console.print(f"{len(found)} lines, {warnings} with a cure" if warnings else "all is well")
    return code(found)
