"""nerf render as a user runs it: what is shown, what is refused, and going on where it ended."""

import contextlib
import io
import json
import signal
import subprocess
from dataclasses import replace
from unittest import mock

import imageio.v2 as imageio
import jax
import numpy as np
import pytest
from PIL import Image

from calculus import radiance
from data.errors import InputError
from data.load import load
from data.scene import Camera
from nerf import film, paths, views
from nerf.film import make
from nerf.film.look import distances, normal_picture
from nerf.film.scale import Scale
from nerf.paths.choose import Views
from nerf.render import Picture
from nerf.space import Space
from tests.nerf.commands import CPU, MARBLES, command, mistake, nerf, wait_until


@pytest.fixture(scope="module")
def run(untrained):
    return untrained


@contextlib.contextmanager
def adding(add):
    """What is done with each frame instead."""
    with mock.patch.object(film.reel.Reel, "add", add):
        yield


SMALL = ("--resolution", "24x16")


# imageio's reader leaves its pipes to ffmpeg open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_several_side_by_side_with_a_scale_in_the_files_units(run, tmp_path, capsys):
    out = tmp_path / "film.mp4"
    shows = ("colour", "depth", "opacity", "normals")
    arguments = ["render", run, "--out", out, "--frames", 3, *SMALL, "--show", *shows]
    assert nerf(*arguments) == 0
    assert "colour | depth | opacity | normals" in capsys.readouterr().out
    with imageio.get_reader(out) as reader:
        frames = [np.asarray(frame) for frame in reader]
        meta = reader.get_meta_data()
    assert len(frames) == 3 and meta["codec"] == "h264" and meta["pix_fmt"].startswith("yuv420p")
    height, width, _ = frames[0].shape
    assert width == 4 * 216 and height % 2 == 0 and height > 144 + 17
    bar = frames[0][-40:, 216:432].astype(float)
    assert np.ptp(bar, axis=(0, 1)).max() > 150 and (frames[0][-4:, :200] > 240).all()
    assert not (tmp_path / ".film.mp4.frames").exists()


def test_test_views_and_files(run, tmp_path):
    scene = load(MARBLES, 4, None, ("train",))
    keys = [paths.Keyframe.of(scene.splits["train"].camera(k)) for k in (0, 1)]
    paths.save(tmp_path / "p.json", keys, scene, 20, 14, fps=3, seconds=1)
    assert nerf("render", run, "--out", tmp_path / "own", "--path", tmp_path / "p.json") == 0
    with Image.open(tmp_path / "own" / "0002.png") as picture:
        assert picture.size == (20, 14)
    assert len(list((tmp_path / "own").iterdir())) == 3
    assert nerf("render", run, "--out", tmp_path / "t.webp", "--path", "test", *SMALL) == 0
    with Image.open(tmp_path / "t.webp") as picture:
        assert picture.n_frames == 10 and picture.size == (24, 16)


def test_what_is_refused_before_anything_is_rendered(run, tmp_path, capsys):
    (tmp_path / "there.mp4").write_bytes(b"old")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for options, said in {
        ("there.mp4",): "--overwrite",
        ("x.avi",): "unknown ending",
        ("mine", "--overwrite"): "holds more than a film's pictures",
        ("file/x.mp4",): "can't be written",
        ("x.mp4", "--resolution", "0x10"): "at least 1 pixel",
        ("x.mp4", "--resolution", "wide"): "WIDTHxHEIGHT",
        ("x.mp4", "--resolution", "900000x900000"): "GiB of memory, the machine has",
        ("x.webp", "--resolution", "17000x2"): "16383 pixels each way at most",
        ("x.mp4", "--fps", "0"): "--fps 0",
        ("x.mp4", "--frames", "1" + 400 * "0"): "GiB of memory keep account of",
        ("x.mp4", "--resolution", f"{'9' * 5000}x3"): "more pixels than any film has",
        ("x.mp4", "--fps", "1e-300"): "--fps 1e-300: it must be from 0.01 to 1000",
        ("x.mp4", "--fov", "190"): "--fov 190: it must be from 0.01 to 179 degrees",
        ("x.mp4", "--fov", "1e-300"): "--fov 1e-300",
        ("x.mp4", "--path", "obrit"): "did you mean orbit",
        ("x.mp4", "--show", "depht"): "--show",
        ("x.mp4", "--show", "depth", "depth"): "names one twice",
    }.items():
        name, *rest = options
        assert said in mistake(capsys, "render", run, "--out", tmp_path / name, *rest)
    assert {p.name for p in tmp_path.iterdir()} == {"there.mp4", "mine", "file"}
    assert (tmp_path / "there.mp4").read_bytes() == b"old"


