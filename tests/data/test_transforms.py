"""transforms.json: what of it is read, and how what is broken is refused."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from data.normalise import Similarity, inverse, moved

W, H = 24, 16


def looking_at_origin(angle, distance=4.0):
    """A pose on a circle around the z axis, y up towards +z."""
    c, s = math.cos(angle), math.sin(angle)
    z = np.array([c, s, 0.3]) / math.hypot(1, 0.3)
    x = np.array([-s, c, 0])
    return np.stack([x, np.cross(z, x), z, distance * z], axis=1)


def meta(count=9, **more):
    frames = []
    for k in range(count):
        matrix = [*looking_at_origin(0.7 * k).tolist(), [0, 0, 0, 1]]
        frames.append({"file_path": f"images/{k:02d}.png", "transform_matrix": matrix})
    lens = {"fl_x": 20.0, "fl_y": 21.0, "cx": 11.0, "cy": 9.0, "w": W, "h": H}
    return {**lens, "frames": frames, **more}


@pytest.fixture
def scene(tmp_path):
    """Writes a scene of 9 pictures, changed as told."""
    folder = tmp_path / "scène 1"
    (folder / "images").mkdir(parents=True)
    for k in range(9):
        pixels = np.full((H, W, 3), 20 * k, np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k:02d}.png")

    def write(change=lambda meta: None, **more):
        content = meta(**more)
        change(content)
        (folder / "transforms.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


def first(key, value, frame=2):
    """Sets a key of one frame."""
    return lambda content: content["frames"][frame].update({key: value})


def refusal(folder, **options):
    with pytest.raises(InputError) as error:
        load(folder, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def lens(folder, **options):
    """Intrinsics and distortion by picture, over both splits."""
    splits = load(folder, **options).splits.values()
    return {
        name: (split.intrinsics[k], None if split.distortion is None else split.distortion[k])
        for split in splits
        for k, name in enumerate(split.names)
    }


def test_every_eighth_is_held_out(scene):
    found = load(scene())
    assert found.splits["test"].names == ("images/00", "images/08")
    assert found.splits["train"].names == tuple(f"images/{k:02d}" for k in range(1, 8))
    assert (found.splits["train"].pictures[:, 0, 0, 0] == np.arange(20, 160, 20)).all()
    assert found.splits["train"].distortion is None and found.splits["train"].masks is None
    assert found.space == "unbounded" and found.warnings == () and found.name == "scène 1"


def test_order_in_the_file_is_of_no_account(scene):
    usual, reverse = load(scene()), load(scene(lambda m: m["frames"].reverse()))
    for split in ("train", "test"):
        a, b = usual.splits[split], reverse.splits[split]
        assert a.names == b.names
        np.testing.assert_array_equal(a.pictures, b.pictures)
        np.testing.assert_allclose(a.poses, b.poses, atol=1e-6)


def test_splits_by_list(scene):
    names = [f"images/{k:02d}.png" for k in range(9)]
    lists = {
        "train_filenames": names[:5],
        "val_filenames": [f"./{name}" for name in names[5:6]],
        "test_filenames": names[:3:-1],
    }
    found = load(scene(**lists))
    assert [len(found.splits[s]) for s in ("train", "val", "test")] == [5, 1, 5]
    assert found.splits["test"].names[0] == "images/04"
    assert found.warnings == ("1 of the pictures are both in train and in test",)
    lists["train_filenames"] = ["nowhere.png"]
    assert "names no picture that exists" in refusal(scene(**lists))
    lists["train_filenames"] = [names[0], names[0]]
    assert "twice" in refusal(scene(**lists))
    lists["train_filenames"] = [3]
    assert "train_filenames" in refusal(scene(**lists))
    lists["train_filenames"] = "images"
    assert "train_filenames is a str" in refusal(scene(**lists))
    del lists["train_filenames"]
    assert "none in train_filenames" in refusal(scene(**lists))


def test_a_split_read_alone_is_the_same(scene):
    both, alone = load(scene()), load(scene(), splits=("test",))
    assert tuple(alone.splits) == ("test",) and alone.scale == both.scale
    np.testing.assert_array_equal(alone.splits["test"].poses, both.splits["test"].poses)
    assert "has no split 'val'" in refusal(scene(), splits=("val",))


def test_poses_come_back_to_the_files_frame(scene):
    found = load(scene())
    back = inverse(Similarity(found.scale, found.motion))
    wanted = [looking_at_origin(0.7 * k) for k in (0, 8)]
    np.testing.assert_allclose(moved(back, found.splits["test"].poses), wanted, atol=1e-5)


def test_bound_is_the_half_side(scene):
    near, far = load(scene(), bound=2.0), load(scene(), bound=4.0)
    assert near.scale == 1 / 2
    np.testing.assert_allclose(
        near.splits["test"].poses[:, :, 3], 2 * far.splits["test"].poses[:, :, 3], rtol=1e-6
    )


def test_lens_of_all(scene):
    bent = {"k1": 0.1, "k2": 0.2, "p1": 0.3, "p2": 0.4, "k3": 0.5, "k4": 0.7, "k6": 0.6}
    found = lens(scene(**bent, camera_model="FULL_OPENCV"))
    for intrinsics, distortion in found.values():
        np.testing.assert_allclose(intrinsics, [20, 21, 11, 9])
        np.testing.assert_allclose(distortion, [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0, 0.6])


def test_lens_of_one_goes_before(scene):
    def change(content):
        content["frames"][3].update(fl_x=30.0, cx=12, k1=-0.1)
        content["k2"] = 0.01

    found = lens(scene(change))
    np.testing.assert_allclose(found["images/03"][0], [30, 30, 12, 9])
    np.testing.assert_allclose(found["images/03"][1][:2], [-0.1, 0.01])
    np.testing.assert_allclose(found["images/04"][0], [20, 21, 11, 9])
    np.testing.assert_allclose(found["images/04"][1][:2], [0, 0.01])


def test_each_picture_brings_its_own(scene):
    def change(content):
        for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            value = content.pop(key)
            for k, frame in enumerate(content["frames"]):
                frame[key] = value + (k / 10 if key == "fl_x" else 0)

    found = lens(scene(change))
    np.testing.assert_allclose(found["images/07"][0], [20.7, 21, 11, 9])


def test_lens_by_angle(scene):
    def change(content):
        for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            del content[key]

    square = lens(scene(change, camera_angle_x=1.0))["images/01"][0]
    f = W / 2 / math.tan(0.5)
    np.testing.assert_allclose(square, [f, f, W / 2, H / 2], rtol=1e-6)
    oblong = lens(scene(change, camera_angle_x=1.0, camera_angle_y=1.0))["images/01"][0]
    np.testing.assert_allclose(oblong[1], H / 2 / math.tan(0.5), rtol=1e-6)
    assert "neither fl_x nor camera_angle_x" in refusal(scene(change))
    assert "radians" in refusal(scene(change, camera_angle_x=60.0))


def test_fisheye(scene):
    for said in ({"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True}):
        split = load(scene(k1=0.1, k2=0.2, k3=0.3, k4=0.4, **said)).splits["train"]
        assert split.fisheye
        np.testing.assert_allclose(split.distortion[0], [0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0])
    assert load(scene(camera_model="OPENCV_FISHEYE")).splits["train"].distortion.shape == (7, 8)
    line = refusal(scene(first("camera_model", "OPENCV_FISHEYE")))
    assert "one kind" in line
    assert "EQUIRECTANGULAR" in refusal(scene(camera_model="EQUIRECTANGULAR"))
    assert "camera_model is a int" in refusal(scene(camera_model=3))


def test_intrinsics_follow_the_true_size(scene):
    twice = {"w": 2 * W, "h": 2 * H, "fl_x": 40.0, "fl_y": 42.0, "cx": 22.0, "cy": 18.0, "k1": 0.1}
    for folder, downscale in ((scene(**twice), 1), (scene(k1=0.1), 2)):
        for intrinsics, distortion in lens(folder, downscale=downscale).values():
            np.testing.assert_allclose(intrinsics, np.array([20, 21, 11, 9]) / downscale)
            np.testing.assert_allclose(distortion[0], 0.1)  # has no unit of length
    assert "turned or cropped" in refusal(scene(w=H, h=W))
    assert "downscale 5" in refusal(scene(), downscale=5)


def shrunk(folder, factor, count=9, ending="png"):
    """Smaller pictures beside the others, of another colour."""
    (folder / f"images_{factor}").mkdir()
    for k in range(count):
        pixels = np.full((H // factor, W // factor, 3), 20 * k + 5, np.uint8)
        Image.fromarray(pixels).save(folder / f"images_{factor}" / f"{k:02d}.{ending}")


@pytest.mark.parametrize("said", [True, False])
def test_smaller_pictures_beside_the_others_are_taken(scene, said):
    def change(content):
        content["frames"][3]["file_path"] = "./images\\03.png"
        if not said:
            del content["w"], content["h"]

    folder = scene(change)
    shrunk(folder, 2)
    for downscale, colour in ((1, 20), (2, 25), (4, 25)):
        split = load(folder, downscale=downscale).splits["train"]
        assert split.names[0] == "images/01" and len(split) == 7
        assert split.width == W // downscale and split.pictures[0, 0, 0, 0] == colour
        np.testing.assert_allclose(split.intrinsics[0], np.array([20, 21, 11, 9]) / downscale)
    shrunk(folder, 4, count=8)  # one is missing there
    assert load(folder, downscale=4).splits["train"].pictures[0, 0, 0, 0] == 25


@pytest.mark.parametrize("said", [True, False])
def test_only_smaller_pictures_are_there(scene, said):
    def change(content):
        if not said:
            del content["w"], content["h"]

    folder = scene(change)
    shrunk(folder, 4)
    for file in (folder / "images").iterdir():
        file.unlink()
    found = load(folder, downscale=4)
    assert not found.warnings and found.splits["train"].width == W // 4
    np.testing.assert_allclose(found.splits["train"].intrinsics[0], np.array([20, 21, 11, 9]) / 4)
    (warning,) = load(folder).warnings
    assert "images_4" in warning and "not at 1/1" in warning
    (folder / "images_4").rename(folder / "images_2")
    assert "choose a multiple of 2" in refusal(folder, downscale=3)
    (folder / "images_2").rename(folder / "images_3")
    assert "none of its 9 pictures exists" in refusal(folder)


@pytest.mark.parametrize("original", [True, False])
def test_smaller_pictures_may_be_of_another_format(scene, original):
    folder = scene(drop_size if not original else lambda content: None)
    shrunk(folder, 2, ending="tif")
    for file in [] if original else list((folder / "images").iterdir()):
        Image.open(file).save(file.with_suffix(".bmp"))
        file.unlink()
    split = load(folder, downscale=2).splits["train"]
    assert split.pictures[0, 0, 0, 0] == 25
    np.testing.assert_allclose(split.intrinsics[0], [10, 10.5, 5.5, 4.5])


def drop_size(content):
    """The file doesn't say how large its pictures are."""
    del content["w"], content["h"]


