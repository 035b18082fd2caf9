"""How rays go through space, and where in the field's cube the points on them lie.

The field and the occupancy grid know the cube [-1, 1]^3 and nothing else.

bounded     what matters lies in the cube: a ray is asked at even steps between its two faces.
forward     cameras side by side that look along -z, nothing nearer than the plane z = -1: rays are
            taken to normalised device coordinates, where they are straight again and all that is
            seen lies in the cube. Even steps there are even in 1 / depth.
unbounded   surroundings without an end: points are drawn into a ball of radius 2, and that into
            the cube. Nothing is asked in the first part of the way from a camera to the origin, or
            up to where something is known to stand; then steps are even, and further away even in
            1 / distance.
"""

import math
from dataclasses import replace
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import data.scene
from calculus import radiance
from calculus.radiance import sampling
from data.errors import InputError
from data.scene import Scene, Split
from nerf import processes
from nerf.cameras import Cameras
from nerf.config import Config

EVEN = 2.0
"""Distance up to which steps are even (unbounded): half of them lie before it, scene units."""

SAFE = 0.8
"""Part of the distance of the nearest known thing that is left out at most."""

EXPOSURE_AND_BACKDROP = {"bounded": False, "forward": False, "unbounded": True}
"""Whether both are learnt, if the config doesn't say, of pictures without transparency."""

SPREAD = {"bounded": 0.0, "forward": 0.0, "unbounded": 0.01}
"""What spreading weights along a ray costs, if the config doesn't say."""


