"""What a loader returns. Frames and units are said here once, for the whole project.

World     right-handed; scaled so that what matters lies in the cube [-1, 1]^3
Camera    looks along its own -z, x to the right, y up (OpenGL, Blender, nerfstudio)
Pose      T_world_camera = [R | o]: maps camera to world; o is the camera's centre
Pixel     (x, y), y downwards, the centre of the first one at (1/2, 1/2)
Colour    sRGB as photographed, uint8; alpha straight, never premultiplied
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

Space = Literal["bounded", "forward", "unbounded"]
"""An object in a cube; cameras side by side that look one way; surroundings without an end."""


@dataclass(frozen=True)
class Camera:
    """One camera."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    intrinsics: Float[np.ndarray, "4"]
    """f_x, f_y, c_x, c_y in pixels."""
    pose: Float[np.ndarray, "3 4"]
    """T_world_camera, in scene units."""
    distortion: Float[np.ndarray, "8"] | None = None
    """As `Split.distortion`, of this camera."""
    fisheye: bool = False
    """As `Split.fisheye`."""
    crop: float = math.inf
    """As `Split.crops`, of this camera."""


@dataclass(frozen=True)
class Split:
    """Pictures of one purpose (train, val, test), all of one size, with their cameras."""

    names: tuple[str, ...]
    pictures: UInt8[np.ndarray, "held height width 4"]
    """Straight RGBA; a photograph without alpha is opaque. Where several machines share the work,
    those that this one has read."""
    intrinsics: Float[np.ndarray, "pictures 4"]
    poses: Float[np.ndarray, "pictures 3 4"]
    distortion: Float[np.ndarray, "pictures 8"] | None = None
    """Lens distortion in OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6, the last three below the line of
    the rational model; of a fisheye k1 k2 k3 k4 and zeros. None: pinholes all."""
    fisheye: bool = False
    """The angle to the axis is what distortion is a polynomial of (OpenCV's fisheye model)."""
    crops: Float[np.ndarray, " pictures"] | None = None
    """Radius about each picture's middle, in pixels, beyond which it shows nothing of the scene.
    None: none does."""
    masks: Bool[np.ndarray, "held height width"] | None = None
    """Pixels to learn from; None: all."""
    first: int = 0
    """Number of the first of those pictures; names, lenses and poses are those of all."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def height(self) -> int:
        """Pixels."""
        return self.pictures.shape[1]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.pictures.shape[2]

    def camera(self, picture: int) -> Camera:
        """The camera that took one picture."""
        return Camera(
            self.width,
            self.height,
            self.intrinsics[picture],
            self.poses[picture],
            None if self.distortion is None else self.distortion[picture],
            self.fisheye,
            math.inf if self.crops is None else float(self.crops[picture]),
        )


@dataclass(frozen=True)
class Scene:
    """A photographed scene."""

    name: str
    path: Path
    splits: dict[str, Split]
    scale: float
    """Scene units per unit of the files: divide by it to come back to the user's own units."""
    motion: Float[np.ndarray, "3 4"] = field(default_factory=lambda: np.eye(3, 4))
    """[R | m]: x_scene = scale (R x_file + m), with which the files' frame was centred and turned
    upright."""
    space: Space = "bounded"
    """What kind of space it is, as far as the files say."""
    nearest: float | None = None
    """Hardly anything that was found in the pictures is nearer to a camera than this, scene units:
    the near plane may stand there. None: the files don't say."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the files and could be lived with, a line each."""
    format: str = ""
    """What the files are, in words for the user: Blender, say."""
