"""nerf compare: runs side by side."""

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table
from rich.text import Text

from nerf.cli.parse import at_least_one, parse
from nerf.console import console
from nerf.report import compared as report
from nerf.report.comparison import Compared, compare
from nerf.report.page import figure


@dataclass(frozen=True)
class Arguments:
    """Hold evaluated runs against one another: figures, settings that differ, curves, pictures."""

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of the runs, two or more."""
    out: Path | None = None
    """Place of a page about them: FILE.html, with its pictures inside, or a folder, with its
    pictures beside index.html. By default there is the table on the terminal alone."""
    views: int = 12
    """How many views the page shows pictures of, evenly chosen."""
    overwrite: bool = False
    """Replace a page that was made before."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "compare")
    at_least_one(views=told.views)
    compare_runs(told.runs, told.out, told.views, told.overwrite)
    return 0


def compare_runs(
    runs: tuple[Path, ...], out: Path | None = None, views: int = 12, overwrite: bool = False
) -> Compared:
    """Prints a table of runs, and writes a page about them if a place for it is named."""
    if out is not None:
        report.check(out, overwrite)
    compared = compare(runs)
    for line in compared.warnings:
        console.print(f"warning  not comparable as it stands: {line}", markup=False)
    for line in compared.notes:
        console.print(f"note     {line}", markup=False)
    # where no terminal cuts lines nothing is folded
    width = console.width if console.is_terminal else 10_000
    console.print(table(compared), soft_wrap=False, width=width)
    if out is not None:
        file = report.write(compared, out, views)
        console.print(f"page     {file}: opens in a browser", markup=False)
    return compared


def table(compared: Compared) -> Table:
    """Figures, and settings in which the runs differ; a column for each run."""
    made = Table()
    made.add_column("")
    for label in compared.labels:
        made.add_column(Text(label), justify="right", overflow="fold")
    for row in compared.figures:
        best = set() if compared.warnings else row.best
        made.add_row(
            row.name,
            *(
                Text(figure(value, row.digits), style="bold" if k in best else "")
                for k, value in enumerate(row.values)
            ),
        )
    made.add_section()
    for setting in compared.settings:
        made.add_row(Text(setting.name), *map(Text, setting.values))
    return made
