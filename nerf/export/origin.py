"""Coordinates far from the origin, as of maps (UTM), and what 32 bits leave of them.

A float of 32 bits has 24 for its digits: at 5,121,946 m its steps are half a metre, and a scene of
4 m falls together. PLY has floats of 64 bits; what has none, glTF and WebGL, is given coordinates
from a local origin, which is written beside the file or in it.
"""

import json
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data.errors import InputError
from nerf.whole import whole

FINE = 1e-6
"""Steps of 32-bit coordinates, as a fraction of the extent, up to which they will do."""
MADE_BY = "nerf export"


def far(points: Float[np.ndarray, "n 3"]) -> bool:
    """Whether coordinates need more than 32 bits."""
    extent = float(np.ptp(points, axis=0).max())
    return bool(np.spacing(np.float32(np.abs(points).max())) > FINE * extent)


def local(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """An origin from which 32 bits will do, in round numbers; 0 where they do as it is."""
    if not far(points):
        return np.zeros(3)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    digits = -math.floor(math.log10(extent)) if extent > 0 else 0
    return np.round((low + high) / 2, digits)


def file_of(file: Path) -> Path:
    """Where the local origin of a file is kept: FILE.origin.json, beside it."""
    return file.with_name(f"{file.name}.origin.json")


def check(file: Path, overwrite: bool) -> None:
    """InputError where a local origin would take the place of another file."""
    beside = file_of(file)
    if beside.is_symlink() or (beside.exists() and not _ours(beside)):
        raise InputError(f"{beside}: is there, and nerf export did not write it; move it elsewhere")
    if beside.exists() and not overwrite:
        raise InputError(f"{beside}: exists; add --overwrite to replace it")


def keep(origin: Float[np.ndarray, "3"], file: Path) -> Path | None:
    """Writes the local origin of a file beside it, and returns where; None: it has none.

    One of an earlier file of this name is removed then.
    """
    beside = file_of(file)
    if origin.any():
        told = {"made_by": MADE_BY, "file": file.name, "origin": origin.tolist()}
        whole(beside, lambda part: part.write_text(json.dumps(told, indent=1) + "\n"))
        return beside
    if _ours(beside):
        beside.unlink()
    return None


def _ours(file: Path) -> bool:
    try:
        told = json.loads(file.read_bytes()) if file.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("made_by") == MADE_BY
