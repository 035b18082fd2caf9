"""Pictures that this program wrote: each names it (Software), and they alone are ever replaced."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from data.errors import InputError

SOFTWARE = "nabla-nerf"


def png() -> dict[str, Any]:
    """What Pillow is to be told when it saves a PNG."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", SOFTWARE)
    return {"format": "PNG", "pnginfo": info}


def wrote(file: Path) -> bool:
    """Whether a file is a PNG of this program, or an empty one, as a full disk leaves them."""
    if file.is_symlink() or not file.is_file() or file.suffix != ".png":
        return False
    if file.stat().st_size == 0:
        return True
    try:
        with Image.open(file, formats=("PNG",)) as picture:
            return picture.info.get("Software") == SOFTWARE
    except (OSError, SyntaxError, ValueError):
        return False


def check(folder: Path, own: Callable[[Path], bool] = wrote) -> None:
    """InputError where a folder, if it is there, is a link or holds anything but what is `own`."""
    if folder.is_symlink():
        raise InputError(f"{folder}: is a link, and what it leads to may be others'; remove it")
    others = [at for at in sorted(folder.iterdir()) if not own(at)] if folder.is_dir() else []
    if others:
        raise InputError(
            f"{folder}: holds {others[0].name}, which nerf did not write; move it elsewhere"
        )


def remove(folder: Path, own: Callable[[Path], bool] = wrote) -> None:
    """Removes a folder that `check` has nothing against; InputError otherwise."""
    check(folder, own)
    if folder.is_dir():
        shutil.rmtree(folder)