def test_masks_are_for_the_true_size(scene):
    folder = scene(first("mask_path", "images/02.png"))
    shrunk(folder, 2)
    split = load(folder, downscale=2).splits["train"]
    assert split.masks is not None and split.pictures[0, 0, 0, 0] == 20


def test_pictures_elsewhere_stay_there(scene):
    folder = scene(first("file_path", "more/02.png"))
    (folder / "more").mkdir()
    (folder / "images" / "02.png").rename(folder / "more" / "02.png")
    shrunk(folder, 2)
    splits = load(folder, downscale=2).splits
    assert splits["train"].pictures[0, 0, 0, 0] == 20
    assert any("more/02" in split.names for split in splits.values())


def test_masks(scene):
    folder = scene(first("mask_path", "masks/2.png"))
    line = refusal(folder)
    assert "mask" in line and "2.png" in line
    (folder / "masks").mkdir()
    mask = np.full((H, W), 255, np.uint8)
    mask[3, 5] = 0
    Image.fromarray(mask).save(folder / "masks" / "2.png")
    splits = load(folder).splits
    assert splits["test"].masks is None  # none of its own has one
    np.testing.assert_array_equal(splits["train"].masks[1], mask > 0)
    assert splits["train"].masks[[0, 2, 3, 4, 5, 6]].all()
    assert load(folder, downscale=2).splits["train"].masks[1].sum() == W * H / 4 - 1
    Image.fromarray(mask[:8]).save(folder / "masks" / "2.png")
    assert "mask must have its picture's size" in refusal(folder)
    assert "mask_path" in refusal(scene(first("mask_path", 3)))
    assert "leads out" in refusal(scene(first("mask_path", "../2.png")))


