"""Lenses and cubes of both kinds of transforms file: one reader, and nothing dropped in silence."""

import json
import math
import shutil

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from data.normalise import Similarity, inverse, moved
from data.octic import as_rational
from tests.data.test_transforms import H, W, first, meta

KINDS = ("transforms.json", "transforms_train.json")


@pytest.fixture(params=KINDS)
def scene(request, tmp_path):
    """Writes a scene of nine pictures in one of the two formats, changed as told."""
    (tmp_path / "images").mkdir()
    for k in range(9):
        Image.new("RGB", (W, H), (20 * k, 9, 9)).save(tmp_path / "images" / f"{k:02d}.png")

    def write(change=lambda content: None, drop=(), **more):
        content = meta(**more)
        change(content)
        content = {key: value for key, value in content.items() if key not in drop}
        (tmp_path / request.param).write_text(json.dumps(content))
        return tmp_path

    return write


def train(folder, **options):
    return load(folder, **options).splits["train"]


def refusal(folder):
    with pytest.raises(InputError) as error:
        load(folder)
    line = str(error.value)
    assert "\n" not in line
    return line


FOCAL = ("fl_x", "fl_y")
BY_ANGLE = W / 2 / math.tan(0.4)


@pytest.mark.parametrize(
    ("more", "drop", "wanted"),
    [
        ({}, (), (20, 21, 11, 9)),
        ({"camera_angle_x": 0.8, "camera_angle_y": 0.1}, (), (20, 21, 11, 9)),
        ({"camera_angle_x": 0.8}, ("fl_y",), (20, 20, 11, 9)),
        ({"camera_angle_x": 0.8}, FOCAL, (BY_ANGLE, BY_ANGLE, 11, 9)),
        ({"camera_angle_x": 0.8}, (*FOCAL, "cx", "cy", "w", "h"), (BY_ANGLE, BY_ANGLE, 12, 8)),
        ({"x_fov": math.degrees(0.8)}, (), (BY_ANGLE, 21, 11, 9)),
        ({}, ("fl_x",), (21, 21, 11, 9)),
        ({"w": 2.0 * W, "h": 2.0 * H}, (), (10, 10.5, 5.5, 4.5)),
    ],
    ids=["fl", "fl before angle", "one fl", "angle", "alone", "degrees", "fl_y alone", "twice"],
)
def test_focal_lengths_and_centres(scene, more, drop, wanted):
    found = train(scene(drop=drop, **more))
    np.testing.assert_allclose(found.intrinsics, np.tile(wanted, (len(found), 1)), rtol=1e-6)


def test_a_frames_own_lens_goes_before_the_files(scene):
    def change(content):
        content["frames"][3].update(fl_x=30.0, cx=12.5, k1=-0.1)
        content["frames"][4].update(camera_angle_x=0.8)

    found = train(scene(change, k2=0.01))
    one, other = (found.names.index(f"images/0{k}") for k in (3, 4))
    np.testing.assert_allclose(found.intrinsics[one], [30, 30, 12.5, 9])
    np.testing.assert_allclose(found.intrinsics[other], [BY_ANGLE, BY_ANGLE, 11, 9], rtol=1e-6)
    np.testing.assert_allclose(found.distortion[one, :2], [-0.1, 0.01])
    np.testing.assert_allclose(found.distortion[other, :2], [0, 0.01])


@pytest.mark.parametrize("level", ["file", "frames"])
@pytest.mark.parametrize(
    "noted",
    [{"is_fisheye": True}, {"camera_model": "OPENCV_FISHEYE"}, {"camera_model": "SIMPLE_FISHEYE"}],
)
def test_fisheyes_by_file_and_by_frame(scene, noted, level):
    noted = noted | {"k1": 0.03, "k4": 0.001}

    def change(content):
        for holder in [content] if level == "file" else content["frames"]:
            holder.update(noted)

    found = train(scene(change))
    assert found.fisheye
    np.testing.assert_allclose(found.distortion[0], [0.03, 0, 0, 0.001, 0, 0, 0, 0], rtol=1e-6)


