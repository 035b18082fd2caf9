"""What a scene's files say: JSON checked key by key, and names of files that stay in the folder."""

import json
import math
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from data.errors import InputError, words
from data.pictures import ENDINGS, FOREIGN, is_picture
from data.regular import regular

MOST_JSON = 2**28
"""Bytes of a JSON file, some hundred thousand frames: more is not read into memory."""


def read_json(file: Path) -> dict[str, Any]:
    """The object that the file holds."""
    try:
        if regular(file).stat().st_size > MOST_JSON:
            raise InputError(f"{file}: is larger than {MOST_JSON} bytes; is it a scene's file?")
        meta = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}, line {error.lineno}: not JSON: {error.msg}; mend it or export the scene again"
        ) from error
    except RecursionError:
        raise InputError(f"{file}: is nested too deeply; export the scene again") from None
    except (OSError, ValueError) as error:  # unreadable, not UTF-8, a number of too many digits
        raise InputError(f"{file}: can't be read: {words(error)}") from error
    if not isinstance(meta, dict):
        raise InputError(f"{file}: holds a {type(meta).__name__}, not an object with frames")
    return meta


def value(holder: Any, key: str, kind: type, where: object) -> Any:
    """holder[key], of that kind; a whole number is a float too."""
    found = holder.get(key) if isinstance(holder, dict) else None
    if kind is float and isinstance(found, int) and not isinstance(found, bool):
        found = float(found) if abs(found) < 10**300 else float("inf")
    if not isinstance(found, kind):
        said = "is missing" if found is None else f"is a {type(found).__name__}"
        raise InputError(f"{where}: {key} {said}; it must be a {kind.__name__}")
    return found


def number(
    holder: Any,
    key: str,
    where: object,
    low: float = -1e9,
    high: float = 1e9,
    unit: str = "",
) -> float:
    """holder[key] as a float from `low` to `high`, of that unit; InputError for any other."""
    found: float = value(holder, key, float, where)
    if not low <= found <= high:  # nor is NaN
        finite = "" if math.isfinite(found) else "finite, "
        unit = f" {unit}" if unit else ""
        raise InputError(
            f"{where}: {key} is {found:g}; it must be {finite}from {low:g} to {high:g}{unit}"
        )
    return found


def inside(folder: Path, name: str, where: str) -> Path:
    """The file that a scene calls `name`; InputError where that isn't in the folder.

    It goes by the name alone: links that the user has put into the folder are followed. The
    separators of Windows are taken for what they were meant as.
    """
    depth = 0
    named = PurePosixPath(name.replace("\\", "/"))
    for part in named.parts:
        depth += -1 if part == ".." else 1
        if part == "/" or depth < 0 or PureWindowsPath(name).drive:
            raise InputError(
                f"{where}: {name!r} leads out of the scene's folder; put the file into the folder "
                "and name it from there"
            )
    if depth == 0:
        raise InputError(f"{where}: {name!r} names no picture")
    return folder / named


def picture(folder: Path, name: str, where: str) -> tuple[Path, bool]:
    """The picture that a scene calls `name`, with or without its ending, and whether it exists.

    The ending may be written in capitals on disk. InputError for a picture in a format that can't
    be read, which lies there under that name.
    """
    named = inside(folder, name, where)
    known = named.suffix.lower() in ENDINGS
    if known:
        stem, endings = named.with_suffix(""), [named.suffix, named.suffix.lower()]
    else:  # by Blender's exporter the ending is left out
        stem, endings = named, list(ENDINGS)
    endings += [ending.upper() for ending in endings]
    candidates = [stem.with_name(stem.name + ending) for ending in endings]
    for candidate in candidates:
        if is_file(candidate):
            return candidate, True
    foreign = [named] if named.suffix.lower() in FOREIGN else []
    foreign += [stem.with_name(stem.name + e) for f in FOREIGN for e in (f, f.upper())]
    for candidate in [] if known else foreign:
        if is_file(candidate):
            raise InputError(f"{where}: {candidate.name} is {_unread(candidate)}")
    return candidates[0], False


class Stems:
    """Pictures by their folder and their name without its ending; each folder is listed once."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, Path | None]] = {}

    def find(self, folder: Path, name: str, where: str) -> tuple[Path, bool]:
        """As `picture`; where it doesn't exist, the one of the same stem, whatever its ending."""
        file, exists = picture(folder, name, where)
        other = None if exists else self.alike(file)
        return (file, exists) if other is None else (other, True)

    def alike(self, file: Path) -> Path | None:
        """The only picture that differs from `file` by its ending alone."""
        if file.parent not in self._listed:
            found: dict[str, Path | None] = {}
            for other in listing(file.parent):
                if is_picture(other):
                    found[other.stem] = None if other.stem in found else other
            self._listed[file.parent] = found
        return self._listed[file.parent].get(file.stem)


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of names; nothing where it can't be listed."""
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


def lying(folder: Path) -> str:
    """How many files of which ending lie in a folder, in words, to go behind what is missing."""
    counts = Counter(f.suffix.lower() for f in listing(folder) if not f.name.startswith("."))
    common = [(ending, count) for ending, count in counts.most_common(3) if ending]
    if not common:
        return ""
    said = f"; {folder} holds {', '.join(f'{count} {ending}' for ending, count in common)}"
    unread = [FOREIGN[ending] for ending, _ in common if ending in FOREIGN]
    return said + (
        f" ({', '.join(unread)} can't be read: convert to PNG or JPEG)" if unread else ""
    )


def _unread(file: Path) -> str:
    """What is said of a picture in a format that can't be read."""
    return (
        f"a picture in the format {FOREIGN[file.suffix.lower()]}, which can't be read; convert the "
        "pictures to PNG or JPEG"
    )


def bare(name: str) -> str:
    """The name without its picture's ending, if it has one: r_1.5 ends in no picture's."""
    named = PurePosixPath(name.replace("\\", "/"))
    return (named.with_suffix("") if named.suffix.lower() in ENDINGS else named).as_posix()


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no system allows names none, nor does a folder.

    InputError for a pipe, a device or a socket, which would be said to be missing.
    """
    try:
        return not path.is_dir() and regular(path).is_file()
    except (OSError, ValueError):
        return False
