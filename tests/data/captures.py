"""Small captures on disk: LLFF's file and COLMAP's, binary and text, to be read or broken."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.sparse import MODELS


class Entry(NamedTuple):
    """A registered picture as a test says it: world to camera in OpenCV's axes."""

    name: str
    camera: int
    quaternion: tuple
    t: tuple


def ring(count: int, radius: float = 4.0, height: float = 1.0, about=(1.0, 2.0, 3.0)) -> np.ndarray:
    """Poses in our axes on a ring, all looking at the point `about`, z upwards."""
    poses = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        o = np.array([radius * np.cos(angle), radius * np.sin(angle), height])
        z = o / np.linalg.norm(o)
        x = np.cross([0, 0, 1], z)
        x /= np.linalg.norm(x)
        poses.append(np.stack([x, np.cross(z, x), z, o + about], axis=1))
    return np.array(poses)


def quaternion(R: np.ndarray) -> np.ndarray:
    """w x y z, as the eigenvector of the largest eigenvalue of Bar-Itzhack's matrix."""
    K = np.array(
        [
            [np.trace(R), R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]],
            [0, R[0, 0] - R[1, 1] - R[2, 2], R[1, 0] + R[0, 1], R[2, 0] + R[0, 2]],
            [0, 0, R[1, 1] - R[0, 0] - R[2, 2], R[2, 1] + R[1, 2]],
            [0, 0, 0, R[2, 2] - R[0, 0] - R[1, 1]],
        ]
    )
    return np.linalg.eigh(K + np.triu(K, 1).T)[1][:, -1]


def entries(poses: np.ndarray, camera: int = 1) -> list[Entry]:
    """COLMAP's entries of cameras with these poses in our axes."""
    found = []
    for k, pose in enumerate(poses):
        R = (pose[:, :3] * [1, -1, -1]).T
        found.append(Entry(f"{k:04}.png", camera, tuple(quaternion(R)), tuple(-R @ pose[:, 3])))
    return found


def write_pictures(folder: Path, names: list[str], size=(16, 12)) -> None:
    """Pictures of one colour each, by their number."""
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (k, 2 * k, 255 - k)).save(folder / name)


def write_binary(folder: Path, cameras: dict, pictures: list[Entry]) -> None:
    """`cameras` maps a number to (model, width, height, parameters)."""
    folder.mkdir(parents=True, exist_ok=True)
    data = struct.pack("<Q", len(cameras))
    for key, (model, width, height, parameters) in cameras.items():
        data += struct.pack("<IiQQ", key, MODELS[model][0], width, height)
        data += struct.pack(f"<{len(parameters)}d", *parameters)
    (folder / "cameras.bin").write_bytes(data)
    data = struct.pack("<Q", len(pictures))
    for k, (name, camera, q, t) in enumerate(pictures):
        data += struct.pack("<I7dI", k + 1, *q, *t, camera) + name.encode() + b"\0"
        data += struct.pack("<QddQ", 1, 3.0, 4.0, 2**64 - 1)
    (folder / "images.bin").write_bytes(data)


def write_text(folder: Path, cameras: dict, pictures: list[Entry]) -> None:
    """The same in COLMAP's text files."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Camera list with one line of data per camera:"]
    for key, (model, width, height, parameters) in cameras.items():
        lines.append(" ".join(map(repr, (key, width, height, *parameters))))
        lines[-1] = lines[-1].replace(" ", f" {model} ", 1)
    (folder / "cameras.txt").write_text("\n".join(lines) + "\n")
    lines = ["# Image list with two lines of data per image:"]
    for k, (name, camera, q, t) in enumerate(pictures):
        numbers = " ".join(str(float(x)) for x in (*q, *t))
        lines += [f"{k + 1} {numbers} {camera} {name}", "3.0 4.0 -1" if k % 2 else ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")


class Point(NamedTuple):
    """A point that was found, and the numbers of the pictures that see it."""

    x: tuple
    error: float
    track: tuple


def write_points(folder: Path, points: list[Point], text: bool = False) -> None:
    """points3D.bin, or points3D.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    data, lines = (
        struct.pack("<Q", len(points)),
        ["# 3D point list with one line of data per point:"],
    )
    for k, (x, error, track) in enumerate(points):
        pairs = [number for picture in track for number in (picture, k)]
        data += struct.pack("<Q3d3BdQ", k + 1, *x, 1, 2, 3, error, len(track))
        data += struct.pack(f"<{len(pairs)}I", *pairs)
        lines.append(" ".join(map(str, (k + 1, *map(float, x), 1, 2, 3, error, *pairs))))
    if text:
        (folder / "points3D.txt").write_text("\n".join(lines) + "\n")
    else:
        (folder / "points3D.bin").write_bytes(data)


def llff_rows(poses: np.ndarray, hwf=(96.0, 128.0, 100.0), bounds=(2.0, 20.0)) -> np.ndarray:
    """Rows of poses_bounds.npy of cameras with these poses in our axes."""
    rows = []
    for pose in poses:
        x, y, z, o = pose.T
        rows.append(np.concatenate([np.stack([-y, x, z, o, hwf], axis=1).ravel(), bounds]))
    return np.array(rows)
