"""Whole pictures: rays in chunks under a bound of memory, in rounds until nothing more is seen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from data.scene import Camera
from nerf import devices, occupancy
from nerf.cameras import Cameras
from nerf.config import Config
from nerf.field import Model, Params, direction_features, position_features
from nerf.normals import normals
from nerf.occupancy import Occupancy
from nerf.shading import Draws, coarse_to_fine, shade
from nerf.space import Space

BACKGROUNDS = {"white": 1.0, "black": 0.0}
OPAQUE = 1e-4
"""Transmittance below which a ray asks no more: what is behind can't be seen."""
SAMPLES_A_ROUND = 8
"""Samples that a ray is asked at before it is known whether it needs more."""
RAYS_THAT_LOOK = 16384
"""Rays that look for occupied cells at once, at most."""
FEW = 8
"""Into how many smaller chunks a large one is cut where fewer rays are left."""


class Seen(NamedTuple):
    """What rays see, in numpy."""

    colour: Float[np.ndarray, "*rays 3"]
    """RGB over the background, in [0, 1]."""
    opacity: Float[np.ndarray, "*rays"]
    depth: Float[np.ndarray, "*rays"]
    """Distance times opacity, scene units: divide by the opacity for the mean distance."""
    samples: Int[np.ndarray, "*rays"]
    """How often the field was asked."""
    normal: Float[np.ndarray, "*rays 3"] | None = None
    """Sum of w_i n_i, in the world; None if nobody asked for it."""


class Picture(NamedTuple):
    """What a camera sees; as `Seen`."""

    colour: Float[np.ndarray, "h w 3"]
    opacity: Float[np.ndarray, "h w"]
    depth: Float[np.ndarray, "h w"]
    samples: Int[np.ndarray, "h w"] | None = None
    normal: Float[np.ndarray, "h w 3"] | None = None


