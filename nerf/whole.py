"""Files that are written whole or not at all, and places that are tried before any work."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from data.errors import InputError


def writable(file: Path, said: str) -> None:
    """InputError, which begins with `said`, if no file can be put there; makes nothing."""
    there = file.parent
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        if file.is_dir():
            raise InputError(f"{said}: is a folder; name a file")
        # permissions alone do not say it: a file system may be read-only, or take no files
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(f"{said}: can't be written: {error.strerror or error}") from error


def whole(file: Path, write: Callable[[Path], object]) -> None:
    """Has a file written under another name beside it, and renamed when it is done.

    Makes its folder. A file that can't be finished leaves what was there before.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".part-") as beside:
        part = Path(beside) / file.name
        write(part)
        part.replace(file)
