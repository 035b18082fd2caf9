"""The LLFF loader: axes, scale, sizes, and how it refuses what is broken."""

import math
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.load import load
from data.normalise import Similarity, inverse, moved
from tests.data.captures import llff_rows, ring, write_pictures
from tests.data.test_normalise import looking


@pytest.fixture
def poses():
    """Nine cameras that look along x, a little askew, z upwards."""
    generator = np.random.default_rng(0)
    return np.stack(
        [
            looking(
                [0, *generator.uniform(-1, 1, 2)], [-1, *generator.uniform(-0.2, 0.2, 2)], [0, 0, 1]
            )
            for _ in range(9)
        ]
    )


@pytest.fixture
def scene(tmp_path, poses):
    """A forward-facing capture: 128x96 by its file, pictures at an eighth of that."""
    folder = tmp_path / "a scène"
    write_pictures(folder / "images_8", [f"{k:02}.png" for k in range(9)])
    np.save(folder / "poses_bounds.npy", llff_rows(poses))
    return folder


def refusal(scene, **options):
    with pytest.raises(InputError) as error:
        load(scene, **options)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_forward_facing(scene, poses):
    found = load(scene)
    assert found.space == "forward"
    train, test = found.splits["train"], found.splits["test"]
    assert test.names == ("00", "08") and len(train) == 7
    assert test.pictures[1, 0, 0].tolist() == [8, 16, 247, 255]
    np.testing.assert_allclose(train.intrinsics, np.tile([12.5, 12.5, 8, 6], (7, 1)))
    assert (train.poses[:, 2, 2] > 0.9).all()  # all look along -z
    assert (train.poses[:, 1, 1] > 0.9).all()
    back = moved(inverse(Similarity(found.scale, found.motion)), train.poses.astype(float))
    np.testing.assert_allclose(back, poses[1:8], atol=1e-5)


def test_hidden_files_are_no_pictures(scene):
    """macOS writes ._NAME.png beside NAME.png on foreign disks."""
    for k in range(9):
        (scene / "images_8" / f"._{k:02}.png").write_bytes(b"\0\5\x16\7")
    write_pictures(scene / "images_8", ["dynamic_mask_03.png"])  # nor are masks
    assert load(scene).splits["test"].names == ("00", "08")


def test_what_was_seen_of_a_forward_facing_scene_lies_beyond_the_near_plane(scene):
    found = load(scene)
    for split in found.splits.values():
        nearest = split.poses[:, 2, 3] - 2.0 * found.scale * split.poses[:, 2, 2]
        assert (nearest < -1).all() and nearest.max() > -1.5
        assert (split.poses[:, 2, 3] > -1).all()


def test_inward_facing(tmp_path):
    folder = tmp_path / "ring"
    write_pictures(folder / "images", [f"{k:02}.png" for k in range(9)])
    np.save(folder / "poses_bounds.npy", llff_rows(ring(9), bounds=(3.0, 6.0)))
    found = load(folder)
    assert found.space == "unbounded" and not found.warnings
    o = found.splits["train"].poses[:, :, 3]
    np.testing.assert_allclose(np.linalg.norm(o, axis=-1), 1, rtol=1e-6)
    assert load(folder, bound=2.0).scale == 0.5


@pytest.mark.parametrize("bound", [0.0, 1e-308, 1e300, math.nan, math.inf])
def test_a_bound_that_no_scene_has_is_refused(scene, bound):
    assert "it must be from 1e-06 to 1e+09 of the files" in refusal(scene, bound=bound)


@pytest.mark.parametrize("bounds", [(1e-308, 6.0), (3.0, 1e300), (6.0, 3.0)])
def test_depths_that_no_scene_has_are_refused(scene, bounds):
    table = np.load(scene / "poses_bounds.npy")
    table[2, 15:] = bounds
    np.save(scene / "poses_bounds.npy", table)
    assert "pose 2: its bounds are" in refusal(scene)


def test_bound_is_the_near_planes_distance(scene):
    assert load(scene, bound=1.25).scale == 0.8
    assert "bound 0.001 puts the near plane behind a camera" in refusal(scene, bound=0.001)


