"""What is said of a scene before it is trained, and what is drawn of it."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from calculus.radiance import camera as page
from data.scene import Camera, Scene, Split
from nerf import inspect, paths, views
from tests.data.test_transforms import H, W, meta
from tests.nerf.commands import nerf
from tests.nerf.conftest import MARBLES

FOX = [0.0578, -0.0805, -0.00098, 0.000156, 0, 0, 0, 0]
FISHEYE = [0.03, -0.01, 0.002, 0, 0, 0, 0, 0]


def pinhole(distortion=None, fisheye=False) -> Camera:
    pose = paths.look_at(np.array([0.3, -3, 1.0]), np.zeros(3), np.array([0, 0, 1.0]))
    intrinsics = np.array([90, 95, 62, 49], np.float32)
    bent = None if distortion is None else np.array(distortion, np.float32)
    return Camera(120, 100, intrinsics, pose, bent, fisheye)


def around(count=12, distance=3.0, height=1.0, seed=0) -> Split:
    """Cameras in a circle that look at the origin, with pictures of noise."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(count) / count
    reach = np.sqrt(distance**2 - height**2)
    places = np.stack([reach * np.cos(angle), reach * np.sin(angle), height + 0 * angle], axis=-1)
    up = np.array([0, 0, 1.0])
    pictures = rng.integers(0, 255, (count, 20, 24, 4), np.uint8)
    pictures[..., 3] = 255
    return Split(
        names=tuple(f"r_{k}" for k in range(count)),
        pictures=pictures,
        intrinsics=np.tile(np.array([30, 30, 12, 10], np.float32), (count, 1)),
        poses=np.stack([paths.look_at(place, np.zeros(3), up) for place in places]),
    )


def scene(split: Split, **changes) -> Scene:
    whole = Scene("ring", Path("ring"), {"train": split}, 1.0, format="made here")
    return replace(whole, **changes)


def moved(split: Split, which: int, pose) -> Split:
    poses = split.poses.copy()
    poses[which] = pose
    return replace(split, poses=poses)


def warned(split: Split, **changes) -> list[str]:
    return list(inspect.inspect(scene(split, **changes)).warnings)


def test_rays_are_those_of_the_page_where_rays_are_made():
    camera = pinhole()
    pixels = np.array([[0.5, 0.5], [60, 50], [119, 99], [-3, 7]])
    lenses, poses = np.tile(camera.intrinsics, (4, 1)), np.stack([camera.pose] * 4)
    _, directions = jax.jit(page.rays)(pixels.astype(np.float32), lenses, poses)
    np.testing.assert_allclose(views.rays(camera, pixels), directions, atol=1e-6)


@pytest.mark.parametrize(
    ("distortion", "fisheye"), [(None, False), (FOX, False), (None, True), (FISHEYE, True)]
)
def test_what_is_seen_is_what_rays_reach(distortion, fisheye):
    camera = pinhole(distortion=distortion, fisheye=fisheye)
    rng = np.random.default_rng(0)
    size = np.array([camera.width, camera.height])
    pixels = rng.uniform(0.01, 0.99, (50, 2)) * size
    place = camera.pose[:, 3].astype(float)
    directions = views.rays(camera, pixels)
    assert views.sees(camera, place + 2.0 * directions).all()
    assert not views.sees(camera, place - 2.0 * directions).any()
    beside = views.rays(camera, pixels * [0.01, 1] - [3, 0])
    assert not views.sees(camera, place + 2.0 * beside).any()
    assert np.allclose(np.linalg.norm(directions, axis=-1), 1)


def test_the_lens_is_opencvs():
    """One point by hand: x' = x (1 + k1 q + k2 q^2) + 2 p1 x y + p2 (q + 2 x^2)."""
    camera = replace(pinhole(distortion=FOX), pose=np.eye(3, 4, dtype=np.float32))
    x, y = 0.31, -0.22
    k1, k2, p1, p2 = FOX[:4]
    q = x * x + y * y
    radial = 1 + k1 * q + k2 * q * q
    u = x * radial + 2 * p1 * x * y + p2 * (q + 2 * x * x)
    v = y * radial + p1 * (q + 2 * y * y) + 2 * p2 * x * y
    direction = views.rays(camera, np.array([[90 * u + 62, 95 * v + 49]]))[0]
    np.testing.assert_allclose(direction / -direction[2], [x, -y, -1], atol=1e-6)


