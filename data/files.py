"""What a scene's files say: JSON checked key by key, and names of files that stay in the folder."""

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from data.errors import InputError
from data.pictures import ENDINGS

MOST_JSON = 2**28
"""Bytes of a JSON file, some hundred thousand frames: more is not read into memory."""


def read_json(file: Path) -> dict[str, Any]:
    """The object that the file holds."""
    try:
        if file.stat().st_size > MOST_JSON:
            raise InputError(f"{file}: is larger than {MOST_JSON} bytes; is it a scene's file?")
        meta = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}, line {error.lineno}: not JSON: {error.msg}; mend it or export the scene again"
        ) from error
    except RecursionError:
        raise InputError(f"{file}: is nested too deeply; export the scene again") from None
    except (OSError, ValueError) as error:  # unreadable, not UTF-8, a number of too many digits
        raise InputError(f"{file}: can't be read: {error}") from error
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
    """The picture that a scene calls `name`, with or without its ending, and whether it exists."""
    named = inside(folder, name, where)
    if named.suffix.lower() in ENDINGS:
        candidates = [named]
    else:  # by Blender's exporter the ending is left out
        candidates = [named.with_name(named.name + ending) for ending in ENDINGS]
    for candidate in candidates:
        if is_file(candidate):
            return candidate, True
    return candidates[0], False


def bare(name: str) -> str:
    """The name without its picture's ending, if it has one: r_1.5 ends in no picture's."""
    named = PurePosixPath(name.replace("\\", "/"))
    return (named.with_suffix("") if named.suffix.lower() in ENDINGS else named).as_posix()


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no system allows names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
