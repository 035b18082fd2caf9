"""One process at a time in a folder."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import InputError
from data.regular import regular

FILE = "lock"


@contextmanager
def held(folder: Path, busy: str, wait: Callable[[str], object] | None = None) -> Iterator[None]:
    """Holds a folder, which exists, while the context lasts.

    Where another process does, InputError with the line `busy`; with `wait`, which is told that
    line, this one's turn comes when the other is done. The system lets go of it when a process
    ends, however that comes about: nothing is left to be cleared away.
    """
    try:
        file = regular(folder / FILE).open("a")
    except OSError as error:
        raise InputError(f"{folder}: can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise InputError(busy) from None
            wait(busy)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system that knows no locks
            pass
        yield
