"""What lies along the ray of one pixel, as rendering marches it, in float64.

Where samples lie is what the renderer says, in float32. The field is asked there once more in
float64, so that derivatives can be held against finite differences.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

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
    """Asks a model along rays. Runs of one shape share their compiled programs."""

    def __init__(self, model: Model, background: float, stages: ModuleType = radiance):
        self._cut, self._ask, self._moved = _programs(
            replace(model, stages=stages).compiled, background
        )

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
            t, delta = (np.asarray(v, float) for v in (t32, delta32))
            wide = jax.tree.map(lambda v: np.asarray(v, float), camera)
            ray, s, distance, samples, pixel, pose = jax.tree.map(
                np.asarray, self._ask(fine, wide, np.asarray(at[None], float), t, delta)
            )
            moved = _moved_rays(wide.poses[0], ray)
            there = np.asarray(self._moved(fine, moved.reshape(-1, 6), s, t, delta)[0])
            differences = _differences(there.reshape(*moved.shape[:-1], 3))
            return Seen(samples, int(count), distance, pixel, pose, differences)


@dataclass(frozen=True)
class _Traced:
    """What the programs do."""

    model: Model
    background: float

    @property
    def space(self) -> Space:
        return Space.of(self.model.config)

    def where(self, params, grid, at, camera):
        """Distances of the samples, lengths of their intervals, and how many there are."""
        origin, view = camera.rays(jnp.zeros(1, jnp.int32), at)
        origin, direction = self.space.entered(origin, view, self.model.stages)
        if grid is not None:
            middle = jnp.full(1, 0.5)
            found = occupancy.find(grid, origin, direction, middle, self.space)
            rank = jnp.arange(found.words.size * occupancy.BITS, dtype=jnp.int32)
            t, length, _ = occupancy.distance(found, jnp.zeros_like(rank), rank, middle, self.space)
            count = found.counts[0]
            return t, jnp.where(rank < count, length, 0.0), count
        background = jnp.full((1, 3), self.background)
        draws = Draws.of(self.model.config, 1, None)
        ray = origin, direction, view
        _, t, delta = coarse_to_fine(self.model, params, *ray, background, draws)
        return t[0], delta[0], jnp.int32(t.shape[1])

    def stretch(self, ray):
        """How long the ray's direction becomes in the field's space."""
        if self.space.kind != "forward":
            return jnp.ones(())
        return jnp.linalg.norm(self.entered(ray)[1])

    def entered(self, ray):
        """Origin and direction in the field's space, the latter of any length."""
        origin, direction = ray[None, :3], ray[None, 3:]
        if self.space.kind == "forward":
            near, slope = (jnp.asarray(v, ray.dtype) for v in (1.0, self.space.slope))
            origin, direction = self.model.stages.ndc(origin, direction, near, slope)
        return origin, direction

    def colour(self, params, ray, s, t, delta):
        """The pixel of a ray (origin, direction in the world) asked at s, by stages alone."""
        stages = self.model.stages
        params = jax.tree.map(lambda v: v.astype(ray.dtype), params)
        field = self.model.field({"fine": params})
        origin, direction = self.entered(ray)
        x = self.space.cube(stages.points(origin, direction, s[None]), stages)
        seen = field.view(ray[None, 3:], stages)
        background = jnp.full((1, 3), self.background, ray.dtype)
        background = field.behind(seen, background, stages)
        features = jnp.broadcast_to(seen[:, None], (*x.shape[:-1], seen.shape[-1]))
        sigma, colour = field(x, features, stages)
        pixel = stages.volume_render(sigma, delta[None], colour, t[None], background)[0]
        return pixel[0], (sigma[0], colour[0], background[0])

    def ray(self, params, camera, at, t, delta):
        """The ray of a pixel; where its samples are asked, how far away they are and what they are;
        the pixel, and its slope by each of `MOTIONS`."""
        (origin,), (direction,) = camera.rays(jnp.zeros(1, jnp.int32), at)
        ray = jnp.concatenate([origin, direction])
        s = t / self.stretch(ray)

        def twice(ray):
            pixel, rest = self.colour(params, ray, s, t, delta)
            return pixel, (pixel, rest)

        slope, (pixel, rest) = jax.jacrev(twice, has_aux=True)(ray)
        by_motion = rays_jacobian_se3(origin, direction) @ _adjoint(camera.poses[0])
        samples = Samples(t, delta, *rest)
        return ray, s, self.distance(ray, t), samples, pixel, (slope @ by_motion).T

    def distance(self, ray, t):
        """How far from the camera, scene units."""
        if self.space.kind != "forward":
            return t
        (origin,), (direction,) = self.entered(ray)
        z = origin[2] + t * direction[2] / jnp.linalg.norm(direction)
        depth = 2 / jnp.maximum(1 - z, 1e-9)  # z = 2 s - 1, depth = 1 / (1 - s)
        return (depth + ray[2]) / -ray[5]


@lru_cache(maxsize=16)
def _programs(model: Model, background: float) -> tuple[Any, Any, Any]:
    """Compiled: where samples lie; what they are; the pixels of rays that have moved."""
    traced = _Traced(model, background)
    moved = jax.vmap(traced.colour, in_axes=(None, 0, None, None, None))
    return jax.jit(traced.where), jax.jit(traced.ray), jax.jit(moved)


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
