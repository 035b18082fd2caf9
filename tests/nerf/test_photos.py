"""Photographs to a scene: what is refused, what is written, and the real thing on real pictures."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from itertools import combinations
from pathlib import Path
from types import ModuleType

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from data import sparse
from data.errors import InputError
from nerf import paths
from nerf.film import save
from nerf.photos import pictures, stages, transforms, video
from tests.nerf.commands import mistake, nerf
from tests.nerf.film.test_write import COLOURS, middles, patches

AXES = np.diag([1.0, -1.0, -1.0])
"""Between OpenGL's camera and COLMAP's."""


@pytest.fixture
def installed(monkeypatch):
    """As if pycolmap were there, whether it is or not."""
    module = ModuleType("pycolmap")
    module.__spec__ = ModuleSpec("pycolmap", None)
    monkeypatch.setitem(sys.modules, "pycolmap", module)


def album(folder: Path, names, size=(48, 36)) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        noise = rng.integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).save(folder / name)
    return folder


def model(count=6, lenses=1):
    """Cameras around something, as COLMAP would tell of them; and the poses in OpenGL's axes."""
    told, poses = {}, []
    for k in range(count):
        angle = 0.5 * k
        place = np.array([7 + 2 * np.cos(angle), 2 * np.sin(angle), 3.0])
        pose = paths.look_at(place, np.array([7, 0, 2.5]), np.array([0, 0, 1.0])).astype(float)
        poses.append(pose)
        R = AXES @ pose[:, :3].T
        told[f"{k:06d}.png"] = {
            "camera_from_world": np.concatenate([R, -R @ pose[:, 3:]], axis=1).tolist(),
            "camera": 1 + k % lenses,
            "number": 10 + k,
        }
    opencv = {"model": "OPENCV", "params": [50, 51, 24, 18, 0.1, 0.01, 0.002, 0.003]}
    radial = {"model": "SIMPLE_RADIAL", "params": [50, 24, 18, 0.1]}
    cameras = {
        str(1 + k): (opencv if lenses == 1 else radial) | {"w": 48, "h": 36} for k in range(lenses)
    }
    found = {"sizes": [count], "error": 0.6, "track": 5.0, "pictures": told, "cameras": cameras}
    return found, np.array(poses)


def seen_by_all(x, count=6):
    rows = np.repeat(np.arange(len(x)), count)
    return sparse.Points(x, rows, np.tile(10 + np.arange(count), len(x)))


@pytest.fixture
def solved(installed, monkeypatch):
    """Structure from motion that finds the cameras above, whatever the pictures show."""

    def run(work, names, settings, film):
        found, _ = model(len(names))
        x = np.random.default_rng(0).normal([7, 0, 2.5], 0.5, (99, 3))
        np.save(work / "points.npy", x)
        np.savez(work / "well_known.npz", **seen_by_all(x, len(names))._asdict())
        aliases = dict(zip(names, found["pictures"].values(), strict=True))
        return found | {"pictures": aliases}

    monkeypatch.setattr(stages, "run", run)


@pytest.mark.parametrize("count", [2, 3, 149, 150])
def test_few_pictures_are_all_compared(count):
    assert stages.pairs(count) == list(combinations(range(count), 2))


@pytest.mark.parametrize(("count", "film"), [(151, False), (1000, False), (12, True), (120, True)])
def test_of_many_some_are_compared(count, film):
    chosen = stages.pairs(count, film)
    assert len(set(chosen)) == len(chosen) <= 40 * 39 // 2 + 20 * count
    assert all(0 <= a < b < count for a, b in chosen)
    near = [(a, b) for a in range(count) for b in range(a + 1, min(a + 11, count))]
    assert set(near) <= set(chosen)
    assert any(b - a > 0.9 * count for a, b in chosen), "the two ends of a path"


def test_pictures_come_in_the_order_of_their_numbers(tmp_path):
    names = ["b 10.png", "b 9.png", "a.JPG", "b 09.png", "ä.png", ".hidden.png"]
    folder = album(tmp_path / "in", names)
    (folder / "notes.txt").write_text("x")
    found = [file.name for file in pictures.photographs(folder)]
    assert found == ["a.JPG", "b 09.png", "b 9.png", "b 10.png", "ä.png"]