def test_missing_pictures_are_counted_and_named(scene):
    folder = scene()
    for k in (2, 3, 4, 5, 6):
        (folder / "images" / f"{k:02d}.png").unlink()
    found = load(folder)
    assert found.warnings == (
        "5 of 9 pictures do not exist and are left out: images/02, images/03, images/04, ...",
    )
    assert sum(len(split) for split in found.splits.values()) == 4
    for k in (1, 7, 8):
        (folder / "images" / f"{k:02d}.png").unlink()
    assert "one picture only" in refusal(folder)
    (folder / "images" / "00.png").unlink()
    assert "none of its 9 pictures exists" in refusal(folder)


def test_pictures_that_are_marked_as_turned_are_said_and_left(scene):
    folder, exif = scene(), Image.Exif()
    for k, orientation in enumerate((6, 3, 8, 2, 1)):
        exif[0x0112] = orientation
        file = folder / "images" / f"{k:02d}.png"
        with Image.open(file) as image:
            image.save(file, exif=exif)
    found = load(folder)
    (warning,) = found.warnings
    assert "4 of 9 pictures are marked to be shown turned" in warning
    assert "00.png, 01.png, 02.png, ..." in warning
    assert (found.splits["train"].width, found.splits["train"].height) == (W, H)


def test_space(scene):
    assert load(scene(aabb_scale=4)).space == "unbounded"
    found = load(scene(aabb_scale=1))
    assert found.space == "bounded"
    np.testing.assert_allclose(found.scale, 0.66)
    np.testing.assert_allclose(found.motion, np.eye(3, 4), atol=1e-12)
    # the corners of the unit cube of scale x + offset are those of the scene's
    found = load(scene(aabb_scale=1, scale=0.5, offset=[0.5, 0.25, 0.5]))
    corner = (np.array([1.0, 1.0, 0.0]) - [0.5, 0.25, 0.5]) / 0.5
    np.testing.assert_allclose(found.scale * (corner + found.motion[:, 3]), [1, 1, -1])
    for broken in ({"scale": 0}, {"offset": {}}, {"offset": [1, 2]}, {"offset": [1, 2, "x"]}):
        assert next(iter(broken)) in refusal(scene(aabb_scale=1, **broken))
    assert "aabb_scale is a str" in refusal(scene(aabb_scale="4"))


