"""What stages keep: so many bytes for each ray, sample, parameter; phases and programs of them."""

from typing import NamedTuple

FLOAT = 4
"""Bytes of a number, float32 or int32."""


class Amount(NamedTuple):
    """What one stage keeps."""

    stage: str
    each: int | float
    """Bytes."""
    many: int
    """Of how many."""
    per: str
    """What there are so many of: a ray, a sample, a parameter."""
    what: str = ""
    """Which numbers these are."""

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return round(self.each * self.many)


class Phase(NamedTuple):
    """What a program keeps at one time."""

    name: str
    amounts: tuple[Amount, ...]

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(amount.bytes for amount in self.amounts)


class Program(NamedTuple):
    """One program of a run, as the compiler counts."""

    name: str
    arguments: int
    """Bytes that it is given and that are somebody else's: state, pictures."""
    output: int
    """Bytes that it gives back in new places; those that take the place of arguments not."""
    phases: tuple[Phase, ...]

    @property
    def fullest(self) -> Phase:
        """The phase that keeps most: a program takes as much from its beginning."""
        return max(self.phases, key=lambda phase: phase.bytes)

    @property
    def temporary(self) -> int:
        """Bytes while it runs."""
        return self.fullest.bytes


def numbers(stage: str, each: int | float, many: int, per: str, what: str = "") -> Amount:
    """So many float32 or int32 for each."""
    return Amount(stage, FLOAT * each, many, per, what)


def size(count: int | float) -> str:
    """Bytes in words: 1.5 GiB, 312 MiB."""
    for unit, each in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= each:
            return f"{count / each:{'.0f' if count >= 100 * each else '.3g'}} {unit}"
    return f"{count:.0f} B"
