"""`nerf truth`: distances and opacity against exact ones, from the figures to the command line."""

import json
import math
import shutil
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from nerf import occupancy, views
from nerf.pictures import PANEL_WIDTH
from nerf.render import Picture, Renderer
from nerf.state import start
from nerf.truth import compare, show
from nerf.truth.distance import beyond, errors, mean_distance, sides
from tests.nerf.commands import mistake, nerf
from tests.nerf.conftest import ROOT, small_grid
from tests.nerf.test_render import with_density

SCENES = ROOT / "data" / "scenes"
WIDTH, HEIGHT, ANGLE, UNIT, BOUND = 26, 18, 0.7, 0.001, 2.5
SPHERES = (((0.5, -0.3, 0.4), 0.8), ((-0.7, 0.9, -0.5), 0.5))
"""Centres and radii, in the files' own units."""


def hits(origin, directions, scale=1.0):
    """Distances to the first of the spheres; infinite beside them."""
    t = np.full(len(directions), np.inf)
    for centre, radius in SPHERES:
        o = origin - scale * np.array(centre)
        b, c = directions @ o, o @ o - (scale * radius) ** 2
        inside = b * b - c
        t = np.minimum(t, np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0)), np.inf))
    return t


def looking(azimuth, height):
    back = np.array([math.cos(azimuth), math.sin(azimuth), height]) / math.hypot(1, height)
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, 5 * back], axis=1)
    return pose


@pytest.fixture(scope="module")
def spheres(tmp_path_factory):
    """A scene of two spheres, whose splits both hold their distances."""
    folder = tmp_path_factory.mktemp("scenes") / "spheres"
    focal = WIDTH / 2 / math.tan(ANGLE / 2)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    u = np.stack([(x - WIDTH / 2) / focal, (HEIGHT / 2 - y) / focal, -np.ones_like(x)], axis=-1)
    u = u.reshape(-1, 3) / np.linalg.norm(u.reshape(-1, 3), axis=-1, keepdims=True)
    for split, places in (("train", (0.3, 1.9, 4.0)), ("test", (1.1, 2.7))):
        frames = []
        for k, azimuth in enumerate(places):
            pose = looking(azimuth, 0.2 + 0.3 * k)
            t = hits(pose[:3, 3], u @ pose[:3, :3].T).reshape(HEIGHT, WIDTH)
            rgba = np.full((HEIGHT, WIDTH, 4), 200, np.uint8)
            rgba[..., 3] = 255 * np.isfinite(t)
            steps = np.where(np.isfinite(t), np.round(np.where(np.isfinite(t), t, 0) / UNIT), 0)
            (folder / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rgba).save(folder / split / f"r_{k}.png")
            Image.fromarray(steps.astype(np.uint16)).save(folder / split / f"d_{k}.png")
            frames.append(
                {
                    "file_path": f"./{split}/r_{k}",
                    "distance_path": f"{split}/d_{k}.png",
                    "transform_matrix": pose.tolist(),
                }
            )
        meta = {"camera_angle_x": ANGLE, "distance_unit": UNIT, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(meta))
    return folder


def exact(scale, opacity=0.9, turned=False):
    """Renders the spheres in closed form as a run would: distance times opacity, scene units."""

    def see(camera):
        y, x = np.mgrid[0 : camera.height, 0 : camera.width].reshape(2, -1) + 0.5
        directions = views.rays(camera, np.stack([x, y], axis=-1))
        t = hits(camera.pose[:, 3].astype(float), directions, scale)
        t = t.reshape(camera.height, camera.width)[:: -1 if turned else 1]
        a = opacity * np.isfinite(t)
        depth = np.where(np.isfinite(t), t, 0) * a
        return Picture(np.zeros((*a.shape, 3)), a.astype(np.float32), depth.astype(np.float32))

    return see


def told(scene, split, see, out, truth=None):
    truth = compare.truth_of(scene.path, split)[0] if truth is None else truth
    return compare.compare(scene, split, truth, see, None, lambda x: x[:, 0], out)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_run_that_is_right_has_no_error(spheres, tmp_path, split):
    scene = load(spheres, bound=BOUND)
    found = told(scene, split, exact(scene.scale), tmp_path)
    assert scene.scale == 1 / BOUND
    of = found["distance"]
    assert of["compared"] == of["within_1_percent"] == 1 and of["pixels"] > 100
    assert of["mean"] < 0.51 * UNIT and abs(of["mean_signed"]) < 0.1 * UNIT
    assert of["mean_share"] == pytest.approx(of["mean"] / 4.5, rel=0.2)
    opacity = found["opacity"]
    assert (opacity["right"], opacity["surface"], opacity["nothing"]) == (1, 1, 1)
    seen = of["pixels"] / (len(scene.splits[split]) * WIDTH * HEIGHT)
    assert opacity["error"] == pytest.approx(0.1 * seen, rel=1e-5)
    assert json.loads((tmp_path / "truth.json").read_text()) == found
    with Image.open(tmp_path / "distance.png") as picture:
        assert picture.width >= 4 * PANEL_WIDTH
    assert len(list((tmp_path / "views").iterdir())) == len(scene.splits[split])
    assert "within 5 %" in "".join(compare.lines(found, tmp_path))