class Space(NamedTuple):
    """A kind of space, and into how many steps a ray through it is cut."""

    kind: data.scene.Space = "bounded"
    steps: int = 512
    near: float = 0.0
    """Part of the way from a camera to the origin before which nothing is asked (unbounded)."""
    slope: tuple[float, float] = (1.0, 1.0)
    """Half width and half height of what is seen at depth 1 (forward)."""
    nearest: float = math.inf
    """Distance from which on things are known to stand, scene units: asked from a bit before."""

    @classmethod
    def of(cls, config: Config) -> "Space":
        """That of a run."""
        kind = "bounded" if config.data.space == "auto" else config.data.space
        slope, nearest = config.data.slope, config.data.nearest
        return cls(
            kind,
            config.sampling.steps,
            config.sampling.near,
            (slope[0], slope[1]),
            math.inf if nearest is None else nearest,
        )

    def entered(
        self, origin: Float[Array, "rays 3"], direction: Float[Array, "rays 3"], stages: ModuleType
    ) -> tuple[Float[Array, "rays 3"], Float[Array, "rays 3"]]:
        """Rays as the field's space has them; directions of length one."""
        if self.kind != "forward":
            return origin, direction
        near, slope = (jnp.asarray(v, origin.dtype) for v in (1.0, self.slope))
        origin, direction = stages.ndc(origin, direction, near, slope)
        return origin, direction / jnp.linalg.norm(direction, axis=-1, keepdims=True)

    def interval(
        self, origin: Float[Array, "rays 3"], direction: Float[Array, "rays 3"]
    ) -> tuple[Float[Array, " rays"], Float[Array, " rays"]]:
        """Distances between which rays are asked."""
        if self.kind == "unbounded":
            part = self.near * jnp.linalg.norm(origin, axis=-1)
            near = jnp.minimum(part, SAFE * self.nearest)
            return near, self.distance(near, self.steps)
        return sampling.box_interval(origin, direction)

    def distance(self, t_near, step):
        """How far along its ray a step lies, or a part of one, counted from t_near."""
        if self.kind != "unbounded":
            return t_near + step * (2 * math.sqrt(3) / self.steps)
        # the last step ends short of infinity; what is beyond, to fill a word of bits, is its end
        u = jnp.minimum(step, self.steps) / (self.steps + 1)
        return t_near + EVEN * jnp.where(u < 0.5, 2 * u, 1 / (2 - 2 * u))

    def length(self, step):
        """How long a step is, scene units."""
        if self.kind != "unbounded":
            return jnp.full(step.shape, 2 * math.sqrt(3) / self.steps, float)
        first = jnp.floor(step)
        return self.distance(0.0, first + 1) - self.distance(0.0, first)

    def length_at(self, place: Float[Array, "n 3"]) -> Float[Array, " n"]:
        """How long a step is, about, that goes through a place of the cube; 0 where none does."""
        if self.kind != "unbounded":
            return self.length(place[:, 0])
        r = 2 * jnp.linalg.norm(place, axis=-1)
        away = jnp.minimum(1 / jnp.maximum(2 - r, 1e-3), self.distance(0.0, self.steps))
        even = 2 * EVEN / (self.steps + 1)
        return jnp.where(r < 2, even * jnp.maximum(1, away / EVEN) ** 2, 0)

    def world(self, x: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
        """Points on rays of the field's space, back in the world."""
        if self.kind != "forward":
            return x
        z = 2 / jnp.minimum(x[..., 2:] - 1, -1e-6)  # (2) of the contraction, solved for x
        return jnp.concatenate([-x[..., :2] * jnp.asarray(self.slope, x.dtype) * z, z], axis=-1)

    def place(self, x: Float[Array, "*batch 3"], stages: ModuleType) -> Float[Array, "*batch 3"]:
        """Where in the cube points of the world lie."""
        if self.kind != "forward":
            return self.cube(x, stages)
        near, slope = (jnp.asarray(v, x.dtype) for v in (1.0, self.slope))
        return stages.ndc_point(x, near, slope)

    def cube(
        self, x: Float[Array, "*batch 3"], stages: ModuleType = radiance
    ) -> Float[Array, "*batch 3"]:
        """Where in the cube points lie."""
        return stages.contract(x) / 2 if self.kind == "unbounded" else x

    def cube_by_axes(self, x: list[Float[Array, "*batch"]]) -> list[Float[Array, "*batch"]]:
        """`cube` of points that are given an axis at a time, for a look and no derivative.

        Of many points this is ten times as fast: none of them is put together.
        """
        if self.kind != "unbounded":
            return x
        inverse = jax.lax.rsqrt(jnp.maximum(x[0] ** 2 + x[1] ** 2 + x[2] ** 2, 1))
        factor = (2 - inverse) * inverse / 2  # (1) of the contraction
        return [factor * axis for axis in x]


def kind_of(config: Config, scene: Scene) -> data.scene.Space:
    """What the config says; else what the scene does."""
    return scene.space if config.data.space == "auto" else config.data.space


def resolved(config: Config, scene: Scene) -> Config:
    """The config with what the scene's kind of space asks for, where nobody said otherwise.

    InputError if the config's strategy can't go through it.
    """
    kind = kind_of(config, scene)
    if kind == "unbounded" and config.sampling.strategy == "hierarchical":
        raise InputError(
            f"{scene.path}: is unbounded, and sampling.strategy hierarchical knows a cube only; "
            "use configs/fast.toml, or say --data.space bounded"
        )
    slope = config.data.slope
    if kind == "forward":
        slope = seen_at_depth_one(*scene.splits.values())
    training = config.training
    if training.spread is None:
        training = replace(training, spread=SPREAD[kind])
    field, split = config.field, scene.splits["train"]
    learnt = EXPOSURE_AND_BACKDROP[kind]
    asked = bool(training.exposure or field.backdrop)
    if (learnt or asked) and any(processes.exchange(_transparent(split))):
        if asked:
            raise InputError(
                f"{scene.path}: has transparent pictures, which are laid over a background: leave "
                "training.exposure and field.backdrop out"
            )
        learnt = False
    if training.exposure is None:
        training = replace(training, exposure=learnt)
    if field.backdrop is None:
        field = replace(field, backdrop=learnt)
    nearest = scene.nearest if config.data.nearest is None else config.data.nearest
    data = replace(config.data, space=kind, slope=slope, pictures=len(split), nearest=nearest)
    return replace(config, data=data, training=training, field=field)


def _transparent(split: Split) -> bool:
    """Whether some picture is, of those that this process has read."""
    return any(bool((picture[..., 3] < 255).any()) for picture in split.pictures)


def seen_at_depth_one(*splits: Split) -> tuple[float, float]:
    """Half width and half height of all that the cameras see, at depth 1 and far away.

    By the rays through the borders of the pictures, which lenses bend; InputError where a camera
    does not look along -z.
    """
    o, d = (np.concatenate(parts) for parts in zip(*map(_at_borders, splits), strict=True))
    if d[:, 2].max() > -0.1:
        raise InputError("space forward: some cameras look aside; say --data.space unbounded")
    away = d[:, :2] / -d[:, 2:]
    near = o[:, :2] + away * (1 + o[:, 2:])
    x, y = np.maximum(np.abs(away), np.abs(near)).max(0)
    return float(x), float(y)


def _at_borders(split: Split, along: int = 17) -> tuple[np.ndarray, np.ndarray]:
    """Rays through points of the four edges of every picture, corners included."""
    s = np.linspace(0, 1, along)
    edges = [(s, 0 * s), (s, 0 * s + 1), (0 * s, s), (0 * s + 1, s)]
    border = np.concatenate([np.stack(edge, axis=-1) for edge in edges])
    pixel = jnp.asarray(np.tile(border * [split.width, split.height], (len(split), 1)), float)
    picture = jnp.repeat(jnp.arange(len(split)), len(border))
    o, d = Cameras.of(split).rays(picture, pixel)
    return np.asarray(o, np.float64), np.asarray(d, np.float64)
