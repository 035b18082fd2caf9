"""terrace: a knot on a plinth, a paved terrace, a garden, hills and sky; opaque everywhere."""

import math

import numpy as np

from scripts.scenes.cameras import GOLDEN, ring
from scripts.scenes.files import Recipe
from scripts.scenes.matt import Matt
from scripts.scenes.solids import Mesh, box, cylinder, lathe, merged, paint, smoothed, tube

SEED = 3
ANGLE = 1.0
"""camera_angle_x, radians: wide enough to see what is around."""
DISTANCE = 2.7
GROUND = -0.75
HAZE = np.array([0.62, 0.72, 0.86])


def waves(x: np.ndarray, y: np.ndarray, pitch: float) -> np.ndarray:
    """Something between -1 and 1 without a grain."""
    x, y = x / pitch, y / pitch
    return (np.sin(x + 1.3 * np.sin(0.7 * y)) + np.sin(1.7 * y - 0.9 * np.sin(1.1 * x + 2))) / 2


def land() -> Mesh:
    """Grass, then meadows, then hills; paler the further off."""
    radii = np.concatenate([[0.02], 2.0 * 1.035 ** np.arange(0, 112)])
    turns = 2 * np.pi * np.arange(256) / 256
    r, turn = (part.ravel() for part in np.meshgrid(radii, turns, indexing="ij"))
    x, y = r * np.cos(turn), r * np.sin(turn)
    rise = np.clip((r - 12) / 60, 0, 1) ** 1.5
    height = 11 * rise * (1 + 0.55 * waves(x, y, 13) + 0.25 * waves(y, x, 6))
    height += 0.05 * waves(x, y, 1.1) * np.clip((r - 2.4) / 2, 0, 1)
    green = (1 + waves(x, y, 0.9) * 0.5 + waves(y, x, 7) * 0.5)[:, None] / 2
    colour = green * np.array(paint("#8fae58")) + (1 - green) * np.array(paint("#5d8744"))
    far = (1 - np.exp(-np.maximum(r - 6, 0) / 55))[:, None]
    colour = (1 - far) * colour + far * HAZE
    net = lathe(zip(radii, np.zeros_like(radii), strict=True), 256)
    # seen from above the line of the lathe runs outwards: its triangles face down
    return Mesh(np.stack([x, y, GROUND - 0.03 + height], 1), net.faces[:, ::-1], True, colour)


def slab(inner: float, outer: float, start: float, end: float) -> Mesh:
    """A paving stone between two radii and two azimuths."""
    turns = np.linspace(start, end, 5)
    line = [(r, turn) for r, way in ((inner, turns), (outer, turns[::-1])) for turn in way]
    flat = np.array([[r * math.cos(turn), r * math.sin(turn)] for r, turn in line])
    n = len(flat)
    top = np.column_stack([flat, np.full(n, GROUND)])
    low = top - np.array([0, 0, 0.05])
    k = np.arange(n)
    sides = [
        np.stack([k, (k + 1) % n, k + n], 1),
        np.stack([(k + 1) % n, (k + 1) % n + n, k + n], 1),
    ]
    strip = np.arange(4)
    cover = [
        np.stack([strip, 9 - strip, strip + 1], 1),
        np.stack([strip + 1, 9 - strip, 8 - strip], 1),
    ]
    return Mesh(np.concatenate([top, low]), np.concatenate([*sides, *cover]))


def paving(random: np.random.Generator) -> list[Mesh]:
    """Rings of stones about the plinth, joints between them."""
    stones = ["#cbbfa9", "#c2b49b", "#d6ccb9", "#b8a88e", "#cfc0a4"]
    parts = []
    for k in range(7):
        inner, outer, count = 0.4 + 0.28 * k, 0.665 + 0.28 * k, 10 + 6 * k
        for j in range(count):
            start = 2 * math.pi * (j + 0.37 * k) / count
            gap = 0.012 / outer
            stone = slab(inner, outer, start + gap, start + 2 * math.pi / count - gap)
            colour = "#a8523c" if k == 5 and j % 2 else random.choice(stones)
            parts.append(stone.painted(colour))
    return [*parts, cylinder(2.36, 0.03, 96).at(0, 0, GROUND - 0.045).painted("#8d8371")]


