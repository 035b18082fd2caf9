"""Films: what a frame shows, frames kept on the way, and the file that they become.

write   frames into H.264, GIF, WebP or a folder of PNG
reel    frames kept beside the output until the film is whole, so that none is rendered twice
look    from what a camera sees to a frame: colour, distances, opacity, normals, side by side
scale   a colour scale of distances, and its bar
make    the film of a run along a path
"""

from nerf.film.write import check, save

__all__ = ["check", "save"]
