"""The photographs of a folder: found, checked, and laid out for pycolmap."""

import os
import re
import shutil
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from data.errors import InputError

ENDINGS = (".png", ".webp", ".jpg", ".jpeg")
FEWEST = 3
"""Pictures, from which on there may be a model."""


def photographs(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names, numbers in them by value."""
    files = [f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and f.is_file()]
    files = [file for file in files if not file.name.startswith(".")]
    if len(files) < FEWEST:
        raise InputError(
            f"{folder}: has {len(files)} pictures ({', '.join(ENDINGS)}); structure from motion "
            f"needs {FEWEST} at least, better thirty or more"
        )
    return sorted(files, key=lambda file: (_natural(file.name), file.name))


def check(source: Path, files: Sequence[Path]) -> tuple[int, int]:
    """Width and height of the pictures; InputError if one can't be read or is of another size."""
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        sizes = list(pool.map(_size, files))
    common = max(set(sizes), key=sizes.count)
    odd = [file.name for file, size in zip(files, sizes, strict=True) if size != common]
    if odd:
        raise InputError(
            f"{source}: {len(odd)} of {len(files)} pictures are not {common[0]}x{common[1]} as the "
            f"others are, {odd[0]} the first; put pictures of one size into the folder"
        )
    return common


def prepare(files: Sequence[Path], folder: Path) -> list[str]:
    """Lays pictures out for pycolmap, under names without blanks, which are returned."""
    folder.mkdir()
    names = []
    for number, file in enumerate(files):
        ending = file.suffix.lower()
        webp = ending == ".webp"  # not every build of pycolmap reads it
        names.append(f"{number:06d}{'.png' if webp else ending}")
        if webp:
            with Image.open(file) as image:
                image.convert("RGB").save(folder / names[-1])
        else:
            link(file, folder / names[-1])
    return names


def link(file: Path, to: Path) -> None:
    """The same picture under another name: a hard link, or a copy where none can be made."""
    try:
        os.link(file.resolve(), to)
    except OSError:
        shutil.copyfile(file, to)


def _size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file, formats=("PNG", "WEBP", "JPEG")) as image:
            size = image.size
            image.draft("L", (size[0] // 8, size[1] // 8))  # read to its end, but not worked out
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{file}: too large for a picture: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: can't be decoded; mend or remove it: {reason}") from error
    return size


def _natural(name: str) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]
