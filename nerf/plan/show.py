"""A plan as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from nerf.plan.amount import Amount, size
from nerf.plan.process import Plan
from nerf.plan.sizes import on_cpu


def tables(planned: Plan) -> Iterator[Table]:
    """What is kept all the time; and what each program keeps, its fullest phase stage by stage."""
    kept = _table("kept all the time")
    for amount in planned.always:
        _row(kept, amount)
    if on_cpu():
        for amount in planned.beside:
            _row(kept, amount)
    yield kept
    for program in (*planned.training, *planned.rendering):
        shown = _table(program.name)
        for phase in program.phases:
            shown.add_row(phase.name, "", "", size(phase.bytes))
            if phase is program.fullest:
                for amount in phase.amounts:
                    _row(shown, amount, "  ")
        yield shown


def lines(planned: Plan) -> Iterator[str]:
    """The sums, a line each."""
    largest = planned.largest
    where = "device" if planned.devices == 1 else f"each of {planned.devices} devices"
    always = sum(amount.bytes for amount in planned.always)
    yield f"{where:9}{size(always)} all the time, {size(largest.temporary)} in {largest.name}"
    if on_cpu():
        yield f"process  {size(planned.process)} beside it; training's peak {size(planned.peak)}"
    else:
        yield f"peak     {size(planned.peak)} in training"
    yield f"nerf eval {size(planned.peak_of_rendering)}"


def _table(title: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("stage")
    for name in ("bytes each", "how many", "bytes"):
        made.add_column(name, justify="right")
    return made


def _row(table: Table, amount: Amount, before: str = "") -> None:
    if amount.bytes:
        what = f": {amount.what}" if amount.what else ""
        many = f"{amount.many:,} {amount.per}"
        table.add_row(
            f"{before}{amount.stage}{what}", f"{amount.each:,.0f}", many, size(amount.bytes)
        )
