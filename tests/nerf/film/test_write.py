"""Films open, loop, and take no more memory the longer they are."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from nerf import film
from nerf.film import write
from nerf.photos import video
from tests.nerf.conftest import ROOT


def frames(count, size=(20, 30)):
    return (np.full((*size, 3), 20 * k % 256, np.uint8) for k in range(count))


@pytest.mark.parametrize("name", ["film.webp", "film.gif"])
def test_animations_loop_at_the_right_speed(tmp_path, name):
    film.save(frames(7), tmp_path / name, fps=8)
    with Image.open(tmp_path / name) as picture:
        assert picture.n_frames == 7 and picture.info["loop"] == 0
        total, values = 0, []
        for k in range(7):
            picture.seek(k)
            picture.load()
            total += picture.info["duration"]
            values.append(np.asarray(picture.convert("RGB")).mean())
    assert abs(total - 7000 / 8) <= 10
    np.testing.assert_allclose(values, 20 * np.arange(7), atol=6)


def test_a_percent_in_the_name_is_no_pattern(tmp_path):
    film.save(frames(3), tmp_path / "100%d of it" / "50%.gif", fps=8)
    assert (tmp_path / "100%d of it" / "50%.gif").stat().st_size > 0


@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "film.webp"])
def test_the_smallest_films(tmp_path, name):
    for height, width in ((1, 1), (1, 7), (2, 2)):
        out = tmp_path / f"{width}" / name
        film.save(frames(2, (height, width)), out, fps=10)
        assert out.stat().st_size > 0


COLOURS = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [220, 220, 65]], np.uint8)


def patches(width, height):
    """A picture of four colours side by side."""
    return np.broadcast_to(COLOURS[np.arange(width) * 4 // width], (height, width, 3))


def middles(picture):
    """The colours of `patches` in a picture of them."""
    height, width, _ = picture.shape
    return picture[height // 2, [width * (2 * k + 1) // 8 for k in range(4)]].astype(int)


@pytest.mark.parametrize("size", [(64, 48), (1280, 720)], ids=["SD", "HD"])
def test_colours_of_a_film_are_tagged_and_true(tmp_path, size):
    out, (width, height) = tmp_path / "film.mp4", size
    film.save([patches(*size)] * 2, out, fps=10)
    assert video.colours(out) == video.Colours("bt709", "bt709", height >= 720)
    decode = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", out, "-frames:v", "1"]
    decode += ["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]  # by the film's own tags
    raw = subprocess.run(decode, capture_output=True, check=True).stdout
    shown = np.frombuffer(raw, np.uint8).reshape(height, width, 3)
    np.testing.assert_allclose(middles(shown), COLOURS, atol=4)


def test_no_frame(tmp_path):
    with pytest.raises(InputError, match="no frame"):
        film.save([], tmp_path / "film.mp4", fps=10)
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_a_format_does_not_hold(tmp_path):
    write.check_size(tmp_path / "a.mp4", 16384, 2)
    write.check_size(tmp_path / "a", 10**6, 2)
    with pytest.raises(InputError, match="16384 pixels each way"):
        write.check_size(tmp_path / "a.mp4", 16386, 2)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_what_has_come_meanwhile_is_not_removed(tmp_path):
    """Frames that take hours: what is there at their end was not there at their start."""
    folder, single = tmp_path / "film", tmp_path / "film.gif"

    def slow(place):
        yield from frames(2)
        if place.suffix:
            place.write_bytes(b"another's")
        else:
            (place / "notes").mkdir(parents=True)
            (place / "notes" / "thesis.txt").write_text("mine")

    with pytest.raises(InputError, match="holds something already"):
        film.save(slow(folder), folder, 10, overwrite=False)
    with pytest.raises(InputError, match="more than a film's pictures"):
        film.save(frames(2), folder, 10, overwrite=True)
    assert (folder / "notes" / "thesis.txt").read_text() == "mine" and names(folder) == ["notes"]
    with pytest.raises(InputError, match="is there already"):
        film.save(slow(single), single, 10, overwrite=False)
    assert single.read_bytes() == b"another's" and names(tmp_path) == ["film", "film.gif"]


def test_a_folder_has_all_pictures_or_those_before(tmp_path, monkeypatch):
    out = tmp_path / "film"
    film.save(frames(3), out, 10)
    replace, fresh = Path.replace, []

    def interrupted(self, target):
        if self.name == "film" and target == out:
            fresh.append(names(self))
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as changed:
        changed.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            film.save(frames(2), out, 10, overwrite=True)
    assert fresh == [["0000.png", "0001.png"]]
    assert names(tmp_path) == ["film"] and len(names(out)) == 3
    film.save(frames(2), out, 10, overwrite=True)
    assert names(tmp_path) == ["film"] and names(out) == fresh[0]


def test_a_folder_that_is_a_volume_of_its_own(tmp_path, monkeypatch):
    out, replace = tmp_path / "film", Path.replace
    film.save(frames(3), out, 10)

    def mounted(self, target):
        if out in (self, target):
            raise OSError(errno.EBUSY, "Device or resource busy")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", mounted)
    film.save(frames(2), out, 10, overwrite=True)
    assert names(out) == ["0000.png", "0001.png"]


LONG = """
import multiprocessing, resource as r, sys
from pathlib import Path
import numpy as np
from nerf.film import save

def peak(name, count):
    slope = np.broadcast_to(np.arange(320, dtype=np.uint8)[None, :, None] // 4, (240, 320, 3))
    out = Path(sys.argv[1]) / str(count) / name
    save((slope + np.uint8(k // 8) for k in range(count)), out, 30)
    return max(r.getrusage(who).ru_maxrss for who in (r.RUSAGE_SELF, r.RUSAGE_CHILDREN))

told = [(name, count) for name in sys.argv[2:] for count in (60, 200)]
with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as one_each:
    print(*one_each.starmap(peak, told, chunksize=1))
"""


def test_memory_does_not_grow_with_the_film(tmp_path):
    """Of frames of 230 kB, 140 more would be 31 MiB; compressed WebP alone is kept to its end."""
    names = "film.mp4", "film.gif", "film.webp", "frames"
    command = [sys.executable, "-W", "ignore", "-c", LONG, str(tmp_path), *names]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    peaks = np.array(done.stdout.split(), int).reshape(-1, 2) / 1024
    for name, (few, many) in zip(names, peaks, strict=True):
        grown = (tmp_path / "200" / name).stat().st_size / 2**20 if name == "film.webp" else 0
        assert many - few < 12 + 2 * grown, f"{name}: {few:.0f} MiB, {many:.0f} MiB"
