"""The bundled scenes: complete, small, and true to what their READMEs say."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import smoke
from data.analytic import MARBLES
from data.distance import distances
from data.errors import InputError
from data.load import load
from scripts import make_scenes
from scripts.scenes import cameras, files
from scripts.scenes import marbles as marbles_recipe

SCENES = Path(__file__).parents[2] / "data" / "scenes"
NAMES = sorted(path.name for path in SCENES.iterdir())
MOST = 12_000_000
"""Bytes, all scenes together."""
SOLID = ["bricks", "glaze", "terrace"]
MEASURED = [*SOLID, "smoke"]


def test_they_are_those_that_the_script_makes():
    assert sorted(make_scenes.NAMES) == NAMES


def test_together_they_are_small():
    assert sum(file.stat().st_size for file in SCENES.rglob("*") if file.is_file()) <= MOST


@pytest.mark.parametrize("name", NAMES)
def test_each_loads(name):
    scene = load(SCENES / name)
    assert scene.space == ("unbounded" if name == "terrace" else "bounded")
    numbers = (64, 10) if name == "marbles" else (100, 25)
    assert tuple(len(scene.splits[split]) for split in ("train", "test")) == numbers
    for split in scene.splits.values():
        assert (split.width, split.height) == (200, 200)
        alpha = split.pictures[..., 3]
        if name == "terrace":
            assert (alpha == 255).all()
        else:  # an object, and nothing around it
            assert (alpha == 0).mean() > 0.3 and (alpha > 0).mean() > 0.1
            # marbles' board reaches beyond the edge, the corner of bricks' plate to it
            most = {"marbles": 0.2, "bricks": 0.01}.get(name, 0)
            assert max((alpha[:, [0, -1]] > 0).mean(), (alpha[:, :, [0, -1]] > 0).mean()) <= most
    # no test view is a train view
    train, test = (scene.splits[split].poses[:, :, 3] for split in ("train", "test"))
    assert np.linalg.norm(train[:, None] - test[None], axis=-1).min() > 1e-3
    # every camera looks at the origin, z up
    for split in scene.splits.values():
        o = split.poses[:, :, 3]
        o = o / np.linalg.norm(o, axis=-1, keepdims=True)
        np.testing.assert_allclose(split.poses[:, :, 2], o, atol=1e-5)
        np.testing.assert_allclose(split.poses[:, 2, 0], 0, atol=1e-6)
        assert (split.poses[:, 2, 1] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_described(name):
    said = (SCENES / name / "README.md").read_text()
    assert said.startswith(f"# {name}\n")
    assert f"python -m scripts.make_scenes {name}" in said
    assert "licence" in said
    if name != "marbles":
        with Image.open(SCENES / name / "picture.webp") as picture:
            assert picture.size == (800, 200)


def rays_of(name, number):
    meta = json.loads((SCENES / name / "transforms_test.json").read_text())
    pose = np.array(meta["frames"][number]["transform_matrix"])
    return pose, cameras.rays(pose, meta["camera_angle_x"])


@pytest.mark.parametrize("name", SOLID)
def test_two_views_agree_on_where_the_surfaces_are(name):
    """What one test view sees lies, for a neighbour that sees it too, at the neighbour's distance.

    Where it is hidden from the neighbour, the neighbour sees something nearer: nothing that one
    view sees may lie in another's empty space, in front of its surfaces.
    """
    t = distances(SCENES / name)
    alpha = load(SCENES / name, splits=("test",)).splits["test"].pictures[..., 3]
    meta = json.loads((SCENES / name / "transforms_test.json").read_text())
    focal = 100 / np.tan(meta["camera_angle_x"] / 2)
    checked = 0
    for one, other in ((0, 8), (5, 13), (12, 20), (3, 24)):
        _, (origins, directions) = rays_of(name, one)
        there = np.isfinite(t[one].ravel())
        x = (origins + t[one].ravel()[:, None] * directions)[there]
        pose, _ = rays_of(name, other)
        local = (x - pose[:3, 3]) @ pose[:3, :3]
        local = local[local[:, 2] < 0]
        away = np.linalg.norm(local, axis=-1)
        at = np.stack([local[:, 0], -local[:, 1]], -1) / -local[:, 2:] * focal + 100
        inside = ((at > 1) & (at < 199)).all(axis=-1)
        column, row = np.floor(at[inside]).astype(int).T
        # the surface at the pixel's corner is anywhere between those of the pixels around it
        around = np.stack(
            [t[other][row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=-1
        )
        slack = 0.01 * away[inside]
        assert (away[inside] >= around.min(axis=-1) - slack).mean() > 0.999
        seen = np.abs(away[inside] - t[other][row, column]) < slack
        checked += seen.sum()
    assert checked > 4000
    if name != "terrace":
        # the ray through the centre may slip by where every sample beside it hits
        assert np.isfinite(t)[alpha == 255].mean() > 0.9995
        assert np.isinf(t)[alpha == 0].mean() > 0.9995
        assert t.min() > 2.4 and t[np.isfinite(t)].max() < 5.6


@pytest.mark.parametrize("number", [0, 11, 24])
def test_smoke_is_what_its_density_says(number):
    """Opacity and mean distance of the stored pixels, summed again from the closed form."""
    scene = load(SCENES / "smoke", splits=("test",)).splits["test"]
    _, (origins, directions) = rays_of("smoke", number)
    alpha = scene.pictures[number, ..., 3].ravel()
    chosen = np.random.default_rng(number).permutation(np.flatnonzero(alpha > 20))[:300]
    step, t = 3.0 / 1200, 2.5 + (np.arange(1200) + 0.5) * 3.0 / 1200
    x = origins[chosen, None] + t[:, None] * directions[chosen, None]
    thickness = smoke.density(x) * step
    passed = np.cumsum(thickness, axis=-1)
    opacity = -np.expm1(-passed[:, -1])
    np.testing.assert_allclose(alpha[chosen] / 255, opacity, atol=0.5 / 255 + 2e-3)
    mean = np.sum(np.exp(thickness - passed) * -np.expm1(-thickness) * t, axis=-1) / opacity
    stored = distances(SCENES / "smoke")[number].ravel()[chosen]
    np.testing.assert_allclose(stored, mean, atol=5e-3)


def test_smoke_has_an_end():
    x = np.random.default_rng(0).normal(size=(20000, 3))
    x *= np.random.default_rng(1).uniform(smoke.RADIUS, 2, (20000, 1)) / np.linalg.norm(
        x, axis=-1, keepdims=True
    )
    assert not smoke.density(x).any()
    inside = np.random.default_rng(2).uniform(-1.3, 1.3, (20000, 3))
    sigma = smoke.densities(inside)
    assert (sigma >= 0).all() and sigma.max() > 5
    assert ((smoke.albedo(sigma) > 0) & (smoke.albedo(sigma) < 1)).all()


def test_the_middle_of_terrace_is_not_drawn_together():
    """Distances, in the files' units, times the scale: what stands within 1.5 lies in the ball."""
    scene = load(SCENES / "terrace", splits=("test",))
    t = distances(SCENES / "terrace") * scene.scale
    origins, directions = rays_of("terrace", 8)[1]
    x = scene.scale * origins + t[8].ravel()[:, None] * directions
    pose = scene.splits["test"].poses[8]
    np.testing.assert_allclose(pose[:, 3], scene.scale * origins[0], atol=1e-6)
    middle = np.linalg.norm(x.reshape(200, 200, 3)[90:110, 90:110], axis=-1)
    assert (middle[np.isfinite(middle)] < 1).mean() > 0.2  # the knot; beside it, what is beyond
    assert np.isfinite(t).any() and t[np.isfinite(t)].max() > 20