class Renderer:
    """Renders whole pictures with a model. Models of one shape share their compiled programs.

    With `normals` it also sees which way surfaces face, for about twice the work. On a mesh each of
    its devices takes an equal part of every chunk of rays.
    """

    def __init__(
        self,
        model: Model,
        background: str = "white",
        normals: bool = False,
        mesh: Mesh | None = None,
    ):
        if background not in BACKGROUNDS:
            raise ValueError(f"background {background!r}: pictures have white or black behind them")
        self.model, self._normals = model, normals
        self._mesh, self._among = mesh, 1 if mesh is None else mesh.size
        self._placed: tuple[Any, Any] = None, None
        self.rays = rays_in_memory(model.config, normals) * self._among
        """Rays in a chunk, of all devices."""
        self.rays_that_look = rays_that_look_in_memory(model.config) * self._among
        """Rays that look for occupied cells at once."""
        programs = _programs(model.compiled, BACKGROUNDS[background], normals, mesh)
        self._whole, self._find, self._advance = programs

    def _on_mesh(self, params: Params, grid: Occupancy | None) -> tuple[Params, Occupancy | None]:
        """Both on every device; brought there once for many pictures."""
        if self._mesh is None:
            return params, grid
        (known, known_grid), there = self._placed[0] or (None, None), self._placed[1]
        if known is not params or known_grid is not grid:
            there = devices.placed((params, grid), self._mesh)
            self._placed = (params, grid), there
        return there

    def picture(
        self,
        params: Params,
        grid: Occupancy | None,
        view: Camera,
        tick: Callable[[int], Any] = lambda pixels: None,
    ) -> Picture:
        """One whole picture; `tick` is told the pixels just done."""
        y, x = np.mgrid[0 : view.height, 0 : view.width].reshape(2, -1).astype(np.float32)
        at = np.stack([x, y], axis=-1) + np.float32(0.5)
        seen = self.pixels(params, grid, at, Cameras.of(view), tick)
        shape = (view.height, view.width)
        whole = [None if part is None else part.reshape(*shape, *part.shape[1:]) for part in seen]
        return Picture(*whole)  # type: ignore[arg-type]

    def pixels(
        self,
        params: Params,
        grid: Occupancy | None,
        at: Float[np.ndarray, "rays 2"],
        camera: Cameras,
        tick: Callable[[int], Any] = lambda pixels: None,
    ) -> Seen:
        """What one camera sees at some places of its picture, in pixels: the first has its centre
        at (1/2, 1/2). An exception that `tick` raises ends it."""
        road = self._everywhere if grid is None else self._where_occupied
        if len(at) == 0:
            road = self._nowhere
        params, grid = self._on_mesh(params, grid)
        numbers, samples = road(params, grid, at, camera, tick)
        normal = numbers[:, 5:] if self._normals else None
        return Seen(numbers[:, :3], numbers[:, 3], numbers[:, 4], samples, normal)

    def _nowhere(self, params, grid, at, camera, tick):
        return np.zeros((0, 8 if self._normals else 5), np.float32), np.zeros(0, np.int32)

    def _everywhere(self, params, grid, at, camera, tick):
        """Coarse and fine, a chunk at a time."""
        sampling = self.model.config.sampling
        each = 2 * sampling.coarse + sampling.fine
        numbers = np.zeros((len(at), 8 if self._normals else 5), np.float32)
        for chunk in self._chunks(np.arange(len(at)), self.rays):
            length = self._length(chunk, self.rays)
            pixels = self._whole(params, _filled(at, chunk, length), camera)
            numbers[chunk] = np.asarray(pixels)[: len(chunk)]
            tick(len(chunk))
        return numbers, np.full(len(at), each, np.int32)

    def _where_occupied(self, params, grid, at, camera, tick):
        """Samples in occupied cells, a few a round; a ray that is opaque asks no more."""
        parts = []
        for chunk in self._chunks(np.arange(len(at)), self.rays_that_look):
            length = self._length(chunk, self.rays_that_look)
            found = self._find(params, grid, _filled(at, chunk, length), camera)
            parts.append([np.asarray(v)[: len(chunk)] for v in found])
        t_near, words, counts, behind = map(np.concatenate, zip(*parts, strict=True))
        # colour, opacity, depth, normal
        seen = np.zeros((len(at), 8 if self._normals else 5), np.float32)
        rank = np.zeros(len(at), np.int32)
        alive = np.flatnonzero(counts)
        tick(len(at) - len(alive))
        while len(alive):
            for chunk in self._chunks(alive, self.rays):
                length = self._length(chunk, self.rays)
                cut = (_filled(v, chunk, length) for v in (at, t_near, words, counts, seen, rank))
                seen[chunk] = np.asarray(self._advance(params, *cut, camera))[: len(chunk)]
            rank[alive] += SAMPLES_A_ROUND
            goes_on = (rank[alive] < counts[alive]) & (1 - seen[alive, 3] > OPAQUE)
            tick(len(alive) - int(goes_on.sum()))
            alive = alive[goes_on]
        seen[:, :3] += (1 - seen[:, 3:4]) * behind
        return seen, np.minimum(rank, counts)

    def _chunks(self, which: np.ndarray, length: int) -> Iterator[np.ndarray]:
        """Parts of that length, and what is left over in parts of a FEW-th of it."""
        whole = len(which) - len(which) % length
        for start in range(0, whole, length):
            yield which[start : start + length]
        few = self._few(length)
        # one large chunk with gaps costs less than many small ones that fill it
        each = few if len(which) - whole <= length // 2 else length
        for start in range(whole, len(which), each):
            yield which[start : start + each]

    def _few(self, length: int) -> int:
        return max(length // self._among // FEW, 1) * self._among

    def _length(self, chunk: np.ndarray, length: int) -> int:
        """Of the two lengths that there are programs for, that which a chunk is filled up to."""
        few = self._few(length)
        return few if len(chunk) <= few else length


@dataclass(frozen=True)
class _Traced:
    """What the programs of a renderer do."""

    model: Model
    background: float
    normals: bool

    @property
    def space(self) -> Space:
        return Space.of(self.model.config)

    def coarse_and_fine(self, params, pixel, camera):
        at, model = self._rays(pixel, camera), self.model
        background = jnp.full((len(pixel), 3), self.background)
        draws = Draws.of(model.config, len(pixel), None)
        _, t, delta = coarse_to_fine(model, params, *at, background, draws)
        field = model.field(params)
        fine, sigma = shade(field, *at, t, delta, background, self.space, model.stages)
        return self._numbers(params, fine, *at[:2], t, delta, sigma)

    def look(self, params, grid, pixel, camera):
        """Where rays meet occupied cells, and what is behind all of them."""
        origin, direction, view = self._rays(pixel, camera)
        middle, background = (
            jnp.full(len(origin), 0.5),
            jnp.full((len(origin), 3), self.background),
        )
        found = occupancy.find(grid, origin, direction, middle, self.space)
        field, stages = self.model.field(params), self.model.stages
        return (*found, field.behind(field.view(view, stages), background, stages))

    def next_samples(self, params, pixel, t_near, words, counts, seen, rank, camera):
        """What rays have seen after a few samples more."""
        rays, space = len(pixel), self.space
        at = self._rays(pixel, camera)
        ranks = rank[:, None] + jnp.arange(SAMPLES_A_ROUND, dtype=rank.dtype)[None, :]
        ray = jnp.repeat(jnp.arange(rays, dtype=jnp.int32), SAMPLES_A_ROUND)
        found, middle = occupancy.Found(t_near, words, counts), jnp.full(rays, 0.5)
        t, length = (
            v.reshape(ranks.shape)
            for v in occupancy.distance(found, ray, ranks.ravel(), middle, space)[:2]
        )
        delta = jnp.where(ranks < counts[:, None], length, 0.0)
        nothing = jnp.zeros((rays, 3))
        field = self.model.field(params)
        pixels, sigma = shade(field, *at, t, delta, nothing, space, self.model.stages)
        more = self._numbers(params, pixels, *at[:2], t, delta, sigma)
        # behind what is there already: light that comes from it is let through by that
        return seen + (1 - seen[:, 3:4]) * more

    def _numbers(self, params, pixels, origin, direction, t, delta, sigma):
        """Colour, opacity, depth and, where they are asked for, sum_i w_i n_i in the world."""
        numbers = [pixels.colour, pixels.opacity[:, None], pixels.depth[:, None]]
        if self.normals:
            stages = self.model.stages
            x = self.space.world(stages.points(origin, direction, t))
            w, _ = stages.weights(stages.optical_depth(sigma, delta))
            numbers.append(jnp.einsum("ri,rik->rk", w, normals(self.model, params, x)))
        return jnp.concatenate(numbers, axis=-1)

    def _rays(self, pixel: Array, camera: Cameras) -> tuple[Array, Array, Array]:
        """Rays in the field's space, and their directions in the world."""
        origin, view = camera.rays(jnp.zeros(len(pixel), jnp.int32), pixel)
        origin, direction = self.space.entered(origin, view, self.model.stages)
        return origin, direction, view


@lru_cache(maxsize=16)
def _programs(model: Model, background: float, normals: bool, mesh: Mesh | None) -> tuple:
    """Compiled for all renderers of one shape: coarse and fine; a look; the next samples."""
    traced, every = _Traced(model, background, normals), ["rays"] * 6

    def program(f: Callable, *given: str) -> Any:
        """Of what it is `given` each device has its rays and all the rest."""
        if mesh is None:
            return jax.jit(f)
        specs = tuple(P(devices.AXIS) if name == "rays" else P() for name in given)
        return jax.jit(
            jax.shard_map(f, mesh=mesh, in_specs=specs, out_specs=P(devices.AXIS), check_vma=False)
        )

    return (
        program(traced.coarse_and_fine, "parameters", "rays", "camera"),
        program(traced.look, "parameters", "grid", "rays", "camera"),
        program(traced.next_samples, "parameters", *every, "camera"),
    )


def rays_that_look_in_memory(config: Config) -> int:
    """How many rays may look for occupied cells at once within the config's memory."""
    words = -(-config.sampling.steps // occupancy.BITS)
    each = 4 * words * occupancy.BITS + 64  # one number a bit, and what a ray is
    return min(max(config.rendering.memory * 2**20 // each, 1), RAYS_THAT_LOOK)


def rays_in_memory(config: Config, normals: bool = False) -> int:
    """How many rays a chunk may have so that its samples stay within the config's memory.

    A power of two: networks take their rows in blocks, and are slow where those don't come out
    even.
    """
    samples = SAMPLES_A_ROUND
    if config.sampling.strategy == "hierarchical":
        samples = config.sampling.coarse + config.sampling.fine
    # What one sample holds: what the trunk is given, what it gives, what the head is given, each
    # as it is, joined to others, and cut into blocks; two hidden layers at a time; and what
    # compositing reads. The suite holds this against what the compiler says.
    given = position_features(config.field)
    handed_on = 2 * config.field.features + 1 + direction_features(config.field)
    widest = max(config.field.trunk_width, config.field.head_width)
    numbers = (3 * (given + handed_on) + 2 * widest + 16) * samples
    rays = config.rendering.memory * 2**20 // (4 * numbers * (2 if normals else 1))
    return 2 ** int(np.log2(min(max(rays, 1), 32768)))


def _filled(values: np.ndarray, chunk: np.ndarray, length: int) -> np.ndarray:
    """Those of a chunk, filled up to one of two lengths, so that there are two programs."""
    return values[np.pad(chunk, (0, length - len(chunk)), mode="edge")]
