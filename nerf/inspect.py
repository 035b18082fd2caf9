"""What a scene is, before it is trained: figures, and what looks wrong in its cameras and pictures.

The checks go by the poses alone, and by the sharpness of the pictures: each answers to a mistake
that would otherwise show only as a blurred rendering, after training.
"""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial import cKDTree

from data.scene import Camera, Scene, Split
from nerf import paths, views
from nerf.footprint import Footprint, footprint
from nerf.footprint import warnings as of_footprint

CELLS = 16
"""Along each side of the cube, for the count of views."""
FEW = 10
"""Pictures to learn from, below which depth is hard to tell."""
BLURRED = 0.2
"""Sharpness below this share of the median is worth a look."""
ROLLED = 0.5
"""Sine of the angle between a camera's x axis and the horizon, from which it counts as rolled."""
SAME = 1e-3
"""Cameras closer than this share of their spread, with axes within as many radians, are one."""

LEAP = 8
"""Times the median way from one picture to the next, from which the camera can't have walked."""

FISHEYE = ("k1", "k2", "k3", "k4")
RATIONAL = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
"""What OpenCV calls the numbers of `Split.distortion`."""


class Found(NamedTuple):
    """Figures of a scene; lengths in scene units."""

    distances: Float[np.ndarray, " cameras"]
    """Of all cameras from the origin."""
    inside: int
    """How many of them stand in the cube [-1, 1]^3."""
    near: float
    """Where the first ray enters the cube; NaN if none of a few does."""
    far: float
    """Where the last one leaves it."""
    footprint: Footprint
    """Fraction of the pixels whose rays meet the cube."""
    blind: tuple[str, ...]
    """Pictures none of whose rays do."""
    views: Int[np.ndarray, " cells"]
    """How many pictures of `learned` see each of CELLS^3 cells of the cube."""
    learned: str
    """The split that is learned from."""
    warnings: tuple[str, ...]
    """The loader's, then those found here."""


def inspect(scene: Scene) -> Found:
    """Looks a scene over."""
    learned = "train" if "train" in scene.splits else next(iter(scene.splits))
    places = np.concatenate([split.poses[:, :, 3] for split in scene.splits.values()])
    near, far = [], []
    for split in scene.splits.values():
        for k in range(len(split)):
            seen = views.sight(split.camera(k))
            near.append(seen.near)
            far.append(seen.far)
    covered = footprint(scene)
    blind = [
        scene.splits[name].names[k]
        for name, parts in covered.pictures.items()
        for k in np.flatnonzero(parts == 0)
    ]
    enter, leave = np.concatenate(near), np.concatenate(far)
    meets = ~np.isnan(enter)
    found = Found(
        distances=np.linalg.norm(places.astype(np.float64), axis=-1),
        inside=int((np.abs(places) < 1).all(axis=-1).sum()),
        near=float(enter[meets].min()) if meets.any() else np.nan,
        far=float(leave[meets].max()) if meets.any() else np.nan,
        footprint=covered,
        blind=tuple(blind),
        views=views.counts(scene.splits[learned], views.cells(CELLS)),
        learned=learned,
        warnings=(),
    )
    return found._replace(warnings=(*scene.warnings, *_warnings(scene, found)))


def lines(scene: Scene, found: Found) -> list[str]:
    """What `nerf inspect` prints, warnings last."""
    every = list(scene.splits.values())
    intrinsics = np.concatenate([split.intrinsics for split in every]).astype(np.float64)
    first = every[0]
    sizes = ", ".join(f"{n} {len(s)} of {s.width}x{s.height}" for n, s in scene.splits.items())
    masked = [
        f"{name} ({split.masks.mean():.1%} of the pixels are learned from)"
        for name, split in scene.splits.items()
        if split.masks is not None
    ]
    degrees = (np.degrees(field_of_view(first.camera(0), axis)) for axis in (0, 1))
    kind = "fisheye" if first.fisheye else "perspective"
    return [
        f"scene    {scene.name}: {scene.format or 'unknown format'}, {scene.space}",
        f"pictures {sizes}" + (f"; masks in {', '.join(masked)}" if masked else ""),
        f"focal    f_x {_range(intrinsics[:, 0])}, f_y {_range(intrinsics[:, 1])} pixels; centre "
        f"{_range(intrinsics[:, 2])}, {_range(intrinsics[:, 3])}",
        "angle    {:.1f} by {:.1f} degrees".format(*degrees),
        f"lens     {kind}, {_distortion(every)}",
        f"applied  {_applied(scene)}",
        f"cameras  {_range(found.distances)} from the origin; {found.inside} of "
        f"{len(found.distances)} in the cube [-1, 1]^3",
        f"rays     {_near_far(scene, found)}",
        f"views    {_seen(found)}",
        *(f"warning  {line}" for line in found.warnings),
    ]


