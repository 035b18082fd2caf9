"""One page that shows a cloud of points from everywhere, without a server, network or library.

The points are in the page itself: base64 of four planes one behind another, for n points

    positions   n x 3 uint16, little endian: `low` + value / 65535 * (`high` - `low`)
    normals     n x 3 int8: value / 127
    colours     n x 3 uint8, sRGB
    sizes       n x 1 uint8: smallest * (largest / smallest) ** (value / 255), of `sizes`

and everything else that the page knows is the JSON beside them, `about`. All its coordinates are
from `origin`, which is 0 unless they would need more than 32 bits. WebGL2 draws them: in
view of each other their discs are blended, so that surfaces come out closed; those of a volume are
sorted and laid over each other.
"""

import base64
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data.scene import Split
from nerf import paths
from nerf.export import origin
from nerf.export.cloud import Cloud
from nerf.export.source import Frame

CAMERAS = 300
"""Of the training cameras so many are drawn, evenly chosen."""


class View(NamedTuple):
    """What the page turns about, and where it starts; user's units and orientation."""

    centre: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    start: Float[np.ndarray, "3"]
    """Where the eye is at first."""
    fov_y_radians: float
    cameras: Float[np.ndarray, "n 3 4"]
    """Poses of training cameras: they look along their own -z."""
    slopes: Float[np.ndarray, "2"]
    """Half width and half height of what they see at distance 1."""


def view_of(split: Split, frame: Frame, cloud: Cloud, forward: bool = False) -> View:
    """A view as high and far as the training cameras are; of a forward scene, theirs."""
    chosen = np.linspace(0, len(split) - 1, min(len(split), CAMERAS)).round().astype(int)
    poses = split.poses[chosen].astype(np.float64)
    axes = np.stack([frame.user_direction(poses[:, :, k]) for k in range(3)], axis=-1)
    cameras = np.concatenate([axes, frame.user(poses[:, :, 3])[..., None]], axis=-1)
    focal = split.intrinsics[0, :2]
    slopes = np.array([split.width, split.height]) / 2 / focal
    if forward:
        centre, start = np.median(cloud.points, axis=0), cameras[:, :, 3].mean(axis=0)
        up = axes[:, :, 1].mean(axis=0)
    else:
        near, far = (camera.pose.astype(np.float64) for camera in paths.orbit(split, 2))
        # two views of one orbit look at its centre from one distance
        apart, turned = (float(np.linalg.norm(near[:, k] - far[:, k])) for k in (3, 2))
        distance = apart / max(turned, 1e-9)
        centre, start = frame.user(np.stack([near[:, 3] - distance * near[:, 2], near[:, 3]]))
        up = frame.user_direction(paths.upright(split.poses.astype(np.float64))[None])[0]
    fov = 2 * np.arctan(slopes[1])
    return View(centre, up / np.linalg.norm(up), start, float(fov), cameras, slopes)


def write(file: Path, cloud: Cloud, view: View, name: str, units: str = "units") -> None:
    """Writes the page, over what is there; OSError where it can't be."""
    file.write_text(page(cloud, view, name, units), encoding="utf-8")


def page(cloud: Cloud, view: View, name: str, units: str = "units") -> str:
    """The page as text. `name` is shown as the scene's, `units` as that of lengths."""
    # WebGL's floats have 32 bits
    start = origin.local(cloud.points)
    cloud = cloud._replace(points=cloud.points - start)
    cameras = view.cameras - np.concatenate([np.zeros((3, 3)), start[:, None]], axis=1)
    about, planes = packed(cloud)
    low, high = np.quantile(cloud.points, [0.02, 0.98], axis=0)
    about |= {
        "name": name,
        "units": units,
        "box": (high - low).tolist(),
        "origin": start.tolist(),
        "centre": (view.centre - start).tolist(),
        "up": view.up.tolist(),
        "start": (view.start - start).tolist(),
        "fov": view.fov_y_radians,
        "cameras": np.round(cameras, 6).tolist(),
        "slopes": view.slopes.tolist(),
    }
    told = {
        "TITLE": html.escape(name),
        # an end of the script in a scene's name would be one
        "ABOUT": json.dumps(about, allow_nan=False).replace("<", "\\u003c"),
        "POINTS": base64.b64encode(planes).decode("ascii"),
    }
    text = files("nerf.export").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(TITLE|ABOUT|POINTS)\}\}", lambda found: told[found[1]], text)


def packed(cloud: Cloud) -> tuple[dict[str, Any], bytes]:
    """The planes of a cloud, and what is needed to read them."""
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    extent = np.maximum(high - low, 1e-9)
    positions = np.round((cloud.points - low) / extent * 65535).astype("<u2")
    normals = np.round(np.clip(cloud.normals, -1, 1) * 127).astype(np.int8)
    smallest, largest = float(cloud.radii.min()), float(cloud.radii.max())
    largest = max(largest, smallest * 1.0001)
    sizes = np.log(cloud.radii / smallest) / np.log(largest / smallest)
    sizes = np.round(sizes * 255).astype(np.uint8)
    about = {
        "count": len(cloud.points),
        "low": low.tolist(),
        "high": (low + extent).tolist(),
        "sizes": [smallest, largest],
        "opacity": cloud.opacity,
    }
    return about, b"".join(v.tobytes() for v in (positions, normals, cloud.colours, sizes))


def unpacked(text: str) -> tuple[dict[str, Any], Cloud]:
    """What a page says of itself, and its cloud: `page`, the other way."""
    about = json.loads(_element(text, "about"))
    planes, n = base64.b64decode(_element(text, "points")), about["count"]
    positions = np.frombuffer(planes, "<u2", 3 * n).reshape(n, 3)
    normals = np.frombuffer(planes, np.int8, 3 * n, 6 * n).reshape(n, 3)
    colours = np.frombuffer(planes, np.uint8, 3 * n, 9 * n).reshape(n, 3)
    sizes = np.frombuffer(planes, np.uint8, n, 12 * n)
    low, high = np.array(about["low"]), np.array(about["high"])
    smallest, largest = about["sizes"]
    return about, Cloud(
        np.array(about["origin"]) + low + positions / 65535 * (high - low),
        colours,
        normals / 127,
        smallest * (largest / smallest) ** (sizes / 255),
        about["opacity"],
    )


def _element(text: str, name: str) -> str:
    found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.DOTALL)
    if found is None:
        raise ValueError(f"no element {name}: not a page of this kind")
    return found[1]
