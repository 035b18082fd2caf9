"""Camera paths: from the cameras that took the photographs to those of a film.

taken       what the cameras of a split have in common: what they look at, which way is up
track       a path as a function of the part of the way: splines, even speed, easing
shapes      circles, ellipses and spirals that keep to where photographs were taken
tour        a way through the cameras themselves
keyframes   paths on disk, as nerfstudio writes them
choose      from what the user asks for to the cameras of a film
"""

from nerf.paths.choose import PATHS, Shot, Views
from nerf.paths.keyframes import load, save
from nerf.paths.shapes import orbit
from nerf.paths.taken import look_at, upright
from nerf.paths.track import Film, Keyframe, Track, through

__all__ = [
    "PATHS",
    "Film",
    "Keyframe",
    "Shot",
    "Track",
    "Views",
    "load",
    "look_at",
    "orbit",
    "save",
    "through",
    "upright",
]
