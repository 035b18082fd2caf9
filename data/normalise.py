"""Centre, up and scale: the similarity that takes the files' frame to the scene's, and back.

Symbols   x file's point   x' scene's point   s scale   [R | m] motion
          o_i camera's centre   d_i its viewing direction (-z axis)   y_i its up axis

Similarity   x' = s (R x + m)                                                               (1)
Inverse      x = R^T (x' / s - m) = 1/s (R^T x' - s R^T m)                                  (2)
Centre       c = argmin sum_i |(I - d_i d_i^T) (c - o_i)|^2, nearest to all optical axes;
             with A = mean_i (I - d_i d_i^T):  A c = mean_i (I - d_i d_i^T) o_i             (3)

Surroundings and objects: c to the origin, the mean of y_i to +z, the farthest camera to distance 1.
Cameras side by side: the average camera becomes the identity, so that all look along -z with y
upwards around the origin; the scale is left to the loader, who knows how near things are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data.scene import Space

PARALLEL = 1e-3
"""Smallest eigenvalue of A, about the variance of the axes' angles in rad^2, from which on they
are said to meet."""


class Similarity(NamedTuple):
    """x' = scale (R x + m) with motion = [R | m]."""

    scale: float
    motion: Float[np.ndarray, "3 4"]


def similarity(poses: Float[np.ndarray, "n 3 4"], space: Space) -> Similarity:
    """What centres, turns upright and scales a scene with these cameras.

    Finite for whatever rigid poses: where cameras leave something open (one camera, all at one
    place, ups that cancel), it stays as it is in the files.
    """
    poses = np.asarray(poses, np.float64)
    o = poses[:, :, 3]
    if space == "forward":
        R = _average_rotation(poses).T
        return Similarity(1.0, np.concatenate([R, -R @ o.mean(0)[:, None]], axis=1))
    c = centre(poses)
    R = _upright(poses[:, :, 1].mean(0))
    farthest = np.linalg.norm(o - c, axis=-1).max()
    scale = 1 / farthest if farthest > 1e-9 * (1 + np.abs(o).max()) else 1.0
    return Similarity(float(scale), np.concatenate([R, -R @ c[:, None]], axis=1))


def moved(similarity: Similarity, poses: Float[np.ndarray, "n 3 4"]) -> Float[np.ndarray, "n 3 4"]:
    """The poses in the scene's frame, float64."""
    R, m = similarity.motion[:, :3], similarity.motion[:, 3]
    o = similarity.scale * (poses[:, :, 3] @ R.T + m)  # (1)
    return np.concatenate([R @ poses[:, :, :3], o[:, :, None]], axis=-1)


def inverse(similarity: Similarity) -> Similarity:
    """From the scene's frame back to the files'."""
    R, m = similarity.motion[:, :3], similarity.motion[:, 3]
    back = -similarity.scale * R.T @ m  # (2)
    return Similarity(1 / similarity.scale, np.concatenate([R.T, back[:, None]], axis=1))


def centre(poses: Float[np.ndarray, "n 3 4"]) -> Float[np.ndarray, "3"]:
    """The point nearest to all optical axes.

    Where the axes are as good as parallel: ahead of the mean camera, as far as the cameras reach.
    """
    o, d = poses[:, :, 3], -poses[:, :, 2]
    across = np.eye(3) - d[:, :, None] * d[:, None, :]
    A = across.mean(0)
    middle = o.mean(0)
    if np.linalg.eigvalsh(A)[0] < PARALLEL:
        reach = np.linalg.norm(o - middle, axis=-1).max()
        return middle + d.mean(0) * (reach if reach > 1e-9 * (1 + np.abs(o).max()) else 1.0)
    offset = (across @ (o - middle)[:, :, None])[:, :, 0].mean(0)
    return middle + np.linalg.solve(A, offset)  # (3), about the middle, which keeps its digits


def every_eighth(names: Sequence[str]) -> dict[str, Int[np.ndarray, " picked"]]:
    """Indices into `names`: every eighth in sorted order, from the first, is a test view."""
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    held_out = np.arange(len(names)) % 8 == 0
    return {"train": order[~held_out], "test": order[held_out]}


def _average_rotation(poses: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Axes x y z of the average camera in columns; of the first camera where they cancel."""
    up, backwards = poses[:, :, 1].mean(0), poses[:, :, 2].mean(0)
    right = np.cross(up, backwards)
    if np.linalg.norm(backwards) < 1e-3 or np.linalg.norm(right) < 1e-3:
        U, _, V = np.linalg.svd(poses[0, :, :3])  # which files give with few digits
        return U @ V
    z = backwards / np.linalg.norm(backwards)
    x = right / np.linalg.norm(right)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _upright(up: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that takes `up` to +z, after half a turn about x where it points down.

    So the angle left is at most a right one, far from the half turn that has no axis.
    """
    length = np.linalg.norm(up)
    if length < 1e-3:
        return np.eye(3)
    half_turn = np.diag([1.0, -1.0, -1.0]) if up[2] < 0 else np.eye(3)
    x, y, z = half_turn @ up / length
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])  # of the axis up x z = (y, -x, 0)
    return (np.eye(3) + cross + cross @ cross / (1 + z)) @ half_turn
