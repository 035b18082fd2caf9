"""What lies along the ray of one pixel, as rendering marches it, in float64.

Where samples lie is what the renderer says, in float32. The field is asked there once more in
float64, so that derivatives can be held against finite differences.
"""

from dataclasses import replace
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.transform import Rotation

from calculus import radiance
from calculus.radiance.camera import rays_jacobian_se3
from nerf import occupancy
from nerf.cameras import Cameras
from nerf.field import Model, Params
from nerf.occupancy import Occupancy
from nerf.shading import Draws, coarse_to_fine
from nerf.space import Space

MOTIONS = ("right", "up", "back", "pitch", "yaw", "roll")
"""Of a camera: along its x, y, z (scene units); about them (radians, right-handed)."""
STEPS = (1e-6, 1e-7, 1e-8, 1e-9)
"""Of differences, scene units and radians: small, so that hardly a sample changes its grid cell,
where the interpolant has a kink."""


class Samples(NamedTuple):
    """What compositing is given of one ray; behind the last sample may follow some of length 0."""

    t: Float[np.ndarray, " N"]
    """Distances as the field's space has them."""
    delta: Float[np.ndarray, " N"]
    """Lengths of the intervals, in the same space."""
    sigma: Float[np.ndarray, " N"]
    """Densities, 1 / length."""
    colour: Float[np.ndarray, "N 3"]
    background: Float[np.ndarray, "3"]


class Seen(NamedTuple):
    """A ray and what it meets."""

    samples: Samples
    held: int
    """Samples that are none of length 0 put behind the last."""
    distance: Float[np.ndarray, " N"]
    """Of the samples from the camera, scene units."""
    pixel: Float[np.ndarray, "3"]
    """The rendered colour."""
    pose: Float[np.ndarray, "6 3"]
    """Its derivative by each of `MOTIONS`, by hand; samples keep their t."""
    pose_differences: Float[np.ndarray, "6 3"]
    """The same by moving the camera."""