def test_the_cube_is_entered_and_left():
    origin = np.array([0.0, 0.0, 3.0])
    directions = np.array([[0, 0, -1.0], [0, 0, 1.0], [1.0, 0, 0]])
    near, far = views.in_cube(origin, directions)
    np.testing.assert_allclose(near, [2, np.nan, np.nan])
    np.testing.assert_allclose(far, [4, np.nan, np.nan])
    assert views.in_cube(np.zeros(3), directions)[0].max() == 0


def test_views_are_counted():
    counted = views.counts(around(), views.cells(4))
    assert counted.shape == (64,) and counted.max() == 12
    assert views.counts(around(), np.zeros((1, 3)))[0] == 12
    assert views.counts(around(), np.array([[0, 0, 50.0]]))[0] == 0


def test_nothing_is_wrong_with_a_ring():
    found = inspect.inspect(scene(around()))
    assert found.warnings == () and found.inside == 0 and found.blind == ()
    np.testing.assert_allclose(found.distances, 3, rtol=1e-6)
    assert 1.2 < found.near < 2.2 < 4 < found.far < 5


def test_few_pictures():
    assert "4 pictures to learn from: too few" in warned(around(4))[0]


def test_cameras_within_the_cube():
    assert any("12 of 12 cameras stand within the cube" in w for w in warned(around(12, 0.9, 0.2)))
    assert warned(around(12, 0.9, 0.2), space="unbounded") == []


def test_a_camera_that_looks_away():
    split = around()
    turned = split.poses[4].copy()
    turned[:, [0, 2]] *= -1
    said = warned(moved(split, 4, turned))
    assert any("r_4: no ray meets the cube" in line for line in said)
    assert any("r_4: does not look towards the origin" in line for line in said)


def test_poses_in_another_convention():
    """COLMAP's axes, y down and looking along +z, taken for OpenGL's."""
    split = around()
    flipped = split.poses.copy()
    flipped[:, :, 1:3] *= -1
    assert any(
        "r_0, r_1, r_2 and 9 more: no ray" in w for w in warned(replace(split, poses=flipped))
    )


@pytest.mark.parametrize("degrees", [90, 180])
def test_a_rolled_camera(degrees):
    split, angle = around(), np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    rolled = split.poses[7].copy()
    rolled[:, :3] = rolled[:, :3] @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    assert [
        "r_7: on its side or upside down" in line for line in warned(moved(split, 7, rolled))
    ] == [True]


def test_one_place_for_all_and_one_place_twice():
    split = around()
    assert any("r_2 = r_9" in line for line in warned(moved(split, 9, split.poses[2])))
    poses = split.poses.copy()
    poses[:, :, 3] = [0, 0, 2]
    assert any("all cameras stand in one place" in w for w in warned(replace(split, poses=poses)))


def test_a_walk_that_was_folded_upon_itself():
    """The second half of the way around, taken for the first once more."""
    split = around(48)
    assert not any("leaps" in line for line in warned(split))
    half = np.diag([-1.0, -1.0, 1.0]).astype(np.float32)
    folded = split.poses.copy()
    folded[24:] = half @ folded[24:]
    (said,) = warned(
        replace(split, poses=folded + np.float32(1e-2) * (np.arange(48) > 23)[:, None, None])
    )
    assert said.startswith("r_23 to r_24: the camera leaps, 15 times as far")
    later = tuple(f"r_{k + 20 * (k > 23)}" for k in range(48))
    assert not any("leaps" in line for line in warned(replace(split, poses=folded, names=later)))


def test_a_blurred_picture():
    split = around()
    pictures = split.pictures.copy()
    pictures[5, ..., :3] = pictures[5, ..., :3] // 16 + 100
    assert any("r_5: much less sharp" in w for w in warned(replace(split, pictures=pictures)))


def test_what_the_loader_warned_of_comes_first():
    assert warned(around(4), warnings=("3 files are missing",))[0] == "3 files are missing"


def test_the_lens_and_the_motion_are_said():
    split = around()
    bent = np.tile(np.array(FOX, np.float32), (12, 1))
    motion = np.array([[0, -1, 0, 0.5], [1, 0, 0, 0], [0, 0, 1, 0.0]])
    whole = scene(replace(split, distortion=bent), motion=motion, scale=0.5, space="unbounded")
    text = "\n".join(inspect.lines(whole, inspect.inspect(whole)))
    assert "perspective, k1 0.0578, k2 -0.0805" in text
    assert "scale 0.5: a scene unit is 2 of the files' units; turned by 90.0 degrees" in text
    assert "unbounded beyond" in text


