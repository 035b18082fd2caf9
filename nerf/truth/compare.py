"""All that is known of a scene against what a run of it recovered: figures, JSON, pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data import blender
from data.distance import distances
from data.errors import InputError
from data.scene import Camera, Scene
from nerf import ours
from nerf.config import replace_text
from nerf.occupancy import Density as Sigma
from nerf.pictures import save
from nerf.render import Picture
from nerf.truth import density, show
from nerf.truth import distance as along

PICTURES = ("distance.png", "slices.png", "histogram.png")
"""What is written beside truth.json; `views` holds one a view."""
SHOWN = 3
"""Views in the picture of distances."""


def truth_of(
    path: Path, split: str
) -> tuple[Float[np.ndarray, "pictures h w"], density.Known | None]:
    """The exact distances of a scene's views, and its density if that has a closed form.

    InputError where the scene holds no truth.
    """
    if not blender.recognises(path):
        raise InputError(
            f"{path}: holds no truth: that is for scenes in the Blender format whose transforms "
            "name a distance_path, as bricks, glaze, smoke and terrace do"
        )
    return distances(path, split), density.known(path, split)


def compare(
    scene: Scene,
    split: str,
    truth: Float[np.ndarray, "pictures h w"],
    see: Callable[[Camera], Picture],
    known: density.Known | None,
    sigma: Sigma,
    out: Path,
    seconds: float = 0.0,
) -> dict[str, Any]:
    """Writes `truth.json` and pictures into `out`; returns the former.

    `see` renders a camera, `sigma` is the density as rendered, 1 / scene unit, at the scene's
    points; pictures are those of the files, not made smaller. Where the density is known, the
    scene's `train` cameras are asked too, which places they see.
    """
    views = scene.splits[split]
    if truth.shape != views.pictures.shape[:3]:
        raise InputError(
            f"{scene.path}: {len(truth)} distances of {truth.shape[2]}x{truth.shape[1]} for "
            f"{len(views)} pictures of {views.width}x{views.height} ({split})"
        )
    ours.check(out / "views")
    for name in PICTURES:
        if (out / name).exists() and not ours.wrote(out / name):
            raise InputError(f"{out / name}: nerf did not write it; move it, or name another --out")
    opacity, found = np.empty(truth.shape), np.empty(truth.shape)
    for k in range(len(views)):
        picture = see(views.camera(k))
        opacity[k], found[k] = picture.opacity, along.mean_distance(picture, scene.scale)
    alpha = views.pictures[..., 3] / 255
    told: dict[str, Any] = {
        "protocol": {
            "scene": scene.name,
            "split": split,
            "views": len(views),
            "size": [views.width, views.height],
            "lengths": "the files' own units",
            "scale": scene.scale,
        },
        "seconds": seconds,
        "distance": along.errors(found, truth),
        "opacity": {"error": float(np.mean(np.abs(opacity - alpha)))},
    }
    if (alpha == 1).all():  # surroundings: where there is no distance there is a sky
        told["sky"] = along.beyond(found, truth)
    else:
        there = np.isfinite(truth) if known is None else alpha > 0.5
        told["opacity"] |= along.sides(opacity, there)
    ours.remove(out / "views")
    panels = []
    for k in range(len(views)):
        at = views.pictures[k], truth[k], found[k], opacity[k], views.names[k]
        panels.append(show.distance_panel(*at))
        save(panels[k], out / "views" / f"{views.names[k].replace('/', '_')}.png")
    shown = range(0, len(views), max(1, len(views) // SHOWN))[:SHOWN]
    save(np.concatenate([panels[k] for k in shown]), out / "distance.png")
    if known is not None:
        true, recovered = density.volumes(known, sigma, scene)
        best = density.clearest(true, scene, scene.splits["train"])
        told["density"] = density.figures(recovered, true, best)
        save(show.slices(true, recovered, density.SIDE), out / "slices.png")
        save(show.histogram(true, recovered), out / "histogram.png")
    replace_text(out / "truth.json", json.dumps(told, indent=1, allow_nan=False) + "\n")
    return told


def lines(told: dict[str, Any], out: Path) -> list[str]:
    """What `nerf truth` prints."""
    of, protocol = told["distance"], told["protocol"]
    said = [
        f"truth    {protocol['scene']}: {protocol['views']} views of {protocol['split']}, "
        f"{protocol['size'][0]}x{protocol['size'][1]}"
    ]
    if of["mean"] is None:
        said.append("distance nothing to compare: no pixel with a distance in both")
    else:
        said.append(
            f"distance error {of['median']:.4f} median, {of['mean']:.4f} mean (files' units); "
            f"{of['median_share']:.2%} and {of['mean_share']:.2%} of the distance"
        )
        said.append(
            f"         {of['within_1_percent']:.1%} of {of['pixels']} pixels within 1 %, "
            f"{of['within_5_percent']:.1%} within 5 %; {of['compared']:.1%} show anything"
        )
    if "sky" in told:
        far = told["sky"]["median_distance"]
        if far is not None:
            said.append(f"sky      no end in truth; put at {far:.4g} (median, files' units)")
    else:
        sides = told["opacity"]
        parts = [
            f"{sides[key]:.2%} of {what}"
            for key, what in (("right", "pixels"), ("surface", "what is"), ("nothing", "nothing"))
            if sides[key] is not None
        ]
        said.append(
            f"opacity  on the right side of 1/2: {', '.join(parts)}; "
            f"mean error {sides['error']:.4f}"
        )
    if "density" in told:
        of = told["density"]
        said.append(
            f"density  {of['voxels']}^3 voxels: correlation {_number(of['correlation'])}, error "
            f"{_number(of['rmse'])} of the truth's RMS, mass {_number(of['mass'])} of the truth's"
        )
        seen = of["seen"]
        said.append(
            f"         where a camera sees through to ({seen['voxels']:.0%} of the voxels): "
            f"correlation {_number(seen['correlation'])}, error {_number(seen['rmse'])}"
        )
    shown = "distance.png, slices.png, histogram.png" if "density" in told else "distance.png"
    return [*said, f"pictures {out}: {shown}; figures in {out / 'truth.json'}"]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
