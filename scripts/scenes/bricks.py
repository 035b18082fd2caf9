"""bricks: a windmill of some two thousand toy bricks, laths, pickets and studs."""

import math

import numpy as np

from scripts.scenes import rendering
from scripts.scenes.cameras import ANGLE, dome
from scripts.scenes.files import Recipe
from scripts.scenes.matt import Matt
from scripts.scenes.solids import Mesh, box, cylinder, lathe, merged

SEED = 1
GROUND = -0.72
"""Height of the base plate's top."""
COURSE = 0.105
"""Height of a course of bricks."""
FRONT = -math.pi / 2
"""Azimuth of door, path and sails."""
CREAM = ("#efe3c8", "#e4d2ac", "#f6eedd", "#efe3c8", "#d9a877")


def around(part: Mesh, radius: float, azimuth: float, z: float) -> Mesh:
    """A part that faces along x, set on a circle about the mill's axis to face outwards."""
    return part.at(radius, 0, z).turned(azimuth)


def base(random: np.random.Generator) -> list[Mesh]:
    """The studded plate, the path, the flowers."""
    parts = [box(1.7, 1.7, 0.06).at(0, 0, GROUND - 0.06).painted("#5c9e4a")]
    for i in range(-8, 8):
        for j in range(-8, 8):
            x, y = (i + 0.5) * 0.1, (j + 0.5) * 0.1
            if abs(x) < 0.11 and y < -0.35:
                colour = random.choice(["#dcc79c", "#cfb685", "#e6d6b3"])
                parts.append(box(0.094, 0.094, 0.03).at(x, y, GROUND).painted(colour))
            elif math.hypot(x, y) > 0.48:
                parts.append(cylinder(0.03, 0.022).at(x, y, GROUND).painted("#5c9e4a"))
                if random.random() < 0.09 and math.hypot(x, y) > 0.62:
                    colour = random.choice(["#e8b90c", "#d1495b", "#f4f1ea"])
                    stalk = cylinder(0.008, 0.07, 6).at(x, y, GROUND + 0.02)
                    bloom = cylinder(0.02, 0.03, 8, top=0.032).at(x, y, GROUND + 0.08)
                    parts += [stalk.painted("#3c7a34"), bloom.painted(colour)]
    return parts


def tower(random: np.random.Generator) -> list[Mesh]:
    """Rings of bricks in running bond, door and windows left open, and what fills them."""
    parts, bricks = [], 14
    for course in range(10):
        radius = 0.44 - 0.016 * course
        for k in range(bricks):
            azimuth = FRONT + (k + 0.5 * (course % 2)) * 2 * math.pi / bricks
            turn = abs((azimuth - FRONT + math.pi) % (2 * math.pi) - math.pi)
            door = course < 3 and turn < 0.3
            window = course == 6 and k in (3, 7, 11)
            if not door and not window:
                width = 2 * math.pi * (radius - 0.05) / bricks - 0.006
                brick = box(0.1, width, COURSE - 0.006).painted(random.choice(CREAM))
                parts.append(around(brick, radius - 0.05, azimuth, GROUND + course * COURSE))
            if window:
                pane = box(0.02, 0.17, COURSE).painted("#f2b632")
                parts.append(around(pane, radius - 0.07, azimuth, GROUND + course * COURSE))
                for side in (-0.045, 0, 0.045):
                    bar = box(0.02, 0.014, COURSE).at(0, side, 0).painted("#7a4a2a")
                    parts.append(around(bar, radius - 0.04, azimuth, GROUND + course * COURSE))
    leaf = merged(box(0.03, 0.052, 2.9 * COURSE).at(0, y, 0) for y in (-0.06, 0, 0.06))
    parts.append(around(leaf.painted("#2a6f97"), 0.36, FRONT, GROUND))
    parts.append(around(box(0.05, 0.26, 0.03).painted("#7a4a2a"), 0.4, FRONT, -0.42))
    return parts


def gallery() -> list[Mesh]:
    """A wooden walk around the tower, on braces, with a rail, and a ladder up to it."""
    floor, wood, parts = GROUND + 4 * COURSE + 0.01, "#9a6a3f", []
    for k in range(36):
        plank = box(0.26, 0.085, 0.018).painted("#a97848" if k % 2 else wood)
        parts.append(around(plank, 0.47, k * math.pi / 18, floor))
    for k in range(18):
        azimuth = (k + 0.5) * math.pi / 9
        parts.append(around(box(0.014, 0.014, 0.13).painted("#f4f1ea"), 0.585, azimuth, floor))
        brace = box(0.016, 0.016, 0.24).turned(0.7, "y").painted("#7a4a2a")
        parts.append(around(brace, 0.4, azimuth, floor - 0.19))
        for z in (0.07, 0.13):
            rail = box(0.012, 0.206, 0.012).painted("#f4f1ea")
            parts.append(around(rail, 0.58, azimuth + math.pi / 18, floor + z))
    rungs = [box(0.012, 0.1, 0.012).at(0, 0, 0.05 * k) for k in range(1, 10)]
    sides = [box(0.016, 0.016, 0.6).at(0, y, 0) for y in (-0.05, 0.05)]
    ladder = merged(rungs + sides).turned(-0.35, "y").painted("#7a4a2a")
    parts.append(around(ladder, 0.8, FRONT + 1.9, GROUND))
    return parts


