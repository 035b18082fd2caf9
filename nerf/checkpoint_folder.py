"""The folder of a run's checkpoints: what in it is the run's own, and what can be read.

N                           the checkpoint after N steps: a folder with the parts `state` and `memo`
N.orbax-checkpoint-tmp...   one that is being written: RUN/.saving names its N meanwhile
N.before                    one whose place another of the same step is about to take

Nothing else there is read, removed or replaced, and no link is followed. What the system can't read
may be whole: it is told apart from what is broken.
"""

import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.errors import InputError, one_line
from nerf.config import replace_text

STATE, MEMO = "state", "memo"
"""Parts of a checkpoint: arrays, and what is said in JSON. By them a checkpoint is known."""
PARTS_LISTED = "_CHECKPOINT_METADATA"
"""Orbax's file that names a checkpoint's parts: known by it is also one that lacks a part."""
SAVING = ".saving"
"""File of a run that names the step which is being saved, by which half a checkpoint is known; and
those whose saving has failed since the last that did not: orbax may still write, for a while."""
UNFINISHED, BEFORE = ".orbax-checkpoint-tmp", ".before"
STEP = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)

NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""Errors of the system that tell of a file which is gone, or is none: broken, not unreadable."""
OF_SYSTEM = tuple(
    getattr(errno, name)
    for name in (
        "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "ENOSPC", "EDQUOT",
        "EROFS", "ESTALE", "ETIMEDOUT", "ENXIO", "ENODEV", "ENOTCONN", "ECONNRESET", "EHOSTDOWN",
        "EBUSY", "EINTR", "EBADF", "ENOLCK", "EREMOTEIO", "ENOBUFS",
    )
    if hasattr(errno, name)
)  # fmt: skip
"""Of other libraries' errors the text is known by the system's words for these."""
STATUS = re.compile(
    "(RESOURCE_EXHAUSTED|PERMISSION_DENIED|UNAVAILABLE|DEADLINE_EXCEEDED|CANCELLED|ABORTED|"
    "UNAUTHENTICATED|can't start new thread|cannot schedule new futures)"
)
"""How TensorStore, XLA and Python begin to tell of what is no fault of the bytes that were read."""


class BrokenError(Exception):
    """A checkpoint that is not what was written, and how."""


@contextmanager
def reading(at: Path) -> Iterator[None]:
    """Reads a checkpoint: what the system can't do is an InputError, all else a BrokenError."""
    try:
        yield
    except (InputError, BrokenError):
        raise
    except Exception as error:  # broken bytes are met with exceptions of every kind
        if why := of_system(error):
            named = (getattr(each, "filename", None) for each in _chain(error))
            file = next((name for name in named if isinstance(name, str)), at)
            raise InputError(
                f"{file}: can't be read: {why}; it may be whole, and nothing was "
                "changed: mend that, then give the same command again"
            ) from error
        raise BrokenError(reason(error)) from error


def checked(folder: Path) -> Path:
    """The folder, which need not be there; InputError where it leads out of the run."""
    if folder.is_symlink():
        raise InputError(
            f"{folder}: is a link, and what it leads to may be others'; put the folder itself there"
        )
    return folder


def steps(folder: Path) -> list[int]:
    """The steps of the run's own checkpoints that are whole on disk, oldest first."""
    return sorted(int(at.name) for at in _entries(folder) if STEP.fullmatch(at.name) and is_own(at))


def foreign(folder: Path) -> list[Path]:
    """What is in the folder and is none of the run's own, but for what a save leaves half done."""
    there, ours = _entries(folder), _half_done(folder)
    return [  # some may have got their own name meanwhile
        at
        for at in there
        if not (at in ours or (STEP.fullmatch(at.name) and is_own(at))) and os.path.lexists(at)
    ]


def is_own(at: Path) -> bool:
    """Whether something is a checkpoint that this program wrote, broken or not."""
    with reading(at):
        if not _is_folder(at):
            return False
        if _is_folder(at / STATE) and _is_folder(at / MEMO):
            return True
        try:
            return set(json.loads(_text(at / PARTS_LISTED))["item_handlers"]) == {STATE, MEMO}
        except (ValueError, LookupError, TypeError, RecursionError):
            return False


def look_through(at: Path) -> None:
    """Opens all files of a checkpoint.

    BrokenError where one is a link or no file, InputError where one can't be opened.
    """
    with reading(at):
        if at.is_symlink():
            raise BrokenError(LINKS)
        for folder, inside, files in os.walk(at, onerror=_raise):
            for name in inside + files:
                mode = os.lstat(Path(folder, name)).st_mode
                if stat.S_ISLNK(mode):
                    raise BrokenError(LINKS)
                if stat.S_ISREG(mode):
                    with Path(folder, name).open("rb") as file:
                        file.read(1)
                elif not stat.S_ISDIR(mode):
                    raise BrokenError(f"{name} is neither file nor folder")
        if not (at / MEMO).is_dir():
            raise BrokenError("has no memo: it is of an older version, or a part of it is gone")