def test_names_for_pycolmap_have_no_blanks(tmp_path):
    files = pictures.photographs(album(tmp_path / "in", ["a b.png", "c.webp", "ü.JPG"]))
    assert pictures.prepare(files, tmp_path / "out") == ["000000.png", "000001.png", "000002.jpg"]
    with Image.open(tmp_path / "out" / "000001.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("count", [5, 24, 40])
def test_the_sharpest_of_each_stretch(count):
    values = list(np.random.default_rng(0).random(24))
    chosen = video.sharpest(values, count)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(count, 24)
    if count == 5:
        assert max(values[:4]) == values[chosen[0]]


def test_a_video_is_cut(tmp_path, monkeypatch):
    """Every third frame is sharp, and the others are grey."""
    # imageio would fork to start ffmpeg, which is no good beside JAX's threads
    monkeypatch.setenv("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    file = tmp_path / "a film.mp4"
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (24, 48, 64, 3), np.uint8)
    noise[np.arange(24) % 3 != 1] = 90
    save(iter(noise), file, fps=10)
    assert video.length(file) == 24
    ticks = []
    files = video.cut(file, tmp_path / "frames", 8, ticks.append)
    assert [f.name for f in files] == [f"frame_{k:06d}.jpg" for k in range(2, 25, 3)]
    assert sum(ticks) == 24
    for taken in files:
        with Image.open(taken) as frame:
            assert frame.size == (64, 48) and np.asarray(frame).std() > 20


def filmed(file, size, filters):
    """Three frames of four colours, stored as ffmpeg's `filters` have it."""
    frame = Image.fromarray(patches(*size))
    frame.save(file.with_suffix(".png"))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-loop", "1"]
    command += ["-i", file.with_suffix(".png"), "-frames:v", "3", "-vf", filters, "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-crf", "8", file], check=True)
    return file


@pytest.mark.parametrize(
    ("size", "matrix", "depth", "tagged"),
    [
        ((64, 48), "bt709", "yuv420p", True),
        ((64, 48), "bt709", "yuv444p10le", True),
        ((64, 48), "bt2020", "yuv420p10le", True),
        ((64, 48), "bt601", "yuv420p", True),
        ((64, 48), "bt601", "yuv420p", False),
        ((960, 720), "bt709", "yuv420p", False),
    ],
)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_frames_have_the_colours_that_were_filmed(tmp_path, size, matrix, depth, tagged, full):
    name = {"bt2020": "bt2020nc", "bt601": "smpte170m"}.get(matrix, matrix)
    tag = f"colorspace={name if tagged else 'unknown'}"
    filters = f"scale=out_color_matrix={matrix}:out_range={'pc' if full else 'tv'},"
    file = filmed(tmp_path / "film.mp4", size, f"{filters}format={depth},setparams={tag}")
    assert video.colours(file).matrix == (name if tagged else None)
    cut = video.cut(file, tmp_path / "frames", 1, lambda _: None)
    with Image.open(cut[0]) as frame:
        assert np.abs(middles(np.asarray(frame)) - COLOURS).max() <= 5


def test_a_title_says_nothing_of_colours(tmp_path):
    file, titled = filmed(tmp_path / "a.mp4", (64, 48), "format=yuv420p"), tmp_path / "b.mp4"
    title = "title=x: Video: a, yuv420p(tv, bt2020nc/a/smpte2084), 3x4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", file, "-c", "copy"]
    subprocess.run([*command, "-metadata", title, titled], check=True)
    assert video.colours(titled) == video.colours(file) and not video.colours(file).hd


def test_colours_that_are_not_converted_are_refused(tmp_path):
    file = filmed(tmp_path / "film.mp4", (64, 48), "format=yuv420p,setparams=colorspace=ycgco")
    with pytest.raises(InputError, match=r"stores its colours as ycgco, .* convert the video"):
        video.colours(file)


