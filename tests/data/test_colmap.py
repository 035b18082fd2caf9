"""The COLMAP loader: poses, lenses, sizes, models, and how it refuses what is broken."""

import struct

import numpy as np
import pytest

from data.errors import InputError
from data.load import load
from data.normalise import Similarity, inverse, moved
from tests.data.captures import entries, ring, write_binary, write_pictures, write_text

CAMERAS = {1: ("SIMPLE_RADIAL", 32, 24, (25.0, 16.0, 12.0, 0.1))}
NAMES = [f"{k:04}.png" for k in range(9)]
POSES = ring(9)


@pytest.fixture
def scene(tmp_path):
    """Nine pictures at half the cameras' size, and a binary model of them."""
    folder = tmp_path / "a scène"
    write_pictures(folder / "images_2", NAMES)
    write_binary(folder / "sparse" / "0", CAMERAS, entries(POSES))
    return folder


def refusal(scene, **options):
    with pytest.raises(InputError) as error:
        load(scene, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_ring(scene):
    found = load(scene)
    assert found.space == "unbounded"
    train, test = found.splits["train"], found.splits["test"]
    assert test.names == ("0000", "0008") and len(train) == 7
    assert test.pictures[1, 0, 0].tolist() == [8, 16, 247, 255]
    np.testing.assert_allclose(train.intrinsics, np.tile([12.5, 12.5, 8, 6], (7, 1)))
    np.testing.assert_allclose(train.distortion, np.tile([0.1, *[0] * 7], (7, 1)), rtol=1e-6)
    assert not train.fisheye
    np.testing.assert_allclose(np.linalg.norm(train.poses[:, :, 3], axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(train.poses[:, :, 2], train.poses[:, :, 3], atol=1e-6)
    back = moved(inverse(Similarity(found.scale, found.motion)), train.poses.astype(float))
    np.testing.assert_allclose(back, POSES[1:8], atol=1e-5)
    assert load(scene, bound=2.0).scale == 0.5


def test_world_to_camera_in_opencvs_axes(tmp_path):
    # what stands ahead of a camera, right of it and below it, has positive x, y, z there
    (entry,) = entries(POSES[:1])
    R, o = POSES[0, :, :3], POSES[0, :, 3]
    point = o - 5 * R[:, 2] + 2 * R[:, 0] - 3 * R[:, 1]
    w, v = entry.quaternion[0], np.array(entry.quaternion[1:])
    seen = point + 2 * np.cross(v, np.cross(v, point) + w * point) + entry.t
    np.testing.assert_allclose(seen, [2, 3, 5], atol=1e-12)


def test_binary_and_text_agree(scene, tmp_path):
    other = tmp_path / "text"
    write_pictures(other / "images_2", NAMES)
    write_text(other / "sparse" / "0", CAMERAS, entries(POSES))
    a, b = load(scene), load(other)
    assert a.scale == b.scale
    np.testing.assert_array_equal(a.motion, b.motion)
    for name, split in a.splits.items():
        assert split.names == b.splits[name].names
        for part in ("pictures", "poses", "intrinsics", "distortion"):
            np.testing.assert_array_equal(getattr(split, part), getattr(b.splits[name], part))


LENSES = {
    "SIMPLE_PINHOLE": ((25, 16, 12), (25, 25), None),
    "PINHOLE": ((25, 26, 16, 12), (25, 26), None),
    "SIMPLE_RADIAL": ((25, 16, 12, 0.1), (25, 25), (0.1,)),
    "RADIAL": ((25, 16, 12, 0.1, 0.2), (25, 25), (0.1, 0.2)),
    "OPENCV": ((25, 26, 16, 12, 0.1, 0.2, 0.3, 0.4), (25, 26), (0.1, 0.2, 0.3, 0.4)),
    "FULL_OPENCV": ((25, 26, 16, 12, *range(1, 9)), (25, 26), range(1, 9)),
    "SIMPLE_FISHEYE": ((25, 16, 12), (25, 25), ()),
    "FISHEYE": ((25, 26, 16, 12), (25, 26), ()),
    "SIMPLE_RADIAL_FISHEYE": ((25, 16, 12, 0.1), (25, 25), (0.1,)),
    "RADIAL_FISHEYE": ((25, 16, 12, 0.1, 0.2), (25, 25), (0.1, 0.2)),
    "OPENCV_FISHEYE": ((25, 26, 16, 12, 0.1, 0.2, 0.3, 0.4), (25, 26), (0.1, 0.2, 0.3, 0.4)),
}


@pytest.mark.parametrize("write", [write_binary, write_text])
@pytest.mark.parametrize("model", LENSES)
def test_lens(scene, model, write):
    parameters, focal, distortion = LENSES[model]
    for file in (scene / "sparse" / "0").iterdir():
        file.unlink()
    write(scene / "sparse" / "0", {1: (model, 32, 24, parameters)}, entries(POSES))
    split = load(scene, splits=("test",)).splits["test"]
    np.testing.assert_allclose(split.intrinsics[1], [focal[0] / 2, focal[1] / 2, 8, 6])
    assert split.fisheye == ("FISHEYE" in model)
    if distortion is None:
        assert split.distortion is None
    else:
        expected = [*distortion, *[0] * (8 - len(distortion))]
        np.testing.assert_allclose(split.distortion[1], expected, rtol=1e-6)


def test_lenses_not_supported_are_named(scene):
    for model, count in (("FOV", 5), ("THIN_PRISM_FISHEYE", 12), ("EQUIRECTANGULAR", 2)):
        cameras = {1: (model, 32, 24, [25.0] * count)}
        write_binary(scene / "sparse" / "0", cameras, entries(POSES))
        assert f"{model} is not supported; run COLMAP again" in refusal(scene)


def test_a_camera_that_took_nothing_is_not_looked_at(scene):
    cameras = CAMERAS | {7: ("FOV", 32, 24, (0.0,) * 5)}
    write_binary(scene / "sparse" / "0", cameras, entries(POSES))
    assert len(load(scene).splits["train"]) == 7


def test_two_cameras_of_two_sizes_that_took_pictures_of_one(scene):
    cameras = CAMERAS | {2: ("SIMPLE_PINHOLE", 64, 48, (60.0, 32.0, 24.0))}
    pictures = [*entries(POSES[:8]), entries(POSES, camera=2)[8]]
    write_binary(scene / "sparse" / "0", cameras, pictures)
    test = load(scene).splits["test"]
    np.testing.assert_allclose(test.intrinsics, [[12.5, 12.5, 8, 6], [15, 15, 8, 6]])
    assert test.distortion[:, 0].tolist() == [np.float32(0.1), 0]


def test_the_largest_model_is_taken_and_said(scene):
    write_binary(scene / "sparse" / "1", CAMERAS, entries(POSES)[:3])
    (scene / "sparse" / "0").rename(scene / "sparse" / "10")
    said = load(scene).warnings[0]
    assert "of 2 models sparse/10 was taken" in said and "sparse/1 has 3" in said


@pytest.mark.parametrize("place", ["sparse", "colmap/sparse/0"])
def test_other_places_of_a_model(scene, place):
    (scene / "sparse" / "0").rename(scene / "model")
    (scene / "sparse").rmdir()
    (scene / place).parent.mkdir(exist_ok=True, parents=True)
    (scene / "model").rename(scene / place)
    assert len(load(scene).splits["train"]) == 7


def test_missing_pictures_are_left_out_and_said(scene):
    for name in NAMES[2:7]:
        (scene / "images_2" / name).unlink()
    found = load(scene)
    assert "5 of 9 pictures" in found.warnings[0]
    assert "0002.png, 0003.png, 0004.png, ..." in found.warnings[0]
    assert found.splits["test"].names == ("0000",)
    assert found.splits["train"].names == ("0001", "0007", "0008")


@pytest.mark.parametrize("write", [write_binary, write_text])
def test_names_with_folders_spaces_and_other_letters(tmp_path, write):
    names = [f"links oben/Bild {k} né 写真.png" for k in range(9)]
    write_pictures(tmp_path / "images", names, size=(32, 24))
    pictures = [e._replace(name=name) for e, name in zip(entries(POSES), names, strict=True)]
    write(tmp_path / "sparse" / "0", CAMERAS, pictures)
    assert load(tmp_path).splits["test"].names[1] == "links oben/Bild 8 né 写真"


def test_names_that_differ_by_ending_alone(scene):
    write_pictures(scene / "images_2", ["0000.webp"])
    pictures = [*entries(POSES[:8]), entries(POSES)[8]._replace(name="0000.webp")]
    write_binary(scene / "sparse" / "0", CAMERAS, pictures)
    assert load(scene).splits["test"].names == ("0000.png", "0007.png")


def test_pictures_that_the_model_does_not_name_are_told(scene):
    for name in ("0009.png", "more/a.png", "._0001.png", ".trash/b.png"):
        write_pictures(scene / "images_2", [name])
    (said,) = load(scene, downscale=2).warnings
    assert said.startswith("2 of 11 pictures in") and "are left out: 0009.png, more/a.png" in said


@pytest.mark.parametrize("place", ["dense/0", "dense", "dense/12"])
@pytest.mark.parametrize("original", [True, False], ids=["beside a model alone", "alone"])
def test_undistorted_pictures_in_dense(scene, place, original):
    """As COLMAP's automatic reconstruction lays them out, whose original pictures lie elsewhere."""
    (scene / place).mkdir(parents=True)
    (scene / "images_2").rename(scene / place / "images_2")
    (scene / "sparse").rename(scene / place / "sparse")
    if original:
        write_binary(scene / "sparse" / "0", CAMERAS, entries(POSES))
    found = load(scene, downscale=2)
    assert len(found.splits["train"]) == 7 and not found.warnings
    assert found.format == f"COLMAP in {place}" and found.path == scene


def test_a_scene_whose_pictures_lie_at_the_top_is_not_taken_from_dense(scene):
    write_pictures(scene / "dense" / "0" / "images", NAMES[:3], size=(32, 24))
    write_binary(scene / "dense" / "0" / "sparse" / "0", CAMERAS, entries(POSES)[:3])
    found = load(scene)
    assert found.format == "COLMAP" and len(found.splits["train"]) == 7


@pytest.mark.parametrize("names", [["0000.JPG"], ["0000.jpeg", "0001.webp"]])
def test_smaller_pictures_of_another_format(scene, names):
    """The model names JPEGs, and what shrank them wrote PNGs."""
    pictures = entries(POSES)
    for k, name in enumerate(names):
        pictures[k] = pictures[k]._replace(name=name)
    write_binary(scene / "sparse" / "0", CAMERAS, pictures)
    found = load(scene, downscale=2)
    assert not found.warnings
    assert found.splits["test"].pictures[0, 0, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("blank", ["none", "all", "some"])
def test_text_without_the_lines_of_points(tmp_path, blank):
    names = [f"{k:04} a b.png" if k % 2 else f"{k:04}.png" for k in range(9)]
    write_pictures(tmp_path / "images", names, size=(32, 24))
    pictures = [e._replace(name=name) for e, name in zip(entries(POSES), names, strict=True)]
    write_text(tmp_path / "sparse" / "0", CAMERAS, pictures)
    file = tmp_path / "sparse" / "0" / "images.txt"
    lines = file.read_text().splitlines()
    if blank != "all":
        kept = [line for line in lines if len(line.split()) >= 10 or (blank == "some" and line)]
        file.write_text("\n".join(kept) + "\n")
    found = load(tmp_path)
    assert len(found.splits["train"]) == 7
    said = [line for line in found.warnings if "lack the line of their points" in line]
    assert len(said) == (blank != "all")


def test_real_can(real_data):
    found = load(real_data / "can")
    train, test = found.splits["train"], found.splits["test"]
    assert (len(train), len(test)) == (62, 9)
    assert (train.width, train.height) == (360, 640) and not train.fisheye
    assert test.names[:2] == ("0000", "0008")
    # one camera a picture, with a focal length of about 1100 pixels of 720x1280
    assert ((train.intrinsics[:, 0] > 500) & (train.intrinsics[:, 0] < 600)).all()
    np.testing.assert_allclose(train.intrinsics[:, 2:], np.tile([180, 320], (62, 1)))
    assert len(np.unique(train.distortion[:, 0])) > 50
    o = np.concatenate([split.poses[:, :, 3] for split in found.splits.values()])
    np.testing.assert_allclose(np.linalg.norm(o, axis=-1).max(), 1, rtol=1e-6)
    # all look at the can, and what they call up is up
    towards = -o / np.linalg.norm(o, axis=-1, keepdims=True)
    axes = np.concatenate([-split.poses[:, :, 2] for split in found.splits.values()])
    assert ((towards * axes).sum(-1) > 0.95).all()
    assert (train.poses[:, 2, 1] > 0.5).all()


# ---- what is broken ----


@pytest.mark.parametrize("file", ["cameras.bin", "images.bin"])
def test_truncated_anywhere(scene, file):
    file = scene / "sparse" / "0" / file
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        assert "cut short" in refusal(scene)
    file.write_bytes(whole + b"\0")
    assert "goes on after the last" in refusal(scene)


@pytest.mark.parametrize("file", ["cameras.bin", "images.bin"])
def test_count_that_can_not_be(scene, file):
    file = scene / "sparse" / "0" / file
    for count in (2**63, 2**32, 1000):
        file.write_bytes(struct.pack("<Q", count) + file.read_bytes()[8:])
        assert "cut short" in refusal(scene)


def test_count_of_points_that_can_not_be(scene):
    file = scene / "sparse" / "0" / "images.bin"
    data = bytearray(file.read_bytes())
    at = 8 + 64 + len("0000.png") + 1
    data[at : at + 8] = struct.pack("<Q", 2**60)
    file.write_bytes(data)
    assert "cut short" in refusal(scene)


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (("PINHOLE", 32, 24, (0.0, 25.0, 16.0, 12.0)), "focal length"),
        (("PINHOLE", 32, 24, (np.nan, 25.0, 16.0, 12.0)), "focal length"),
        (("PINHOLE", 32, 24, (-25.0, 25.0, 16.0, 12.0)), "focal length"),
        (("PINHOLE", 32, 24, (25.0, 1e200, 16.0, 12.0)), "focal length"),
        (("PINHOLE", 32, 24, (25.0, 25.0, np.inf, 12.0)), "principal point"),
        (("PINHOLE", 0, 24, (25.0, 25.0, 16.0, 12.0)), "0x24 pixels"),
        (("PINHOLE", 2**62, 24, (25.0, 25.0, 16.0, 12.0)), "x24 pixels"),
        (("PINHOLE", 24, 32, (25.0, 25.0, 12.0, 16.0)), "turned or cropped"),
        (("SIMPLE_RADIAL", 32, 24, (25.0, 16.0, 12.0, np.nan)), "distortion"),
        (("SIMPLE_RADIAL", 32, 24, (25.0, 16.0, 12.0, 1e100)), "distortion"),
    ],
)
@pytest.mark.parametrize("write", [write_binary, write_text])
def test_bad_camera(scene, camera, said, write):
    for file in (scene / "sparse" / "0").iterdir():
        file.unlink()
    write(scene / "sparse" / "0", {1: camera}, entries(POSES))
    assert said in refusal(scene)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("quaternion", (0.0, 0.0, 0.0, 0.0), "length 1"),
        ("quaternion", (1.0, 1.0, 0.0, 0.0), "length 1"),
        ("quaternion", (np.nan, 0.0, 0.0, 0.0), "length 1"),
        ("quaternion", (1e200, 0.0, 0.0, 0.0), "length 1"),
        ("t", (np.inf, 0.0, 0.0), "rigid motion"),
        ("t", (1e300, 0.0, 0.0), "rigid motion"),
        ("camera", 5, "is not among its cameras"),
        ("name", "0003.png", "names '0003.png' twice"),
        ("name", "../sparse/0/0.png", "leads out"),
        ("name", "/etc/passwd.png", "leads out"),
    ],
)
@pytest.mark.parametrize("write", [write_binary, write_text])
def test_bad_picture(scene, part, value, said, write):
    pictures = entries(POSES)
    pictures[2] = pictures[2]._replace(**{part: value})
    for file in (scene / "sparse" / "0").iterdir():
        file.unlink()
    write(scene / "sparse" / "0", CAMERAS, pictures)
    assert said in refusal(scene)


