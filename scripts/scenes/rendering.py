"""What Mitsuba 3 does for the scenes: pictures and exact distances.

The variant llvm_ad_rgb needs LLVM 16 or newer, which the variable DRJIT_LIBLLVM_PATH can name.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import mitsuba as mi
import numpy as np

mi.set_variant("llvm_ad_rgb")

from scripts.scenes.cameras import SIZE, rays  # noqa: E402
from scripts.scenes.solids import Mesh  # noqa: E402

Plugin = dict[str, Any]


def pixels(scene: Any, pose: np.ndarray, angle: float, samples: int) -> np.ndarray:
    """What the scene's integrator sees, [SIZE, SIZE, channels]."""
    seed = zlib.crc32(pose.tobytes())  # a picture is the same whichever others are made
    sensor = mi.load_dict(camera(pose, angle, samples))
    return np.array(mi.render(scene, sensor=sensor, spp=samples, seed=seed), np.float64)


def distance(scene: Any, pose: np.ndarray, angle: float) -> np.ndarray:
    """Along the ray through each pixel's centre to the first surface; infinite without one."""
    origins, directions = (part.T.astype(np.float32) for part in rays(pose, angle))
    found = scene.ray_intersect(mi.Ray3f(mi.Point3f(origins), mi.Vector3f(directions)))
    t = np.where(np.array(found.is_valid()), np.array(found.t), np.inf)
    return t.reshape(SIZE, SIZE)


def camera(pose: np.ndarray, angle: float, samples: int) -> Plugin:
    """Mitsuba's camera looks along its +z with x to the left: half a turn about y."""
    turned = pose @ np.diag([-1.0, 1.0, -1.0, 1.0])
    return {
        "type": "perspective",
        "fov": math.degrees(angle),
        "fov_axis": "x",
        "near_clip": 0.01,
        "far_clip": 1000.0,
        "to_world": mi.ScalarTransform4f(turned),
        "sampler": {"type": "multijitter", "sample_count": samples},
        "film": {
            "type": "hdrfilm",
            "width": SIZE,
            "height": SIZE,
            "pixel_format": "rgba",
            "component_format": "float32",
            "rfilter": {"type": "box"},
        },
    }


def shape(mesh: Mesh, bsdf: Plugin) -> Any:
    """The mesh as Mitsuba holds it."""
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    properties["face_normals"] = not mesh.smooth
    made = mi.Mesh("mesh", len(mesh.vertices), len(mesh.faces), properties, mesh.smooth)
    held = mi.traverse(made)
    held["vertex_positions"] = mesh.vertices.ravel().astype(np.float32)
    held["faces"] = mesh.faces.ravel().astype(np.uint32)
    held.update()
    if mesh.colours is not None:
        made.add_attribute("vertex_color", 3, mesh.colours.ravel().tolist())
    return made


def sky(radiance: Callable[[np.ndarray], np.ndarray], height: int = 256) -> Plugin:
    """An environment light: radiance [..., 3] of unit directions [..., 3], z up."""
    polar, azimuth = np.mgrid[0:height, 0 : 2 * height] + 0.5
    polar, azimuth = polar * np.pi / height, azimuth * np.pi / height
    d = np.stack(
        [np.sin(azimuth) * np.sin(polar), np.cos(azimuth) * np.sin(polar), np.cos(polar)], axis=-1
    )
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(radiance(d).astype(np.float32)),
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),  # its own up is y
    }


def lamp(direction: tuple[float, float, float], radius: float, radiance: list[float]) -> Plugin:
    """A ball of light, ten units away."""
    away = 10 * np.array(direction) / np.linalg.norm(direction)
    return {
        "type": "sphere",
        "center": away.tolist(),
        "radius": radius,
        "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
    }
