"""A run's density and colour on a lattice, as numbers to compute with."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from data.scene import Split
from nerf.export.source import Frame, Source
from nerf.export.volume import Volume, corner
from nerf.pictures import quantised

EYES = 4
"""Training cameras, evenly chosen, over which a colour is the mean."""
LEAST = 0.01
"""Density, relative to the threshold, from which on a corner has a colour."""


def colours(
    source: Source, sigma: Volume, level: float, split: Split
) -> UInt8[np.ndarray, "n n n 3"]:
    """RGB at corners of the lattice, the mean of what cameras would see; black where nothing is."""
    n = len(sigma)
    out = np.zeros((n**3, 3), np.uint8)
    eyes = split.poses[np.linspace(0, len(split) - 1, min(EYES, len(split))).astype(int), :, 3]
    there = np.flatnonzero(sigma.ravel() > LEAST * level)
    many = 16 * source.chunk
    for start in range(0, len(there), many):
        part = there[start : start + many]
        x = corner(np.stack(np.unravel_index(part, sigma.shape), axis=-1), n - 1)
        total = np.zeros((len(part), 3))
        for eye in eyes:
            view = x - eye
            total += source.colour(x, view / np.linalg.norm(view, axis=-1, keepdims=True))
        out[part] = quantised(total / len(eyes))
    return out.reshape(n, n, n, 3)


def save(
    sigma: Volume, colour: UInt8[np.ndarray, "n n n 3"], frame: Frame, level: float, file: Path
) -> None:
    """Writes .npz: density and threshold in 1 / unit of the files, and where its indices lie.

    `index_to_user` takes (i, j, k, 1) to the user's coordinates, `bounds` are of the corners there.
    """
    n = len(sigma)
    index = np.eye(4)
    index[:3, :3] *= 2 / (n - 1)
    index[:3, 3] = -1
    M = frame.matrix() @ index
    ends = np.stack(np.meshgrid(*[[0, n - 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ends = ends @ M[:3, :3].T + M[:3, 3]
    with file.open("wb") as out:
        np.savez_compressed(
            out,
            density=(sigma * frame.scale).astype(np.float32),
            colour=colour,
            index_to_user=M,
            bounds=np.stack([ends.min(axis=0), ends.max(axis=0)]),
            threshold=np.float64(level * frame.scale),
            units=np.array(
                "lengths: those of the scene's files; density: 1 / length; colour: sRGB"
            ),
        )
