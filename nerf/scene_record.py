"""What `nerf inspect` knows of a scene, as one object of JSON."""

from typing import Any

import numpy as np

from data.normalise import Similarity, inverse, moved
from data.scene import Camera, Scene, Split
from nerf import inspect

Json = dict[str, Any]


def record(scene: Scene, found: inspect.Found) -> Json:
    """The object: numbers in pixels, in the files' own units, and as fractions of 1.

    What isn't known is null. `lenses` holds each lens once; `pictures` names it by its place there.
    """
    lenses: list[Json] = []
    angles, pictures = [], []
    for name, split in scene.splits.items():
        poses = _in_files_frame(scene, split)
        for k in range(len(split)):
            lens = _lens(split, k)
            if lens not in lenses:
                lenses.append(lens)
                angles.append(_degrees(split.camera(k)))
            pictures.append(
                {
                    "name": split.names[k],
                    "split": name,
                    "lens": lenses.index(lens),
                    "pose": poses[k].tolist(),
                    "footprint": float(found.footprint.pictures[name][k]),
                }
            )
    half = 1 / scene.scale
    return {
        "name": scene.name,
        "path": str(scene.path.resolve()),
        "format": scene.format,
        "space": scene.space,
        "splits": {name: _split(split) for name, split in scene.splits.items()},
        "lenses": [
            lens | {"degrees": degrees} for lens, degrees in zip(lenses, angles, strict=True)
        ],
        "pictures": pictures,
        "frame": {"scale": scene.scale, "motion": scene.motion.tolist()},
        "cube": {
            "centre": (-scene.motion[:, :3].T @ scene.motion[:, 3] + 0.0).tolist(),
            "half_side": half,
            "footprint": found.footprint.mean,
            "blind": list(found.blind),
        },
        "cameras": {
            "count": len(found.distances),
            "in_cube": found.inside,
            "nearest": half * float(found.distances.min()),
            "farthest": half * float(found.distances.max()),
        },
        "rays": {
            "enter_cube": _known(half * found.near),
            "leave_cube": _known(half * found.far),
            "nearest_thing": None if scene.nearest is None else half * scene.nearest,
        },
        "views": {
            "split": found.learned,
            "cells": len(found.views),
            "seen_by_none": float((found.views == 0).mean()),
            "seen_by_one": float((found.views == 1).mean()),
            "seen_by_five": float((found.views >= 5).mean()),
            "median": float(np.median(found.views)),
        },
        "warnings": list(found.warnings),
    }


def _split(split: Split) -> Json:
    return {
        "pictures": len(split),
        "width": split.width,
        "height": split.height,
        "masked": split.masks is not None,
        "learned": 1.0 if split.masks is None else float(split.masks.mean()),
        "opaque": float(np.mean([(picture[..., 3] == 255).mean() for picture in split.pictures])),
    }


def _lens(split: Split, picture: int) -> Json:
    """A lens by its numbers, in pixels of the pictures as they are read."""
    f_x, f_y, c_x, c_y = map(float, split.intrinsics[picture])
    return {
        "model": "fisheye" if split.fisheye else "perspective",
        "width": split.width,
        "height": split.height,
        "f_x": f_x,
        "f_y": f_y,
        "c_x": c_x,
        "c_y": c_y,
        "distortion": _distortion(split, picture),
    }


def _degrees(camera: Camera) -> list[float]:
    """Field of view across and down the picture."""
    return [float(np.degrees(inspect.field_of_view(camera, axis))) for axis in (0, 1)]


def _distortion(split: Split, picture: int) -> dict[str, float]:
    names = inspect.FISHEYE if split.fisheye else inspect.RATIONAL
    if split.distortion is None:
        return dict.fromkeys(names, 0.0)
    return dict(zip(names, map(float, split.distortion[picture]), strict=False))


def _in_files_frame(scene: Scene, split: Split) -> np.ndarray:
    """Poses as the files have them: T_world_camera in our axes, 3 x 4."""
    back = inverse(Similarity(scene.scale, scene.motion))
    return moved(back, split.poses.astype(np.float64))


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
