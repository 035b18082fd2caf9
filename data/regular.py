"""Only regular files are read: a pipe without a writer, a socket or a device never ends."""

import stat
from pathlib import Path

from data.errors import InputError

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def regular(file: Path) -> Path:
    """The file itself, to be opened; InputError for what is no regular file, nor a link to one.

    What is not there, or can't be looked at, is left to the system's own error on opening it.
    """
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):
        return file
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise InputError(f"{file}: is {kind}; put a regular file there")
    return file
