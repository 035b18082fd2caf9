"""Poses as files give them: checked to be rigid motions before anything is computed with them."""

import numpy as np
from jaxtyping import Float

from data.errors import InputError

RIGID = 1e-3
"""How far R^T R may be from I: files that were written with few digits pass."""


def rigid(rows: object, where: str) -> Float[np.ndarray, "3 4"]:
    """[R | o] of a matrix of 3 or 4 rows; InputError where it is no rigid motion."""
    try:
        matrix = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.zeros(0)
    if matrix.shape not in ((4, 4), (3, 4)):
        raise InputError(f"{where}: transform_matrix must be 4 rows of 4 numbers")
    R, o = matrix[:3, :3], matrix[:3, 3]
    sound = bool(np.isfinite(matrix).all() and (np.abs(matrix) < 1e9).all())
    sound = sound and np.abs(R.T @ R - np.eye(3)).max() < RIGID and np.linalg.det(R) > 0
    if matrix.shape == (4, 4):
        sound = sound and np.allclose(matrix[3], [0, 0, 0, 1])
    if not sound:
        raise InputError(
            f"{where}: transform_matrix is no rigid motion: its upper left 3x3 must be a rotation "
            "(orthonormal, determinant +1) and its last row 0 0 0 1"
        )
    return np.concatenate([R, o[:, None]], axis=1)
