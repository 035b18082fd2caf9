"""Matt solids under one lamp and a wide sky, with hardly any noise, so that pictures compress.

The lamp is sampled pixel by pixel. Light from the sky changes slowly and is the same from
everywhere: it is gathered once, at the corners of the triangles, and drawn with them.
"""

from collections.abc import Callable

import mitsuba as mi
import numpy as np

from scripts.scenes import rendering
from scripts.scenes.cameras import GOLDEN, SIZE, rays
from scripts.scenes.files import to_rgba
from scripts.scenes.rendering import Plugin
from scripts.scenes.solids import Mesh

DIRECTIONS = 80
"""In which each corner looks for the sky."""
BOUNCED = 0.16
"""What a corner sees where it does not see the sky, for the light that we do not follow."""
Sky = Callable[[np.ndarray], np.ndarray]


class Matt:
    """Solids and lights, ready to be photographed."""

    def __init__(
        self,
        meshes: list[Mesh],
        light: Plugin,
        sky: Sky,
        angle: float,
        samples: int = 25,
        exposure: float = 1.0,
        fine: float = 0.06,
        opaque: bool = False,
    ):
        """`fine`: longest side of a triangle near the middle. `opaque`: with the sky behind."""
        self._angle, self._samples, self._exposure = angle, samples, exposure
        self._sky = sky if opaque else None
        towards_lamp = {"type": "direct", "emitter_samples": 1, "bsdf_samples": 0}
        self._lamp = _scene(meshes, towards_lamp, light)
        meshes = [mesh if mesh.smooth else split(mesh, fine) for mesh in meshes]
        bright = [
            mesh._replace(colours=mesh.colours * self._gathered(mesh, sky)) for mesh in meshes
        ]
        self._ambient = _scene(bright, {"type": "aov", "aovs": "sky:albedo"})

    def picture(self, pose: np.ndarray) -> np.ndarray:
        """Straight RGBA in sRGB, uint8 [SIZE, SIZE, 4]."""
        lamp = rendering.pixels(self._lamp, pose, self._angle, self._samples)
        ambient = rendering.pixels(self._ambient, pose, self._angle, self._samples)
        total, alpha = lamp[..., :3] + ambient[..., -3:], lamp[..., 3]
        if self._sky is not None:
            behind = self._sky(rays(pose, self._angle)[1]).reshape(SIZE, SIZE, 3)
            total, alpha = total + (1 - alpha)[..., None] * behind, np.ones_like(alpha)
        return to_rgba(self._exposure * total, alpha, step=5)

    def distance(self, pose: np.ndarray) -> np.ndarray:
        """Along the ray through each pixel's centre to the first surface."""
        return rendering.distance(self._lamp, pose, self._angle)

    def _gathered(self, mesh, sky):
        """The mean of what each corner sees, by cosine, [v, 3]."""
        at, normals = corners(mesh)
        k = np.arange(DIRECTIONS) + 0.5
        level, turn = np.sqrt(k / DIRECTIONS), k * GOLDEN
        local = np.stack([level * np.cos(turn), level * np.sin(turn), np.sqrt(1 - level**2)], -1)
        # neighbours look in the same directions: what is left of chance is smooth
        side = np.where(np.abs(normals[:, 2:]) > 0.9, [[1.0, 0, 0]], [[0.0, 0, 1]])
        first = np.cross(side, normals)
        first /= np.linalg.norm(first, axis=-1, keepdims=True)
        second = np.cross(normals, first)
        total = np.zeros_like(at)
        for x, y, z in local:
            d = x * first + y * second + z * normals
            ray = mi.Ray3f(mi.Point3f(at.T.astype(np.float32)), mi.Vector3f(d.T.astype(np.float32)))
            hidden = np.array(self._lamp.ray_test(ray))[:, None]
            total += np.where(hidden, BOUNCED, sky(d))
        return total / DIRECTIONS


def split(mesh: Mesh, fine: float) -> Mesh:
    """Flat triangles with corners of their own, long ones in halves until they are short.

    How short grows with the distance from the origin, beyond 2.
    """
    if mesh.colours is None:
        raise ValueError("a mesh without colours")
    corner, colour = mesh.vertices[mesh.faces], mesh.colours[mesh.faces]
    done = []
    while len(corner):
        sides = np.linalg.norm(corner - np.roll(corner, -1, axis=1), axis=-1)
        far = np.linalg.norm(corner.mean(axis=1), axis=-1)
        long = sides.max(axis=1) > fine * np.maximum(far / 2, 1)
        done.append((corner[~long], colour[~long]))
        corner, colour, k = corner[long], colour[long], sides[long].argmax(axis=1)
        n = np.arange(len(k))
        a, b, c = corner[n, k], corner[n, (k + 1) % 3], corner[n, (k + 2) % 3]
        middle = (a + b) / 2
        corner = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
        colour = np.concatenate([colour, colour])
    v = np.concatenate([part for part, _ in done]).reshape(-1, 3)
    paint = np.concatenate([part for _, part in done]).reshape(-1, 3)
    return Mesh(v, np.arange(len(v)).reshape(-1, 3), False, paint)


def corners(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Where light is gathered for each vertex, just off the surface, and the normal there."""
    corner = mesh.vertices[mesh.faces]
    n = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(mesh.vertices)
    for k in range(3):
        np.add.at(normals, mesh.faces[:, k], n)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    normals[~normals.any(axis=-1)] = [0, 0, 1]  # of a triangle without area
    at = mesh.vertices.copy()
    if not mesh.smooth:  # a corner may touch a neighbour: a little towards the triangle's middle
        at = (0.8 * corner + 0.2 * corner.mean(axis=1, keepdims=True)).reshape(-1, 3)
    return at + 2e-3 * normals, normals


def _scene(meshes, integrator, light=None):
    bsdf = {
        "type": "diffuse",
        "reflectance": {"type": "mesh_attribute", "name": "vertex_color"},
    }
    shapes = {
        f"solid_{k}": rendering.shape(mesh, {"type": "twosided", "bsdf": bsdf})
        for k, mesh in enumerate(meshes)
    }
    return mi.load_dict(
        {"type": "scene", "integrator": integrator, **shapes}
        | ({} if light is None else {"light": light})
    )
