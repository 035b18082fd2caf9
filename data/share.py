"""Of many pictures those that one machine of several reads."""

from typing import NamedTuple


class Share(NamedTuple):
    """Pictures are dealt out in turn to `among` places, as many to each: those of some places."""

    begin: int = 0
    """The first place,"""
    end: int = 1
    """and the one behind the last."""
    among: int = 1

    def of(self, count: int) -> slice:
        """Which of so many pictures they are; at the last places there may be none left."""
        each = -(-count // self.among)
        return slice(min(self.begin * each, count), min(self.end * each, count))


ALL = Share()
"""Every picture."""
