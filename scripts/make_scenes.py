"""Render the bundled scenes from their closed form: `python scripts/make_scenes.py [--out DIR]`.

Writes data/scenes/marbles in the Blender format: 64 views to train on, 10 held out. Takes some
minutes on two cores; the same bytes on every machine that rounds alike.
"""

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from data.analytic import MARBLES, Rays

SIZE = 200
"""Width and height, pixels."""
ANGLE = 0.6911112
"""camera_angle_x, radians: that of the NeRF-synthetic scenes, as is the distance."""
DISTANCE = 4.0311289
VIEWS = {"train": 64, "test": 10}
NEAR, FAR = 2.4, 5.6
"""Distances between which every body lies, scene units."""


def look_at_origin(azimuth: float, elevation: float) -> np.ndarray:
    """T_world_camera of a camera on the sphere of radius DISTANCE; angles in radians, z up."""
    back = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, DISTANCE * back], axis=1)
    return pose


def viewpoints(split: str) -> list[np.ndarray]:
    """Cameras spread evenly over the upper half of the sphere, the splits interleaved."""
    count = VIEWS[split]
    golden = math.pi * (3 - math.sqrt(5))
    offset = 0.0 if split == "train" else 0.37
    return [
        look_at_origin(k * golden + offset, math.asin(0.08 + 0.87 * (k + 0.5) / count))
        for k in range(count)
    ]


def rays(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins and unit directions through the centres of all pixels, row by row."""
    focal = SIZE / 2 / math.tan(ANGLE / 2)
    y, x = np.mgrid[0:SIZE, 0:SIZE].reshape(2, -1) + 0.5
    u = np.stack([(x - SIZE / 2) / focal, -(y - SIZE / 2) / focal, -np.ones_like(x)], axis=-1)
    d = u @ pose[:3, :3].T
    return np.broadcast_to(pose[:3, 3], d.shape), d / np.linalg.norm(d, axis=-1, keepdims=True)


def picture(pose: np.ndarray) -> np.ndarray:
    """Straight RGBA, uint8 [SIZE, SIZE, 4]."""
    origins, directions = rays(pose)
    rgba = np.zeros((SIZE * SIZE, 4))
    for start in range(0, len(origins), 200):
        part = slice(start, start + 200)
        pixels = MARBLES.render(Rays(origins[part], directions[part], NEAR, FAR), np.zeros(3))
        rgba[part, :3] = pixels.colour / np.maximum(pixels.opacity, 1e-9)[:, None]
        rgba[part, 3] = pixels.opacity
    rgba[rgba[:, 3] < 0.5 / 255] = 0  # nothing there: let it compress
    return np.round(np.clip(rgba, 0, 1) * 255).astype(np.uint8).reshape(SIZE, SIZE, 4)


def main() -> None:
    """Write the scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("data/scenes/marbles"))
    out = parser.parse_args().out
    for split in VIEWS:
        (out / split).mkdir(parents=True, exist_ok=True)
        poses = viewpoints(split)
        with ProcessPoolExecutor() as pool:
            for number, rgba in enumerate(pool.map(picture, poses)):
                Image.fromarray(rgba).save(out / split / f"r_{number}.png", optimize=True)
                print(f"{split} {number + 1}/{len(poses)}", flush=True)
        frames = [
            {"file_path": f"./{split}/r_{number}", "transform_matrix": pose.tolist()}
            for number, pose in enumerate(poses)
        ]
        meta = {"camera_angle_x": ANGLE, "frames": frames}
        (out / f"transforms_{split}.json").write_text(json.dumps(meta, indent=1) + "\n")


if __name__ == "__main__":
    main()