def test_how_near_things_are_if_it_is_said(scene):
    assert load(scene()).nearest is None
    found = load(scene(nearest=1.5))
    np.testing.assert_allclose(found.nearest, 1.5 * found.scale)
    assert "nearest is -1" in refusal(scene(nearest=-1))


def test_what_was_done_to_the_poses_already_is_not_done_again(scene):
    turned = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    a, b = load(scene()), load(scene(applied_transform=turned))
    np.testing.assert_array_equal(a.splits["train"].poses, b.splits["train"].poses)


def test_names_with_spaces_and_letters_of_any_kind(scene):
    folder = scene(first("file_path", "images/zwei Füchse 狐.png"))
    (folder / "images" / "02.png").rename(folder / "images" / "zwei Füchse 狐.png")
    assert "images/zwei Füchse 狐" in {n for s in load(folder).splits.values() for n in s.names}


def test_names_that_windows_wrote(scene):
    found = load(scene(first("file_path", "images\\02.png")))
    assert "images/02" in found.splits["train"].names and not found.warnings


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd.png",
        "../02.png",
        "images/../../02.png",
        "..\\02.png",
        "C:\\02.png",
        "//h/s/2.png",
    ],
)
def test_names_that_leave_the_folder(scene, name):
    folder = scene(first("file_path", name))
    (folder.parent / "02.png").write_bytes((folder / "images" / "02.png").read_bytes())
    line = refusal(folder)
    assert "leads out" in line and "frame 2" in line


