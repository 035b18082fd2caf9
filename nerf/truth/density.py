r"""A run's density, voxel by voxel, against one in closed form.

Symbols      lengths in the files' own units; s scene units per unit of the files
    x_scene    s (R x + m), where the run has the files' point x (`data.scene.Scene.motion`)    (1)
    sigma      s sigma_scene, as sigma dx = sigma_scene dx_scene                                (2)

Photographs hold integrals along rays, not densities at points. What is compared is the density as
it is rendered: nothing where the occupancy grid lets no ray ask, nor outside of a bounded cube.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from data import files, smoke
from data.scene import Scene, Split
from nerf import views
from nerf.field import Model, Params
from nerf.occupancy import Density, Occupancy
from nerf.space import Space

Points = Float[np.ndarray, "n 3"]
Volume = Float[np.ndarray, "_ _ _"]
Known = Callable[[np.ndarray], np.ndarray]

KNOWN: dict[str, Known] = {"smoke": smoke.density}
"""Densities in closed form, per unit of the files, by what transforms files call them."""
SIDE = 1.5
"""Half the side of the cube of voxels, files' own units: what Blender-format scenes lie in."""
VOXELS = 128
"""Along each side."""
COARSER = (1, 2, 4)
"""Voxels a side that are averaged into one, for the error by size."""
LOOKING = 4
"""Voxels a side of a block whose way to the cameras is looked along."""
CAMERAS = 25
"""Of the training cameras so many look, evenly chosen."""
CLEAR = 0.1
"""Transmittance from which on a block counts as seen."""


def known(folder: Path, split: str) -> Known | None:
    """The density that a scene says it was made of, if it is one in closed form."""
    said = files.read_json(folder / f"transforms_{split}.json").get("density")
    return KNOWN.get(said) if isinstance(said, str) else None


def rendered(model: Model, params: Params, grid: Occupancy | None) -> Density:
    """The density of a run, 1 / scene unit, at points of the scene as its rays meet it."""
    space, stages = Space.of(model.config), model.stages

    @jax.jit
    def density(
        params: Params, grid: Occupancy | None, x: Float[Array, "n 3"]
    ) -> Float[Array, " n"]:
        place = space.cube(x, stages)
        sigma = model.field(params).density(place, stages)[0]
        met = (jnp.abs(place) <= 1).all(axis=-1)
        if grid is not None:
            cells = grid.occupied.shape[0]
            at = jnp.clip((place + 1) * (cells / 2), 0, cells - 1).astype(jnp.int32)
            met &= grid.occupied[at[:, 0], at[:, 1], at[:, 2]]
        return jnp.where(met, sigma, 0)

    return functools.partial(density, params, grid)


def centres(voxels: int) -> Iterator[Points]:
    """The middles of voxels in [-SIDE, SIDE]^3, a slab of equal x at a time; z changes fastest."""
    at = ((np.arange(voxels) + 0.5) * 2 / voxels - 1) * SIDE
    y, z = (v.ravel() for v in np.meshgrid(at, at, indexing="ij"))
    for x in at:
        yield np.stack([np.full(y.shape, x), y, z], axis=-1)


def volumes(
    truth: Known, density: Density, scene: Scene, voxels: int = VOXELS
) -> tuple[Volume, Volume]:
    """The true density and the run's, per unit of the files; index [x, y, z] of their frame."""
    true, found = [], []
    for x in centres(voxels):
        true.append(truth(x))
        there = jnp.asarray(to_scene(x, scene), float)
        found.append(scene.scale * np.asarray(density(there), np.float64))  # (2)
    shape = (voxels,) * 3
    return np.stack(true).reshape(shape), np.stack(found).reshape(shape)


def to_scene(x: Points, scene: Scene) -> Points:
    """The files' points in the scene's frame and units."""
    return scene.scale * (x @ scene.motion[:, :3].T + scene.motion[:, 3])  # (1)


def agreement(found: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """Correlation, RMSE in parts of the RMS of the truth, and the mass in parts of the truth's."""
    found, truth = (v.astype(np.float64).ravel() for v in (found, truth))
    spread = found.std() * truth.std() if truth.size else 0.0
    together = np.mean((found - found.mean()) * (truth - truth.mean())) if spread else 0.0
    square, mass = np.sum(truth**2), truth.sum()
    return {
        "correlation": float(together / spread) if spread else None,
        "rmse": float(np.sqrt(np.sum((found - truth) ** 2) / square)) if square else None,
        "mass": float(found.sum() / mass) if mass else None,
    }


def figures(found: Volume, truth: Volume, best: Volume | None = None) -> dict[str, Any]:
    """How a recovered density agrees with the true one.

    `best` is how clearly some camera sees each block of voxels (`clearest`).
    """
    edge = 2 * SIDE / len(truth)
    told: dict[str, Any] = {
        "voxels": len(truth),
        "edge": edge,
        **agreement(found, truth),
        "mass_where_none_is": float(found[truth == 0].sum() / max(truth.sum(), 1e-300)),
        "rmse_by_edge": {
            f"{edge * k:.4f}": agreement(coarser(found, k), coarser(truth, k))["rmse"]
            for k in COARSER
        },
        "rmse_of_sums_along": {
            axis: agreement(found.sum(k), truth.sum(k))["rmse"] for k, axis in enumerate("xyz")
        },
    }
    if best is None:
        return told
    fine = best.repeat(len(truth) // len(best), 0)
    fine = fine.repeat(len(truth) // len(best), 1).repeat(len(truth) // len(best), 2)
    seen, full = fine >= CLEAR, truth > 0
    return told | {
        "seen": {
            "transmittance": CLEAR,
            "voxels": float(seen.mean()),
            "least_where_some_is": float(fine[full].min()) if full.any() else None,
            **agreement(found[seen], truth[seen]),
        }
    }


def coarser(volume: Volume, by: int) -> Volume:
    """Means over blocks of so many voxels a side."""
    n = len(volume) // by
    return volume[: n * by, : n * by, : n * by].reshape(n, by, n, by, n, by).mean((1, 3, 5))


def clearest(truth: Volume, scene: Scene, split: Split) -> Volume:
    """The largest transmittance between each block of voxels and a camera that has it in view.

    By sums over blocks of LOOKING voxels a side, and of CAMERAS cameras: more would see no less.
    """
    blocks = coarser(truth, LOOKING)
    n, step = len(blocks), 2 * SIDE / len(blocks)
    x = np.concatenate(list(centres(n)))
    R, m = scene.motion[:, :3], scene.motion[:, 3]
    best = np.zeros(len(x))
    for k in np.unique(np.linspace(0, len(split) - 1, min(len(split), CAMERAS)).astype(int)):
        camera = split.camera(int(k))
        o = (camera.pose[:, 3].astype(np.float64) / scene.scale - m) @ R  # (1), the other way
        towards = o - x
        towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
        depth = np.zeros(len(x))
        for number in range(int(np.ceil(2 * SIDE * np.sqrt(3) / step))):
            place = (x + number * step * towards + SIDE) / step
            inside = ((place >= 0) & (place < n)).all(axis=-1)
            at = place[inside].astype(int)
            # the block that is looked at itself is half in the way
            depth[inside] += (step if number else step / 2) * blocks[at[:, 0], at[:, 1], at[:, 2]]
        in_view = views.sees(camera, to_scene(x, scene))
        best = np.maximum(best, np.where(in_view, np.exp(-depth), 0))
    return best.reshape(n, n, n)