def test_names_with_control_characters_are_shown(scene):
    pictures = entries(POSES)
    pictures[2] = pictures[2]._replace(name="a\n\x1b[2J\u202eb.png")
    write_binary(scene / "sparse" / "0", CAMERAS, pictures)
    gone, extra = [line for line in load(scene).warnings if "1 of 9" in line]
    assert gone.isprintable() and "0002.png" in extra


def test_fisheye_beside_perspective(scene):
    cameras = CAMERAS | {2: ("SIMPLE_FISHEYE", 32, 24, (25.0, 16.0, 12.0))}
    pictures = [*entries(POSES[:8]), entries(POSES, camera=2)[8]]
    write_binary(scene / "sparse" / "0", cameras, pictures)
    assert "keep those of one kind" in refusal(scene)


def test_unknown_model_number(scene):
    file = scene / "sparse" / "0" / "cameras.bin"
    data = bytearray(file.read_bytes())
    data[12] = 99
    file.write_bytes(data)
    assert "unknown model, number 99" in refusal(scene)


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("cameras", "2 PINHOLE 32", "line 3: a camera is"),
        ("cameras", "2 PINHOLE 32 24 1 2 3", "PINHOLE has 4 parameters, not 3"),
        ("cameras", "2 LENS 32 24 1 2 3 4", "unknown camera model 'LENS'"),
        ("cameras", "2 PINHOLE 32 24 1 2 3 x", "are not all numbers"),
        ("cameras", "1 PINHOLE 32 24 1 2 3 4", "two entries numbered 1"),
        ("images", "20 1 0 0 0 1 2 3 1", "a picture is"),
        ("images", "20 1 0 0 0 1 2 x 1 a.png", "are not all numbers"),
        ("images", "20 1 0 0 0 1 2 3 1.5 a.png", "are not all numbers"),
        ("images", f"20 1 0 0 0 1 2 {'3' * 61} 1 a.png", "are not all numbers"),
    ],
)
def test_bad_line(scene, file, line, said):
    for old in (scene / "sparse" / "0").iterdir():
        old.unlink()
    write_text(scene / "sparse" / "0", CAMERAS, entries(POSES))
    with (scene / "sparse" / "0" / f"{file}.txt").open("a") as lines:
        lines.write(f"{line}\n")
    assert said in refusal(scene)