class Along:
    """Asks a model along rays; its programs are compiled once."""

    def __init__(self, model: Model, background: float, stages: ModuleType = radiance):
        self._model, self._space = replace(model, stages=stages), Space.of(model.config)
        self._background = background
        self._cut = jax.jit(self._where)
        self._ask = jax.jit(self._colour_and_slope)
        self._moved = jax.jit(jax.vmap(self._colour, in_axes=(None, 0, None, None, None)))

    def __call__(
        self,
        params: Params,
        grid: Occupancy | None,
        camera: Cameras,
        at: Float[np.ndarray, "2"],
    ) -> Seen:
        """The ray through a place of the picture, in pixels, of one camera."""
        at32 = jnp.asarray(at[None], jnp.float32)
        t32, delta32, count = self._cut(params, grid, at32, camera)
        fine = params["fine"]
        with jax.enable_x64(True):
            t, delta = (jnp.asarray(np.asarray(v), float) for v in (t32, delta32))
            wide = jax.tree.map(lambda v: jnp.asarray(np.asarray(v), float), camera)
            origin, direction = wide.rays(jnp.zeros(1, jnp.int32), jnp.asarray(at[None], float))
            ray = jnp.concatenate([origin[0], direction[0]])
            s = t / self._stretch(ray)
            slope, pixel, sigma, colour, background = self._ask(fine, ray, s, t, delta)
            by_motion = rays_jacobian_se3(ray[:3], ray[3:]) @ _adjoint(wide.poses[0])
            pose = np.asarray(slope @ by_motion).T
            moved = jnp.asarray(_moved_rays(np.asarray(wide.poses[0]), np.asarray(ray)))
            there = self._moved(fine, moved.reshape(-1, 6), s, t, delta)[0]
            there = np.asarray(there).reshape(*moved.shape[:-1], 3)
            kept = (np.asarray(v) for v in (t, delta, sigma, colour, background))
            return Seen(
                Samples(*kept),
                int(count),
                self._distance(np.asarray(ray), np.asarray(t)),
                np.asarray(pixel),
                pose,
                _differences(there),
            )

    def _where(self, params, grid, at, camera):
        """Distances of the samples, lengths of their intervals, and how many there are."""
        origin, view = camera.rays(jnp.zeros(1, jnp.int32), at)
        origin, direction = self._space.entered(origin, view, self._model.stages)
        if grid is not None:
            middle = jnp.full(1, 0.5)
            found = occupancy.find(grid, origin, direction, middle, self._space)
            rank = jnp.arange(found.words.size * occupancy.BITS, dtype=jnp.int32)
            t, length, _ = occupancy.distance(
                found, jnp.zeros_like(rank), rank, middle, self._space
            )
            count = found.counts[0]
            return t, jnp.where(rank < count, length, 0.0), count
        background = jnp.full((1, 3), self._background)
        draws = Draws.of(self._model.config, 1, None)
        ray = origin, direction, view
        _, t, delta = coarse_to_fine(self._model, params, *ray, background, draws)
        return t[0], delta[0], jnp.int32(t.shape[1])

    def _stretch(self, ray):
        """How long the ray's direction becomes in the field's space."""
        if self._space.kind != "forward":
            return jnp.ones(())
        return jnp.linalg.norm(self._entered(ray)[1])

    def _entered(self, ray):
        """Origin and direction in the field's space, the latter of any length."""
        origin, direction = ray[None, :3], ray[None, 3:]
        if self._space.kind == "forward":
            near, slope = (jnp.asarray(v, ray.dtype) for v in (1.0, self._space.slope))
            origin, direction = self._model.stages.ndc(origin, direction, near, slope)
        return origin, direction

    def _colour(self, params, ray, s, t, delta):
        """The pixel of a ray (origin, direction in the world) asked at s, by stages alone."""
        stages = self._model.stages
        params = jax.tree.map(lambda v: v.astype(ray.dtype), params)
        field = self._model.field({"fine": params})
        origin, direction = self._entered(ray)
        x = self._space.cube(stages.points(origin, direction, s[None]), stages)
        seen = field.view(ray[None, 3:], stages)
        background = jnp.full((1, 3), self._background, ray.dtype)
        background = field.behind(seen, background, stages)
        features = jnp.broadcast_to(seen[:, None], (*x.shape[:-1], seen.shape[-1]))
        sigma, colour = field(x, features, stages)
        pixel = stages.volume_render(sigma, delta[None], colour, t[None], background)[0]
        return pixel[0], (sigma[0], colour[0], background[0])

    def _colour_and_slope(self, params, ray, s, t, delta):
        def twice(ray):
            pixel, rest = self._colour(params, ray, s, t, delta)
            return pixel, (pixel, *rest)

        slope, rest = jax.jacrev(twice, has_aux=True)(ray)
        return slope, *rest

    def _distance(self, ray, t):
        """How far from the camera, scene units."""
        if self._space.kind != "forward":
            return t
        (origin,), (direction,) = self._entered(jnp.asarray(ray))
        z = float(origin[2]) + t * float(direction[2]) / float(jnp.linalg.norm(direction))
        depth = 2 / np.maximum(1 - z, 1e-9)  # z = 2 s - 1, depth = 1 / (1 - s)
        return (depth + ray[2]) / -ray[5]


def _adjoint(pose: Array) -> Array:
    """From a motion in the camera's own frame to the same in the world's, [6 6].

    T exp(xi) = exp(xi') T with rho' = R rho + o x (R phi), phi' = R phi.
    """
    R, o = pose[:, :3], pose[:, 3]
    across = jnp.cross(o[:, None], R, axis=0)
    return jnp.block([[R, across], [jnp.zeros((3, 3)), R]])


def _moved_rays(pose: np.ndarray, ray: np.ndarray) -> Float[np.ndarray, "6 steps 2 6"]:
    """The ray of a camera that has moved by each step there and back, along each motion."""
    R, o = pose[:, :3], pose[:, 3]
    in_camera = R.T @ ray[3:]
    moved = np.empty((6, len(STEPS), 2, 6))
    for k, step in enumerate(STEPS):
        for side, sign in enumerate((1, -1)):
            for axis in range(3):
                by = sign * step * np.eye(3)[axis]
                moved[axis, k, side] = *(o + R @ by), *ray[3:]
                turned = R @ Rotation.from_rotvec(by).as_matrix() @ in_camera
                moved[3 + axis, k, side] = *o, *turned
    return moved


def _differences(there: Float[np.ndarray, "6 steps 2 3"]) -> Float[np.ndarray, "6 3"]:
    """Central differences, each of the step whose neighbour agrees best."""
    ladder = (there[:, :, 0] - there[:, :, 1]) / (2 * np.array(STEPS)[:, None])
    best = np.abs(np.diff(ladder, axis=1)).argmin(axis=1)
    return np.take_along_axis(ladder, best[:, None], axis=1)[:, 0]
