"""Points with colours and normals, where the cameras see something."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree

from data.errors import InputError
from data.scene import Split
from nerf.export.ends import ends
from nerf.export.source import Frame, Points, Source
from nerf.pictures import quantised

SOLID = 20.0
"""Density at the ends of rays, 1 / scene unit, from which on a scene is one of surfaces: there a
ray's transmittance falls from 3/4 to 1/4 within 0.055 scene units."""
CANDIDATES = 1.5
"""Ends that are looked for, per point that is kept, for points that lie evenly."""
REACH = 8.0
"""Scene units: what surroundings show further away is left out of a page."""
FAR = 0.9
"""The third device coordinate up to which a page shows a forward scene: depth 20."""
STRAY = 2.5
"""Times the median distance to its neighbours at which a point of a page is a stray one."""
CELL = 2 / 256
"""Side of the cubes over which slopes are averaged for normals, scene units."""


class Cloud(NamedTuple):
    """Points in the user's own units and orientation."""

    points: Float[np.ndarray, "n 3"]
    colours: UInt8[np.ndarray, "n 3"]
    """RGB, sRGB as photographed."""
    normals: Float[np.ndarray, "n 3"]
    """Outward, of length one; 0 where the density is even."""
    radii: Float[np.ndarray, " n"]
    """How large each is drawn, user's units."""
    opacity: float = 1.0
    """1 of points of surfaces; below it, of one point of a volume, at its middle."""


def seen(source: Source, split: Split, frame: Frame, count: int, seed: int = 0) -> Cloud:
    """Points where rays of the training cameras become half opaque, `count` of them at most.

    Each has the colour that its ray sees. InputError where no ray does.
    """
    found = ends(source, split, count, seed)
    if not len(found.x):
        raise InputError(
            "no ray of the training cameras becomes half opaque: the run shows no surface; "
            "train it longer"
        )
    return _cloud(source, frame, found.x, found.view)


def for_page(source: Source, split: Split, frame: Frame, count: int, seed: int = 0) -> Cloud:
    """Points that show the scene from everywhere: evenly over surfaces, or through a volume."""
    found = ends(source, split, round(CANDIDATES * count), seed)
    forward = source.space.kind == "forward"
    near = np.linalg.norm(source.world(found.x), axis=-1) < REACH
    if forward:  # its density counts in device coordinates, and its cameras see surfaces
        near = found.x[:, 2] < FAR
    enough = near.sum() > 0.01 * found.rays
    if forward and not enough:
        raise InputError("hardly any ray of the training cameras ends: train the run longer")
    if not forward and not (enough and _dense(source, found.x[near]) >= SOLID):
        return _volume(source, split, frame, count, seed)
    x, view = found.x[near], found.view[near]
    x, view = (v[thinned(source.cube(x), count, seed)] for v in (x, view))
    away = spacing(source.cube(x))
    kept = away < STRAY * np.median(away)
    cloud = _cloud(source, frame, x[kept], view[kept])
    return cloud._replace(normals=_calmed(cloud))


def _dense(source: Source, x: Points) -> float:
    """The median density at ends of rays, 1 / scene unit."""
    return float(np.median(source.density(x[:4096])))


def thinned(place: Points, count: int, seed: int = 0) -> np.ndarray:
    """Indices of about `count` points that lie evenly: one, drawn, of each cell of a lattice."""
    n = len(place)
    if n <= count:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    low, high, kept = 1e-4, 1.0, order
    for _ in range(18):
        side = np.sqrt(low * high)
        cells = np.floor(place[order] / side).astype(np.int64)
        _, first = np.unique(cells @ np.array([1, 1 << 21, 1 << 42]), return_index=True)
        kept = order[first]
        if abs(len(kept) - count) < 0.01 * count:
            break
        low, high = (side, high) if len(kept) > count else (low, side)
    return kept[:count]


def _cloud(source: Source, frame: Frame, x: Points, view: Points) -> Cloud:
    normals = source.normals(x, CELL)
    points = frame.user(source.world(x))
    return Cloud(
        points,
        quantised(source.colour(x, view)),
        frame.user_direction(normals),
        spacing(points),
    )


def spacing(points: Points, neighbours: int = 6) -> Float[np.ndarray, " n"]:
    """How far each point is from its neighbours, about; no lone one more than 4 times most."""
    if len(points) < 2:
        return np.ones(len(points))
    many = min(neighbours, len(points) - 1)
    away = cKDTree(points).query(points, many + 1)[0][:, 1:].mean(axis=-1)
    return np.clip(away, 1e-9, 4 * np.median(away))


def _calmed(cloud: Cloud, neighbours: int = 12) -> Points:
    """Normals as the mean of those about that face the same side: discs lie evenly then."""
    many = min(neighbours, len(cloud.points))
    near = cKDTree(cloud.points).query(cloud.points, many)[1].reshape(len(cloud.points), many)
    around = cloud.normals[near]
    same = np.sum(around * cloud.normals[:, None], axis=-1, keepdims=True) > 0
    mean = np.sum(around * same, axis=1)
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-9)


def _volume(source: Source, split: Split, frame: Frame, count: int, seed: int) -> Cloud:
    r"""Points drawn by density, so that all of them let through what the volume does.

    With M points of cross section A = 2 pi r^2 (a Gaussian of width r) and of opacity alpha, drawn
    by sigma, a ray meets M sigma / mass A alpha of opacity per length, mass = int sigma dx: that is
    sigma where alpha = mass / (M A).
    """
    rng = np.random.default_rng(seed)
    grid = source.occupied()
    cells = np.ones((64,) * 3, bool) if grid is None else grid
    corners = np.argwhere(cells)
    if source.space.kind == "unbounded":
        corners = corners[(np.abs((corners + 0.5) / len(cells) - 0.5) < 0.25).all(axis=-1)]
    if not len(corners):
        raise InputError(
            "no cell of the run's occupancy grid that a page shows is occupied: there is nothing "
            "to show; train it longer"
        )
    many = 8 * count
    x = (corners[rng.integers(0, len(corners), many)] + rng.random((many, 3))) / len(cells)
    x = 2 * x - 1
    volume = len(corners) * (2 / len(cells)) ** 3
    if source.space.kind == "unbounded":
        x, volume = 2 * x, 8 * volume  # the inner part of the field's cube, as the world has it
    sigma = source.density(x).astype(np.float64)
    mass = sigma.mean() * volume
    if not mass > 0:
        raise InputError("the run's density is 0 everywhere: there is nothing to show; train it")
    chosen = np.searchsorted(np.cumsum(sigma), rng.random(count) * sigma.sum())
    x = x[np.minimum(chosen, many - 1)]
    view = split.poses[rng.integers(0, len(split), count), :, 3]
    view = source.world(x) - view
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    cloud = _cloud(source, frame, x, view)
    # wide enough for some ten points to cover each other: grain, not dots
    r = 1.1 * (volume / count) ** (1 / 3)
    alpha = mass / (count * 2 * np.pi * r**2)
    radii = np.full(count, r / frame.scale)
    return cloud._replace(radii=radii, opacity=float(np.clip(alpha, 1e-3, 0.99)))