def test_folder_that_fits_the_downscale(scene):
    names = [f"{k:02}.png" for k in range(9)]
    (said,) = load(scene).warnings
    assert "images_8" in said
    assert not load(scene, downscale=8).warnings
    write_pictures(scene / "images_2", names, size=(64, 48))
    write_pictures(scene / "images", names, size=(128, 96))
    for downscale, width in ((1, 128), (2, 64), (4, 32), (8, 16), (16, 8)):
        split = load(scene, downscale=downscale).splits["test"]
        assert split.width == width
        np.testing.assert_allclose(split.intrinsics[0, 0], 100 * width / 128)


def test_downscale_that_no_folder_divides(scene):
    names = [f"{k:02}.png" for k in range(9)]
    (scene / "images_8").rename(scene / "images_2")
    assert "choose a multiple of 2" in refusal(scene, downscale=3)
    write_pictures(scene / "images", names, size=(16, 12))
    assert "can't be divided" in refusal(scene, downscale=3)


def test_files_beside_the_pictures_are_no_pictures(scene):
    (scene / "images_8" / "Thumbs.db").write_bytes(b"x")
    assert len(load(scene).splits["train"]) == 7


@pytest.mark.parametrize("columns", [14, 17])
@pytest.mark.parametrize(
    ("lens", "intrinsics"),
    [
        ([96, 128, 80, 90, 60, 50], [10, 11.25, 7.5, 6.25]),
        ([[96], [128], [80], [90], [60], [50]], [10, 11.25, 7.5, 6.25]),
        ([96, 128, 80], [10, 10, 8, 6]),
    ],
    ids=["row", "column", "hwf"],
)
def test_the_lens_in_a_file_of_its_own(scene, columns, lens, intrinsics):
    before = load(scene).splits["train"].poses
    if columns == 14:
        table = np.load(scene / "poses_bounds.npy")
        pose = table[:, :15].reshape(-1, 3, 5)[..., :4].reshape(-1, 12)
        np.save(scene / "poses_bounds.npy", np.concatenate([pose, table[:, 15:]], axis=1))
        assert "or of 14 with the lens in hwf_cxcy.npy beside it" in refusal(scene)
    np.save(scene / "hwf_cxcy.npy", np.array(lens, float))
    train = load(scene).splits["train"]
    np.testing.assert_allclose(train.intrinsics, np.tile(intrinsics, (7, 1)))
    np.testing.assert_array_equal(train.poses, before)


@pytest.mark.parametrize("lens", [[96, 128], [96, 128, 80, np.nan, 60, 50], np.zeros((9, 6))])
def test_a_lens_that_is_none_is_refused(scene, lens):
    np.save(scene / "hwf_cxcy.npy", np.array(lens, float))
    assert "hwf_cxcy.npy: holds " in refusal(scene)


def test_dynamic_masks_are_no_pictures(scene):
    for k in range(9):
        Image.new("L", (16, 12), 0 if k else 1).save(scene / f"images_8/dynamic_mask_{k:02}.png")
    splits = load(scene).splits
    assert not splits["test"].masks[0].any() and splits["train"].masks.all()


def test_a_pipe_in_the_place_of_a_picture(scene):
    (scene / "images_8/03.png").unlink()
    os.mkfifo(scene / "images_8/03.png")
    assert "03.png: is a pipe; put a regular file there" in refusal(scene)


def test_real_fern(real_data):
    found = load(real_data / "fern")
    assert found.space == "forward"
    train, test = found.splits["train"], found.splits["test"]
    assert test.names == ("image000", "image008", "image016") and len(train) == 17
    assert (train.width, train.height) == (504, 378)
    np.testing.assert_allclose(train.intrinsics[0], [3260.526 / 8] * 2 + [252, 189], rtol=1e-6)
    assert (train.poses[:, 2, 2] > 0.95).all() and (train.poses[:, 1, 1] > 0.95).all()
    assert np.abs(train.poses[:, :, 3]).max() < 0.5


# ---- what is broken ----