def test_a_frame_that_is_no_fisheye_among_fisheyes(scene):
    assert "one kind" in refusal(scene(first("is_fisheye", False), is_fisheye=True))
    assert "contradict" in refusal(scene(camera_model="OPENCV", is_fisheye=True))
    assert not train(scene(camera_model="OPENCV", is_fisheye=False)).fisheye


@pytest.mark.parametrize("level", ["file", "frame"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("camera_model", name) for name in (
            "FOV", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE", "SIMPLE_DIVISION", "EUCM",
            "DIVISION", "EQUIRECTANGULAR", "FISHEYE624", "ORTHOPHOTO", "VR180_L", "opencv", "",
            "OMNIDIRECTIONALSTEREO_R",
        )),
        *((name, 0.1) for name in ("ftheta_p0", "ftheta_p4", "k7", "p3", "s1", "b1", "skew")),
        *((name, 0.1) for name in ("focal_length", "fx", "f_y", "ppx", "hfov", "xi")),
        *((name, True) for name in ("latlong", "equirectangular", "fisheye", "orthographic")),
        *((name, "x") for name in ("lens_model", "camera_type", "projection")),
        *((name, [0.1, 0, 0]) for name in (
            "distortion_params", "dist_coeffs", "rolling_shutter", "intrinsics", "K",
        )),
        ("intrinsic_matrix", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        *((name, "images/00.png") for name in ("mask", "masks", "mask_file_path", "sky_mask_path")),
    ],
)  # fmt: skip
def test_what_names_a_lens_or_a_mask_and_is_not_understood_is_refused(scene, key, value, level):
    folder = scene(**{key: value}) if level == "file" else scene(first(key, value))
    assert key in refusal(folder)


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], [0, 0, 0, 0], {}])
def test_what_notes_nothing_is_no_reason(scene, value):
    noted = dict.fromkeys(("rolling_shutter", "k7", "latlong", "mask", "distortion_params"), value)
    assert load(scene(**noted)).warnings == ()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"camera_model": "OPENCV", "k5": 0.1}, "k5"),
        ({"k6": 0.1}, "k6"),
        ({"is_fisheye": True, "p1": 0.1}, "p1"),
        ({"camera_model": "FISHEYE", "k5": 0.1, "p2": 0.1}, "p2, k5"),
    ],
)
def test_coefficients_of_another_model_are_refused(scene, more, named):
    assert f"{named} can't be applied" in refusal(scene(**more))


def test_other_keys_that_are_not_read_are_named(scene):
    folder = scene(first("time", 0.5), white_transparent=True, applied_scale=2.0)
    (said,) = load(folder).warnings
    assert said.endswith("keys that are not read: time, white_transparent")


def slopes(bent, r):
    """What our lens makes of slopes r: k1 k2 p1 p2 k3 above, k4 k5 k6 below the line."""
    k1, k2, _, _, k3, k4, k5, k6 = map(float, bent)
    s = r * r
    return r * (1 + s * (k1 + s * (k2 + s * k3))) / (1 + s * (k4 + s * (k5 + s * k6)))


@pytest.mark.parametrize("model", [{}, {"camera_model": "OPENCV"}, {"camera_model": "PINHOLE"}])
@pytest.mark.parametrize("k", [(0, 0, 0, 0.05), (-0.1, 0.05, -0.01, 0.02), (0.1, 0, 0, -0.03)])
def test_k4_of_nerfstudio_is_the_term_of_r8(scene, model, k):
    found = train(scene(**model, **dict(zip(("k1", "k2", "k3", "k4"), k, strict=True))))
    r = np.linspace(0, 0.7, 50)
    wanted = r * (1 + np.polynomial.polynomial.polyval(r * r, (0, *k)))
    np.testing.assert_allclose(21 * slopes(found.distortion[0], r), 21 * wanted, atol=0.02)
    assert abs(wanted - r * (1 + k[0] * r**2 + k[1] * r**4 + k[2] * r**6)).max() > 3e-4


