"""A scene on disk, in the Blender format."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.scenes import cameras

Poses = list[np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How a scene is made."""

    views: dict[str, Poses]
    """The cameras of each split."""
    picture: Callable[[np.ndarray], np.ndarray]
    """Pose to straight RGBA, uint8 [SIZE, SIZE, 4]."""
    distance: Callable[[np.ndarray], np.ndarray] | None = None
    """Pose to the distance along the ray through each pixel's centre, [SIZE, SIZE], scene units;
    infinite where there is nothing. Written for the test views."""
    unit: float = 0.0005
    """What one step of the 16 bits of a distance stands for."""
    angle: float = cameras.ANGLE
    shared: Callable[[], object] | None = None
    """Called once before all pictures, to make what they share."""
    processes: int = 1
    """Views that are made at a time; one where the renderer itself uses every core."""
    also: dict = field(default_factory=dict)
    """Further keys of the transforms files."""
    sheet: tuple[int, ...] = (2, 8, 14, 20)
    """The test views that the scene's own picture shows, side by side."""


def write(recipe: Recipe, folder: Path, every: int = 1) -> None:
    """Renders the views of a recipe, or every so many, into `folder`."""
    if recipe.shared is not None:
        recipe.shared()
    for split, poses in recipe.views.items():
        numbers = range(0, len(poses), every)
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number, rgba in zip(numbers, _pictures(recipe, poses[::every]), strict=True):
            save(rgba, folder / split / f"r_{number}.webp")
            print(f"{folder.name} {split} {number + 1}/{len(poses)}", flush=True)
        frames = [
            {"file_path": f"./{split}/r_{number}", "transform_matrix": poses[number].tolist()}
            for number in numbers
        ]
        meta = {"camera_angle_x": recipe.angle, **recipe.also, "frames": frames}
        if recipe.distance is not None and split == "test":
            (folder / "distance").mkdir(exist_ok=True)
            meta["distance_unit"] = recipe.unit
            for frame, number in zip(frames, numbers, strict=True):
                frame["distance_path"] = f"./distance/r_{number}.png"
                steps = to_steps(recipe.distance(poses[number]), recipe.unit)
                Image.fromarray(steps).save(folder / frame["distance_path"], optimize=True)
        (folder / f"transforms_{split}.json").write_text(_json(meta))
    if every == 1 and recipe.distance is not None:
        paths = [folder / "test" / f"r_{number}.webp" for number in recipe.sheet]
        contact_sheet(paths).save(folder / "picture.webp", quality=88, method=6)


def save(rgba: np.ndarray, file: Path) -> None:
    """WebP without loss, as small as it gets."""
    Image.fromarray(rgba).save(file, lossless=True, quality=100, method=6, exact=True)


def to_steps(distance: np.ndarray, unit: float) -> np.ndarray:
    """Distances in units of 16 bits; 0 is for what is infinitely far."""
    steps = np.round(np.where(np.isfinite(distance), distance, 0) / unit)
    if steps.max() >= 2**16:
        raise ValueError(f"a distance of {steps.max() * unit:.2f} is beyond 16 bits of {unit}")
    return steps.astype(np.uint16)


def to_rgba(
    premultiplied: np.ndarray, alpha: np.ndarray, srgb: bool = True, step: int | None = None
) -> np.ndarray:
    """Straight RGBA in 8 bits from linear, premultiplied colour; `srgb` applies its curve.

    With `step`, a divisor of 255, colours are rounded to step / 255, and where alpha is low no
    finer than over a background can be seen: the rest is noise that would have to be stored.
    """
    alpha = np.clip(alpha, 0, 1)
    colour = np.clip(premultiplied / np.maximum(alpha, 1e-9)[..., None], 0, 1)
    if srgb:
        curve = 1.055 * np.maximum(colour, 1e-9) ** (1 / 2.4) - 0.055
        colour = np.where(colour < 0.0031308, 12.92 * colour, curve)
    if step is not None:
        fine = step * np.floor(np.clip(1 / np.maximum(alpha, 1e-9), 1, 20))[..., None]
        colour = np.clip(np.round(colour * 255 / fine) * fine / 255, 0, 1)
    rgba = np.concatenate([colour, alpha[..., None]], axis=-1)
    rgba[alpha < 0.5 / 255] = 0  # nothing there: let it compress
    return np.round(rgba * 255).astype(np.uint8)


def contact_sheet(files: list[Path]) -> Image.Image:
    """The pictures side by side, over white."""
    sheet = Image.new("RGB", (len(files) * cameras.SIZE, cameras.SIZE), "white")
    for place, file in enumerate(files):
        with Image.open(file) as picture:
            rgba = picture.convert("RGBA")
            sheet.paste(rgba, (place * cameras.SIZE, 0), rgba)
    return sheet


def _pictures(recipe, poses):
    if recipe.processes == 1:
        yield from map(recipe.picture, poses)
    else:
        with ProcessPoolExecutor(recipe.processes) as pool:
            yield from pool.map(recipe.picture, poses)


def _json(meta):
    """A frame a line: fit to be read, and no longer than it need be."""
    frames = ",\n  ".join(json.dumps(frame) for frame in meta.pop("frames"))
    rest = "".join(f' "{key}": {json.dumps(value)},\n' for key, value in meta.items())
    return f'{{\n{rest} "frames": [\n  {frames}\n ]\n}}\n'