@pytest.mark.parametrize("theirs", ["views/mine.png", "distance.png"])
def test_pictures_of_others_stay(spheres, tmp_path, theirs):
    scene = load(spheres, bound=BOUND)
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(tmp_path / theirs)
    before = (tmp_path / theirs).read_bytes()
    with pytest.raises(InputError, match="nerf did not write"):
        told(scene, "test", exact(scene.scale), tmp_path)
    assert (tmp_path / theirs).read_bytes() == before
    (tmp_path / theirs).unlink()
    for _ in range(2):
        told(scene, "test", exact(scene.scale), tmp_path)


def test_what_is_wrong_is_seen(spheres, tmp_path):
    scene = load(spheres, bound=BOUND)
    forgotten = told(replace(scene, scale=1.0), "test", exact(scene.scale), tmp_path)
    assert forgotten["distance"]["within_5_percent"] == 0
    flipped = told(scene, "test", exact(scene.scale, turned=True), tmp_path)["distance"]
    assert flipped["within_1_percent"] < 0.5
    other = compare.truth_of(spheres, "train")[0][:2]
    swapped = told(scene, "test", exact(scene.scale), tmp_path, other)["distance"]
    assert swapped["within_1_percent"] < 0.5
    faint = told(scene, "test", exact(scene.scale, opacity=0.3), tmp_path)
    assert faint["distance"]["mean"] < UNIT and faint["opacity"]["surface"] == 0
    nothing = told(scene, "test", exact(scene.scale, opacity=0.0), tmp_path)
    assert nothing["distance"]["mean"] is None and nothing["distance"]["within_5_percent"] == 0
    assert "nothing to compare" in "".join(compare.lines(nothing, tmp_path))


@pytest.mark.parametrize("kind", ["bounded", "unbounded"])
def test_a_rendered_box_is_where_it_is(photographs, marbles, kind):
    """The renderer itself, opaque in a box of cells: a ray's slabs say where it begins."""
    steps, cells = 512, 32
    config = small_grid()
    config = replace(
        config,
        data=replace(config.data, space=kind),
        sampling=replace(config.sampling, steps=steps),
        occupancy=replace(config.occupancy, cells=cells),
    )
    model, state = start(config)
    x = (np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1) + 0.5) * 2 / cells - 1
    x = 2 * x if kind == "unbounded" else x  # the ball of radius 2 is drawn into the cube
    low, high = np.array([-0.25, -0.5, 0.125]), np.array([0.5, 0.25, 0.375])
    box = ((x > low) & (x < high)).all(-1)
    grid = occupancy.Occupancy(state.grid.depth, jnp.asarray(box))
    camera = photographs.camera(5)
    picture = Renderer(model).picture(with_density(state.params, 8.0), grid, camera)
    found = mean_distance(picture, marbles.scale)
    row, column = np.mgrid[0 : camera.height, 0 : camera.width].reshape(2, -1) + 0.5
    u = views.rays(camera, np.stack([column, row], -1))
    # in the files' units, as a file of distances would have it
    o, low, high = (v / marbles.scale for v in (camera.pose[:, 3].astype(float), low, high))
    ends = np.sort(np.stack([(low - o) / u, (high - o) / u]), axis=0)
    enter, leave = ends[0].max(-1), ends[1].min(-1)
    truth = np.where(leave > enter, enter, np.inf).reshape(found.shape)
    of = errors(found, truth)
    known = np.isfinite(truth)
    step = np.full(known.sum(), 2 * np.sqrt(3) / steps)  # scene units
    if kind == "unbounded":  # even up to a distance of 2, then even in one over the distance
        step = 4 / (steps + 1) * np.maximum(1, (truth[known] * marbles.scale / 2) ** 2)
    step = step / marbles.scale
    assert of["pixels"] > 100 and of["compared"] > 0.97, "but for rays that touch an edge only"
    assert of["mean_signed"] == pytest.approx(step.mean() / 2, rel=0.2), "the middle of a step"
    assert np.nanmax(np.abs(found[known] - truth[known]) / step) < 1.1
    assert sides(picture.opacity, known)["right"] > 0.99