def test_k4_of_full_opencv_is_below_the_line(scene):
    found = train(scene(camera_model="FULL_OPENCV", k4=0.05))
    np.testing.assert_allclose(found.distortion[0], [0, 0, 0, 0, 0, 0.05, 0, 0], rtol=1e-6)


def test_a_term_of_r8_that_no_quotient_comes_close_to():
    with pytest.raises(InputError, match="r\\^8"):
        as_rational((0.0, 3.0, -7.0, 5.0), 2.0, 2000.0, "here")


def test_a_crop_about_the_middle(scene):
    noted = {"is_fisheye": True, "fisheye_crop_radius": 6.0, "w": 2 * W, "h": 2 * H}
    folder = scene(**noted)
    for found in (train(folder), train(folder, downscale=2)):
        np.testing.assert_allclose(found.crops, 6 * found.width / (2 * W))
        assert found.camera(0).crop == found.crops[0]
    assert train(scene()).crops is None
    assert "fisheye_crop_radius is -1" in refusal(scene(fisheye_crop_radius=-1))


def cube(folder):
    """Half side and middle of what became [-1, 1]^3, in the files' units; and the space."""
    found = load(folder)
    back = inverse(Similarity(found.scale, found.motion))
    corners = moved(
        back, np.concatenate([np.tile(np.eye(3), (2, 1, 1)), [[[-1]] * 3, [[1]] * 3]], -1)
    )
    low, high = corners[:, :, 3]
    return ((high - low) / 2).tolist(), ((high + low) / 2).tolist(), found.space


@pytest.mark.parametrize("surrounded", [None, 1, 16])
@pytest.mark.parametrize(
    ("more", "half", "middle"),
    [
        ({"aabb": [[-3, -3, -3], [3, 3, 5]]}, 4, (0, 0, 1)),
        ({"aabb": [[3, 1, 5], [1, 0, 4]], "scale": 7.0}, 1, (2, 0.5, 4.5)),
        ({"scale": 0.25}, 2, (0, 0, 0)),
        ({"offset": [0.5, 0.75, 0.25], "scale": 0.25}, 2, (0, -1, 1)),
        ({"offset": 0.75, "scale": 0.5}, 1, (-0.5, -0.5, -0.5)),
        ({"offset": [0.5, 0.5, 0.83]}, 1 / 0.66, (0, 0, -1)),
    ],
)
def test_the_cube_of_instant_ngp(scene, more, half, middle, surrounded):
    sides, found, space = cube(scene(**more, aabb_scale=surrounded))
    np.testing.assert_allclose(sides, half, rtol=1e-6)
    np.testing.assert_allclose(found, middle, atol=1e-6)
    assert space == ("unbounded" if surrounded == 16 else "bounded")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("aabb_scale", x) for x in (math.nan, math.inf, -1, 0, 1e300, "4", [4])),
        *(("scale", x) for x in (0, -1.0, math.nan, 1e308, 1e-308, "1")),
        *(("offset", x) for x in (1e308, math.nan, [1, 2], [1, 2, math.inf], [1, 2, "x"], {})),
        *(("aabb", x) for x in (
            3, [], [[0, 0, 0]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [1, 1, math.nan]],
            [[0, 0], [1, 1]], [[0, 0, 0], [1, 1, 1e300]], ["a", "b"],
        )),
        *((axis, x) for axis in ("x_fov", "camera_angle_x") for x in (0.0, 180.0, math.nan, -1)),
    ],
)  # fmt: skip
def test_numbers_that_can_not_serve(scene, key, value):
    folder = scene(drop=FOCAL, **{"aabb_scale": 1, "camera_angle_y": 0.5, key: value})
    assert f"{key} " in refusal(folder)


def test_splits_of_one_folder_have_one_cube(tmp_path):
    (tmp_path / "images").mkdir()
    for k in range(9):
        Image.new("RGB", (W, H)).save(tmp_path / "images" / f"{k:02d}.png")
    for name, more in (("train", {"scale": 0.5}), ("test", {"scale": 0.25})):
        (tmp_path / f"transforms_{name}.json").write_text(json.dumps(meta(**more)))
    assert "one cube for all splits" in refusal(tmp_path)
    (tmp_path / "transforms_test.json").write_text(json.dumps(meta()))
    assert load(tmp_path).scale == 1  # one that notes none follows


