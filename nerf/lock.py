"""One process at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import InputError

FILE = "lock"


@contextmanager
def held(folder: Path, refusal: str) -> Iterator[None]:
    """Holds a folder, which exists, while the context lasts.

    InputError with this refusal where another process does. The system lets go of it when a process
    ends, however that comes about: nothing is left to be cleared away.
    """
    try:
        file = (folder / FILE).open("a")
    except OSError as error:
        raise InputError(f"{folder}: can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(refusal) from None
        except OSError:  # a file system that knows no locks
            pass
        yield
