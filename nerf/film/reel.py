"""Frames that are kept beside the output until the film is whole: none is rendered twice.

.NAME.frames/receipt.json   what the frames are of; only those of the very same film are used
.NAME.frames/0000.png       one frame each, written whole or not at all
"""

import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data.errors import InputError
from data.regular import regular
from nerf import lock, ours
from nerf.config import replace_text
from nerf.console import console
from nerf.film import write

RECEIPT = "receipt.json"
LEFT = re.compile(
    rf"{re.escape(RECEIPT)}|\.{re.escape(RECEIPT)}\.new|{lock.FILE}|\d{{4,}}\.part|palette\.bmp|"
    r"film\.(mp4|gif|webp)"
)
"""Files among the frames that are none, whole or not."""


class Reel:
    """The frames of a film that is being made."""

    def __init__(self, out: Path, receipt: dict[str, Any], count: int, size: tuple[int, int]):
        """A film of `count` frames of one width and height, which its receipt tells from others."""
        self._out, self._receipt, self._count, self._size = out, receipt, count, size
        self.folder = out.parent / f".{out.name}.frames"
        self._digits = max(4, len(str(count - 1)))
        self.told: dict[str, Any] = {}
        """What was found out on the way, and goes for the frames that are kept as well."""

    def file(self, frame: int) -> Path:
        """Where a frame lies, or will."""
        return self.folder / f"{frame:0{self._digits}d}.png"

    @contextmanager
    def opened(self) -> Iterator[list[int]]:
        """Makes the folder this film's; gives the frames that it holds already, each decoded.

        Those of another film go, and broken ones are told. InputError if it can't be written, or if
        another process is at it.
        """
        ours.check(self.folder, _is_own)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._out}: can't be written: {error.strerror}") from error
        refusal = f"{self._out}: another process is rendering it; wait, or name another --out"
        with lock.held(self.folder, refusal):
            yield self._kept()

    def _kept(self) -> list[int]:
        found = _receipt_of(self.folder)
        if found.get("film") != self._receipt:
            for old in self.folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
                elif old.name != lock.FILE:
                    old.unlink()
            self._tell()
            return []
        self.told = found.get("told", {})
        there = [k for k in range(self._count) if self.file(k).exists()]
        whole = [k for k in there if _is_whole(self.file(k), self._size)]
        if broken := sorted(set(there) - set(whole)):
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            console.print(
                f"warning  {self.file(broken[0])}{more}: cut off, changed, or of another size; "
                "rendered again",
                markup=False,
            )
        return whole

    def note(self, **told: Any) -> None:
        """Keeps what was found out for frames to come."""
        self.told |= told
        self._tell()

    def _tell(self) -> None:
        text = json.dumps({"film": self._receipt, "told": self.told}, indent=1)
        replace_text(self.folder / RECEIPT, text + "\n")

    def add(self, frame: int, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """Keeps a frame."""
        write.save_png(picture, self.file(frame))

    def finish(self, fps: float | int, overwrite: bool | None = None) -> None:
        """Makes the film, and removes what was kept for it; `overwrite` as in `write.check`."""
        files = [self.file(k) for k in range(self._count)]
        write.assemble(files, self._out, fps, overwrite)
        with suppress(InputError):  # what was put there meanwhile stays
            ours.remove(self.folder, _is_own)


def _receipt_of(folder: Path) -> dict[str, Any]:
    """What the receipt among some frames holds; nothing if there is none, or a broken one."""
    try:
        found = json.loads(regular(folder / RECEIPT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_own(at: Path) -> bool:
    """Whether it is what the making of a film leaves among its frames.

    Beside a receipt a frame is known by its name, spoilt or not.
    """
    if at.is_symlink():
        return False
    if at.is_dir():
        return at.name in write.FOLDERS and write.only_pictures(at)
    if write.PICTURE.fullmatch(at.name):
        return ours.wrote(at) or (at.is_file() and "film" in _receipt_of(at.parent))
    return bool(LEFT.fullmatch(at.name))


def _is_whole(file: Path, size: tuple[int, int]) -> bool:
    """Whether a frame is what was kept: of this size, each of its sums right, and all decoded."""
    try:
        with Image.open(regular(file), formats=("PNG",)) as picture:
            if picture.size != size or picture.mode != "RGB":
                return False
            picture.verify()
        with Image.open(file, formats=("PNG",)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error):
        return False
    return True
