"""What rays show, at any pixels of a camera."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nerf.cameras import Cameras


class Seen(NamedTuple):
    """What rays show, in numpy."""

    colour: Float[np.ndarray, "*n 3"]
    opacity: Float[np.ndarray, "*n"]
    depth: Float[np.ndarray, "*n"]
    samples: Int[np.ndarray, "*n"]
    normal: Float[np.ndarray, "*n 3"] | None = None


def pixels(renderer, params, grid, at, camera, tick) -> Seen:
    """What the pixels at `at` show."""
    road = renderer._everywhere if grid is None else renderer._where_occupied
    colour, opacity, depth = road(params, grid, at.astype(np.float32), Cameras.of(camera), tick)
    return Seen(colour, opacity, depth, np.zeros(len(at), np.int32))
