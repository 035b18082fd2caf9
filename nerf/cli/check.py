"""nerf check: the derivatives by hand, held against JAX."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import tyro
from rich.console import Console

from calculus.ledger import LEDGER
from data.errors import InputError
from nerf.check import ledger, show
from nerf.check.ledger import Row
from nerf.check.run import check_run
from nerf.cli.parse import at_least_one, nearest, parse
from nerf.config import replace_text
from nerf.console import bar, console
from nerf.opened import open_run


@dataclass(frozen=True)
class Arguments:
    """Hold derivatives by hand against JAX's: the whole ledger, or a run's own gradients."""

    run: tyro.conf.Positional[Path | None] = None
    """Folder of a run: its scene, config and checkpoint are checked; writes RUN/check.json."""
    rays: int = 64
    """How many of the run's rays are checked."""
    scene: Path | None = None
    """Folder of the run's scene, if it is no longer where it was."""
    rules: tuple[str, ...] = ()
    """Rules of the ledger to check, by name; all by default."""
    json: Path | None = None
    """File to write the ledger's check to."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "check")
    at_least_one(rays=told.rays)
    if told.run is not None:
        if told.rules or told.json:
            raise InputError("--rules and --json are for the ledger: leave out the run, or them")
        return check_run_folder(told.run, told.rays, told.scene)
    return check_ledger(told.rules, told.json)


def check_ledger(names: tuple[str, ...] = (), out: Path | None = None) -> int:
    """Checks the rules of the ledger, all or those named; exit code 1 if any is wrong."""
    known = {rule.name: rule for rule in LEDGER}
    for name in names:
        if name not in known:
            raise InputError(f"--rules {name}: no such rule; {nearest(name, known)}")
    rules = tuple(known[name] for name in names) or LEDGER
    found: list[Row] = []
    with bar("check", 2 * len(rules)) as tick:
        for row in ledger.rows(rules):
            if isinstance(row, str):
                tick(1)
            else:
                found.append(row)
    wide = Console(highlight=False, width=None if console.is_terminal else 160)
    wide.print(show.ledger_table(found))
    wrong = [row.rule for row in found if not row.ok]
    console.print(
        f"{len(found) - len(wrong)} of {len(found)} derivatives by hand are right"
        + (f"; WRONG: {', '.join(wrong)}" if wrong else "")
    )
    if out is not None:
        device = jax.devices()[0]
        about = {
            "device": device.device_kind,
            "jax": jax.__version__,
            "date": time.strftime("%Y-%m-%d"),
            "examples": ledger.MANY,
        }
        rows = [asdict(row) | {"ok": row.ok} for row in found]
        replace_text(out, json.dumps(about | {"rules": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def check_run_folder(run: Path, rays: int, scene: Path | None = None) -> int:
    """Checks a run's gradients and writes RUN/check.json; exit code 1 if any is wrong."""
    opened = open_run(run, scene)
    split = opened.scene("train").splits["train"]
    found = check_run(
        opened.config,
        opened.state,
        split,
        rays,
        lambda what: console.print(f"check    {what}", style="dim"),
    )
    for table in show.run_tables(found):
        console.print(table)
    for name in found.foreign:
        console.print(f"the gradient passes {name}, which no rule derives")
    said = "are right" if found.ok else "are WRONG"
    replace_text(run / "check.json", json.dumps(found.as_dict(), indent=1) + "\n")
    console.print(f"the derivatives of this run {said}; figures in {run / 'check.json'}")
    return 0 if found.ok else 1