def test_text_that_is_not_utf8(scene):
    write_text(scene / "sparse" / "0", CAMERAS, entries(POSES))
    (scene / "sparse" / "0" / "images.bin").unlink()
    file = scene / "sparse" / "0" / "images.txt"
    file.write_bytes(file.read_bytes().replace(b"0003", b"\xff\xfe\xfd"))
    assert "not UTF-8" in refusal(scene)


def test_pictures_are_gone(scene):
    for name in NAMES:
        (scene / "images_2" / name).unlink()
    assert "has no pictures in any of its folders" in refusal(scene)
    (scene / "images_2" / "0000.heic").write_bytes(b"")
    assert "holds 1 .heic (HEIC can't be read: convert to PNG or JPEG)" in refusal(scene)
    (scene / "images_2" / "0000.heic").unlink()
    write_pictures(scene / "images_2", ["other.png"])
    assert "9 of 9 pictures" in refusal(scene)


def test_no_registered_pictures(scene):
    write_binary(scene / "sparse" / "0", CAMERAS, [])
    assert "no registered pictures" in refusal(scene)


def test_one_picture_only(scene):
    write_binary(scene / "sparse" / "0", CAMERAS, entries(POSES[:1]))
    assert "one picture only" in refusal(scene)


def test_pictures_of_two_sizes(scene):
    write_pictures(scene / "images_2", ["0004.png"], size=(32, 24))
    assert "one size" in refusal(scene)


def test_corrupt_picture(scene):
    (scene / "images_2" / "0004.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "can't be decoded" in refusal(scene)


def test_unknown_split(scene):
    assert "it has train, test" in refusal(scene, splits=("val",))