def knot() -> Mesh:
    """Winds five times about while it goes around twice."""
    s = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    level = 0.3 + 0.12 * np.cos(5 * s)
    line = np.stack([level * np.cos(2 * s), level * np.sin(2 * s), 0.14 * np.sin(5 * s)], axis=1)
    return tube(line, 0.055, 24).turned(math.pi / 2, "x").at(0, 0, 0.26).painted("#c5502f")


def plinth() -> list[Mesh]:
    """Eight sides and a moulding."""
    profile = (
        (0, 0), (0.36, 0), (0.36, 0.1), (0.3, 0.13), (0.26, 0.14), (0.26, 0.42), (0.3, 0.44),
        (0.34, 0.47), (0.34, 0.54), (0, 0.54),
    )  # fmt: skip
    return [lathe(profile, 8, smooth=False).at(0, 0, GROUND).painted("#d8d2c4")]


def bush(radius: float, random: np.random.Generator) -> Mesh:
    """A lumpy ball."""
    turns = np.linspace(-np.pi / 2, np.pi / 2, 33)
    ball = lathe(zip(np.abs(np.cos(turns)), np.sin(turns), strict=True), 48)
    phase = random.uniform(0, 6, 3)
    lumps = np.prod(np.sin(7 * ball.vertices + phase), axis=1, keepdims=True)
    return ball._replace(vertices=radius * ball.vertices * (1 + 0.14 * lumps))


