"""Density on a lattice of the cube, asked only where rays may meet something."""

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from data.errors import InputError
from nerf import memory
from nerf.export.source import Source

Volume = Float[np.ndarray, "n n n"]
COPIES = 4
"""Of the lattice in float32: itself, which vertices are asked, and what marching cubes holds."""


def refuse_too_fine(resolution: int) -> None:
    """InputError if a lattice of so many cells a side does not fit in memory."""
    if resolution < 2:
        raise InputError(f"--resolution {resolution}: give a whole number of at least 2")
    there = memory.host()
    needed = 4 * COPIES * (resolution + 1) ** 3
    if needed > there:
        most = math.floor((there / (4 * COPIES)) ** (1 / 3)) - 1
        raise InputError(
            f"--resolution {resolution} needs {needed / 2**30:.3g} GiB of memory, there are "
            f"{there / 2**30:.3g} GiB; give {most} at most"
        )


def volume(source: Source, resolution: int) -> Volume:
    """sigma, 1 / length of the cube, at the (resolution + 1)^3 corners of its cells; [x, y, z].

    0 where rays don't ask: away from occupied cells, by more than one corner.
    """
    n = resolution + 1
    asked = _asked(source, n)
    sigma = np.zeros(n**3, np.float32)
    which = np.flatnonzero(asked)
    many = 16 * source.chunk
    for start in range(0, len(which), many):
        part = which[start : start + many]
        at = np.stack(np.unravel_index(part, (n, n, n)), axis=-1)
        sigma[part] = source.density(corner(at, resolution))
    return sigma.reshape(n, n, n)


def corner(at: np.ndarray, resolution: int) -> np.ndarray:
    """Points of the cube with these coordinates on the lattice, which need not be whole."""
    return at * (2 / resolution) - 1


def points_asked(source: Source, resolution: int) -> int:
    """How many corners `volume` asks."""
    return int(_asked(source, resolution + 1).sum())


def _asked(source: Source, n: int) -> Bool[np.ndarray, "n n n"]:
    cells = source.occupied()
    if cells is None:
        return np.ones((n, n, n), bool)
    along = np.linspace(-1, 1, n)
    asked = np.zeros((n, n, n), bool)
    for k, x in enumerate(along):  # a slice at a time
        y, z = np.meshgrid(along, along, indexing="ij")
        place = source.cube(np.stack([np.full(y.size, x), y.ravel(), z.ravel()], axis=-1))
        inside = np.clip((place + 1) * (len(cells) / 2), 0, len(cells) - 1).astype(int)
        asked[k] = cells[tuple(inside.T)].reshape(n, n)
    # by one corner more, so that a surface at the rim of what is occupied is the field's own
    return ndimage.binary_dilation(asked, np.ones((3, 3, 3), bool))
