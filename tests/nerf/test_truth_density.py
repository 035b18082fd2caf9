"""`nerf truth`: a run's density against one in closed form, voxel by voxel."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from data import smoke
from data.load import load
from data.scene import Scene, Split
from nerf import occupancy, views
from nerf.render import Renderer
from nerf.state import start
from nerf.truth import density, show
from tests.nerf.commands import nerf
from tests.nerf.conftest import ROOT, small_grid

SMOKE = ROOT / "data" / "scenes" / "smoke"


def turned(scale=0.7):
    """A scene whose loader turned and moved it."""
    a = 0.4
    R = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    R = R[[2, 0, 1]]
    motion = np.concatenate([R, [[0.1], [-0.2], [0.05]]], axis=1)
    return Scene("turned", Path("."), {}, scale, motion)


def recovered(scene, axes=(0, 1, 2), forgotten=1.0):
    """The closed form, as a run would have it: at the scene's points, per scene unit."""
    R, m = scene.motion[:, :3], scene.motion[:, 3]

    def sigma(x):
        there = (np.asarray(x, np.float64) / scene.scale - m) @ R
        return jnp.asarray(smoke.density(there[:, axes]) / scene.scale * forgotten)

    return sigma


def test_the_closed_form_itself_has_no_error():
    scene = turned()
    truth, found = density.volumes(smoke.density, recovered(scene), scene, 32)
    told = density.figures(found, truth)
    assert told["correlation"] == pytest.approx(1, abs=1e-6)
    assert told["rmse"] < 1e-4 and told["mass"] == pytest.approx(1, abs=1e-5)
    assert told["mass_where_none_is"] < 1e-5 and truth.max() > 5
    assert all(v < 1e-4 for v in told["rmse_by_edge"].values())
    assert all(v < 1e-4 for v in told["rmse_of_sums_along"].values())
    # what was compared is the smoke, at the voxels' middles
    at = ((np.arange(32) + 0.5) / 32 * 2 - 1) * 1.5
    for i, j, k in ((10, 15, 9), (20, 14, 18), (16, 22, 20)):
        place = np.array([[at[i], at[j], at[k]]])
        np.testing.assert_allclose(truth[i, j, k], smoke.density(place)[0])


def test_what_is_wrong_is_seen():
    scene = turned()

    def told(**wrong):
        return density.figures(
            *density.volumes(smoke.density, recovered(scene, **wrong), scene, 32)[::-1]
        )

    assert told(forgotten=scene.scale)["mass"] == pytest.approx(0.7, rel=1e-3)
    assert told(axes=(1, 0, 2))["correlation"] < 0.7
    assert told(axes=(2, 1, 0))["rmse"] > 0.5


def test_agreement_is_its_definition_written_as_a_loop():
    rng = np.random.default_rng(0)
    truth, found = rng.random((4, 4, 4)), rng.random((4, 4, 4))
    pairs = list(zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True))
    mean_t, mean_f = (sum(column) / 64 for column in zip(*pairs, strict=True))
    together = sum((t - mean_t) * (f - mean_f) for t, f in pairs)
    var_t, var_f = (
        sum((t - mean_t) ** 2 for t, _ in pairs),
        sum((f - mean_f) ** 2 for _, f in pairs),
    )
    told = density.agreement(found, truth)
    np.testing.assert_allclose(told["correlation"], together / (var_t * var_f) ** 0.5)
    error = sum((f - t) ** 2 for t, f in pairs) / sum(t**2 for t, _ in pairs)
    np.testing.assert_allclose(told["rmse"], error**0.5)
    np.testing.assert_allclose(told["mass"], mean_f / mean_t)
    nothing = density.agreement(found, np.zeros_like(truth))
    assert nothing == {"correlation": None, "rmse": None, "mass": None}
    halves = density.coarser(truth, 2)
    for i, j, k in ((0, 1, 0), (1, 1, 1)):
        block = [
            truth[2 * i + a, 2 * j + b, 2 * k + c] for a in (0, 1) for b in (0, 1) for c in (0, 1)
        ]
        np.testing.assert_allclose(halves[i, j, k], sum(block) / 8)


def rough(params):
    """Tables as if they had been trained: at first they are all but zero."""
    keys = iter(jax.random.split(jax.random.key(3), 99))
    return jax.tree.map(lambda v: v + 0.3 * jax.random.normal(next(keys), v.shape), params)


@pytest.mark.parametrize("kind", ["bounded", "unbounded"])
def test_the_density_compared_is_the_one_that_is_rendered(photographs, kind):
    """Summed along pixels' rays it gives the renderer's opacity, skipped cells included."""
    config = small_grid()
    config = replace(
        config,
        data=replace(config.data, space=kind),
        sampling=replace(config.sampling, steps=1024, near=0.5),
        training=replace(config.training, samples=8192),
    )
    model, state = start(config)
    params = jax.jit(rough)(state.params)
    drawn = np.random.default_rng(5).random((16, 16, 16)) < 0.3
    drawn[4:6] = True  # the axes are told apart
    drawn[:, :, 9:] = False
    middle = np.zeros_like(drawn)  # which no step is long in
    middle[4:12, 4:12, 4:12] = drawn[4:12, 4:12, 4:12]
    grid = occupancy.Occupancy(state.grid.depth, jnp.asarray(middle))
    camera = photographs.camera(7)
    seen = Renderer(model).picture(params, grid, camera).opacity
    sigma = density.rendered(model, params, grid)
    rng = np.random.default_rng(0)
    row, column = rng.integers(0, camera.height, 40), rng.integers(0, camera.width, 40)
    u = views.rays(camera, np.stack([column, row], -1) + 0.5)
    dt = 0.001
    t = np.arange(0.5, 6, dt)
    x = camera.pose[:, 3] + t[:, None] * u[:, None]
    found = np.asarray(sigma(jnp.asarray(x.reshape(-1, 3), jnp.float32))).reshape(40, -1)
    opacity = -np.expm1(-np.sum(found * dt, axis=1))
    assert np.abs(opacity - seen[row, column]).max() < 0.02
    assert np.ptp(seen) > 0.2


