"""Films open, loop, and take no more memory the longer they are."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from nerf import film
from nerf.film import write
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


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2)])
@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "film.webp"])
def test_the_smallest_films(tmp_path, name, size):
    film.save(frames(2, size), tmp_path / name, fps=10)
    assert (tmp_path / name).stat().st_size > 0


def test_no_frame(tmp_path):
    with pytest.raises(InputError, match="no frame"):
        film.save([], tmp_path / "film.mp4", fps=10)
    assert list(tmp_path.iterdir()) == []


def test_sizes_that_a_format_does_not_hold(tmp_path):
    write.check_size(tmp_path / "a.mp4", 16384, 2)
    write.check_size(tmp_path / "a", 10**6, 2)
    with pytest.raises(InputError, match="16384 pixels each way"):
        write.check_size(tmp_path / "a.mp4", 16386, 2)


LONG = """
import resource as r, sys
from pathlib import Path
import numpy as np
from nerf.film import save
count, out = int(sys.argv[1]), Path(sys.argv[2])
slope = np.broadcast_to(np.arange(320, dtype=np.uint8)[None, :, None] // 4, (240, 320, 3))
save((slope + np.uint8(k // 8) for k in range(count)), out, 30)
print(max(r.getrusage(who).ru_maxrss for who in (r.RUSAGE_SELF, r.RUSAGE_CHILDREN)))
"""


@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "film.webp", "frames"])
def test_memory_does_not_grow_with_the_film(tmp_path, name):
    """Of frames of 230 kB, 170 more would be 37 MiB; compressed WebP alone is kept to its end."""

    def peak(count):
        command = [sys.executable, "-c", LONG, str(count), str(tmp_path / str(count) / name)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout) / 1024

    few, many = peak(30), peak(200)
    grown = (tmp_path / "200" / name).stat().st_size / 2**20 if name == "film.webp" else 0
    assert many - few < 12 + 2 * grown, f"{few:.0f} MiB, {many:.0f} MiB"
