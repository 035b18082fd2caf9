"""Arguments of one command, and what is said of those that can't be."""

import contextlib
import difflib
import io
import re
from collections.abc import Iterable
from typing import Any

import tyro

from data.errors import InputError

MISTAKE = 2
"""Exit code for everything that the user can mend."""


def parse(kind: Any, arguments: list[str], command: str, default: Any = None) -> Any:
    """tyro's parse, with its complaint folded into one line."""
    complaint = io.StringIO()
    extra = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, args=arguments, prog=f"nerf {command}", **extra)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(f"{command}: {_one_line(complaint.getvalue())}") from None


def at_least_one(**counts: int | None) -> None:
    """InputError if a count is below one."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(
                f"--{name.replace('_', '-')} {count}: give a whole number of at least 1"
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was meant, most likely, or all of them."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _one_line(boxed: str) -> str:
    """The first paragraph of tyro's box, and the option that it thinks was meant."""
    boxed = re.sub(r"\x1b\[[0-9;]*m", "", boxed)  # colours
    # title, rule, what is said, rule, hints; on a terminal in a frame that holds the title too
    framed = "╭" in boxed
    lines = [line.strip("│ ") for line in boxed.splitlines() if line[:1] not in "╭╰" or not line]
    parts = [part.strip(" .") for part in re.split(r"[─-]{8,}", " ".join(lines))]
    said = re.split("Got errors:", parts[0 if framed else 1])[0].strip(" .")
    inside = " ".join(parts)
    unknown = re.match(r"Unrecognized options: (-[^\s,]+)", said)
    if not unknown:
        return f"{said}; see --help"
    near = re.search(r"Perhaps you meant:\s*(-[\w.-]+)", inside)
    return f"unknown option {unknown[1]}; " + (f"did you mean {near[1]}?" if near else "see --help")
