"""marbles: the scene of `data.analytic`, every pixel by quadrature of its closed form."""

import os

import numpy as np

from data.analytic import MARBLES, Rays
from scripts.scenes.cameras import SIZE, dome, rays
from scripts.scenes.files import Recipe, to_rgba

NEAR, FAR = 2.4, 5.6
"""Distances between which every body lies, scene units."""


def picture(pose: np.ndarray) -> np.ndarray:
    """Straight RGBA; colours are what the field emits, on no curve."""
    origins, directions = rays(pose)
    colour, opacity = np.zeros((SIZE * SIZE, 3)), np.zeros(SIZE * SIZE)
    for start in range(0, len(origins), 200):
        part = slice(start, start + 200)
        pixels = MARBLES.render(Rays(origins[part], directions[part], NEAR, FAR), np.zeros(3))
        colour[part], opacity[part] = pixels.colour, pixels.opacity
    return to_rgba(colour.reshape(SIZE, SIZE, 3), opacity.reshape(SIZE, SIZE), srgb=False)


RECIPE = Recipe(
    views={"train": dome(64, 0.0), "test": dome(10, 0.37)},
    picture=picture,
    processes=os.cpu_count() or 1,
)