def roof() -> list[Mesh]:
    """Courses of tiles on a cone, and a ball on top."""
    foot, colours, parts = GROUND + 10 * COURSE, ("#b5382c", "#c44a38", "#9f2f27"), []
    eaves = lathe(((0, -0.02), (0.36, -0.02), (0.36, 0.02), (0.02, 0.36)), 32, smooth=False)
    parts.append(eaves.at(0, 0, foot).painted("#7a4a2a"))
    for course in range(8):
        radius, tiles = 0.36 - 0.042 * course, 22 - 2 * course
        for k in range(tiles):
            width = 2 * math.pi * radius / tiles - 0.004
            tile = box(0.022, width, 0.085).at(0, 0, -0.03).turned(-0.78, "y")
            tile = tile.painted(colours[(2 * k + course) % 3])
            azimuth = (k + 0.5 * (course % 2)) * 2 * math.pi / tiles
            parts.append(around(tile, radius, azimuth, foot + 0.03 + 0.044 * course))
    parts.append(cylinder(0.012, 0.16, 8).at(0, 0, foot + 0.36).painted("#7a4a2a"))
    parts.append(cylinder(0.035, 0.05, 12, top=0.0).at(0, 0, foot + 0.5).painted("#e8b90c"))
    return parts


def sails() -> list[Mesh]:
    """Four arms of lattice; they face along x until they are set in front."""
    parts = []
    for quarter in range(4):
        arm = [box(0.03, 0.034, 0.82).painted("#7a4a2a")]
        for k in range(13):
            bar = box(0.012, 0.2, 0.012).at(0.012, 0.11, 0.2 + 0.05 * k)
            arm.append(bar.painted("#5a3a22"))
        for y in (0.075, 0.14, 0.205):
            arm.append(box(0.012, 0.012, 0.612).at(0.012, y, 0.2).painted("#5a3a22"))
        for k in range(0, 12, 2):  # every second field of the outer row is boarded up
            board = box(0.008, 0.055, 0.04).at(0.012, 0.172, 0.212 + 0.05 * k)
            arm.append(board.painted("#c44a38"))
        parts += [part.turned(quarter * math.pi / 2 + 0.35, "x") for part in arm]
    hub = cylinder(0.055, 0.07, 16).turned(math.pi / 2, "y").at(-0.02, 0, 0)
    axle = cylinder(0.03, 0.4, 10).turned(math.pi / 2, "y").at(-0.36, 0, 0)
    parts += [hub.painted("#e8b90c"), axle.painted("#7a4a2a")]
    return [around(part, 0.52, FRONT, GROUND + 10 * COURSE) for part in parts]


def fence() -> list[Mesh]:
    """Pickets on all four sides, with a gap where the path comes in."""
    parts = []
    for side in range(4):
        for k in range(33):
            y = -0.8 + 0.05 * k
            if side == 3 and abs(y) < 0.16:
                continue
            picket = box(0.012, 0.022, 0.12).at(0.815, y, GROUND)
            parts.append(picket.painted("#f4f1ea").turned(side * math.pi / 2))
        for z in (0.035, 0.085):
            halves = ((-0.49, 0.66), (0.49, 0.66)) if side == 3 else ((0, 1.64),)
            for y, length in halves:
                rail = box(0.01, length, 0.014).at(0.805, y, GROUND + z)
                parts.append(rail.painted("#f4f1ea").turned(side * math.pi / 2))
    return parts


def trees() -> list[Mesh]:
    """Stacks of studded plates."""
    parts = []
    for x, y, tall in ((0.62, 0.5, 5), (-0.6, 0.6, 4), (-0.62, -0.5, 3), (0.6, -0.58, 2)):
        parts.append(cylinder(0.035, 0.14, 10).at(x, y, GROUND).painted("#7a4a2a"))
        for k in range(tall):
            radius, z = 0.17 * (1 - 0.8 * k / tall), GROUND + 0.12 + 0.085 * k
            green = "#2f7d46" if k % 2 else "#3f9457"
            parts.append(cylinder(radius, 0.07, 16).at(x, y, z).painted(green))
            studs = max(round(2 * math.pi * (radius - 0.03) / 0.075), 1)
            for j in range(studs):
                turn, out = 2 * math.pi * j / studs, radius - 0.035 if studs > 1 else 0
                stud = cylinder(0.022, 0.018, 8).at(out, 0, z + 0.07).turned(turn)
                parts.append(stud.at(x, y, 0).painted(green))
    return parts


def mill() -> Mesh:
    """The whole of it."""
    random = np.random.default_rng(SEED)
    parts = base(random) + tower(random) + gallery() + roof() + sails() + fence() + trees()
    return merged(parts)


def daylight(d: np.ndarray) -> np.ndarray:
    """A pale sky over a warm ground."""
    up = d[..., 2:]
    above = np.array([1.0, 0.97, 0.92]) + np.clip(up, 0, 1) * np.array([-0.3, -0.15, 0.1])
    return np.where(up > 0, above, np.array([0.42, 0.4, 0.36]))


STAGE = Matt(
    [mill()],
    rendering.lamp((0.5, -0.75, 0.8), 0.7, [116.0, 104.0, 86.0]),
    daylight,
    ANGLE,
    exposure=0.85,
)
RECIPE = Recipe(
    views={"train": dome(100, 0.0), "test": dome(25, 0.37)},
    picture=STAGE.picture,
    distance=STAGE.distance,
)
