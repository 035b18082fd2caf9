"""Meshes in numpy, z up: what the scenes are built of."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Mesh(NamedTuple):
    """Triangles, counter-clockwise from outside."""

    vertices: np.ndarray
    """[v, 3]"""
    faces: np.ndarray
    """[f, 3]"""
    smooth: bool = False
    """Whether the renderer is to round its edges off with normals at the vertices."""
    colours: np.ndarray | None = None
    """[v, 3], linear reflectance; None: what the material says."""

    def turned(self, angle: float, axis: str = "z") -> "Mesh":
        """Turned about an axis through the origin, radians."""
        c, s = math.cos(angle), math.sin(angle)
        R = {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
        return self._replace(vertices=self.vertices @ np.array(R, float).T)

    def at(self, x: float, y: float, z: float) -> "Mesh":
        """Moved."""
        return self._replace(vertices=self.vertices + np.array([x, y, z], float))

    def painted(self, code: str) -> "Mesh":
        """In one colour, #rrggbb in sRGB."""
        return self._replace(colours=np.broadcast_to(paint(code), self.vertices.shape))


def paint(code: str) -> tuple[float, float, float]:
    """The linear reflectance of a colour as #rrggbb in sRGB."""
    values = (int(code[k : k + 2], 16) / 255 for k in (1, 3, 5))
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return r, g, b


def merged(meshes: Iterable[Mesh]) -> Mesh:
    """All of them as one."""
    parts = list(meshes)
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    colours = [part.colours for part in parts if part.colours is not None]
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]),
        parts[0].smooth,
        np.concatenate(colours) if colours else None,
    )


def box(x: float, y: float, z: float) -> Mesh:
    """Sides x, y, z; stands on the origin."""
    corners = np.array([[i, j, k] for k in (0, 1) for j in (-0.5, 0.5) for i in (-0.5, 0.5)])
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    faces = [half for a, b, c, d in quads for half in ((a, b, c), (a, c, d))]
    return Mesh(corners * np.array([x, y, z]), np.array(faces))


def lathe(profile: Iterable[tuple[float, float]], sides: int, smooth: bool = True) -> Mesh:
    """The surface that a line of (radius, height) sweeps about z, outer side up the line."""
    points = np.array(tuple(profile), float)
    turns = 2 * np.pi * np.arange(sides) / sides
    rings = [
        np.stack([r * np.cos(turns), r * np.sin(turns), np.full(sides, z)], 1) for r, z in points
    ]
    return Mesh(np.concatenate(rings), _net(len(points), sides), smooth)


def cylinder(radius: float, height: float, sides: int = 12, top: float | None = None) -> Mesh:
    """With flat ends, standing on the origin; `top` is its radius there, if another."""
    upper = radius if top is None else top
    return lathe(((0, 0), (radius, 0), (upper, height), (0, height)), sides, smooth=False)


def tube(line: np.ndarray, radius: float | np.ndarray, sides: int = 24) -> Mesh:
    """Around a closed line [points, 3], with a frame that does not twist where it closes."""
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.cross(along[0], [0.3, 0.2, 1.0])
    normals = []
    for direction in along:  # carried along, each made square to the line again
        normal = normal - direction * (direction @ normal)
        normal = normal / np.linalg.norm(normal)
        normals.append(normal)
    first = np.array(normals)
    end = normal - along[0] * (along[0] @ normal)
    third = np.cross(along[0], first[0])
    twist = math.atan2(end @ third, end @ first[0])
    second = np.cross(along, first)
    angles = 2 * np.pi * np.arange(sides) / sides
    angles = angles - twist * np.arange(len(line))[:, None] / len(line)
    out = np.cos(angles)[..., None] * first[:, None] + np.sin(angles)[..., None] * second[:, None]
    rings = line[:, None] + np.broadcast_to(radius, len(line))[:, None, None] * out
    return Mesh(rings.reshape(-1, 3), _net(len(line), sides, closed=True), smooth=True)


def smoothed(profile: Iterable[tuple[float, float]], points: int = 80) -> np.ndarray:
    """A round line through the corners of a profile: a quadratic spline along their middles."""
    corners = np.array(tuple(profile), float)
    middles = (corners[1:] + corners[:-1]) / 2
    starts = np.concatenate([corners[:1], middles[1:-1], corners[-1:]])
    share = np.linspace(0, 1, max(points // (len(corners) - 2), 3), endpoint=False)[:, None]
    parts = [
        (1 - share) ** 2 * a + 2 * share * (1 - share) * b + share**2 * c
        for a, b, c in zip(starts[:-1], corners[1:-1], starts[1:], strict=True)
    ]
    return np.concatenate([*parts, corners[-1:]])


def _net(rows, sides, closed=False):
    """Triangles between neighbouring rings of vertices."""
    i, j = np.mgrid[0 : rows - (not closed), 0:sides].reshape(2, -1)
    below, above = i * sides, (i + 1) % rows * sides
    a, b = below + j, below + (j + 1) % sides
    c, d = above + (j + 1) % sides, above + j
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
