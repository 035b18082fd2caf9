"""smoke: two plumes that wind about each other; density known, light by source iteration.

What the smoke sends to the eye, J (`data.smoke`, (4)), is the same from everywhere. It is found
once, on a grid: for every cell, light comes from the sun and from DIRECTIONS of the sky, dimmed on
its way, and from smoke lit in the round before; ROUNDS of that are as many orders of scattering.
A picture is then T sigma J summed along the ray through each pixel's centre: no noise.
"""

import functools
import os

import numpy as np
from scipy.ndimage import map_coordinates

from data import smoke
from scripts.scenes.cameras import GOLDEN, SIZE, dome, rays
from scripts.scenes.files import Recipe, to_rgba

CELLS = 64
"""Per side of the grid that light is gathered on, over [-RADIUS, RADIUS]^3."""
DIRECTIONS = 24
ROUNDS = 3
STEPS = 64
"""Along a ray of light, to the edge of the ball."""
SAMPLES = 192
"""Along a ray to the eye, within the ball."""
SUN = np.array([0.75, -0.45, 0.5]) / np.linalg.norm([0.75, -0.45, 0.5])
SUNLIGHT = 4 * np.pi * np.array([0.5, 0.48, 0.45])
"""Irradiance on a surface that faces the sun."""


def skylight(d: np.ndarray) -> np.ndarray:
    """Radiance [..., 3] from the sky: blue above, rose at the sides, dim below."""
    up = d[..., 2:]
    level = np.exp(-((up / 0.45) ** 2)) * np.array([0.16, 0.1, 0.12])
    return level + np.clip(up, 0, 1) * np.array([0.2, 0.27, 0.36]) + 0.34


@functools.cache
def lit() -> np.ndarray:
    """J at the corners of the grid, [CELLS, CELLS, CELLS, 3]."""
    at = np.linspace(-smoke.RADIUS, smoke.RADIUS, CELLS)
    corners = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1)
    plumes = smoke.densities(corners)
    sigma, albedo = plumes.sum(axis=-1), smoke.albedo(plumes)
    # light is wanted where there is smoke, and two cells further, to be interpolated
    near = np.argwhere(_spread(_spread(sigma)) > 0)
    x = corners[tuple(near.T)]
    J = np.zeros((*sigma.shape, 3))
    k = np.arange(DIRECTIONS) + 0.5
    height = 1 - 2 * k / DIRECTIONS
    level = np.sqrt(1 - height**2)
    fan = np.stack([level * np.cos(GOLDEN * k), level * np.sin(GOLDEN * k), height], axis=-1)
    direct = arriving(x, SUN, sigma, None)[0][:, None] * SUNLIGHT / (4 * np.pi)
    for order in range(ROUNDS):
        around = np.zeros((len(x), 3))
        for d in fan:
            clear, scattered = arriving(x, d, sigma, J if order else None)
            around += clear[:, None] * skylight(d) + scattered
        found = np.zeros_like(J)
        found[tuple(near.T)] = albedo[tuple(near.T)] * (direct + around / DIRECTIONS)
        J = found
    return J


def arriving(x, d, sigma, J):
    """How clear the way from x towards d is, and the light that smoke sends along it."""
    along = np.sum(x * d, axis=-1)
    length = -along + np.sqrt(np.maximum(along**2 + 3 * smoke.RADIUS**2 - np.sum(x * x, -1), 0))
    step = np.minimum(length, 2 * smoke.RADIUS) / STEPS
    depth, light = np.zeros(len(x)), np.zeros((len(x), 3))
    for k in range(STEPS):
        at = (x + ((k + 0.5) * step)[:, None] * d).T
        thickness = step * _between(sigma, at)
        if J is not None:
            weight = np.exp(-depth) * -np.expm1(-thickness)
            for c in range(3):
                light[:, c] += weight * _between(J[..., c], at)
        depth += thickness
    return np.exp(-depth), light


def seen(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Premultiplied linear colour, opacity and the integral of T sigma t of every pixel."""
    J = lit()
    origins, directions = rays(pose)
    colour, opacity, depth = np.zeros((SIZE**2, 3)), np.zeros(SIZE**2), np.zeros(SIZE**2)
    middle = -np.sum(origins * directions, axis=-1)
    half2 = smoke.RADIUS**2 - np.sum(origins**2, axis=-1) + middle**2
    hits = np.flatnonzero(half2 > 0)
    for part in np.array_split(hits, 40):
        half = np.sqrt(half2[part])[:, None]
        step = 2 * half / SAMPLES
        t = middle[part][:, None] - half + (np.arange(SAMPLES) + 0.5) * step
        x = origins[part][:, None] + t[..., None] * directions[part][:, None]
        thickness = smoke.density(x) * step
        passed = np.cumsum(thickness, axis=-1)
        weight = np.exp(-(passed - thickness)) * -np.expm1(-thickness)
        for c in range(3):
            light = np.zeros_like(weight)
            some = weight > 0
            light[some] = _between(J[..., c], x[some].T)
            colour[part, c] = np.sum(weight * light, axis=-1)
        opacity[part] = -np.expm1(-passed[:, -1])
        depth[part] = np.sum(weight * t, axis=-1)
    return colour.reshape(SIZE, SIZE, 3), opacity.reshape(SIZE, SIZE), depth.reshape(SIZE, SIZE)


def picture(pose: np.ndarray) -> np.ndarray:
    """Straight RGBA. On no curve: only so is a mean of the stored colours the physical one."""
    colour, opacity, _ = seen(pose)
    return to_rgba(colour, opacity, srgb=False, step=3)


def distance(pose: np.ndarray) -> np.ndarray:
    """The mean distance at which light is sent to the eye, where opacity is above 1/255."""
    _, opacity, depth = seen(pose)
    return np.where(opacity > 1 / 255, depth / np.maximum(opacity, 1e-9), np.inf)


def _between(grid, at):
    place = (at + smoke.RADIUS) * ((CELLS - 1) / (2 * smoke.RADIUS))
    return map_coordinates(grid, place, order=1, mode="constant")


def _spread(sigma):
    out = sigma
    for axis in range(3):
        out = np.maximum(out, np.maximum(np.roll(out, 1, axis), np.roll(out, -1, axis)))
    return out


RECIPE = Recipe(
    views={"train": dome(100, 0.0, -0.3, 0.8), "test": dome(25, 0.37, -0.3, 0.8)},
    picture=picture,
    distance=distance,
    shared=lit,
    processes=os.cpu_count() or 1,
    also={"density": "smoke"},
)
