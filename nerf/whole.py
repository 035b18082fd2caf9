"""Files that are written whole or not at all, and places that are tried before any work."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.errors import InputError, one_line


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

    Makes its folder. A file that can't be finished leaves what was there before; OSError then,
    which names the file.
    """
    with naming(file, instead=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".part-") as beside:
            part = Path(beside) / file.name
            write(part)
            put(part, file)


@contextmanager
def replacing(file: Path, part: Path) -> Iterator[Path]:
    """Lets `part` be written, which then takes the place of `file`; as `whole`, without a folder of
    its own. A process that is killed leaves `part`, and the next one writes over it; InputError
    where that is a link, or no file."""
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise InputError(f"{part}: is in the way of {file.name}, and no file; move it elsewhere")
    with naming(file, instead=True):
        try:
            yield part
            put(part, file)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def put(part: Path, file: Path) -> None:
    """Gives a finished file its name. It is flushed to disk first, and its folder afterwards: a
    power cut leaves the file before or this one, and not an empty one of this name."""
    _flush(part)
    part.replace(file)
    _flush(file.parent)


@contextmanager
def naming(file: Path, instead: bool = False) -> Iterator[None]:
    """The system's errors that name no file name this one: of a write to a full disk it is not
    known. With `instead` so do those that name another."""
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename is not None and not instead):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(file)) from error


def complaint(error: OSError) -> str:
    """The system's reason in a line: which file, what, and how much a full disk has left."""
    reason = error.strerror or str(error)
    if not error.filename:
        return one_line(reason)
    file = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
    room = f"{free(Path(file))}; make room" if error.errno == errno.ENOSPC else ""
    return one_line(f"{file}: {reason}{room}")


def free(at: Path) -> str:
    """How much room the disk has on which a file lies or would lie; empty if nobody knows."""
    while not at.exists() and at != at.parent:
        at = at.parent
    try:
        usage = shutil.disk_usage(at)
    except OSError:
        return ""
    return f" ({usage.free / 1e6:,.1f} MB free of {usage.total / 1e6:,.0f} MB)"


def _flush(at: Path) -> None:
    descriptor = os.open(at, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that can't flush this kind of thing
            raise
    finally:
        os.close(descriptor)
