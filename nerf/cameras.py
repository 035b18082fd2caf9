"""The cameras of pictures, on the device: from a pixel to a ray."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from calculus.radiance import camera, lens
from data.scene import Camera, Split


class Cameras(NamedTuple):
    """Lenses and poses, one row a picture. A lens that distorts is undone on the rays."""

    intrinsics: Float[Array, "pictures 4"]
    poses: Float[Array, "pictures 3 4"]
    perspective: Float[Array, "pictures 8"] | None = None
    """How lenses distort, as `data.scene.Split.distortion`; None: pinholes, or fisheyes."""
    fisheye: Float[Array, "pictures 8"] | None = None
    """The same of fisheyes."""

    @classmethod
    def of(cls, split: Split | Camera) -> "Cameras":
        """Those of a split, or one alone; in the default float type."""
        pose = split.poses if isinstance(split, Split) else split.pose
        distortion, kind = split.distortion, "fisheye" if split.fisheye else "perspective"
        bends = {} if distortion is None else {kind: _rows(distortion, 8)}
        return cls(_rows(split.intrinsics, 4), _rows(pose, 3, 4), **bends)

    def rays(
        self, picture: Int[Array, " rays"], pixel: Float[Array, "rays 2"]
    ) -> tuple[Float[Array, "rays 3"], Float[Array, "rays 3"]]:
        """Origins (scene units) and unit directions of pixels, in the world frame."""
        intrinsics = self.intrinsics[picture]
        for bend, fisheye in ((self.perspective, False), (self.fisheye, True)):
            if bend is not None:
                pixel = lens.undistort(pixel, intrinsics, bend[picture], fisheye)
        return camera.rays(pixel, intrinsics, self.poses[picture])


def _rows(values, *shape):
    return jnp.asarray(values, float).reshape(-1, *shape)