def sharpness(picture: UInt8[np.ndarray, "h w _"]) -> float:
    """Variance of the Laplacian of its grey: large where there are fine edges."""
    grey = picture[..., :3].astype(np.float32).mean(axis=-1)
    if picture.shape[-1] == 4:
        grey *= picture[..., 3].astype(np.float32) / 255
    if min(grey.shape) < 3:
        return 0.0
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * middle))


def _warnings(scene: Scene, found: Found) -> list[str]:
    split = scene.splits[found.learned]
    names = [name for s in scene.splits.values() for name in s.names]
    poses = np.concatenate([s.poses for s in scene.splits.values()]).astype(np.float64)
    said = []
    if len(split) < FEW:
        said.append(
            f"{len(split)} pictures to learn from: too few to tell depth everywhere; "
            f"take at least {FEW}, better fifty"
        )
    if scene.space == "bounded" and found.inside:
        said.append(
            f"{found.inside} of {len(poses)} cameras stand within the cube, which is for what they "
            "look at: lower --bound, or check the poses"
        )
    if found.blind:
        said.append(
            f"{_some(found.blind)}: no ray meets the cube [-1, 1]^3; raise --bound, or check the "
            "poses (another convention of axes?)"
        )
    if scene.space != "forward":
        said += of_footprint(scene, found.footprint, "--bound")
    said += _of_places(names, poses) + _leaps(names, poses)
    return said + _of_directions(scene, names, poses) + _blurred(split)


def _of_places(names: list[str], poses: np.ndarray) -> list[str]:
    """Cameras in one place, and cameras that are one."""
    places = poses[:, :, 3]
    spread = np.linalg.norm(places - places.mean(0), axis=-1).max()
    if len(poses) > 1 and spread < SAME * max(np.linalg.norm(places, axis=-1).max(), SAME):
        return ["all cameras stand in one place: without parallax there is no depth to learn"]
    twins = [
        f"{names[a]} = {names[b]}"
        for a, b in sorted(cKDTree(places).query_pairs(SAME * spread))
        if np.abs(poses[a, :, :3] - poses[b, :, :3]).max() < SAME
    ]
    if not twins:
        return []
    return [f"{_some(twins)}: the same place and direction twice; is a picture there twice?"]


def _leaps(names: list[str], poses: np.ndarray) -> list[str]:
    """Where the camera, which otherwise goes step by step, is suddenly on the other side.

    Pictures are in the order of their numbers; where some are missing it has had time to walk.
    """
    numbers = [re.findall(r"\d{1,15}", name)[-1:] for name in names]
    if len(names) <= FEW or not all(numbers):
        return []
    counted = np.array([float(number[0]) for number in numbers])
    order = np.argsort(counted, kind="stable")
    places = poses[order, :, 3]
    gaps = np.diff(counted[order])
    gaps = np.maximum(gaps / max(np.median(gaps), 1), 1)
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1) / gaps
    spread = np.linalg.norm(places - places.mean(0), axis=-1).max()
    leaps = np.flatnonzero(steps > max(LEAP * np.median(steps), spread))
    if not len(leaps) or np.median(steps) < SAME * spread:
        return []
    some = _some([f"{names[order[k]]} to {names[order[k + 1]]}" for k in leaps])
    times = steps[leaps].min() / np.median(steps)
    return [
        f"{some}: the camera leaps, {times:.0f} times as far as it mostly goes; if the pictures "
        "were taken in this order the poses are wrong, as where two sides that look alike were "
        "taken for one: find them anew, or take pictures that tell the sides apart"
    ]