@pytest.mark.parametrize("name", ["images/a\0b.png", "a" * 5000 + ".png", "\ud800.png", "x\ny.png"])
def test_names_that_no_file_has(scene, name):
    [warning] = load(scene(first("file_path", name))).warnings
    assert "1 of 9" in warning and warning.isprintable()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("file_path", "./images/01.png", "twice"),
        ("file_path", "", "names no picture"),
        ("file_path", ".", "names no picture"),
        ("file_path", None, "missing"),
        ("file_path", ["x"], "list"),
        ("transform_matrix", None, "missing"),
        ("transform_matrix", "x", "str"),
        ("transform_matrix", [[1, 2], [3]], "4 rows"),
        ("transform_matrix", np.diag([2.0, 2, 2, 1]).tolist(), "rigid"),
        ("transform_matrix", np.diag([1.0, 1, -1, 1]).tolist(), "rigid"),
        ("transform_matrix", np.diag([1.0, 1, 1, 2]).tolist(), "rigid"),
        ("transform_matrix", np.full((4, 4), math.nan).tolist(), "rigid"),
        ("transform_matrix", (1e300 * np.eye(4)).tolist(), "rigid"),
        ("fl_x", 0, "focal"),
        ("fl_x", -20.0, "focal"),
        ("fl_x", math.nan, "finite"),
        ("fl_x", 10**400, "finite"),
        ("fl_x", "20", "str"),
        ("fl_x", True, "bool"),
        ("fl_y", 1e9, "focal"),
        ("cx", 1e9, "principal point"),
        ("w", 0, "can't be of a picture"),
        ("h", -16, "can't be of a picture"),
        ("k1", 1e9, "distortion"),
        ("k1", math.inf, "finite"),
    ],
)
def test_a_broken_frame(scene, key, value, said):
    line = refusal(scene(first(key, value)))
    assert said in line and ("frame 2" in line or "'images/02'" in line)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": []}, "no frames"),
        ({"frames": None}, "frames is missing"),
        ({"frames": {}}, "frames is a dict"),
        ({"frames": [3]}, "frame 0"),
        ({"fl_x": {}}, "fl_x is a dict"),
        ({"is_fisheye": "no"}, "is_fisheye"),
    ],
)
def test_a_broken_file(scene, change, said):
    assert said in refusal(scene(**change))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"frames": ' + b"[" * 100_000, b'{"frames": ' + b"9" * 5000],
)
def test_no_json(scene, content):
    folder = scene()
    (folder / "transforms.json").write_bytes(content)
    assert "transforms.json" in refusal(folder)


def test_one_picture_of_another_size(scene):
    folder = scene()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "images" / "05.png")
    line = refusal(folder)
    assert "8x8" in line and "05.png" in line


def test_real_fox(real_data):
    scene = load(real_data / "fox", downscale=4)
    train, test = scene.splits["train"], scene.splits["test"]
    assert (len(train), len(test)) == (43, 7)
    assert (train.width, train.height) == (135, 240)
    [warning] = scene.warnings
    assert warning.startswith("17 of 67 pictures do not exist")
    np.testing.assert_allclose(
        train.intrinsics, np.tile([687.76, 687.245, 277.279, 482.634], (43, 1)) / 4, rtol=1e-6
    )
    np.testing.assert_allclose(
        train.distortion[0, :4], [0.0578421, -0.0805099, -0.000980296, 0.00015575], rtol=1e-6
    )
    assert scene.space == "unbounded"
    distance = np.linalg.norm(np.concatenate([train.poses, test.poses])[:, :, 3], axis=-1)
    np.testing.assert_allclose(distance.max(), 1, rtol=1e-6)
    # the fox is what they look at: straight ahead of each camera
    z, o = train.poses[:, :, 2], train.poses[:, :, 3]
    ahead = np.sum(z * o, axis=-1)
    assert (ahead > 0).all()
    assert np.median(np.linalg.norm(o - ahead[:, None] * z, axis=-1)) < 0.3