def test_overwrite_replaces_films_and_folders_of_pictures(run, tmp_path, capsys):
    for name in ("film.gif", "frames"):
        out = tmp_path / name
        assert nerf("render", run, "--out", out, "--frames", 3, *SMALL) == 0
        again = ["render", run, "--out", out, "--frames", 2, *SMALL]
        assert "--overwrite" in mistake(capsys, *again)
        assert nerf(*again, "--overwrite") == 0
    assert len(list((tmp_path / "frames").iterdir())) == 2
    with Image.open(tmp_path / "film.gif") as picture:
        assert picture.n_frames == 2


def test_a_killed_film_goes_on_and_no_frame_is_rendered_twice(run, tmp_path, capsys):
    out = tmp_path / "film"
    arguments = ["render", run, "--out", out, "--frames", 40, *SMALL]
    kept = tmp_path / ".film.frames"
    process = subprocess.Popen(command(*arguments), env=CPU, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(list(kept.glob("*.png"))) >= 3, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = {file.name: file.stat().st_mtime_ns for file in kept.glob("*.png")}
    assert 3 <= len(before) < 40, "it was not killed in the middle"
    assert not out.exists()
    assert nerf(*arguments) == 0
    assert f"kept {len(before)} of 40 frames" in capsys.readouterr().out
    after = {file.name: file.stat().st_mtime_ns for file in out.iterdir()}
    assert len(after) == 40 and before.items() <= after.items()
    assert not kept.exists()


def test_frames_of_another_film_are_not_taken_up(run, tmp_path, capsys):
    out = tmp_path / "film"
    rendered, whole = [], film.reel.Reel.add

    def stop_after(count):
        def add(self, frame, picture):
            rendered.append(frame)
            whole(self, frame, picture)
            if len(rendered) == count:
                raise KeyboardInterrupt

        return add

    command = ["render", run, "--out", out, "--frames", 6, *SMALL]
    with adding(stop_after(3)):
        assert nerf(*command, "--show", "depth") == 130
    assert "the same command goes on" in capsys.readouterr().out
    receipt = json.loads((tmp_path / ".film.frames" / "receipt.json").read_text())
    scale = receipt["told"]
    assert {"python", "jax"} <= receipt["film"]["made_by"].keys()
    rendered.clear()
    with adding(stop_after(2)):
        assert nerf(*command, "--show", "depth") == 130
    assert rendered == [3, 4] and "kept 3 of 6 frames" in capsys.readouterr().out
    assert json.loads((tmp_path / ".film.frames" / "receipt.json").read_text())["told"] == scale
    assert nerf(*command, "--show", "opacity") == 0  # another film: from the start
    assert "kept" not in capsys.readouterr().out
    assert len(list(out.iterdir())) == 6 and not (tmp_path / ".film.frames").exists()


def test_a_film_that_came_meanwhile_stays_and_no_frame_is_lost(run, tmp_path, capsys):
    out, whole = tmp_path / "film.gif", film.reel.Reel.add

    def add(self, frame, picture):
        whole(self, frame, picture)
        out.write_bytes(b"another's")

    command = ["render", run, "--out", out, "--frames", 2, *SMALL]
    with adding(add):
        assert "is there already" in mistake(capsys, *command)
    assert out.read_bytes() == b"another's"
    assert nerf(*command, "--overwrite") == 0
    assert "kept 2 of 2 frames" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["film.gif"]


def flipped(content: bytes) -> bytes:
    return content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]


def another_size(content: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4)).save(file, "png")
    return file.getvalue()