LINKS = "has links, which could lead out of the run's folder"


def refuse_if_taken(folder: Path, step: int) -> None:
    """InputError where the checkpoint of a step has no place, since something else is there."""
    for there in _entries(folder):
        half = there.name.startswith(f"{step}{UNFINISHED}") and there not in _half_done(folder)
        if half or (there.name == str(step) and not is_own(there)):
            raise InputError(f"{there} is none of this run's checkpoints: move it elsewhere")


def make_room(folder: Path, step: int) -> None:
    """Lets a checkpoint be written, and says in the run that it is being written.

    InputError where something else is in its place.
    """
    refuse_if_taken(folder, step)
    at = folder / str(step)
    try:
        settle(folder)
        begun = dict.fromkeys([*_begun(folder), str(step)])
        replace_text(folder.parent / SAVING, "".join(f"{each}\n" for each in begun))
        if at.exists():
            at.rename(folder / f"{step}{BEFORE}")
    except OSError as error:
        raise InputError(reason(error)) from error


def settle(folder: Path, saved: bool = False) -> None:
    """Removes what saves have left: half a checkpoint, or the one before of its step.

    Nothing is removed that RUN/.saving does not name; where the last was `saved` it names none.
    """
    for at in _half_done(folder):
        step, replaced = at.name.split(".")[0], at.name.endswith(BEFORE)
        if replaced and not (folder / step).exists():
            with suppress(OSError):  # the next one to come tries again
                at.rename(folder / step)
        else:
            shutil.rmtree(at, ignore_errors=True)
    if saved and not _half_done(folder):
        with suppress(OSError):
            (folder.parent / SAVING).unlink()


def remove(folder: Path, steps: list[int]) -> None:
    """Removes some of the run's own checkpoints; one that can't be removed stays."""
    for step in steps:
        if is_own(folder / str(step)):
            shutil.rmtree(folder / str(step), ignore_errors=True)


def of_system(error: BaseException) -> str:
    """What kept the system from reading, in words; empty where it was the bytes."""
    for each in _chain(error):
        if isinstance(each, MemoryError):
            return "out of memory"
        if isinstance(each, OSError) and each.errno and not isinstance(each, NOT_THERE):
            return each.strerror or str(each)
        if not isinstance(each, OSError) and (words := _words(each)):
            return words
        if STATUS.match(str(each)):
            return _short(each)
    return ""


def reason(error: BaseException) -> str:
    """What went wrong, in a line: what the system said, if it was the system."""
    chain = _chain(error)
    for each in chain:
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        if words := _words(each):
            return words
    return _short(chain[-1])


def _words(error: BaseException) -> str:
    """The system's words in the text of an error that has no number, as TensorStore's have none."""
    return next((os.strerror(n) for n in OF_SYSTEM if os.strerror(n) in str(error)), "")


def _short(error: BaseException) -> str:
    return one_line(" ".join(str(error).split()) or type(error).__name__)[:160]


def _chain(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def _half_done(folder: Path) -> list[Path]:
    """What the saves that RUN/.saving names have left in the folder."""
    begun = "|".join(_begun(folder))
    names = re.compile(rf"({begun})({re.escape(UNFINISHED)}.*|{re.escape(BEFORE)})")
    there = _entries(folder) if begun else []
    return [at for at in there if names.fullmatch(at.name) and _is_folder(at)]


def _begun(folder: Path) -> list[str]:
    """The steps that RUN/.saving names."""
    return [line for line in _text(folder.parent / SAVING).split() if STEP.fullmatch(line)]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except NOT_THERE:
        return []
    except OSError as error:
        raise InputError(f"{folder}: can't be read: {error.strerror}") from error


def _is_folder(at: Path) -> bool:
    """Whether it is a folder, and no link to one; OSError where the system does not say."""
    try:
        return stat.S_ISDIR(os.lstat(at).st_mode)
    except NOT_THERE:
        return False


def _text(file: Path) -> str:
    """What a file says; nothing where there is none, or what is there is no file of text."""
    try:
        if stat.S_ISREG(os.lstat(file).st_mode):
            return file.read_text(encoding="utf-8")
    except (*NOT_THERE, UnicodeDecodeError):
        pass
    return ""


def _raise(error: OSError) -> None:
    raise error
