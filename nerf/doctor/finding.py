"""A line of the doctor's."""

from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """What was found of one thing."""

    what: str
    """The thing, in a word or two."""
    said: str
    """What it is, and, where it is not well, what is wrong."""
    cure: str = ""
    """What to do, a command where one does it; empty if all is well."""
    broken: bool = False
    """Whether nothing can be trusted until it is mended."""

    @property
    def line(self) -> str:
        """`ok` or `warning`, the thing, what it is; and the cure behind a semicolon."""
        mark = "BROKEN" if self.broken else "warning" if self.cure else "ok"
        return f"{mark:9}{self.what:13}{self.said}{f'; {self.cure}' if self.cure else ''}"


def code(findings: Iterable[Finding]) -> int:
    """The exit code: 1 if anything is broken; warnings are none."""
    return int(any(found.broken for found in findings))


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