def test_figures_are_their_definitions_written_as_a_loop():
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 4, (2, 5, 6))
    found = truth * (1 + 0.04 * rng.normal(size=truth.shape))
    truth[rng.random(truth.shape) < 0.3] = np.inf
    found[rng.random(truth.shape) < 0.1] = np.nan
    away, share, known = [], [], 0
    for t, f in zip(truth.ravel(), found.ravel(), strict=True):
        known += math.isfinite(t)
        if math.isfinite(t) and math.isfinite(f):
            away.append(f - t)
            share.append(abs(f - t) / t)
    of = errors(found, truth)
    assert of["pixels"] == known and of["compared"] == len(away) / known
    np.testing.assert_allclose(of["mean"], sum(map(abs, away)) / len(away))
    np.testing.assert_allclose(of["mean_signed"], sum(away) / len(away))
    np.testing.assert_allclose(of["median"], sorted(map(abs, away))[len(away) // 2], rtol=0.2)
    np.testing.assert_allclose(of["mean_share"], sum(share) / len(share))
    assert of["within_5_percent"] == sum(s <= 0.05 for s in share) / known
    assert of["within_1_percent"] == sum(s <= 0.01 for s in share) / known < of["within_5_percent"]
    far = beyond(np.array([[3.0, np.nan, 9.0]]), np.array([[2.0, np.inf, np.inf]]))
    assert far == {"pixels": 2, "median_distance": 9.0}
    one = sides(np.array([[0.9, 0.2, 0.6, 0.1]]), np.array([[True, True, False, False]]))
    assert one == {"surface": 0.5, "nothing": 0.5, "right": 0.5}


def test_a_sky_has_no_distance_and_is_no_mistake(spheres, tmp_path):
    """Pictures that are opaque everywhere: opacity tells nothing, where the sky was put is told."""
    scene = load(spheres, bound=BOUND)
    for split in scene.splits.values():
        split.pictures[..., 3] = 255
    see = exact(scene.scale)

    def with_sky(camera):
        seen = see(camera)
        sky = seen.opacity == 0
        return seen._replace(
            opacity=np.where(sky, np.float32(1), seen.opacity),
            depth=np.where(sky, np.float32(30 * scene.scale), seen.depth),
        )

    found = told(scene, "test", with_sky, tmp_path)
    assert found["sky"]["median_distance"] == pytest.approx(30)
    assert "right" not in found["opacity"] and found["distance"]["mean"] < UNIT
    assert "sky" in "".join(compare.lines(found, tmp_path))


def test_the_panel_is_white_where_nothing_is_and_light_where_wrong():
    truth = np.full((10, 20), np.inf)
    truth[2:8, 4:9], truth[2:8, 9:14] = 2.0, 4.0
    found = np.where(np.isfinite(truth), truth, np.nan)
    found[5:8] *= 1.2
    photograph = np.zeros((10, 20, 4), np.uint8)
    photograph[..., 3] = 255 * np.isfinite(truth)
    opacity = np.isfinite(truth).astype(float)
    panel = show.distance_panel(photograph, truth, found, opacity, "r_0").astype(int)
    larger = panel.shape[1] // 80
    _, true, recovered, error = np.split(panel[16::larger, ::larger], 4, axis=1)
    assert (true[0] == 255).all() and (recovered[0] == 255).all() and (error[0] == 255).all()
    assert true[3, 5].sum() > true[3, 12].sum() + 100, "near is light"
    assert error[6, 5].sum() > error[3, 5].sum() + 100
    np.testing.assert_array_equal(true[3], recovered[3])


@pytest.fixture(scope="module")
def run(spheres, tmp_path_factory):
    """A run of a few steps on the spheres."""
    folder = tmp_path_factory.mktemp("runs") / "spheres"
    tiny = ROOT / "configs" / "tiny.toml"
    assert nerf("train", tiny, "--scene", spheres, "--run", folder, "--steps", 4) == 0
    return folder


def test_truth_from_the_command_line(run, tmp_path, capsys):
    assert nerf("truth", run) == 0
    said = capsys.readouterr().out
    assert "distance" in said and "opacity" in said and "density" not in said
    found = json.loads((run / "truth" / "truth.json").read_text())
    assert found["protocol"]["split"] == "test" and found["seconds"] > 0
    assert found["protocol"]["scale"] == pytest.approx(1 / 1.5)
    assert nerf("truth", run, "--split", "train", "--out", tmp_path / "here") == 0
    other = json.loads((tmp_path / "here" / "truth.json").read_text())
    assert (other["protocol"]["split"], other["protocol"]["views"]) == ("train", 3)


def test_scenes_that_hold_no_truth(run, spheres, tmp_path, capsys):
    said = mistake(capsys, "truth", run, "--scene", SCENES / "marbles")
    assert "holds no distances; the test views of most bundled scenes do" in said
    assert "no split 'val'" in mistake(capsys, "truth", run, "--split", "val")
    assert "not a run" in mistake(capsys, "truth", SCENES / "smoke")
    with pytest.raises(InputError, match="holds no truth: that is for scenes in the Blender"):
        compare.truth_of(tmp_path, "test")
    copy = tmp_path / "copy"
    shutil.copytree(spheres, copy)
    for k in range(2):
        Image.fromarray(np.ones((9, 9), np.uint16)).save(copy / "test" / f"d_{k}.png")
    said = mistake(capsys, "truth", run, "--scene", copy)
    assert "2 distances of 9x9 for 2 pictures of 26x18 (test)" in said
    text = (run / "config.toml").read_text()
    forward = tmp_path / "forward"
    shutil.copytree(run, forward)
    (forward / "config.toml").write_text(text.replace('space = "bounded"', 'space = "forward"'))
    assert "whose depths are no distances" in mistake(capsys, "truth", forward)
