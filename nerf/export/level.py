r"""The density at which a surface is put.

A radiance field has no surface; photographs have made one of it all the same. Where the
transmittance of a ray has fallen to 1/2, half of its light comes from before and half from behind:
it is the place that a pixel shows, as well as one place can say. A level set passes through that
place if its level is the density there. Many rays want many levels, and one is to serve all:

    level = the median of sigma at t(1/2), over rays of the training cameras                (1)

Then half of all rays cross the level set before that place and half behind it, so that the surface
lies neither too far out nor too far in. It is found from what the cameras see, whatever the units
and however dense the inside; and a smooth change of the density's scale moves it along.
"""

import numpy as np

from data.errors import InputError
from nerf.export.ends import Ends
from nerf.export.source import Source

RAYS = 8_192
"""Ends that the median is over."""


def level(source: Source, ends: Ends) -> float:
    """The density (1), 1 / length of the cube; InputError where no ray ends in it."""
    inside = (np.abs(ends.x) <= 1).all(axis=-1)
    if not inside.any():
        raise InputError(
            "no ray of the training cameras becomes half opaque in the cube: the run shows no "
            "surface; train it longer, or give --threshold"
        )
    return float(np.median(source.density(ends.x[inside][:RAYS])))
