"""Bytes flipped, cut, put in and overwritten in poses_bounds.npy and COLMAP's files.

Whatever comes of it is a sound scene or one line, and a broken count makes nothing large. FUZZ=N
breaks each file N times, without it a few; ten times as often where the tests that are `long` run.
"""

import os
import re
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.load import load
from data.poses import RIGID
from tests.data.captures import (
    Point,
    entries,
    llff_rows,
    ring,
    write_binary,
    write_pictures,
    write_points,
    write_text,
)

FUZZ = int(os.environ.get("FUZZ", "0"))
FEW_AND_MANY = pytest.mark.parametrize(
    "tries", [FUZZ or 12, pytest.param(FUZZ or 60, marks=pytest.mark.long)], ids=["few", "many"]
)
"""Of each file."""
FILES = {
    "binary": ("sparse/0/cameras.bin", "sparse/0/images.bin", "sparse/0/points3D.bin"),
    "text": ("sparse/0/cameras.txt", "sparse/0/images.txt", "sparse/0/points3D.txt"),
    "llff": ("poses_bounds.npy",),
    "can": ("sparse/0/cameras.bin", "sparse/0/images.bin", "sparse/0/points3D.bin"),
    "fern": ("poses_bounds.npy",),
}
WORDS = [np.float64(x).tobytes() for x in (0, -1, 1e-300, 1e300, np.nan, np.inf, -np.inf)]
WORDS += [int(x).to_bytes(8, "little") for x in (0, 1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1)]
WORDS += [b"\n", b"-", b"nan", b"1e999", b"../", b"9" * 5000, b"\0", b"\xff\xfe", b"\r", b"#"]


def build(folder: Path, kind: str, real: Path | None) -> Path:
    """A sound scene in a new folder, its pictures linked where they are real."""
    if real is not None:
        for file in FILES[kind]:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(real / kind / file, folder / file)
        name = {"can": "images_2", "fern": "images_8"}[kind]
        (folder / name).symlink_to(real / kind / name)
        return folder
    write_pictures(folder / "images_2", [f"{k:04}.png" for k in range(9)])
    if kind == "llff":
        np.save(folder / "poses_bounds.npy", llff_rows(ring(9)))
    else:
        write = write_binary if kind == "binary" else write_text
        lens = ("OPENCV", 32, 24, (25.0, 26.0, 16.0, 12.0, 0.1, 0, 0, 0))
        cameras = dict.fromkeys(range(3), lens)
        pictures = [e._replace(camera=k % 3) for k, e in enumerate(entries(ring(9)))]
        write(folder / "sparse" / "0", cameras, pictures)
        points = [Point((0.1 * k, 0.0, 0.1), 0.5, (1, 2, 3)) for k in range(120)]
        write_points(folder / "sparse" / "0", points, kind == "text")
    return folder


def broken(whole: bytes, names: list[int], generator: np.random.Generator) -> bytes:
    """The bytes with one to four mishaps, most of them where the names and numbers are."""
    data = bytearray(whole)
    for _ in range(generator.integers(1, 5)):
        at = int(generator.integers(len(data) or 1))
        if generator.random() < 0.5:  # about the head of an entry, or of the file
            at = int(max(0, generator.choice(names) + generator.integers(-80, 16)))
        if generator.random() < 0.2:
            at = int(generator.integers(64))
        match generator.integers(5):
            case 0 if at < len(data):
                data[at] ^= 1 << int(generator.integers(8))
            case 1 if at < len(data):
                data[at] = int(generator.integers(256))
            case 2:
                word = WORDS[generator.integers(len(WORDS))]
                data[at : at + len(word)] = word
            case 3:
                data[at:at] = WORDS[generator.integers(len(WORDS))]
            case 4 if generator.random() < 0.3:
                del data[at:]
    return bytes(data)


def outcome(folder: Path) -> str:
    """What came of loading; anything but a sound scene or one line is raised."""
    try:
        scene = load(folder)
    except InputError as error:
        line = str(error)
        assert "\n" not in line and len(line) < 20000
        return "refused"
    assert np.isfinite(scene.scale) and scene.scale > 0 and np.isfinite(scene.motion).all()
    assert scene.nearest is None or 0 < scene.nearest < np.inf
    assert all(line.isprintable() for line in scene.warnings)
    for split in scene.splits.values():
        assert len(split) and split.pictures.shape[0] == len(split.poses) == len(split.intrinsics)
        assert np.isfinite(split.poses).all() and np.isfinite(split.intrinsics).all()
        assert (split.intrinsics[:, :2] > 0).all()
        assert split.distortion is None or np.isfinite(split.distortion).all()
        R = split.poses[:, :, :3].astype(float)
        assert np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max() < 2 * RIGID
    return "loaded"


def campaign(kind: str, real: Path | None, folder: Path, seed: int, tries: int) -> dict[str, int]:
    build(folder, kind, real)
    generator = np.random.default_rng(seed)
    counts = {"loaded": 0, "refused": 0}
    tracemalloc.start()
    for name in FILES[kind]:
        file = folder / name
        whole = file.read_bytes()
        names = [found.start() for found in re.finditer(rb"\.(jpg|png)\b", whole)] or [0]
        for _ in range(tries):
            file.write_bytes(broken(whole, names, generator))
            counts[outcome(folder)] += 1
        file.write_bytes(whole)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20
    assert outcome(folder) == "loaded"
    return counts


@pytest.fixture
def no_decoding(monkeypatch):
    """Real pictures stay on disk: only their number and size matter here."""

    def blank(files, downscale, part):
        files = files[part]
        return np.zeros((len(files), 64, 36, 4), np.uint8)

    monkeypatch.setattr("data.capture.read_all", blank)


@FEW_AND_MANY
@pytest.mark.parametrize("kind", ["binary", "text", "llff"])
def test_written(kind, tries, tmp_path):
    counts = campaign(kind, None, tmp_path / kind, seed=0, tries=tries)
    assert min(counts.values()) > tries // 30  # neither is all there is


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        ("can", 2),
        ("fern", 12),
        pytest.param("can", 60, marks=pytest.mark.long),
        pytest.param("fern", FUZZ or 60, marks=pytest.mark.long),
    ],
)
def test_real(kind, tries, real_data, tmp_path, no_decoding):
    """Large files, each try of which takes long: a pass over them, the small ones are for more."""
    (tmp_path / kind).mkdir()
    counts = campaign(kind, real_data, tmp_path / kind, seed=1, tries=tries)
    assert min(counts.values()) > tries // 30
