"""glaze: glazed pots and polished metal on a stone tray, in the light of a studio."""

from functools import partial

import mitsuba as mi
import numpy as np

from scripts.scenes import rendering
from scripts.scenes.cameras import ANGLE, dome
from scripts.scenes.files import Recipe, to_rgba
from scripts.scenes.rendering import Plugin
from scripts.scenes.solids import Mesh, lathe, paint, smoothed, tube

FLOOR = -0.55
"""Height of the tray's top."""


def glazed(code: str, roughness: float = 0.0) -> Plugin:
    """A coloured body under a clear coat."""
    rough: Plugin = {"type": "roughplastic", "alpha": roughness}
    coat: Plugin = rough if roughness else {"type": "plastic"}
    colour = {"type": "rgb", "value": list(paint(code))}
    return {**coat, "diffuse_reflectance": colour, "int_ior": 1.6, "nonlinear": True}


def metal(name: str, roughness: float = 0.0) -> Plugin:
    """By its measured index of refraction."""
    kind: Plugin = {"type": "roughconductor", "alpha": roughness, "distribution": "ggx"}
    return {**(kind if roughness else {"type": "conductor"}), "material": name}


def tray() -> Mesh:
    """A round slab with a soft edge."""
    corners = ((0, -0.09), (1.0, -0.09), (1.08, -0.07), (1.08, 0), (1.0, 0), (0.9, -0.0), (0, 0))
    return lathe(smoothed(corners, 60), 128).at(0, 0, FLOOR)


def vase() -> Mesh:
    """Tall, with a narrow neck; the wall turns over at the lip and goes down inside."""
    corners = (
        (0, 0), (0.2, 0), (0.22, 0.02), (0.24, 0.1), (0.44, 0.42), (0.4, 0.72), (0.1, 0.78),
        (0.09, 1.0), (0.12, 1.14), (0.2, 1.17), (0.19, 1.19), (0.08, 1.1), (0.07, 0.8), (0, 0.75),
    )  # fmt: skip
    return lathe(smoothed(corners, 180), 128).at(-0.3, 0.28, FLOOR)


def bowl() -> Mesh:
    """Open, on a small foot."""
    corners = (
        (0, 0), (0.13, 0), (0.14, 0.02), (0.13, 0.06), (0.3, 0.12), (0.36, 0.3), (0.37, 0.34),
        (0.345, 0.34), (0.33, 0.28), (0.26, 0.13), (0.1, 0.09), (0, 0.085),
    )  # fmt: skip
    return lathe(smoothed(corners, 140), 112).at(0.36, -0.42, FLOOR)


def gourd() -> Mesh:
    """Two bulbs and a stalk."""
    corners = (
        (0, 0), (0.15, 0), (0.27, 0.06), (0.28, 0.3), (0.1, 0.33), (0.1, 0.36), (0.19, 0.42),
        (0.17, 0.6), (0.03, 0.6), (0.03, 0.68), (0.035, 0.74), (0, 0.74),
    )  # fmt: skip
    return lathe(smoothed(corners, 140), 112).at(-0.45, -0.48, FLOOR)


def ball(radius: float, x: float, y: float) -> Mesh:
    """Lies on the tray."""
    turns = np.linspace(-np.pi / 2, np.pi / 2, 65)
    profile = np.stack([np.abs(radius * np.cos(turns)), radius * np.sin(turns)], axis=1)
    return lathe(profile, 128).at(x, y, FLOOR + radius)


def knot() -> Mesh:
    """A trefoil that stands on its edge."""
    s = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    line = np.stack(
        [
            np.sin(s) + 2 * np.sin(2 * s),
            np.cos(s) - 2 * np.cos(2 * s),
            -1.1 * np.sin(3 * s),
        ],
        axis=1,
    )
    upright = tube(0.115 * line, 0.062, 32).turned(np.pi / 2, "x").turned(-0.6)
    return upright.at(0.47, 0.38, FLOOR - upright.vertices[:, 2].min())


def softbox(d: np.ndarray, at: tuple[float, float, float], width: float) -> np.ndarray:
    """1 towards a lamp's screen, falling off softly at its edge."""
    middle = np.array(at) / np.linalg.norm(at)
    apart = np.arccos(np.clip(d @ middle, -1, 1))
    return (1 / (1 + np.exp((apart - width) / 0.035)))[..., None]


def studio(d: np.ndarray) -> np.ndarray:
    """A dim room with a pale floor, a large cool screen, a warm one, and a bright strip."""
    up = d[..., 2:]
    room = np.array([0.3, 0.34, 0.42]) + 0.28 * np.clip(up, -1, 1) * np.array([0.7, 0.8, 1.0])
    floor = np.array([0.42, 0.38, 0.34]) * np.exp(-((up + 0.25) ** 2) / 0.05)
    strip = np.exp(-((up - 0.45) ** 2) / 0.002) * (0.5 + 0.5 * np.sin(3 * _azimuth(d)))[..., None]
    return (
        room
        + floor
        + 1.6 * strip * np.array([1.0, 0.95, 0.9])
        + 8.5 * softbox(d, (0.7, -0.5, 0.9), 0.36) * np.array([1.0, 0.98, 0.95])
        + 4.0 * softbox(d, (-1.0, -0.3, 0.45), 0.24) * np.array([1.0, 0.74, 0.5])
        + 4.0 * softbox(d, (-0.1, 1.0, 0.5), 0.26) * np.array([0.55, 0.75, 1.0])
    )


def _azimuth(d):
    return np.arctan2(d[..., 1], d[..., 0])


SOLIDS = [
    (tray(), glazed("#c9c2b6", 0.25)),
    (vase(), glazed("#123f8c")),
    (bowl(), glazed("#6fae98")),
    (gourd(), glazed("#a3161c", 0.06)),
    (knot(), metal("Au", 0.12)),
    (ball(0.17, 0.02, -0.05), metal("Ag")),
    (ball(0.12, -0.02, -0.78), metal("Cu", 0.06)),
    (ball(0.1, 0.8, -0.02), glazed("#e39a1b")),
    (ball(0.09, -0.8, 0.05), glazed("#15181c")),
]
SCENE = mi.load_dict(
    {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 4, "rr_depth": 10, "hide_emitters": True},
        "light": rendering.sky(studio),
        **{f"solid_{k}": rendering.shape(mesh, bsdf) for k, (mesh, bsdf) in enumerate(SOLIDS)},
    }
)
SAMPLES = 64
EXPOSURE = 0.85


def picture(pose: np.ndarray) -> np.ndarray:
    """Straight RGBA in sRGB."""
    seen = rendering.pixels(SCENE, pose, ANGLE, SAMPLES)
    return to_rgba(EXPOSURE * seen[..., :3], seen[..., 3], step=3)


RECIPE = Recipe(
    views={"train": dome(100, 0.0), "test": dome(25, 0.37)},
    picture=picture,
    distance=partial(rendering.distance, SCENE, angle=ANGLE),
)
