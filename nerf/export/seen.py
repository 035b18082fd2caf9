r"""Which parts of a surface the training cameras see.

What no ray reaches, no photograph has told: bodies are hollow, with walls inside that are as the
training left them. A surface is kept where rays end that come from its front:

    v is seen where one of the NEAREST ends to it is within r and has along . n_v < 0           (1)

with r REACH cells of the lattice, or as many times the ends' own spacing where they are few.
"""

import numpy as np
from jaxtyping import Bool
from scipy.spatial import cKDTree

from nerf.export.ends import Ends
from nerf.export.surface import Triangles

NEAREST = 8
REACH = 3.0
RINGS = 2
"""Rings of triangles about what is seen that are kept too: between ends there are gaps."""


def seen(mesh: Triangles, ends: Ends, cell: float) -> Bool[np.ndarray, " f"]:
    """Which triangles are seen (1), `cell` being the side of a cell; front as they wind."""
    v, faces = mesh
    if not len(ends.x):
        return np.zeros(len(faces), bool)
    tree = cKDTree(ends.x)
    spacing = float(np.median(tree.query(ends.x[:4096], 2)[0][:, -1]))
    many = min(NEAREST, len(ends.x))
    reach = REACH * max(cell, spacing)
    _, which = tree.query(v, many, distance_upper_bound=reach)
    which = which.reshape(len(v), many)
    view = np.concatenate([ends.along, np.zeros((1, 3))])[which]  # the last: none within reach
    normal = front(mesh)
    there = (np.einsum("vkc,vc->vk", view, normal) < 0).any(axis=-1)
    for _ in range(RINGS):
        touched = there[faces].any(axis=-1)
        there = np.bincount(faces[touched].ravel(), minlength=len(v)) > 0
    return there[faces].all(axis=-1)


def front(mesh: Triangles) -> np.ndarray:
    """Normals of the vertices as the triangles about them lie, by area; not of length one."""
    v, faces = mesh
    p, q, r = (v[faces[:, k]] for k in range(3))
    across = np.cross(q - p, r - p)
    return np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(across[:, k], 3), minlength=len(v))
            for k in range(3)
        ],
        axis=-1,
    )