def camera_at(place):
    """A split of one camera on the x axis that looks at the origin."""
    pose = np.array([[0, 0, 1, place], [1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
    intrinsics = np.array([[20, 20, 32, 32]], np.float32)
    return Split(("a",), np.zeros((1, 64, 64, 4), np.uint8), intrinsics, pose[None])


def test_how_clearly_a_block_is_seen():
    scene = Scene("s", Path("."), {}, 0.5)
    split = camera_at(4.0 * scene.scale)
    even = np.full((32, 32, 32), 0.4)
    best = density.clearest(even, scene, split)
    assert best.shape == (8, 8, 8)
    edge = 3 / 8
    for i in (0, 3, 7):  # the row next to the axis: the way out is along it
        way = 1.5 - ((i + 0.5) * edge - 1.5)
        np.testing.assert_allclose(best[i, 3, 4], np.exp(-0.4 * way), rtol=0.03)
    wall = np.zeros((32, 32, 32))
    wall[16:20], wall[24:26] = 50.0, 0.05
    best = density.clearest(wall, scene, split)
    assert best[:4].max() < 1e-6 and best[7:, 3:5, 3:5].min() == 1
    assert 0.985 < best[5, 3:5, 3:5].min() < 0.995
    told = density.figures(wall, wall, best)
    assert told["seen"]["voxels"] == 3 / 8 and told["seen"]["rmse"] == 0
    behind = wall.copy()
    behind[:8] = 3.0  # nobody sees it
    hidden = density.figures(behind, wall, best)
    assert hidden["seen"]["rmse"] == 0 and hidden["rmse"] > 0


def test_smoke_is_seen_everywhere():
    """No part of the bundled smoke is hidden from all of its cameras."""
    scene = load(SMOKE, downscale=8, splits=("train",))
    truth, _ = density.volumes(smoke.density, lambda x: x[:, 0], scene, 64)
    best = density.clearest(truth, scene, scene.splits["train"])
    blocks = density.coarser(truth, 4)
    assert best[blocks > 0].min() > density.CLEAR


def test_which_scenes_say_their_density():
    known = {
        path.name: density.known(path, "test")
        for path in sorted((ROOT / "data" / "scenes").iterdir())
    }
    assert known.pop("smoke") is smoke.density
    assert not any(known.values())


def test_slices_and_histogram_are_the_right_way_up():
    truth = np.zeros((16, 16, 16))
    truth[12:14, 2:4, 7:9] = 5.0  # to the right and below, seen from above
    truth[8, 4:6, 13:15] = 5.0  # to the left and above, at x in the middle
    picture = show.slices(truth, 0 * truth, 1.5).astype(int)
    rows = np.split(picture, 2)
    larger = picture.shape[1] // 48
    above, side = (row[16::larger, ::larger] for row in rows)
    assert above[16 - 1 - 3, 12].sum() > 500 > above[3, 3].sum()
    assert side[16 - 1 - 13, 4].sum() > 500 > side[12, 4].sum()
    blue = above[16 - 1 - 3, 32 + 12]
    assert blue[2] > blue[0] + 50 and (above[3, 32 + 3] == 255).all(), "what is missing is blue"
    counts = show.histogram(truth, 0 * truth)
    size = show.BINS * show.BLOCK
    inside = counts[8 : 8 + size, show.MARGIN : show.MARGIN + size].astype(int)
    assert inside[-2, 1].sum() < 500, "both nothing: the lower left"
    assert inside[-2, round(5 / 5.5 * size) + 1].sum() < 700, "found nothing of much: lower right"
    assert (inside[100 : size // 2, -8:] == 255).all()


def smaller(name, folder):
    """A copy of a picture of the smoke, or of its distances, at a fifth of its size."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with Image.open(SMOKE / name) as picture:
        picture.resize((40, 40), Image.Resampling.NEAREST).save(folder / name, lossless=True)


def test_smoke_from_the_command_line(tmp_path, capsys):
    puff = tmp_path / "puff"
    for split, count in (("train", 3), ("test", 2)):
        meta = json.loads((SMOKE / f"transforms_{split}.json").read_text())
        meta["frames"] = meta["frames"][:count]
        for frame in meta["frames"]:
            smaller(f"{frame['file_path']}.webp", puff)
            if "distance_path" in frame:
                smaller(frame["distance_path"], puff)
        (puff / f"transforms_{split}.json").write_text(json.dumps(meta))
    run = tmp_path / "run"
    tiny = ROOT / "configs" / "tiny.toml"
    assert nerf("train", tiny, "--scene", puff, "--run", run, "--steps", 4) == 0
    capsys.readouterr()
    with patch.object(density, "volumes", partial(density.volumes, voxels=32)):
        assert nerf("truth", run) == 0
    said = capsys.readouterr().out
    assert "density  32^3 voxels: correlation" in said
    told = json.loads((run / "truth" / "truth.json").read_text())
    assert {"correlation", "rmse", "mass", "seen"} <= set(told["density"])
    for name in ("distance.png", "slices.png", "histogram.png"):
        with Image.open(run / "truth" / name) as picture:
            assert picture.width > 200
