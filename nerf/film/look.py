"""From what a camera sees to a frame: colour, distances, opacity, normals, one or side by side."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from calculus import radiance
from data.scene import Camera
from nerf import pictures
from nerf.cameras import Cameras
from nerf.film.scale import Scale, bar_height, text_size
from nerf.render import Picture
from nerf.space import Space

Show = Literal["colour", "depth", "opacity", "normals"]
CHUNK = 65536
"""Rays whose distances are found at once."""
_rays = jax.jit(Cameras.rays)


class Look(NamedTuple):
    """What frames show, and in which units."""

    shows: tuple[str, ...]
    space: Space
    scale: float = 1.0
    """Scene units per unit of the files."""
    turn: Float[np.ndarray, "3 3"] = np.eye(3)
    """Rotation from the files' frame to the scene's."""
    background: float = 1.0
    distances: Scale | None = None
    """Of the depth; one for a whole film."""

    @property
    def larger(self) -> bool:
        """Whether something is written beside the pictures."""
        return len(self.shows) > 1 or "depth" in self.shows

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a frame of views of this size, pixels."""
        by = self._by(width)
        head = text_size(by * width) + 6 if len(self.shows) > 1 else 0
        foot = bar_height(by * width) if "depth" in self.shows else 0
        return by * width * len(self.shows), by * height + head + foot

    def frame(self, picture: Picture, camera: Camera) -> UInt8[np.ndarray, "_ _ 3"]:
        """One frame of the film."""
        by = self._by(picture.colour.shape[1])
        columns = [self._column(show, picture, camera, by) for show in self.shows]
        return np.concatenate(columns, axis=1)

    def distance(self, picture: Picture, camera: Camera) -> Float[np.ndarray, "h w"]:
        """Mean distance from the camera, in the files' units; NaN where next to nothing is."""
        return distances(picture, camera, self.space) / self.scale

    def _by(self, width: int) -> int:
        """How many times pictures are enlarged, so that what is written beside them fits."""
        return max(1, -(-pictures.PANEL_WIDTH // width)) if self.larger else 1

    def _column(self, show: str, picture: Picture, camera: Camera, by: int):
        shown = self._shown(show, picture, camera).repeat(by, axis=0).repeat(by, axis=1)
        width = shown.shape[1]
        parts = [shown]
        if len(self.shows) > 1:
            parts.insert(0, _title(show, width))
        if "depth" in self.shows:
            below = np.full((bar_height(width), width, 3), 255, np.uint8)
            if show == "depth" and self.distances is not None:
                below = self.distances.bar(width)
            parts.append(below)
        return np.concatenate(parts)

    def _shown(self, show: str, picture: Picture, camera: Camera) -> UInt8[np.ndarray, "h w 3"]:
        if show == "colour":
            return pictures.quantised(picture.colour)
        if show == "opacity":
            return pictures.quantised(np.repeat(picture.opacity[..., None], 3, axis=-1))
        if show == "normals":
            return normal_picture(picture, self.turn, self.background)
        distance = self.distance(picture, camera)
        scale = self.distances or Scale.of(distance[picture.opacity > 0.5])
        return scale.colours(np.nan_to_num(distance), picture.opacity, self.background)


def normal_picture(
    picture: Picture, turn: Float[np.ndarray, "3 3"], background: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Normals in the files' frame as colours: (n + 1) / 2, x red, y green, z blue.

    They belong to the world: a wall keeps its colour while the camera turns.
    """
    assert picture.normal is not None, "a renderer with normals=True"
    n = picture.normal.astype(np.float64) @ turn  # R^T n, row by row
    n /= np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-9)
    opacity = np.clip(picture.opacity, 0, 1)[..., None]
    return pictures.quantised((n + 1) / 2 * opacity + background * (1 - opacity))


def distances(picture: Picture, camera: Camera, space: Space) -> Float[np.ndarray, "h w"]:
    """Mean distance from the camera, scene units; NaN where the opacity is next to nothing.

    In a forward-facing scene a mean is one along the ray of the field's space, taken back.
    """
    there = picture.opacity > 1e-3
    t = np.where(there, picture.depth / np.where(there, picture.opacity, 1), np.nan)
    if space.kind != "forward":
        return t.astype(np.float64)
    height, width = picture.opacity.shape
    flat, found = t.ravel().astype(np.float32), np.empty(t.size)
    cameras = Cameras.of(camera)
    for start in range(0, t.size, CHUNK):
        which = np.minimum(np.arange(start, start + CHUNK), t.size - 1)
        at = np.stack([which % width, which // width], axis=-1).astype(np.float32) + 0.5
        end = min(start + CHUNK, t.size)
        far = _back_in_the_world(cameras, jnp.asarray(at), jnp.asarray(flat[which]), space)
        found[start:end] = np.asarray(far)[: end - start]
    return found.reshape(height, width)


def _back_in_the_world(cameras: Cameras, at, t, space: Space):
    origin, view = _rays(cameras, jnp.zeros(len(at), jnp.int32), at)
    o, d = space.entered(origin, view, radiance)
    return jnp.linalg.norm(space.world(o + t[:, None] * d) - origin, axis=-1)


def _title(text: str, width: int) -> UInt8[np.ndarray, "_ _ 3"]:
    size = text_size(width)
    head = Image.new("RGB", (width, size + 6), "white")
    ImageDraw.Draw(head).text((4, 2), text, fill="black", font=ImageFont.load_default(size))
    return np.asarray(head)
