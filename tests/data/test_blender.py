"""The Blender loader: what it reads, and how it refuses what is broken."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from data.pictures import headers_alone, shrink
from tests.data.test_pictures import write_exr

MARBLES = Path(__file__).parents[2] / "data" / "scenes" / "marbles"


@pytest.fixture
def scene(tmp_path):
    """A small scene of four pictures on disk, to be broken."""
    folder = tmp_path / "scene"
    meta = json.loads((MARBLES / "transforms_train.json").read_text())
    meta["frames"] = meta["frames"][:4]
    (folder / "train").mkdir(parents=True)
    for frame in meta["frames"]:
        with Image.open(MARBLES / f"{frame['file_path']}.webp") as picture:
            picture.save(folder / f"{frame['file_path']}.png")
    (folder / "transforms_train.json").write_text(json.dumps(meta, indent=1))
    return folder


def rewrite(scene, change):
    file = scene / "transforms_train.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))


def refusal(scene, **options):
    with pytest.raises(InputError) as error:
        load(scene, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_bundled_scene():
    scene = load(MARBLES)
    train, test = scene.splits["train"], scene.splits["test"]
    assert (len(train), len(test)) == (64, 10)
    assert train.pictures.shape == (64, 200, 200, 4)
    np.testing.assert_allclose(train.intrinsics[0, 0], 100 / np.tan(0.6911112 / 2), rtol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(train.poses[:, :, 3], axis=-1), 4.0311289 / 1.5, rtol=1e-5
    )
    # cameras look along their -z at the origin
    to_origin = -train.poses[:, :, 3] / np.linalg.norm(train.poses[:, :, 3], axis=-1, keepdims=True)
    np.testing.assert_allclose(-train.poses[:, :, 2], to_origin, atol=1e-5)
    assert train.names[0] == "train/r_0"


def test_bundled_scene_is_small_enough_to_bundle():
    size = sum(file.stat().st_size for file in MARBLES.rglob("*") if file.is_file())
    assert size < 3_000_000


def test_bound_is_the_scale():
    assert load(MARBLES).scale == 1 / 1.5
    near, far = load(MARBLES, bound=1.5), load(MARBLES, bound=3.0)
    np.testing.assert_allclose(
        near.splits["test"].poses[:, :, 3], 2 * far.splits["test"].poses[:, :, 3], rtol=1e-6
    )
    assert far.scale == 1 / 3.0


def test_surroundings_are_said_by_aabb_scale(scene):
    alone = load(scene)
    assert alone.space == "bounded"
    rewrite(scene, lambda meta: meta.update(aabb_scale=16))
    found = load(scene)
    assert found.space == "unbounded" and found.scale == 1 / 1.5
    np.testing.assert_array_equal(found.motion, np.eye(3, 4))  # the frame is the files'
    np.testing.assert_array_equal(found.splits["train"].poses, alone.splits["train"].poses)
    assert load(scene, bound=3.0).scale == 1 / 3.0
    rewrite(scene, lambda meta: meta.update(aabb_scale=1))
    assert load(scene).space == "bounded"
    rewrite(scene, lambda meta: meta.update(aabb_scale="16"))
    assert "aabb_scale is a str" in refusal(scene)


def test_downscale_follows_the_lens_and_weights_colour_by_alpha(scene):
    whole, half = load(scene).splits["train"], load(scene, downscale=2).splits["train"]
    assert (half.width, half.height) == (100, 100)
    np.testing.assert_allclose(half.intrinsics, whole.intrinsics / 2)
    # premultiplied colours average as light does
    a, b = (s.pictures[0].astype(float) / 255 for s in (whole, half))
    light = (a[..., :3] * a[..., 3:]).reshape(100, 2, 100, 2, 3).mean((1, 3))
    np.testing.assert_allclose(b[..., :3] * b[..., 3:], light, atol=1.5 / 255)


def test_a_transparent_neighbour_does_not_darken_the_edge():
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[0, 0] = (200, 100, 50, 255)
    np.testing.assert_array_equal(shrink(picture, 2)[0, 0], (200, 100, 50, 64))


def test_picture_without_alpha_is_opaque(scene):
    for file in (scene / "train").iterdir():
        Image.open(file).convert("RGB").save(file)
    assert (load(scene).splits["train"].pictures[..., 3] == 255).all()


def test_no_such_folder(tmp_path):
    assert "no such folder" in refusal(tmp_path / "nowhere")


def test_a_file_is_no_folder(scene):
    assert "is a file" in refusal(scene / "transforms_train.json")


def test_unknown_format(tmp_path):
    assert "transforms_train.json" in refusal(tmp_path)


def test_json_that_does_not_parse_names_the_line(scene):
    file = scene / "transforms_train.json"
    lines = file.read_text().splitlines()
    lines[4] = lines[4] + ",,"
    file.write_text("\n".join(lines))
    assert f"{file}, line 5" in refusal(scene)


def test_json_of_another_kind(scene):
    (scene / "transforms_train.json").write_text("[1, 2]")
    assert "list" in refusal(scene)


def test_missing_picture_is_named(scene):
    (scene / "train" / "r_2.png").unlink()
    line = refusal(scene)
    assert "frame 2" in line and "r_2.png" in line


@pytest.mark.parametrize("file_path", ["", ".", "./"])
def test_a_frame_that_names_no_picture(scene, file_path):
    rewrite(scene, lambda meta: meta["frames"][2].update(file_path=file_path))
    line = refusal(scene)
    assert "frame 2" in line and "names no picture" in line


@pytest.mark.parametrize("file_path", ["/train/r_2", "../r_2.png", "train/../../r_2"])
def test_a_frame_outside_the_folder(scene, file_path):
    rewrite(scene, lambda meta: meta["frames"][2].update(file_path=file_path))
    line = refusal(scene)
    assert "frame 2" in line and "leads out" in line


@pytest.mark.parametrize("file_path", ["train/r_1", "./train/r_1.png"])
def test_a_picture_listed_twice(scene, file_path):
    rewrite(scene, lambda meta: meta["frames"][3].update(file_path=file_path))
    line = refusal(scene)
    assert "frame 3" in line and "twice" in line


def test_one_picture_only(scene):
    rewrite(scene, lambda meta: meta.update(frames=meta["frames"][:1]))
    assert "one picture only" in refusal(scene)


def test_exr_pictures(scene):
    """By Blender's exporter the ending is left out, whatever it is."""
    wanted = load(scene).splits["train"].pictures
    for file in sorted((scene / "train").iterdir()):
        with Image.open(file) as image:
            light = np.asarray(image) / 255
        bent = light[..., :3]
        linear = np.where(bent < 0.04045, bent / 12.92, ((bent + 0.055) / 1.055) ** 2.4)
        light[..., :3] = linear * light[..., 3:]
        write_exr(file.with_suffix(".exr"), light)
        file.unlink()
    found = load(scene).splits["train"].pictures
    seen = wanted[..., 3] > 0
    np.testing.assert_array_equal(found[..., 3], wanted[..., 3])
    np.testing.assert_allclose(found[seen].astype(int), wanted[seen], atol=1)