@pytest.mark.parametrize(
    ("transfer", "named"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG"), ("bt709", None)]
)
def test_hdr_is_told(solved, tmp_path, capsys, transfer, named):
    tags = f"setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    file = filmed(tmp_path / "film.mp4", (64, 48), f"format=yuv420p10le,{tags}")
    nerf("photos", file, "--out", tmp_path / "out")
    said = capsys.readouterr().out
    assert ("is HDR" in said) == (named is not None)
    assert named is None or f"film.mp4: is HDR ({named}): its frames look pale" in " ".join(
        said.split()
    )


@pytest.mark.parametrize("lenses", [1, 6])
def test_transforms_hold_the_cameras_found(lenses):
    found, poses = model(lenses=lenses)
    named = {alias: f"IMG {k}.jpg" for k, alias in enumerate(found["pictures"])}
    points = np.random.default_rng(0).normal([7, 0, 2.5], 0.1, (150, 3))
    told = transforms.transforms(found, points, seen_by_all(points), named)
    assert [f["file_path"] for f in told["frames"]] == [f"images/IMG {k}.jpg" for k in range(6)]
    made = np.array([frame["transform_matrix"] for frame in told["frames"]])
    np.testing.assert_allclose(made[:, 3], np.tile([0, 0, 0, 1], (6, 1)))
    R, o = made[:, :3, :3], made[:, :3, 3]
    np.testing.assert_allclose(np.linalg.norm(o, axis=-1).mean(), 4)
    assert R[:, 2, 1].min() > 0.5, "z is up"
    # a similarity: where cameras see each other, and how they are turned against each other
    for i, j in combinations(range(6), 2):
        np.testing.assert_allclose(R[i].T @ R[j], poses[i, :, :3].T @ poses[j, :, :3], atol=1e-6)
        ours, theirs = o[j] - o[i], poses[j, :, 3] - poses[i, :, 3]
        ours, theirs = R[i].T @ ours, poses[i, :, :3].T @ theirs
        np.testing.assert_allclose(
            ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), atol=1e-6
        )
    away = np.linalg.norm(points[:, None] - poses[None, :, :, 3], axis=-1).min()
    scale = np.linalg.norm(o[1] - o[0]) / np.linalg.norm(poses[1, :, 3] - poses[0, :, 3])
    np.testing.assert_allclose(told["nearest"], away * scale, rtol=0.05)
    if lenses == 1:
        expected = {"fl_x": 50, "fl_y": 51, "cx": 24, "cy": 18, "k1": 0.1, "k2": 0.01}
        expected |= {"p1": 0.002, "p2": 0.003, "w": 48, "h": 36, "camera_model": "OPENCV"}
        assert expected.items() <= told.items()
    else:
        assert "fl_x" not in told
        assert {"fl_x": 50, "fl_y": 50, "k1": 0.1, "k2": 0}.items() <= told["frames"][0].items()


@pytest.mark.parametrize(("reach", "cubes"), [(0.01, 1), (2.0, 4), (100.0, 128)])
def test_the_cube_of_instant_ngp_holds_the_points(reach, cubes):
    found, _ = model()
    points = np.random.default_rng(0).uniform(-reach, reach, (2000, 3)) + np.array([7, 0, 2.5])
    named = {alias: alias for alias in found["pictures"]}
    told = transforms.transforms(found, points, seen_by_all(points), named)
    assert told["aabb_scale"] == cubes


def test_a_good_model_needs_no_advice():
    found, _ = model()
    named = {alias: alias for alias in found["pictures"]}
    lines = transforms.report(Path("in"), found, named)
    assert "6 of 6 pictures registered; mean reprojection error 0.60 pixels" in lines[0]
    assert not any(line.startswith(("advice", "left out")) for line in lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sizes": [6, 4]}, "fell into 2 parts that do not hang together, of 6, 4"),
        ({"error": 2.5}, "--lenses each"),
        ({"track": 2.2}, "closer together"),
    ],
)
def test_a_poor_model_is_said_to_be(change, said):
    found, _ = model()
    named = {alias: alias for alias in found["pictures"]}
    lines = transforms.report(Path("in"), found | change, named)
    assert any(line.startswith("advice") and said in line for line in lines)


def test_pictures_that_are_left_out_are_named():
    found, _ = model()
    named = {f"{k:06d}.png": f"IMG_{k}.png" for k in range(13)}
    lines = transforms.report(Path("in"), found, named)
    assert "left out IMG_6.png, IMG_7.png, IMG_8.png, IMG_9.png, IMG_10.png and 2 more" in lines[2]
    assert any("many pictures are left out" in line for line in lines)


@pytest.mark.parametrize("sizes", [[], [2]])
def test_no_model_is_a_mistake(sizes):
    with pytest.raises(InputError, match="no 3 of the 6 pictures could be put together"):
        transforms.report(Path("in"), model()[0] | {"sizes": sizes}, dict.fromkeys("abcdef", "x"))


