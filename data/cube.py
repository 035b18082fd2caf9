"""The cube of instant-ngp: what of a transforms file's space becomes our [-1, 1]^3.

instant-ngp takes a point x of the file to scale x + offset, and what matters lies in [0, 1]^3
there, or in a cube aabb_scale times as wide about the same middle. `aabb` notes the corners of that
cube instead, and goes before the other two (nerf_loader.cu). So with half side h and middle c

    h = 1 / (2 scale),  c = (1/2 - offset) / scale                                              (1)
    h = max_i |a_i - b_i| / 2,  c = (a + b) / 2       of corners a, b                           (2)
    x' = (x - c) / h                                                                            (3)
"""

from pathlib import Path
from typing import Any

import numpy as np

from data import files
from data.errors import InputError
from data.normalise import Similarity

SCALE, OFFSET = 0.33, 0.5
"""instant-ngp's, if the file notes none."""
_KEYS = ("aabb", "scale", "offset")


def surrounded(meta: dict[str, Any], file: Path) -> bool | None:
    """Whether something lies beyond the cube, by aabb_scale; None: neither it nor a cube is noted.

    A file that notes a cube without aabb_scale has nothing beyond it: instant-ngp's default is 1.
    """
    if meta.get("aabb_scale") is None:
        return False if noted(meta) else None
    return files.number(meta, "aabb_scale", file, 1e-3, 1e6) > 1


def noted(meta: dict[str, Any]) -> bool:
    """Whether the file notes where the cube is."""
    return any(meta.get(key) is not None for key in _KEYS)


def place(meta: dict[str, Any], file: Path) -> Similarity:
    """What takes the cube to [-1, 1]^3 (3); InputError where it can't be one."""
    if meta.get("aabb") is not None:
        a, b = _corners(meta, file)
        half, middle = float(np.abs(b - a).max()) / 2, (a + b) / 2  # (2)
        if half < 1e-6:
            raise InputError(f"{file}: aabb has no extent; it is two corners of a cube")
    else:
        scale = files.number({"scale": SCALE, **_present(meta)}, "scale", file, 1e-6, 1e6)
        offset = _offset(meta, file)
        half, middle = 1 / (2 * scale), (0.5 - offset) / scale  # (1)
    return Similarity(1 / half, np.concatenate([np.eye(3), -middle[:, None]], axis=1))


def _present(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if value is not None}


def _offset(meta: dict[str, Any], file: Path) -> np.ndarray:
    given = meta.get("offset")
    if given is None:
        return np.full(3, OFFSET)
    if not isinstance(given, list):  # one number for all axes
        return np.full(3, files.number(meta, "offset", file, -1e6, 1e6))
    return _three(given, "offset", file, 1e6)


def _corners(meta: dict[str, Any], file: Path) -> tuple[np.ndarray, np.ndarray]:
    given = files.value(meta, "aabb", list, file)
    if len(given) != 2 or not all(isinstance(corner, list) for corner in given):
        raise InputError(f"{file}: aabb must be two corners of three numbers each")
    return _three(given[0], "aabb", file, 1e9), _three(given[1], "aabb", file, 1e9)


def _three(given: list, key: str, file: Path, most: float) -> np.ndarray:
    if len(given) != 3:
        raise InputError(f"{file}: {key} must be of three numbers, not of {len(given)}")
    return np.array([files.number({key: number}, key, file, -most, most) for number in given])