def test_names_with_points_stay_apart(scene):
    for k, name in enumerate(("r_1.25", "r_1.5")):
        (scene / "train" / f"r_{k}.png").rename(scene / "train" / f"{name}.png")
    rewrite(scene, lambda meta: meta["frames"][0].update(file_path="./train/r_1.25"))
    rewrite(scene, lambda meta: meta["frames"][1].update(file_path="train/r_1.5.png"))
    assert load(scene).splits["train"].names[:2] == ("train/r_1.25", "train/r_1.5")


@pytest.mark.parametrize("content", [b"not a picture", b""])
def test_undecodable_picture_is_named(scene, content):
    (scene / "train" / "r_1.png").write_bytes(content)
    assert "r_1.png" in refusal(scene)


def test_truncated_picture_is_named(scene):
    file = scene / "train" / "r_1.png"
    file.write_bytes(file.read_bytes()[:2000])
    assert "r_1.png" in refusal(scene)


def test_pictures_of_different_sizes(scene):
    file = scene / "train" / "r_3.png"
    Image.open(file).resize((100, 100)).save(file)
    line = refusal(scene)
    assert "r_3.png" in line and "100x100" in line and "200x200" in line


@pytest.mark.parametrize("fault", ["scaled", "mirrored", "short", "text", "infinite", "last row"])
def test_pose_that_is_no_rigid_motion(scene, fault):
    def change(meta):
        pose = meta["frames"][1]["transform_matrix"]
        if fault == "scaled":
            pose[0] = [2 * x for x in pose[0]]
        elif fault == "mirrored":
            for row in pose[:3]:
                row[0] = -row[0]
        elif fault == "short":
            del pose[2]
        elif fault == "text":
            pose[0][0] = "one"
        elif fault == "infinite":
            pose[0][3] = float("inf")
        else:
            pose[3] = [0, 0, 1, 1]

    rewrite(scene, change)
    line = refusal(scene)
    assert "frame 1" in line and "transform_matrix" in line


def test_missing_keys(scene):
    rewrite(scene, lambda meta: meta.pop("camera_angle_x"))
    assert "has neither fl_x nor camera_angle_x" in refusal(scene)
    rewrite(scene, lambda meta: meta.update(camera_angle_x=7.0))
    assert "radians" in refusal(scene)
    rewrite(scene, lambda meta: meta.pop("frames"))
    assert "frames is missing" in refusal(scene)
    rewrite(scene, lambda meta: meta.update(frames=[]))
    assert "no frames" in refusal(scene)
    rewrite(scene, lambda meta: meta.update(frames=[3, 3]))
    assert "frame 0" in refusal(scene)


def test_downscale_that_does_not_divide(scene):
    assert "downscale 3" in refusal(scene, downscale=3)
    assert "downscale 0" in refusal(scene, downscale=0)
    assert "bound" in refusal(scene, bound=0.0)


def test_real_lego(real_data):
    with headers_alone():
        scene = load(real_data / "lego", downscale=8)
    assert (len(scene.splits["train"]), len(scene.splits["test"])) == (100, 25)
    test = load(real_data / "lego", downscale=8, splits=("test",)).splits["test"]
    assert test.pictures.shape == (25, 100, 100, 4)
    opaque = (test.pictures[..., 3] > 127).mean()
    assert 0.1 < opaque < 0.5
