"""What a loader returns. Frames and units are said here once, for the whole project.

World     right-handed; scaled so that what matters lies in the cube [-1, 1]^3
Camera    looks along its own -z, x to the right, y up (OpenGL, Blender, nerfstudio)
Pose      T_world_camera = [R | o]: maps camera to world; o is the camera's centre
Pixel     (x, y), y downwards, the centre of the first one at (1/2, 1/2)
Colour    sRGB as photographed, uint8; alpha straight, never premultiplied
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Camera:
    """One pinhole camera."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    intrinsics: Float[np.ndarray, "4"]
    """f_x, f_y, c_x, c_y in pixels."""
    pose: Float[np.ndarray, "3 4"]
    """T_world_camera, in scene units."""


@dataclass(frozen=True)
class Split:
    """Pictures of one purpose (train, val, test), all of one size, with their cameras."""

    names: tuple[str, ...]
    pictures: UInt8[np.ndarray, "pictures height width 4"]
    """Straight RGBA; a photograph without alpha is opaque."""
    intrinsics: Float[np.ndarray, "pictures 4"]
    poses: Float[np.ndarray, "pictures 3 4"]

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
        return Camera(self.width, self.height, self.intrinsics[picture], self.poses[picture])


@dataclass(frozen=True)
class Scene:
    """A photographed scene."""

    name: str
    path: Path
    splits: dict[str, Split]
    scale: float
    """Scene units per unit of the files: divide by it to come back to the user's own units."""
