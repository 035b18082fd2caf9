"""What a check found, as a table for people, a dict for programs, a plot on request."""

import io
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from calculus.differences import Taylor

Kind = Literal["jacobian", "gradient", "jvp", "vjp"]


@dataclass(frozen=True)
class Comparison:
    """The worst entry of one block of a derivative, against one other way to get it."""

    against: str
    block: str
    """Which output by which argument; empty where there is one of each."""
    index: tuple[int, ...]
    by_hand: float
    other: float
    absolute: float
    relative: float
    """|by_hand - other| / max(|other|, a thousandth of the block's largest)."""
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the worst entry is close enough, and so every entry."""
        return self.relative <= self.tolerance  # False for nan


@dataclass(frozen=True)
class Report:
    """What `check` found. True if the derivative is right; `print` shows it as a table."""

    kind: Kind
    comparisons: tuple[Comparison, ...]
    not_applied: dict[str, str]
    """Ways that were not tried, and why."""
    taylor: Taylor | None
    reason: str | None
    """What the wrong derivative was mistaken for, where that explains the difference."""

    @property
    def ok(self) -> bool:
        """Whether every comparison agrees and the remainder falls as it should."""
        order = self.taylor.order if self.taylor else None
        return bool(
            self.comparisons
            and all(c.ok for c in self.comparisons)
            and (order is None or order > 1.9)
        )

    def __bool__(self) -> bool:
        """`ok`."""
        return self.ok

    def as_dict(self) -> dict[str, Any]:
        """The report for programs: numbers, strings, lists and dicts, fit for JSON."""
        return {
            "ok": self.ok,
            "kind": self.kind,
            "reason": self.reason,
            "comparisons": [asdict(c) | {"ok": c.ok} for c in self.comparisons],
            "not_applied": self.not_applied,
            "taylor": self.taylor and asdict(self.taylor) | {"order": self.taylor.order},
        }

    def __rich__(self):
        """A table for rich."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table("against", "block", "worst at", "by hand", "other", "relative", "")
        for c in self.comparisons:
            index = str(list(c.index)) if c.index else ""
            values = f"{c.by_hand:.7g}", f"{c.other:.7g}", f"{c.relative:.1e}"
            mark = Text("ok", "green") if c.ok else Text("WRONG", "bold red")
            table.add_row(c.against, c.block, index, *values, mark)
        lines = [Text(f"{way}: not tried, {why}") for way, why in self.not_applied.items()]
        if self.taylor:
            order = self.taylor.order
            seen = "no remainder: f is linear along u" if order is None else f"eps^{order:.2f}"
            wanted = (
                "" if order is None or order > 1.9 else "  (eps^2 where the derivative is right)"
            )
            lines.append(Text(f"f(x + eps u) - f(x) - eps J u falls as: {seen}{wanted}"))
        verdict = "the derivative is right" if self.ok else "the derivative is WRONG"
        verdict += f": {self.reason}" if self.reason else ""
        lines.append(Text(verdict, "green" if self.ok else "bold red"))
        return Group(*([table] if self.comparisons else []), *lines)

    def __str__(self) -> str:
        """The table as plain text, 100 columns wide."""
        from rich.console import Console

        out = io.StringIO()
        # a notebook would show the table by itself, and leave nothing in `out`
        Console(file=out, width=100, color_system=None, force_jupyter=False).print(self)
        return out.getvalue().rstrip()

    def plot(self, axes=None):
        """Draws the remainder over eps beside the slopes of order 1 and 2; returns the axes."""
        try:
            import matplotlib.pyplot as plt
        except ModuleNotFoundError:
            raise ModuleNotFoundError("plots need matplotlib: pip install matplotlib") from None
        if self.taylor is None:
            raise ValueError("no remainder was measured: the derivative has the wrong shape")
        axes = plt.gca() if axes is None else axes
        eps, remainders = np.array(self.taylor.eps), np.array(self.taylor.remainders)
        axes.loglog(eps, np.maximum(remainders, 1e-300), "o-", label="remainder")
        top = max(float(remainders[0]), self.taylor.floor)
        for order, style in ((1, ":"), (2, "--")):
            slope = top * (eps / eps[0]) ** order
            axes.loglog(eps, slope, style, color="gray", label=f"eps^{order}")
        axes.axhline(self.taylor.floor, color="gray", linewidth=0.5)
        axes.set(xlabel="eps", ylabel="|f(x + eps u) - f(x) - eps J u|")
        axes.set_ylim(self.taylor.floor * 1e-4, top * 10)
        axes.legend()
        return axes
