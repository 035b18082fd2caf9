"""What a check found, as tables."""

from rich.table import Table
from rich.text import Text

from nerf.check.ledger import MANY, Row
from nerf.check.run import Found


def ledger_table(rows: list[Row]) -> Table:
    """One line a rule, by page."""
    table = Table(
        title=f"every derivative by hand; time and memory of {MANY} examples, value and pullback",
        caption="errors relative to the largest entry; differences are central, in float64",
    )
    left = ("rule", "entry", "float64")
    for name in (*left, "differences", "float32", "(JAX's)"):
        table.add_column(name, justify="left" if name in left[:2] else "right")
    for name in ("us", "(JAX)", "KiB", "(JAX)", ""):
        table.add_column(name, justify="right")
    table.add_column("on the path of training")
    page = ""
    for row in rows:
        if row.page != page:
            page = row.page
            table.add_section()
            table.add_row(Text(page.removeprefix("calculus."), "bold"))
        table.add_row(
            row.rule,
            " ".join(row.ids),
            f"{row.error_64:.0e}",
            f"{row.differences:.0e}",
            f"{row.error_32:.0e}",
            f"{row.error_32_jax:.0e}",
            f"{row.seconds * 1e6:.0f}",
            f"{row.seconds_jax * 1e6:.0f}",
            f"{row.bytes / 1024:.0f}",
            f"{row.bytes_jax / 1024:.0f}",
            _mark(row.ok),
            row.path,
        )
    return table


def run_tables(found: Found) -> tuple[Table, Table]:
    """The run's parameters by group, and the stages of its rays."""
    groups = Table(
        title=f"gradient of the loss at step {found.step}, {found.rays} rays: by hand against JAX",
        caption="slope: along a random direction of the group; central differences, float64",
    )
    for name in ("parameters", "arrays", "float64", "float32", "slope by hand", "differences", ""):
        groups.add_column(name, justify="left" if name == "parameters" else "right")
    for group in found.groups:
        groups.add_row(
            group.name,
            str(len(group.parameters)),
            f"{max(p.error_64 for p in group.parameters):.0e}",
            f"{max(p.error_32 for p in group.parameters):.0e}",
            f"{group.slope:.6g}",
            f"{group.slope_by_differences:.6g}",
            _mark(group.ok),
        )
    stages = Table(
        title="stages of the ray, on what this run gives them: pullback by hand against JAX"
    )
    for name in ("stage", "calls", "float64", "float32", "", "gradient"):
        stages.add_column(name, justify="left" if name in ("stage", "gradient") else "right")
    for stage in found.stages:
        stages.add_row(
            stage.rule,
            str(stage.calls),
            f"{stage.error_64:.0e}",
            f"{stage.error_32:.0e}",
            _mark(stage.ok),
            "passes" if stage.trained else "does not pass",
        )
    return groups, stages


def _mark(ok: bool) -> Text:
    return Text("ok", "green") if ok else Text("WRONG", "bold red")