def test_a_scene_is_made(solved, tmp_path, capsys):
    folder = album(tmp_path / "in", [f"IMG {k}.png" for k in range(5)])
    out = tmp_path / "new" / "scene"
    assert nerf("photos", folder, "--out", out) == 0
    assert "5 of 5 pictures registered" in capsys.readouterr().out
    told = json.loads((out / "transforms.json").read_text())
    for frame in told["frames"]:
        copy = out / frame["file_path"]
        assert copy.read_bytes() == (folder / copy.name).read_bytes()
    assert len(told["frames"]) == 5 and len(list(out.parent.iterdir())) == 1
    assert "holds something already" in mistake(capsys, "photos", folder, "--out", out)
    (out / "notes.txt").write_text("kept")
    fewer = album(tmp_path / "fewer", [f"p{k}.png" for k in range(4)])
    assert nerf("photos", fewer, "--out", out, "--overwrite") == 0
    assert sorted(p.name for p in (out / "images").iterdir()) == [f"p{k}.png" for k in range(4)]
    assert (out / "notes.txt").read_text() == "kept"
    assert len(list(out.parent.iterdir())) == 1, "nothing is left beside it"


@pytest.mark.parametrize("known", [True, False])
def test_photographs_that_it_did_not_put_there_stay(solved, tmp_path, known, capsys):
    """Whose they are says the transforms.json beside them."""
    folder = album(tmp_path / "in", [f"{k}.png" for k in range(4)])
    mine = album(tmp_path / "scene" / "images", ["mine.png"])
    if known:
        told = {"frames": [{"file_path": "images/mine.png"}]}  # of another program
        (tmp_path / "scene" / "transforms.json").write_text(json.dumps(told))
    said = mistake(capsys, "photos", folder, "--out", tmp_path / "scene", "--overwrite")
    assert "its images hold mine.png, which nerf photos did not put there; name another" in said
    assert (mine / "mine.png").exists()


def test_pictures_may_lie_where_they_belong(solved, tmp_path):
    folder = album(tmp_path / "scene" / "images", [f"{k}.png" for k in range(4)])
    assert nerf("photos", folder, "--out", tmp_path / "scene") == 0
    assert (tmp_path / "scene" / "transforms.json").is_file() and len(list(folder.iterdir())) == 4


def test_a_failure_leaves_what_was_there(solved, tmp_path, monkeypatch, capsys):
    folder = album(tmp_path / "in", [f"{k}.png" for k in range(4)])
    out = tmp_path / "scene"
    assert nerf("photos", folder, "--out", out) == 0
    before = (out / "transforms.json").read_text()

    def fails(*_):
        raise InputError("pycolmap failed")

    monkeypatch.setattr(stages, "run", fails)
    assert "pycolmap failed" in mistake(capsys, "photos", folder, "--out", out, "--overwrite")
    assert (out / "transforms.json").read_text() == before
    assert len(list((out / "images").iterdir())) == 4
    assert {p.name for p in tmp_path.iterdir()} == {"in", "scene"}