def test_the_bundled_scene_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "new" / "cameras.png"
    assert nerf("inspect", MARBLES, "--plot", out) == 0
    said = capsys.readouterr().out
    assert "marbles: Blender, bounded" in said and "train 64 of 200x200" in said
    assert "warning" not in said
    with Image.open(out) as picture:
        assert picture.width > 800 and len(np.unique(np.asarray(picture.convert("L")))) > 50


def test_another_cube(capsys):
    assert nerf("inspect", MARBLES, "--bound", "6", "--downscale", "4") == 0
    said = capsys.readouterr().out
    assert "scale 0.1667" in said and "cameras stand within the cube" in said


@pytest.mark.parametrize(
    ("name", "said"), [("cameras.bmp", "unknown ending"), ("folder.png", "is a folder")]
)
def test_what_cannot_be_drawn(name, said, tmp_path, capsys):
    (tmp_path / "folder.png").mkdir()
    assert nerf("inspect", MARBLES, "--plot", tmp_path / name) == 2
    assert said in capsys.readouterr().err


def test_a_scene_that_is_not_there(capsys):
    assert nerf("inspect", "/nowhere/at/all") == 2
    assert "no such folder" in capsys.readouterr().err


def record_of(capsys, *arguments):
    """What `nerf inspect --json` prints, which has to be one object and nothing else."""
    assert nerf("inspect", *arguments, "--json") == 0
    out, err = capsys.readouterr()
    assert not err and out.count("\n") == 1
    return json.loads(out)


def test_one_object_of_json(capsys):
    found = record_of(capsys, MARBLES, "--downscale", "4")
    assert (found["name"], found["format"], found["space"]) == ("marbles", "Blender", "bounded")
    assert {name: (s["pictures"], s["width"]) for name, s in found["splits"].items()} == {
        "train": (64, 50), "test": (10, 50),
    }  # fmt: skip
    assert not found["splits"]["train"]["masked"] and found["splits"]["train"]["learned"] == 1
    [lens] = found["lenses"]
    np.testing.assert_allclose([lens["f_x"], lens["f_y"]], 25 / np.tan(0.6911112 / 2), rtol=1e-6)
    assert (lens["c_x"], lens["c_y"], lens["model"]) == (25, 25, "perspective")
    assert set(lens["distortion"].values()) == {0} and len(lens["distortion"]) == 8
    np.testing.assert_allclose(lens["degrees"], np.degrees(0.6911112), rtol=1e-5)
    assert len(found["pictures"]) == 74
    first = json.loads((MARBLES / "transforms_train.json").read_text())["frames"][0]
    np.testing.assert_allclose(
        found["pictures"][0]["pose"], first["transform_matrix"][:3], atol=1e-6
    )
    assert found["pictures"][0]["name"] == "train/r_0" and found["pictures"][0]["lens"] == 0
    cube, cameras = found["cube"], found["cameras"]
    assert cube["centre"] == [0, 0, 0] and abs(cube["half_side"] - 1.5) < 1e-9
    assert 0.3 < cube["footprint"] < 1 and cube["blind"] == []
    np.testing.assert_allclose([cameras["nearest"], cameras["farthest"]], 4.0311289, rtol=1e-5)
    assert 1 < found["rays"]["enter_cube"] < 4 < found["rays"]["leave_cube"] < 7
    assert found["rays"]["nearest_thing"] is None and found["warnings"] == []
    assert found["views"]["median"] > 10


def test_each_lens_once_in_pixels_and_by_its_model(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for k in range(9):
        Image.new("RGB", (W, H), (20 * k, 9, 9)).save(tmp_path / "images" / f"{k:02d}.png")
    content = meta(is_fisheye=True, k1=0.1, k4=0.01, aabb_scale=1, aabb=[[-3, -3, -3], [3, 3, 5]])
    content["frames"][0].update(fl_x=30.0, k1=0.2)
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    found = record_of(capsys, tmp_path, "--plot", tmp_path / "out.png")
    assert [lens["model"] for lens in found["lenses"]] == ["fisheye"] * 2
    by_name = {p["name"]: found["lenses"][p["lens"]] for p in found["pictures"]}
    assert by_name["images/00"]["f_x"] == 30 and by_name["images/01"]["f_x"] == 20
    np.testing.assert_allclose(
        list(by_name["images/01"]["distortion"].values()), [0.1, 0, 0, 0.01], rtol=1e-6
    )
    assert found["cube"]["half_side"] == 4 and found["cube"]["centre"] == [0, 0, 1]
    assert any("9 pictures" in line or "too few" in line for line in found["warnings"])
    assert (tmp_path / "out.png").exists()