BROKEN = {"empty": lambda content: b"", "cut off": lambda content: content[: len(content) // 2]}
BROKEN |= {"head": lambda content: content[:9], "flipped": flipped, "another size": another_size}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_frame_is_rendered_again(tmp_path, broken, capsys):
    reel = film.reel.Reel(tmp_path / "film", {"a": 1}, 3, (4, 4))
    grey = np.full((4, 4, 3), 99, np.uint8)
    with reel.opened() as kept:
        assert kept == []
        for k in range(3):
            reel.add(k, grey)
    content = reel.file(1).read_bytes()
    reel.file(1).write_bytes(broken(content))
    with film.reel.Reel(tmp_path / "film", {"a": 1}, 3, (4, 4)).opened() as kept:
        assert kept == [0, 2]
    said = f"warning  {reel.file(1)}: cut off, changed, or of another size; rendered again\n"
    assert capsys.readouterr().out == said
    reel.add(1, grey)
    assert reel.file(1).read_bytes() == content


def test_frames_with_a_broken_receipt_are_none(tmp_path):
    reel = film.reel.Reel(tmp_path / "film", {"a": 1}, 1, (4, 4))
    with reel.opened():
        reel.add(0, np.full((4, 4, 3), 99, np.uint8))
    (reel.folder / "receipt.json").write_text("{")
    with film.reel.Reel(tmp_path / "film", {"a": 1}, 1, (4, 4)).opened() as kept:
        assert kept == []


def test_a_receipt_is_of_every_camera_and_its_lens():
    pose = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1).astype(np.float32)
    plain = Camera(4, 3, np.array([3, 3, 2, 1.5], np.float32), pose)
    bent = replace(plain, distortion=np.full(8, 1e-3, np.float32))

    def digest(other, at):
        views = Views(lambda k: other if k == at else plain, 1501, 30.0, "test")
        return make._digest(make._numbers(views))

    made = [digest(plain, 0), digest(bent, 1), digest(replace(bent, fisheye=True), 1)]
    made += [digest(replace(plain, pose=pose + np.float32(1e-3)), k) for k in (1, 2, 777, 1500)]
    assert len(set(made)) == len(made) and digest(plain, 9) == made[0]


def test_two_at_one_film(tmp_path):
    reel = film.reel.Reel(tmp_path / "film", {}, 3, (4, 4))
    with (
        reel.opened(),
        pytest.raises(InputError, match="another process"),
        film.reel.Reel(tmp_path / "film", {}, 3, (4, 4)).opened(),
    ):
        pass


def test_distances_in_a_forward_facing_scene_are_those_of_the_world():
    """A wall at depth 5 straight ahead: its distance along rays, from the field's own spacing."""
    space = Space("forward", slope=(0.6, 0.6))
    key = paths.Keyframe(np.concatenate([np.eye(3), [[0.1], [0.05], [0.2]]], axis=1), 50.0)
    camera = key.camera(9, 7)
    y, x = np.mgrid[0:7, 0:9] + 0.5
    d = views.rays(camera, np.stack([x.ravel(), y.ravel()], axis=-1))
    true = ((5 + 0.2) / -d[:, 2]).reshape(7, 9)
    # where the wall is on rays of the field's space: its z there is 1 - 2 / depth
    eye = np.tile(np.float32([0.1, 0.05, 0.2]), (63, 1))
    entered = jax.jit(lambda o, d: space.entered(o, d, radiance))(eye, d.astype(np.float32))
    o_field, d_field = map(np.asarray, entered)
    t = ((1 - 2 / 5) - o_field[:, 2]) / d_field[:, 2]
    opacity = np.full((7, 9), 0.8, np.float32)
    picture = Picture(np.zeros((7, 9, 3), np.float32), opacity, t.reshape(7, 9) * opacity)
    np.testing.assert_allclose(distances(picture, camera, space), true, rtol=1e-3)


def test_normals_are_coloured_in_the_files_frame():
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])  # x of the files is y of the scene
    normal = np.zeros((1, 2, 3), np.float32)
    normal[0, 0] = [0, 0.5, 0]
    opacity = np.array([[1, 0]], np.float32)
    picture = Picture(np.zeros((1, 2, 3), np.float32), opacity, opacity, None, normal)
    np.testing.assert_array_equal(
        normal_picture(picture, turn, 0.0), [[[255, 128, 128], [0, 0, 0]]]
    )


@pytest.mark.parametrize("scale", [Scale(2.0, 3.5), Scale(0.0, 1.0), Scale(1.3, 80.0)])
def test_the_bar_says_what_the_colours_mean(scale):
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8 and all(scale.low <= t <= scale.high for t in ticks)
    assert scale.logarithmic == (scale.high == 80)
    ends = scale.part(np.array([scale.low, scale.high, 1e9]))
    np.testing.assert_allclose(ends, [0, 1, 1])
    bar = scale.bar(200).astype(int)
    along = np.linspace(0, 1, 178)
    if scale.logarithmic:
        distance = scale.low * (scale.high / scale.low) ** along
    else:
        distance = scale.low + (scale.high - scale.low) * along
    colours = scale.colours(distance[None], np.ones((1, 178)))[0]
    drawn = bar[4, 11:189]
    between_ticks = drawn.any(axis=-1)
    assert between_ticks.sum() >= 160
    np.testing.assert_allclose(drawn[between_ticks], colours[between_ticks], atol=3)


def test_a_scale_of_nothing_and_of_one_distance():
    assert Scale.of(np.zeros(0)) == (0, 1)
    one = Scale.of(np.full(10, 3.0))
    assert one.low == 3 and one.high > 3 and one.bar(200).shape[1] == 200
