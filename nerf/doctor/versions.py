"""Versions: what is installed, against the oldest and the newest that the suite has passed with."""

import platform
import re
from collections.abc import Iterable, Mapping

from nerf.doctor.finding import Finding
from nerf.report.receipt import versions

TESTED = {
    "python": ("3.11", "3.11"),
    "jax": ("0.10.0", "0.10.2"),
    "jaxlib": ("0.10.0", "0.10.2"),
    "flax": ("0.12.7", "0.12.8"),
    "optax": ("0.2.6", "0.2.8"),
}
"""Oldest and newest: those of constraints-oldest.txt and of constraints.txt."""


def found() -> Iterable[Finding]:
    """A line for each."""
    return judged(versions(tuple(TESTED)[1:]))


def judged(installed: Mapping[str, str]) -> list[Finding]:
    """A line for each of `TESTED`."""
    return [one(name, installed.get(name)) for name in TESTED]


def one(name: str, version: str | None) -> Finding:
    """What is to be said of a version; None if it is not installed."""
    oldest, newest = TESTED[name]
    if name == "python":
        what, mend = "Python", f"make clean, then make setup PYTHON=python{newest}"
        version = version or platform.python_version()
    else:
        what, mend = name, f'python -m pip install "{name}>={oldest},<={newest}"'
    if version is None:
        return Finding(what, "not installed", mend, broken=True)
    if _numbers(version) < _numbers(oldest):
        return Finding(what, f"{version}, older than {oldest}, the oldest that works", mend)
    depth = len(_numbers(newest))
    if _numbers(version)[:depth] > _numbers(newest):
        said = f"{version}, newer than {newest}, the newest that is tested"
        return Finding(what, said, f"if anything fails: {mend}")
    return Finding(what, version)


def _numbers(version: str) -> tuple[int, ...]:
    """The release: of `0.10.2.dev1` 0, 10, 2."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release.group().split("."))) if release else ()
