"""A scene's cameras, drawn: frusta, the cube or the ball, some rays. Wrong poses are seen at once.

Needs matplotlib, which is an extra of its own.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data.errors import InputError
from data.scene import Camera, Scene
from nerf import views
from nerf.whole import whole

MOST = 150
"""Cameras of a split that are drawn, evenly chosen."""
ENDINGS = (".png", ".pdf", ".svg")
COLOURS = {"train": "tab:blue", "val": "tab:green", "test": "tab:orange"}
PLANES = (("from above", 0, 1), ("from the front", 0, 2), ("from the side", 1, 2))
"""Which of x, y, z is across and which upwards."""


def check(out: Path) -> None:
    """Refuses what can't be drawn, before a scene is read."""
    if out.suffix.lower() not in ENDINGS:
        raise InputError(f"--plot {out}: unknown ending; give {', '.join(ENDINGS)}")
    if out.is_dir():
        raise InputError(f"--plot {out}: is a folder; name a file for the picture")


def draw(scene: Scene, out: Path) -> None:
    """Four views of a scene's cameras, into one picture."""
    check(out)
    from matplotlib.figure import Figure

    places = np.concatenate([split.poses[:, :, 3] for split in scene.splits.values()])
    size = 0.12 * max(float(np.median(np.linalg.norm(places, axis=-1))), 0.5)
    lines = [_outline(scene)]
    for name, split in scene.splits.items():
        colour = COLOURS.get(name, "tab:purple")
        chosen = np.unique(np.linspace(0, len(split) - 1, min(len(split), MOST)).astype(int))
        cameras = [split.camera(int(k)) for k in chosen]
        axes = np.array([_axis(camera) for camera in cameras])
        few = cameras[:: max(1, len(cameras) // 6)]
        lines += [
            (np.concatenate([_rays(camera) for camera in few]), colour, 0.25, 0.6, None),
            (axes, "0.6", 0.5, 0.5, None),
            (np.concatenate([_frustum(c, size) for c in cameras]), colour, 0.9, 0.9, name),
        ]
    reach = 1.08 * max(1.0, float(np.abs(places).max()))
    figure = Figure(figsize=(11, 11), layout="constrained")
    space: Any = figure.add_subplot(2, 2, 1, projection="3d")
    _solid(space, lines, reach)
    for number, (title, a, b) in enumerate(PLANES):
        flat = figure.add_subplot(2, 2, number + 2)
        for segments, colour, alpha, width, _ in lines:
            _flat(flat, segments[:, :, [a, b]], colour, alpha, width)
        flat.set_xlim(-reach, reach)
        flat.set_ylim(-reach, reach)
        flat.set_aspect("equal")
        flat.set_xlabel("xyz"[a])
        flat.set_ylabel("xyz"[b])
        flat.set_title(title)
    figure.suptitle(
        f"{scene.name}: {scene.format} scene, {scene.space}; rays end where they leave the cube"
    )
    figure.legend(loc="outside lower center", ncols=4)
    whole(out, lambda file: figure.savefig(file, dpi=110))


def _solid(axes, lines, reach):
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    for segments, colour, alpha, width, label in lines:
        axes.add_collection3d(
            Line3DCollection(segments, colors=colour, alpha=alpha, linewidths=width, label=label)
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    axes.set(xlabel="x", ylabel="y", zlabel="z")
    axes.locator_params(nbins=5)
    axes.set_box_aspect((1, 1, 1), zoom=1.15)
    axes.view_init(elev=22, azim=-58)


def _flat(axes, segments, colour, alpha, width):
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(segments, colors=colour, alpha=alpha, linewidths=width))


def _frustum(camera: Camera, size: float) -> Float[np.ndarray, "10 2 3"]:
    """The pyramid before a camera, a gable over the edge that is the picture's upper one."""
    w, h = camera.width, camera.height
    corner = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
    directions = views.rays(camera, corner)
    o = camera.pose[:, 3].astype(np.float64)
    ends = o + size * directions
    edges = [(o, end) for end in ends]
    edges += [(ends[k], ends[(k + 1) % 4]) for k in range(4)]
    ridge = (ends[0] + ends[1]) / 2 + 0.3 * size * camera.pose[:, 1]
    edges += [(ends[0], ridge), (ends[1], ridge)]
    return np.array(edges)


def _axis(camera: Camera) -> Float[np.ndarray, "2 3"]:
    """From the camera's centre half the way to the origin, along what it looks at."""
    o, ahead = camera.pose[:, 3].astype(np.float64), -camera.pose[:, 2].astype(np.float64)
    return np.array([o, o + 0.5 * max(float(np.linalg.norm(o)), 0.3) * ahead])


def _rays(camera: Camera) -> Float[np.ndarray, "rays 2 3"]:
    """Three by three rays, to where they leave the cube; shorter ones where they miss it."""
    o, seen = camera.pose[:, 3].astype(np.float64), views.sight(camera, 3)
    length = np.where(np.isnan(seen.far), np.linalg.norm(o), seen.far)
    return np.stack([np.broadcast_to(o, (9, 3)), o + length[:, None] * seen.directions], axis=1)


def _outline(scene: Scene):
    """The edges of the cube; of unbounded space three great circles of the unit ball with it."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    edges = [
        np.array([a, b]) for a in corners for b in corners if (a < b).sum() == 1 and (a <= b).all()
    ]
    if scene.space == "unbounded":
        angle = np.linspace(0, 2 * np.pi, 49)
        circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
        for turned in (circle, circle[:, [0, 2, 1]], circle[:, [2, 0, 1]]):
            edges += [np.array(pair) for pair in pairwise(turned)]
    return np.array(edges), "black", 0.8, 0.8, "the cube [-1, 1]^3"