def _of_directions(scene: Scene, names: list[str], poses: np.ndarray) -> list[str]:
    """Cameras that look away from what the others look at, that are rolled, upside down."""
    if len(poses) < 3:
        return []
    ahead, places = -poses[:, :, 2], poses[:, :, 3]
    said = []
    if scene.space == "forward":
        astray = ahead @ ahead.mean(0) < 0.3 * np.linalg.norm(ahead.mean(0))
        towards = "the way that the others do"
    else:
        astray = np.einsum("na,na->n", ahead, -places) < 0
        towards = "towards the origin"
    if astray.any():
        some = _some([names[k] for k in np.flatnonzero(astray)])
        said.append(f"{some}: does not look {towards}; check the poses")
    up = paths.upright(poses)
    rolled = np.abs(poses[:, :, 0] @ up) > ROLLED
    turned = poses[:, :, 1] @ up < -ROLLED
    if (rolled | turned).any():
        some = _some([names[k] for k in np.flatnonzero(rolled | turned)])
        said.append(
            f"{some}: on its side or upside down against the others; fine if the camera was held so"
        )
    return said


def _blurred(split: Split) -> list[str]:
    sharp = np.array([sharpness(picture) for picture in split.pictures])
    weak = np.flatnonzero(sharp < BLURRED * np.median(sharp))
    if len(split) < 3 or not len(weak):
        return []
    some = _some([split.names[k] for k in weak[np.argsort(sharp[weak])]])
    return [f"{some}: much less sharp than the others; leave out what is blurred"]


def _some(names) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _range(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    same = high - low < 1e-3 * max(abs(high), 1e-9)
    return f"{high:.4g}" if same else f"{low:.4g} to {high:.4g}"


def field_of_view(camera: Camera, axis: int) -> float:
    """Radians between the rays through the middles of two opposite edges of a picture."""
    ends = np.full((2, 2), [camera.width / 2, camera.height / 2])
    ends[:, axis] = 0, (camera.width, camera.height)[axis]
    to_ends = views.rays(camera, ends) @ camera.pose[:, :3].astype(np.float64)
    angles = np.arctan2(to_ends[:, axis], -to_ends[:, 2])
    return float(np.abs(angles[1] - angles[0]))


def _distortion(every: list[Split]) -> str:
    known = [split.distortion for split in every if split.distortion is not None]
    if not known:
        return "no distortion"
    named = FISHEYE if every[0].fisheye else RATIONAL
    values = np.concatenate(known)
    said = [
        f"{name} {_range(column)}"
        for name, column in zip(named, values.T, strict=False)
        if np.abs(column).max() > 0
    ]
    return ", ".join(said) or "no distortion"


def _applied(scene: Scene) -> str:
    R, m = scene.motion[:, :3], scene.motion[:, 3]
    turn = np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))
    said = f"scale {scene.scale:.4g}: a scene unit is {1 / scene.scale:.4g} of the files' units"
    if turn < 1e-3 and np.abs(m).max() < 1e-9:
        return said + "; neither turned nor moved"
    x, y, z = -R.T @ m
    return said + f"; turned by {turn:.1f} degrees; the origin is ({x:.4g}, {y:.4g}, {z:.4g}) there"


def _near_far(scene: Scene, found: Found) -> str:
    share = found.footprint.mean
    if not share:
        return "none meets the cube"
    ends = "; unbounded beyond" if scene.space != "bounded" else ""
    if scene.nearest is not None:
        ends += f"; things are known to stand from {scene.nearest:.3g} on"
    between = "" if np.isnan(found.near) else f", from {found.near:.3g} to {found.far:.3g}"
    said = f"{share:.0%}" if share >= 0.01 else f"{share:.2g}"
    return f"{said} of them meet the cube{between}{ends}"


def _seen(found: Found) -> str:
    count = found.views
    parts = [("none", count == 0), ("1", count == 1), ("2-4", (count > 1) & (count < 5))]
    parts.append(("5 or more", count >= 5))
    shares = ", ".join(f"{cells.mean():.0%} by {name}" for name, cells in parts)
    return (
        f"of {CELLS}^3 cells of the cube, pictures of {found.learned} see {shares}; "
        f"median {np.median(count):g}"
    )