@pytest.fixture
def portrait(tmp_path):
    """A Blender scene of pictures that are higher than wide, in a folder of that name."""

    def write(folder, **more):
        (tmp_path / folder).mkdir()
        content = meta(3)
        for k, frame in enumerate(content["frames"]):
            frame["file_path"] = f"{folder}/{k}.png"
            Image.new("RGB", (H, W)).save(tmp_path / frame["file_path"])
        content = {"frames": content["frames"], "camera_angle_x": 0.69} | more
        (tmp_path / "transforms_train.json").write_text(json.dumps(content))
        return load(tmp_path)

    return write


def test_blendernerfs_angle_is_of_the_longer_side(portrait):
    found = portrait("images_train", camera_angle_y=0.47)  # which is of the sensor's height
    np.testing.assert_allclose(found.splits["train"].intrinsics[0, :2], W / 2 / math.tan(0.345))
    assert not found.warnings


def test_an_angle_alone_is_of_the_width_and_said(portrait):
    found = portrait("train")
    np.testing.assert_allclose(found.splits["train"].intrinsics[0, :2], H / 2 / math.tan(0.345))
    assert "camera_angle_x is taken for the angle of the width" in found.warnings[0]


def test_a_focal_length_goes_before_blendernerfs_angles(portrait):
    found = portrait("images_train", camera_angle_y=0.47, fl_x=33.0, fl_y=33.0)
    np.testing.assert_allclose(found.splits["train"].intrinsics[0, :2], 33)


def test_masks_that_no_file_names_are_told(scene):
    folder = scene()
    (folder / "masks").mkdir()
    (said,) = load(folder).warnings
    assert said.startswith(f"{folder / 'masks'} is not read")
    assert not load(scene(mask_path="images/08.png")).warnings


def test_a_scene_within_the_folder_is_pointed_at(scene, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    shutil.copytree(scene(), outer / "inner")
    assert f"; one lies in {outer / 'inner'}" in refusal(outer)


def test_masks_of_blender_scenes_are_read(scene):
    mask = np.full((H, W), 255, np.uint8)
    mask[3, 5] = 0
    folder = scene(first("mask_path", "m.png"))
    Image.fromarray(mask).save(folder / "m.png")
    found = train(folder)
    np.testing.assert_array_equal(found.masks[found.names.index("images/02")], mask > 0)
    assert train(scene(mask_path="m.png")).masks.sum() == (W * H - 1) * len(found)


# ---- what is said of pictures ----


@pytest.mark.parametrize("ending", [".JPG", ".PNG", ".tif", ".bmp", ".tga"])
@pytest.mark.parametrize("left_out", [True, False])
def test_pictures_of_every_ending_are_found(scene, ending, left_out):
    def change(content):
        for frame in content["frames"]:
            frame["file_path"] = frame["file_path"][:-4] + ("" if left_out else ending)

    folder = scene(change)
    for file in list((folder / "images").iterdir()):
        Image.open(file).save(file.with_suffix(ending))
        file.unlink()
    assert not load(folder).warnings


@pytest.mark.parametrize("left_out", [True, False])
def test_formats_that_can_not_be_read_are_named(scene, left_out):
    def change(content):
        for frame in content["frames"]:
            frame["file_path"] = frame["file_path"][:-4] + ("" if left_out else ".heic")

    folder = scene(change)
    for file in list((folder / "images").iterdir()):
        file.rename(file.with_suffix(".heic"))
    assert "00.heic is a picture in the format HEIC, which can't be read" in refusal(folder)


def test_what_lies_there_instead_is_said(scene):
    folder = scene()
    for file in list((folder / "images").iterdir()):
        file.rename(file.with_suffix(".xyz"))
    assert f"{folder / 'images'} holds 9 .xyz" in refusal(folder)
