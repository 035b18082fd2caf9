"""The cameras found -> transforms.json as nerfstudio and instant-ngp read it; how good they are.

Poses are T_world_camera in OpenGL's axes, z up, the cameras around the origin at a mean distance
of 4, which instant-ngp expects. Lenses are OpenCV's: k1 k2 p1 p2.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data import nearest, normalise, sparse
from data.errors import InputError
from nerf.photos.pictures import FEWEST

MEAN_DISTANCE = 4.0
MADE_BY = "nabla-nerf photos"
"""By this a scene is known whose pictures may be replaced."""
HALF_CUBE = 1.5
"""Half side, at that scale, of the cube that instant-ngp multiplies by aabb_scale."""
POOR_ERROR, POOR_TRACK, POOR_SHARE = 1.5, 3.0, 0.9
"""Pixels, pictures a point, and pictures registered, beyond which advice is given."""


def transforms(
    model: Mapping[str, Any],
    points: Float[np.ndarray, "points 3"],
    known: sparse.Points,
    named: Mapping[str, str],
) -> dict[str, Any]:
    """What goes into transforms.json; `named` says what the model's pictures are called.

    `nearest`, which our loader alone reads, is `data.nearest.nearest` of the well-known points.
    """
    found = sorted(model["pictures"].items())
    poses = np.stack([_world_from_camera(picture["camera_from_world"]) for _, picture in found])
    numbers = np.array([picture["number"] for _, picture in found])
    distance = nearest.nearest(known, poses, numbers)
    similarity = normalise.similarity(poses, "unbounded")
    mean = np.linalg.norm(normalise.moved(similarity, poses)[:, :, 3], axis=-1).mean()
    similarity = similarity._replace(scale=similarity.scale * MEAN_DISTANCE / max(mean, 1e-9))
    poses = normalise.moved(similarity, poses)
    lenses = {number: _lens(camera) for number, camera in model["cameras"].items()}
    frames = []
    for (name, picture), pose in zip(found, poses, strict=True):
        matrix = np.concatenate([pose, [[0, 0, 0, 1]]]).tolist()
        own = lenses[str(picture["camera"])] if len(lenses) > 1 else {}
        frames.append({"file_path": f"images/{named[name]}", "transform_matrix": matrix} | own)
    shared = next(iter(lenses.values())) if len(lenses) == 1 else {}
    return {
        "made_by": MADE_BY,
        "camera_model": "OPENCV",
        **shared,
        **({"aabb_scale": _cubes(similarity, points)} if len(points) else {}),
        **({} if distance is None else {"nearest": distance * similarity.scale}),
        "frames": frames,
    }


def report(source: Path, model: Mapping[str, Any], named: Mapping[str, str]) -> list[str]:
    """How many pictures were registered and how well, and what to do where it is poor.

    InputError where there is nothing to make a scene of.
    """
    sizes, count = model["sizes"], len(named)
    if not sizes or sizes[0] < FEWEST:
        raise InputError(
            f"{source}: no {FEWEST} of the {count} pictures could be put together; take more, "
            "sharp ones, each showing two thirds of what the last one shows, of something with "
            "texture, from places a step apart"
        )
    error, track = model["error"], model["track"]
    missing = [name for alias, name in named.items() if alias not in model["pictures"]]
    lens = _lens(next(iter(model["cameras"].values())))
    across = math.degrees(2 * math.atan(lens["w"] / 2 / lens["fl_x"]))
    lines = [
        f"model    {sizes[0]} of {count} pictures registered; mean reprojection error "
        f"{error:.2f} pixels; a point is seen by {track:.1f} pictures (mean)",
        f"lens     focal {lens['fl_x']:.1f}, {lens['fl_y']:.1f} pixels, {across:.0f} degrees wide; "
        f"k1 {lens['k1']:.4f}, k2 {lens['k2']:.4f}, p1 {lens['p1']:.4f}, p2 {lens['p2']:.4f}",
    ]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        lines.append(f"left out {', '.join(missing[:5])}{more}: not registered")
    return lines + [f"advice   {line}" for line in _advice(sizes, count, error, track)]


def _advice(sizes: list[int], count: int, error: float, track: float) -> list[str]:
    said = []
    if len(sizes) > 1:
        said.append(
            f"the pictures fell into {len(sizes)} parts that do not hang together, of "
            f"{', '.join(map(str, sizes))}: take pictures that lead from one to the other"
        )
    if sizes[0] < POOR_SHARE * count:
        said.append(
            "many pictures are left out: leave out blurred ones, take more between them, or try "
            "--features 8192"
        )
    if error > POOR_ERROR:
        said.append(
            f"an error above {POOR_ERROR} pixels means that something moved, or that the lens was "
            "not the same: try --lenses each, and lock zoom and focus"
        )
    if track < POOR_TRACK:
        said.append("points are seen by few pictures: take them closer together, two thirds shared")
    return said


def _world_from_camera(rows: list[list[float]]) -> Float[np.ndarray, "3 4"]:
    """T_world_camera in OpenGL's axes, of COLMAP's T_camera_world: y down, looking along +z."""
    matrix = np.array(rows)
    R, t = matrix[:, :3].T, matrix[:, 3]
    return np.concatenate([R * [1, -1, -1], -R @ t[:, None]], axis=1)


def _lens(camera: Mapping[str, Any]) -> dict[str, Any]:
    p = camera["params"]
    if camera["model"] == "OPENCV":
        f_x, f_y, c_x, c_y, k1, k2, p1, p2 = p
    else:  # SIMPLE_RADIAL, the other one that is asked for
        (f_x, c_x, c_y, k1), f_y, k2, p1, p2 = p, p[0], 0.0, 0.0, 0.0
    return {
        "fl_x": f_x, "fl_y": f_y, "cx": c_x, "cy": c_y, "w": camera["w"], "h": camera["h"],
        "k1": k1, "k2": k2, "p1": p1, "p2": p2,
    }  # fmt: skip


def _cubes(similarity: normalise.Similarity, points: np.ndarray) -> int:
    """The power of two by which instant-ngp's cube must grow to hold nearly all points."""
    R, m = similarity.motion[:, :3], similarity.motion[:, 3]
    reach = np.quantile(np.abs(similarity.scale * (points @ R.T + m)).max(axis=-1), 0.95)
    return int(2 ** np.clip(math.ceil(math.log2(max(reach / HALF_CUBE, 1))), 0, 7))