def test_a_stage_that_fails_says_why(tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(InputError, match=r"pycolmap failed \(nonsense, exit code 1\): "):
        stages._stage("nonsense", tmp_path, 1, lambda: 0)


def test_without_pycolmap(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    folder = album(tmp_path / "in", [f"{k}.png" for k in range(4)])
    said = mistake(capsys, "photos", folder, "--out", tmp_path / "out")
    assert "pip install 'nabla-nerf[photos]'" in said


@pytest.mark.usefixtures("installed")
class TestRefused:
    """Each one line, exit code 2, and nothing written."""

    @pytest.fixture
    def folder(self, tmp_path):
        return album(tmp_path / "in", [f"{k}.png" for k in range(4)])

    @pytest.fixture(autouse=True)
    def nothing_is_written(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.glob(".photos-*"))

    def test_nowhere(self, tmp_path, capsys):
        assert "no such folder or video" in mistake(
            capsys, "photos", "/nowhere", "--out", tmp_path / "out"
        )

    @pytest.mark.parametrize("count", [0, 2])
    def test_too_few(self, count, tmp_path, capsys):
        few = album(tmp_path / "few", [f"{k}.png" for k in range(count)])
        said = mistake(capsys, "photos", few, "--out", tmp_path / "out")
        assert f"has {count} pictures" in said and "needs 3 at least" in said

    def test_one_that_is_cut_short(self, folder, tmp_path, capsys):
        whole = (folder / "2.png").read_bytes()
        (folder / "2.png").write_bytes(whole[: len(whole) // 2])
        said = mistake(capsys, "photos", folder, "--out", tmp_path / "out")
        assert "2.png: can't be decoded; mend or remove it" in said

    def test_one_of_another_size(self, folder, tmp_path, capsys):
        Image.new("RGB", (36, 48)).save(folder / "3.png")
        said = mistake(capsys, "photos", folder, "--out", tmp_path / "out")
        assert "1 of 4 pictures are not 48x36 as the others are, 3.png the first" in said

    def test_a_bomb(self, folder, tmp_path, capsys):
        Image.new("1", (12000, 12000)).save(folder / "3.png")
        said = mistake(capsys, "photos", folder, "--out", tmp_path / "out")
        assert "3.png: too large for a picture" in said

    def test_no_video(self, tmp_path, capsys):
        (tmp_path / "film.mp4").write_text("not a film")
        said = mistake(capsys, "photos", tmp_path / "film.mp4", "--out", tmp_path / "out")
        assert "not a video that ffmpeg reads" in said

    def test_a_pipe(self, tmp_path, capsys):
        os.mkfifo(tmp_path / "film.mp4")
        said = mistake(capsys, "photos", tmp_path / "film.mp4", "--out", tmp_path / "out")
        assert "film.mp4: is a pipe; put a regular file there" in said

    def test_one_picture(self, folder, tmp_path, capsys):
        said = mistake(capsys, "photos", folder / "0.png", "--out", tmp_path / "out")
        assert "is one picture" in said

    def test_out_is_a_file(self, folder, tmp_path, capsys):
        (tmp_path / "file").write_text("x")
        assert "is a file" in mistake(capsys, "photos", folder, "--out", tmp_path / "file")

    def test_out_holds_the_source(self, tmp_path, capsys):
        within = album(tmp_path / "scene" / "images" / "day", [f"{k}.png" for k in range(3)])
        said = mistake(capsys, "photos", within, "--out", tmp_path / "scene", "--overwrite")
        assert "name another folder" in said and len(list(within.iterdir())) == 3

    @pytest.mark.parametrize("option", ["--frames", "--max-size", "--features"])
    def test_nothing_of_something(self, option, folder, tmp_path, capsys):
        assert f"{option} 0" in mistake(
            capsys, "photos", folder, "--out", tmp_path / "out", option, "0"
        )


@pytest.fixture(scope="module")
def colmap():
    if importlib.util.find_spec("pycolmap") is None:
        pytest.skip("pycolmap is not installed: no structure from motion")


def test_real_photographs_find_their_places(real_data, colmap, tmp_path, capsys):
    """A dozen pictures of the fox, side by side: poses as those that come with them."""
    fox = real_data / "fox"
    truth = json.loads((fox / "transforms.json").read_text())
    poses = {Path(f["file_path"]).name: np.array(f["transform_matrix"]) for f in truth["frames"]}
    folder = tmp_path / "a few"
    folder.mkdir()
    for file in sorted((fox / "images").iterdir())[:12]:
        shutil.copy(file, folder)
    out = tmp_path / "scene"
    assert nerf("photos", folder, "--out", out, "--features", 1500) == 0
    told = json.loads((out / "transforms.json").read_text())
    made = {Path(f["file_path"]).name: np.array(f["transform_matrix"]) for f in told["frames"]}
    assert len(made) >= 11
    assert told["fl_x"] == pytest.approx(truth["fl_x"] * told["w"] / truth["w"], rel=0.1)
    names = sorted(made)
    ours, theirs = (np.array([p[n][:3] for n in names]) for p in (made, poses))
    error, angles = misfit(ours, theirs)
    assert error < 0.05 and angles.max() < 3
    assert nerf("photos", folder, "--out", out) == 2
    assert "holds something already" in capsys.readouterr().err


def test_real_noise_is_no_scene(colmap, tmp_path, capsys):
    folder = album(tmp_path / "in", [f"{k}.png" for k in range(4)], size=(160, 120))
    said = mistake(capsys, "photos", folder, "--out", tmp_path / "out")
    assert "no 3 of the 4 pictures could be put together" in said
    assert {p.name for p in tmp_path.iterdir()} == {"in"}


def misfit(ours, theirs):
    """Root mean square distance of camera centres, as a share of their spread, after the best
    similarity; and angles between cameras, degrees."""
    a, b = (p[:, :, 3] - p[:, :, 3].mean(0) for p in (ours, theirs))
    U, S, V = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.linalg.det(U @ V)])
    R = U @ sign @ V
    scale = np.trace(sign @ np.diag(S)) / (a**2).sum()
    error = np.sqrt(((scale * a @ R.T - b) ** 2).sum() / (b**2).sum())
    turned = np.einsum("ab,nbc->nac", R, ours[:, :, :3])
    cosine = (np.einsum("nab,nab->n", turned, theirs[:, :, :3]) - 1) / 2
    return error, np.degrees(np.arccos(np.clip(cosine, -1, 1)))
