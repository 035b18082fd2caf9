r"""The surface of a density: marching cubes, put where the field has the level, without dust.

Symbols      level s of sigma; a vertex on the edge of a cell between corners a and b
    x(r)       a + r (b - a),  f(r) = log sigma(x(r)) - log s
    f(0) f(1) <= 0                                                                          (1)

Marching cubes takes sigma for linear along each edge, where an exponential of a network is far
from it. The field is asked again: regula falsi on f with Illinois' halving, ROUNDS times, keeps
the crossing between the two ends (1), so that no vertex leaves its edge and no triangle folds.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.sparse import coo_array, eye_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import marching_cubes

from data.errors import InputError
from nerf.export.source import Frame, Points, Source
from nerf.export.volume import Volume, corner
from nerf.pictures import quantised

ROUNDS = 6
"""Times that the field is asked anew for each vertex."""
CALM = 4
"""Rings of vertices over which normals of a hash grid's density are averaged."""
LEAST = 1e-12
"""Density that counts as none, relative to the level."""
FAR = 0.95
"""The third device coordinate up to which a forward scene has a mesh: depth 40 near planes."""


class Mesh(NamedTuple):
    """Triangles in the user's own units and orientation."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    """Counter-clockwise as seen from outside."""
    normals: Float[np.ndarray, "v 3"]
    """Outward, of length one, by the gradient of the density."""
    colours: UInt8[np.ndarray, "v 3"]
    """RGB, sRGB as photographed."""


class Triangles(NamedTuple):
    """Triangles in the cube."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


def crossing(
    sigma: Volume, level: float, source: Source, unit: float = 1.0, rounds: int = ROUNDS
) -> Triangles:
    """The surface on which the field has the level, by its densities on a lattice of the cube.

    Closed at the faces of a bounded cube, as nothing is outside; elsewhere it ends there.
    InputError where no density on the lattice is above the level, or none is below; its numbers are
    in `unit` of the densities given.
    """
    n = len(sigma)
    top = float(sigma.max())
    closed = source.space.kind == "bounded"
    if not top > level:
        said = "the density is 0 everywhere: the run is empty"
        if top > 0:
            top = unit * top
            said = f"the largest on the lattice is {top:.4g}; try --threshold {top / 2:.2g}"
        raise InputError(f"no density is above the threshold {unit * level:.4g}; {said}")
    if not closed and float(sigma.min()) >= level:
        raise InputError(
            f"all densities are above the threshold {unit * level:.4g}, from "
            f"{unit * sigma.min():.4g} to {unit * top:.4g}: there is no surface; raise --threshold"
        )
    if closed:
        sigma = np.pad(sigma, 1)
    at, faces, _, _ = marching_cubes(
        sigma, level, gradient_direction="ascent", allow_degenerate=False
    )
    at = at.astype(np.float64) - closed
    if rounds:
        at = _refined(at, level, source, n, rounds)
    x, faces = corner(np.clip(at, 0, n - 1), n - 1), faces.astype(np.int64)
    if source.space.kind == "forward":
        near = (x[:, 2] < FAR)[faces].all(axis=-1)
        faces = faces[near]
    return Triangles(x, faces)


def _refined(at, level, source, n, rounds):
    """Vertices, in cells of the lattice, where the field along their edges has the level."""
    axis = np.argmax(np.abs(at - np.round(at)), axis=-1)
    row = np.arange(len(at))
    a, b = at.copy(), at.copy()
    a[row, axis], b[row, axis] = np.floor(at[row, axis]), np.ceil(at[row, axis])
    # at a face of the cube nothing is beyond: that vertex stays on it
    moves = np.flatnonzero(((a >= 0) & (b <= n - 1) & (a != b).any(-1, keepdims=True)).all(-1))
    a, b = a[moves], b[moves]

    def f(place):
        sigma = source.density(corner(place, n - 1)).astype(np.float64)
        return np.log(np.maximum(sigma / level, LEAST))

    f_a, f_b = f(a), f(b)
    crosses = f_a * f_b < 0
    moves, a, b, f_a, f_b = (v[crosses] for v in (moves, a, b, f_a, f_b))
    best, off = at[moves], np.abs(f(at[moves]))
    side = np.zeros(len(moves))
    for _ in range(rounds):
        r = np.clip(f_a / (f_a - f_b), 0.02, 0.98)[:, None]  # never at an end: it would stay there
        x = a + r * (b - a)
        f_x = f(x)
        better = np.abs(f_x) < off
        best[better], off[better] = x[better], np.abs(f_x)[better]
        like_a = f_x * f_a > 0
        # an end that stays twice counts half (Illinois)
        f_b = np.where(like_a & (side == 1), f_b / 2, f_b)
        f_a = np.where(~like_a & (side == -1), f_a / 2, f_a)
        side = np.where(like_a, 1, -1)
        a, f_a = np.where(like_a[:, None], x, a), np.where(like_a, f_x, f_a)
        b, f_b = np.where(like_a[:, None], b, x), np.where(like_a, f_b, f_x)
    at = at.copy()
    at[moves] = best
    return at


def without_dust(mesh: Triangles, keep: float) -> tuple[Triangles, int, int]:
    """The parts with at least `keep` of the largest's area; how many those are, and of how many.

    Parts are what triangles join. With `keep` 1 the largest alone, with 0 all.
    """
    v, faces = mesh
    if not len(faces):
        raise InputError("no training camera sees the surface; add --hidden, or lower --threshold")
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    joined = coo_array((np.ones(len(pairs), np.int8), pairs.T), shape=(len(v), len(v)))
    _, label = connected_components(joined, directed=False)
    part = label[faces[:, 0]]
    p, q, r = (v[faces[:, k]] for k in range(3))
    area = np.bincount(part, np.linalg.norm(np.cross(q - p, r - p), axis=-1) / 2)
    stays = area >= keep * area.max()
    faces = faces[stays[part]]
    used, faces = np.unique(faces, return_inverse=True)
    count = int(np.count_nonzero(np.bincount(part)))
    return Triangles(v[used], faces.reshape(-1, 3)), int(stays[np.unique(part)].sum()), count


def dressed(mesh: Triangles, source: Source, frame: Frame, cell: float) -> Mesh:
    """The triangles in the user's units, with normals (`cell` as there) and colours."""
    normals = source.normals(mesh.vertices, cell)
    if source.model.config.field.encoding == "hash":
        normals = _calmed(normals, mesh.faces)
    colours = source.colour(mesh.vertices, _straight(normals))
    # device coordinates are left-handed: there what is counter-clockwise is not so in the world
    turned = source.space.kind == "forward"
    return Mesh(
        frame.user(source.world(mesh.vertices)),
        mesh.faces[:, ::-1] if turned else mesh.faces,
        frame.user_direction(normals),
        quantised(colours),
    )


def _calmed(normals: Points, faces: Int[np.ndarray, "f 3"]) -> Points:
    """Each as the mean with those of its neighbours, CALM times: along the surface, not across."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    near = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(normals),) * 2).tocsr()
    near.data[:] = 1.0  # an edge has two triangles, or one
    near += eye_array(len(normals), format="csr")
    for _ in range(CALM):
        normals = near @ normals
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    return normals


def _straight(normals: Points) -> Points:
    """Along -normal; downwards where there is none."""
    none = (normals == 0).all(axis=-1, keepdims=True)
    return np.where(none, [0.0, 0.0, -1.0], -normals)
