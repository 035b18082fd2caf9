"""Camera paths: from the cameras that took the photographs to those of a film.

track       a path as a function of the part of the way: splines, even speed, easing
shapes      circles, ellipses and spirals that keep to where photographs were taken
keyframes   paths on disk, as nerfstudio writes them
"""

from nerf.paths.keyframes import load, save
from nerf.paths.shapes import PATHS, look_at, orbit, upright
from nerf.paths.track import Film, Keyframe, Track, through

__all__ = [
    "PATHS",
    "Film",
    "Keyframe",
    "Track",
    "load",
    "look_at",
    "orbit",
    "save",
    "through",
    "upright",
]