def pots(random: np.random.Generator) -> list[Mesh]:
    """Six, with a clipped bush in each, some of them in flower."""
    profile = ((0, 0), (0.13, 0), (0.15, 0.04), (0.2, 0.26), (0.23, 0.27), (0.22, 0.31), (0, 0.3))
    parts = []
    for k in range(6):
        turn = k * math.pi / 3 + 0.3
        x, y = 1.22 * math.cos(turn), 1.22 * math.sin(turn)
        glaze = ("#b5643f", "#2f6f8f", "#d9b24a")[k % 3]
        parts.append(lathe(smoothed(profile, 40), 48).at(x, y, GROUND).painted(glaze))
        z = GROUND + 0.44
        parts.append(bush(0.21, random).at(x, y, z).painted(("#3f7d3a", "#4f8f45")[k % 2]))
        for j in range(34 if k % 2 else 0):
            height = 1 - 1.5 * (j + 0.5) / 34
            level = math.sqrt(1 - height**2)
            out = 0.215 * np.array(
                [level * math.cos(j * GOLDEN), level * math.sin(j * GOLDEN), height]
            )
            flower = bush(0.026, random).at(*out).at(x, y, z)
            parts.append(flower.painted(("#e8589a", "#f2efe6", "#f0c419")[k // 2]))
    return parts


def hedge(random: np.random.Generator) -> list[Mesh]:
    """A ring of clipped blocks with four ways through."""
    parts = []
    for k in range(48):
        if k % 12 not in (0, 11):
            turn = (k + 0.5) * 2 * math.pi / 48
            tall = 0.5 + 0.04 * (k % 2)
            block = box(0.34, 0.52, tall).at(4.0, 0, GROUND - 0.05).turned(turn)
            parts.append(block.painted(random.choice(["#3e7440", "#477f47", "#39693b"])))
    return parts


def cypresses(random: np.random.Generator) -> list[Mesh]:
    """Slender trees at all distances up to the meadows."""
    parts = []
    for k in range(18):
        turn, r = k * GOLDEN, 5.2 + 7 * (k / 18) ** 1.3
        tall = random.uniform(1.8, 3.4)
        profile = ((0, 0), (0.2, 0), (0.42, 0.25), (0.4, 0.6), (0.22, 0.9), (0, 1.05))
        tree = lathe(smoothed(profile, 48), 40)
        wind = 0.05 * np.sin(23 * tree.vertices[:, 2:] + 5 * tree.vertices[:, :1])
        shape = tree.vertices * (1 + wind) * np.array([0.8, 0.8, tall]) + np.array([0, 0, 0.1])
        green = random.choice(["#2f5d3a", "#3a6a3f", "#28533a"])
        x, y = r * math.cos(turn), r * math.sin(turn)
        parts.append(tree._replace(vertices=shape).at(x, y, GROUND).painted(green))
        parts.append(cylinder(0.07, 0.3, 8).at(x, y, GROUND - 0.1).painted("#6b4a31"))
    return parts


def prism(x: float, y: float, z: float) -> Mesh:
    """A roof: its ridge runs along y."""
    half, long = x / 2, y / 2
    v = [[i * half, j * long, 0] for j in (-1, 1) for i in (-1, 1)]
    v += [[0, -long, z], [0, long, z]]
    f = [[0, 1, 4], [3, 2, 5], [1, 3, 5], [1, 5, 4], [2, 0, 4], [2, 4, 5], [0, 2, 3], [0, 3, 1]]
    return Mesh(np.array(v, float), np.array(f))


def houses() -> list[Mesh]:
    """White walls, tiled roofs, a bell tower."""
    parts = []
    for turn, r, wide, tall in ((0.4, 14, 3.0, 1.5), (1.9, 17, 4.0, 1.9), (3.2, 15, 3.2, 1.6),
                                (4.1, 19, 4.5, 2.2), (5.4, 15.5, 3.4, 1.7)):  # fmt: skip
        walls = box(2.2, wide, tall + 0.6).at(0, 0, -0.6).painted("#efe6d6")
        gable = prism(2.8, wide + 0.4, 0.9)
        windows = [
            box(0.04, 0.34, 0.5).at(-1.1, y, 0.5 * tall).painted("#4a6a7d")
            for y in np.linspace(-0.36 * wide, 0.36 * wide, 4)
        ]
        whole = [walls, gable.at(0, 0, tall).painted("#b5573a"), *windows]
        parts += [part.at(r, 0, GROUND).turned(turn) for part in whole]
    roof = lathe(((0, 0), (1.0, 0), (0, 1.3)), 4, smooth=False).turned(math.pi / 4)
    tower = [
        box(1.2, 1.2, 4.6).painted("#eadfca"),
        roof.at(0, 0, 4.6).painted("#a94f37"),
        box(0.05, 0.4, 0.8).at(-0.6, 0, 3.3).painted("#3a4450"),
    ]
    return parts + [part.at(21, 0, GROUND).turned(1.2) for part in tower]


def daylight(d: np.ndarray) -> np.ndarray:
    """Blue above, pale at the horizon, fair-weather clouds."""
    up = d[..., 2:]
    high = np.clip(up, 0, 1) ** 0.6
    clear = (1 - high) * np.array([0.78, 0.86, 0.95]) + high * np.array([0.16, 0.36, 0.78])
    far = d / (np.maximum(up, 0) + 0.18)
    x, y = far[..., 0], far[..., 1]
    drift = waves(x, y, 0.45) + 0.6 * waves(y, x, 0.21) + 0.35 * waves(x + 1, y, 0.1)
    share = 0.75 / (1 + np.exp((0.55 - drift) / 0.16))[..., None] * np.clip(up / 0.12, 0, 1)
    above = (1 - share) * clear + share * np.array([1.0, 0.98, 0.95])
    return np.where(up > 0, above, np.array([0.3, 0.32, 0.24]))


def solids() -> list[Mesh]:
    """What is round and what is flat, each as one mesh."""
    random = np.random.default_rng(SEED)
    parts = [land(), *paving(random), knot(), *plinth(), *pots(random), *hedge(random)]
    parts += [*cypresses(random), *houses()]
    return [merged(p for p in parts if p.smooth is smooth) for smooth in (True, False)]


SUNLIGHT = {
    "type": "directional",
    "direction": [-0.55, 0.6, -0.62],
    "irradiance": {"type": "rgb", "value": [3.0, 2.7, 2.2]},
}
STAGE = Matt(solids(), SUNLIGHT, daylight, ANGLE, samples=16, exposure=0.8, opaque=True, fine=0.1)
RECIPE = Recipe(
    views={
        "train": ring(100, 0.0, DISTANCE, 0.12, 0.55),
        "test": ring(25, 0.0314, DISTANCE, 0.14, 0.5),
    },
    picture=STAGE.picture,
    distance=STAGE.distance,
    unit=0.004,
    angle=ANGLE,
    also={"aabb_scale": 64},  # of instant-ngp's cubes, 3 across, the hills' 91 fill so many
)