def change(scene, row, column, value):
    table = np.load(scene / "poses_bounds.npy")
    table[row, column] = value
    np.save(scene / "poses_bounds.npy", table)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (0, np.nan, "pose 3: has a number that is not finite"),
        (3, np.inf, "pose 3: has a number that is not finite"),
        (3, 1e300, "rigid motion"),
        (0, 7.0, "rigid motion"),
        (4, 0.0, "can't be of a picture"),
        (9, -5.0, "can't be of a picture"),
        (9, 1e12, "can't be of a picture"),
        (14, 0.0, "focal length"),
        (14, 1e300, "focal length"),
        (4, 128.0, "turned or cropped"),
        (15, 0.0, "depths"),
        (16, 1.0, "depths"),
    ],
)
def test_bad_number(scene, column, value, said):
    change(scene, 3, column, value)
    assert said in refusal(scene)


def test_left_handed(scene):
    table = np.load(scene / "poses_bounds.npy")
    table[2, [0, 5, 10]] *= -1
    np.save(scene / "poses_bounds.npy", table)
    assert "rigid motion" in refusal(scene)


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((9, 16)),
        np.zeros(17),
        np.zeros((9, 17, 1)),
        np.float64(3),
    ],
    ids=lambda table: f"{table.dtype}{table.shape}",
)
def test_wrong_shape(scene, table):
    np.save(scene / "poses_bounds.npy", table)
    assert "17 numbers" in refusal(scene)


@pytest.mark.parametrize("table", [np.zeros((9, 17), complex), np.full((9, 17), "x")])
def test_no_numbers(scene, table):
    np.save(scene / "poses_bounds.npy", table)
    assert f"can't be read as an array of numbers (it holds {table.dtype})" in refusal(scene)


def test_objects_are_not_unpickled(scene):
    np.save(scene / "poses_bounds.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    assert "can't be read" in refusal(scene)


@pytest.mark.parametrize("length", [0, 5, 20, 127, 128, 500])
def test_truncated(scene, length):
    file = scene / "poses_bounds.npy"
    file.write_bytes(file.read_bytes()[:length])
    assert "can't be read" in refusal(scene)


def test_archive_or_huge_shape(scene):
    file = scene / "poses_bounds.npy"
    whole = file.read_bytes()
    np.savez(scene / "other.npz", whole=np.zeros(3))
    file.write_bytes((scene / "other.npz").read_bytes())
    assert "can't be read" in refusal(scene)
    file.write_bytes(whole.replace(b"(9, 17), }        ", b"(99999999, 17), } "))
    assert "cut short, its header says (99999999, 17)" in refusal(scene)
    file.write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + whole[10:])  # two gigabytes of header
    tracemalloc.start()
    assert "can't be read" in refusal(scene)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_columns_first_and_single_precision(scene):
    expected = load(scene).splits["test"].poses
    table = np.load(scene / "poses_bounds.npy").astype(np.float32)
    np.save(scene / "poses_bounds.npy", np.asfortranarray(table))
    np.testing.assert_allclose(load(scene).splits["test"].poses, expected, atol=1e-5)


def test_pictures_in_folders_within(scene):
    (scene / "images_8").rename(scene / "within")
    (scene / "images_8").mkdir()
    (scene / "within").rename(scene / "images_8" / "within")
    assert "folders within" in refusal(scene)


def test_number_of_pictures(scene):
    (scene / "images_8" / "04.png").unlink()
    assert "9 poses" in (said := refusal(scene)) and "8 pictures" in said


def test_no_pictures_at_all(scene):
    for file in (scene / "images_8").iterdir():
        file.unlink()
    assert "no pictures" in refusal(scene)


def test_one_picture_only(tmp_path, poses):
    write_pictures(tmp_path / "images", ["0.png"])
    np.save(tmp_path / "poses_bounds.npy", llff_rows(poses[:1]))
    assert "one picture only" in refusal(tmp_path)


def test_pictures_of_two_sizes(scene):
    write_pictures(scene / "images_8", ["04.png"], size=(32, 24))
    assert "one size" in refusal(scene)
    write_pictures(scene / "images_8", ["04.png"])
    write_pictures(scene / "images_8", ["00.png", "08.png"], size=(32, 24))
    assert "differ in size" in refusal(scene)


def test_unknown_split(scene):
    assert "it has train, test" in refusal(scene, splits=("val",))