def test_marbles_are_made_as_ever():
    """The poses, and the pixels of one block, are those that are bundled."""
    stored = json.loads((SCENES / "marbles" / "transforms_test.json").read_text())["frames"]
    for frame, pose in zip(stored, marbles_recipe.RECIPE.views["test"], strict=True):
        np.testing.assert_allclose(frame["transform_matrix"], pose, atol=1e-12)
    assert MARBLES.bodies


def test_distances_keep_half_a_step():
    t = np.array([[0.5, np.inf], [6.0, 3.14159]])
    steps = files.to_steps(t, 1e-4)
    assert steps.dtype == np.uint16 and steps[0, 1] == 0
    np.testing.assert_allclose(steps[0, 0] * 1e-4, 0.5, atol=5e-5)
    with pytest.raises(ValueError, match="beyond 16 bits"):
        files.to_steps(np.array([7.0]), 1e-4)


def test_a_scene_without_distances_says_so():
    with pytest.raises(InputError, match="holds no distances"):
        distances(SCENES / "marbles")
    with pytest.raises(InputError, match="can't be read"):
        distances(SCENES / "nowhere")


def test_the_recipes_that_need_no_mitsuba_are_importable():
    for name in ("marbles", "smoke"):
        recipe = importlib.import_module(f"scripts.scenes.{name}").RECIPE
        assert set(recipe.views) == {"train", "test"}
