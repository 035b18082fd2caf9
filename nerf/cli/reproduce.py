"""nerf reproduce: a run made again, and held against the first."""

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from data.errors import InputError
from nerf.cli.eval import evaluate_run
from nerf.cli.parse import parse
from nerf.cli.train import train_run
from nerf.console import console
from nerf.opened import trained_config_of
from nerf.reproduce import compared, receipt_of, warnings

DIFFERS = 1
"""Exit code where the two runs are not the same."""


@dataclass(frozen=True)
class Arguments:
    """Make a run again from its config, and say whether it came out equal, or where it differs."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    out: Path | None = None
    """Folder of the new run; by default RUN-again."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code: 0 if all is equal, 1 if anything differs."""
    told: Arguments = parse(Arguments, arguments, "reproduce")
    before = receipt_of(told.run)
    config = trained_config_of(told.run)
    out = told.out or told.run.with_name(f"{told.run.resolve().name}-again")
    for why in warnings(before):
        console.print(f"warning  the same bits are not to be expected: {why}")
    config = replace(config, run=out, scene=told.scene or config.scene, evaluate=0)
    _, code = train_run(config, until=before["step"])
    if code:
        return code
    if before.get("evaluation"):
        _measured_alike(out, before["evaluation"])
    lines = compared(told.run, out)
    for line in lines:
        console.print(f"{'equal' if line.equal else 'differs':8} {line.what}: {line.said}")
    if all(line.equal for line in lines):
        console.print(f"{out} is {told.run} to the bit")
        return 0
    return DIFFERS


def _measured_alike(out: Path, evaluation: dict) -> None:
    """Evaluates a run by the protocol of another's evaluation."""
    protocol = evaluation["protocol"]
    try:
        evaluate_run(
            out,
            protocol["split"],
            len(evaluation["views"]),
            exposure=protocol["exposure"] != "not fitted",
        )
    except InputError as error:
        console.print(f"held out nothing is measured: {error}", markup=False)
