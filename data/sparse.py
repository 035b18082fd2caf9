"""COLMAP's sparse model as its files hold it: cameras, pictures and points, binary or text.

Every count is checked against what is left of the file before anything is made of it.
"""

import math
import mmap
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data.errors import InputError
from data.models import file_of

MODELS = {
    "SIMPLE_PINHOLE": (0, 3),
    "PINHOLE": (1, 4),
    "SIMPLE_RADIAL": (2, 4),
    "RADIAL": (3, 5),
    "OPENCV": (4, 8),
    "OPENCV_FISHEYE": (5, 8),
    "FULL_OPENCV": (6, 12),
    "FOV": (7, 5),
    "SIMPLE_RADIAL_FISHEYE": (8, 4),
    "RADIAL_FISHEYE": (9, 5),
    "THIN_PRISM_FISHEYE": (10, 12),
    "RAD_TAN_THIN_PRISM_FISHEYE": (11, 16),
    "SIMPLE_DIVISION": (12, 4),
    "DIVISION": (13, 5),
    "SIMPLE_FISHEYE": (14, 3),
    "FISHEYE": (15, 4),
    "EUCM": (16, 6),
    "EQUIRECTANGULAR": (17, 2),
}
"""Camera models: their number in binary files, and how many parameters they have."""
_NAMES = {number: name for name, (number, _) in MODELS.items()}
_LONGEST_NAME = 4096
MOST_POINTS = 2**18
"""Of a model of more points every second is kept, or every fourth .."""
SIGHTINGS = 3
"""By how many pictures, at least, a point is well known,"""
ERROR = 2.0
"""and how many pixels, at most, it may be seen beside where it should be."""
_LONGEST_TRACK = 256
"""Sightings of one point that are kept."""


class Lens(NamedTuple):
    """A camera, in COLMAP's words: model and parameters."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


class Picture(NamedTuple):
    """A registered picture: x_camera = R(quaternion) x_world + t, in OpenCV's axes."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    """w x y z."""
    t: tuple[float, ...]
    number: int
    """What points call it."""


class Points(NamedTuple):
    """Well-known points, and by which pictures they are seen."""

    x: Float[np.ndarray, "points 3"]
    """In the model's frame."""
    point: Int[np.ndarray, " sightings"]
    """Row of `x`,"""
    picture: Int[np.ndarray, " sightings"]
    """and number of the picture that sees it."""


class Model(NamedTuple):
    """One reconstruction."""

    path: Path
    cameras: dict[int, Lens]
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...] = ()


def read(folder: Path) -> Model:
    """The model in a folder; InputError where a file is cut short or says what can't be."""
    cameras_file, images_file = file_of(folder, "cameras"), file_of(folder, "images")
    assert cameras_file and images_file, "folders() finds only such as have both"
    cameras = _unique(_parsed(cameras_file, _binary_cameras, _text_cameras), cameras_file)
    followed: list[int] = []
    text = partial(_text_pictures, followed=followed)
    pictures = _unique(_parsed(images_file, _binary_pictures, text), images_file)
    warnings: tuple[str, ...] = ()
    if followed:
        warnings = (
            f"{images_file}: {len(followed)} pictures lack the line of their points, which may be "
            f"empty (line {followed[0]} the first): the line below was read as a picture's",
        )
    return Model(folder, cameras, tuple(pictures.values()), warnings)


def points(folder: Path) -> Points | None:
    """The model's well-known points; None if it has no such file, InputError as for `read`."""
    file = file_of(folder, "points3D")
    if file is None:
        return None
    kept: list[tuple[list[float], np.ndarray]] = []
    stride, met = 1, 0
    for x, error, seen_by in _parsed(file, _binary_points, _text_points):
        if len(seen_by) < SIGHTINGS or not error <= ERROR or not all(abs(v) < 1e9 for v in x):
            continue
        if met % stride == 0:
            kept.append((x, seen_by))
        met += 1
        if len(kept) > MOST_POINTS:
            kept, stride = kept[::2], 2 * stride
    tracks = [seen_by for _, seen_by in kept]
    return Points(
        np.array([x for x, _ in kept], np.float64).reshape(-1, 3),
        np.repeat(np.arange(len(kept)), [len(track) for track in tracks]),
        np.concatenate([np.zeros(0, np.int64), *tracks]),
    )


def _unique(entries: Iterable[tuple[int, Any]], file: Path) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for key, entry in entries:
        if key in found:
            raise InputError(f"{file}: has two entries numbered {key}; export the model again")
        found[key] = entry
    return found


def _parsed(file: Path, binary: Callable, text: Callable) -> Iterator:
    try:
        if file.suffix == ".txt":
            with file.open(encoding="utf-8") as lines:
                yield from text(lines, file)
            return
        if file.stat().st_size < 8:
            raise _cut_short(file)
        with file.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from binary(_Bytes(data, file))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: has text that is not UTF-8; export the model again") from error
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error}") from error


def _cut_short(file: Path) -> InputError:
    return InputError(f"{file}: is cut short or corrupt; export the model again")


class _Bytes:
    """A binary file from front to back; InputError instead of a step beyond its end."""

    def __init__(self, data: mmap.mmap, file: Path):
        self.data, self.file, self.at = data, file, 0

    def take(self, form: str) -> tuple:
        layout = struct.Struct("<" + form)
        self.skip(layout.size)
        return layout.unpack_from(self.data, self.at - layout.size)

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise _cut_short(self.file)
        self.at += size

    def name(self) -> str:
        end = self.data.find(b"\0", self.at, self.at + _LONGEST_NAME)
        if end < 0:
            raise _cut_short(self.file)
        start, self.at = self.at, end + 1
        return self.data[start:end].decode("utf-8")

    def entries(self, smallest: int) -> Iterator[None]:
        """As many steps as the count that comes next says, if so many entries can be there."""
        (count,) = self.take("Q")
        if count * smallest > len(self.data) - self.at:
            raise _cut_short(self.file)
        for _ in range(count):
            yield
        if self.at != len(self.data):
            raise InputError(
                f"{self.file}: goes on after the last of its {count} entries; export it again"
            )


def _binary_cameras(data: _Bytes) -> Iterator[tuple[int, Lens]]:
    for _ in data.entries(smallest=24):
        key, number, width, height = data.take("IiQQ")
        if number not in _NAMES:
            raise InputError(f"{data.file}: camera {key} has an unknown model, number {number}")
        model = _NAMES[number]
        yield key, Lens(model, width, height, data.take(f"{MODELS[model][1]}d"))


def _binary_pictures(data: _Bytes) -> Iterator[tuple[int, Picture]]:
    for _ in data.entries(smallest=73):
        key, *numbers, camera = data.take("I7dI")
        name = data.name()
        (points,) = data.take("Q")
        data.skip(24 * points)
        yield key, Picture(name, camera, tuple(numbers[:4]), tuple(numbers[4:]), key)


def _binary_points(data: _Bytes) -> Iterator[tuple[list[float], float, np.ndarray]]:
    for _ in data.entries(smallest=51):
        _, *x, _, _, _, error, length = data.take("Q3d3BdQ")
        start = data.at
        data.skip(8 * length)
        track = data.data[start : start + 8 * min(length, _LONGEST_TRACK)]
        yield x, error, np.frombuffer(track, "<u4")[::2].astype(np.int64)


def _text_cameras(lines: Iterable[str], file: Path) -> Iterator[tuple[int, Lens]]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{file}, line {number}"
        if len(words) < 5:
            raise InputError(f"{where}: a camera is CAMERA_ID MODEL WIDTH HEIGHT PARAMS...")
        model = words[1]
        if model not in MODELS:
            raise InputError(f"{where}: unknown camera model {model[:40]!r}")
        if len(words) != 4 + MODELS[model][1]:
            raise InputError(
                f"{where}: {model} has {MODELS[model][1]} parameters, not {len(words) - 4}"
            )
        key, width, height = _numbers(int, [words[0], *words[2:4]], where)
        yield key, Lens(model, width, height, _numbers(float, words[4:], where))


def _text_pictures(
    lines: Iterable[str], file: Path, followed: list[int]
) -> Iterator[tuple[int, Picture]]:
    """Pictures; in `followed` the numbers of lines that another picture's follows at once."""
    picture_before = False
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=9)  # what is left is the name, with its spaces
        if picture_before and _of_points(line):
            picture_before = False
            continue
        if not words or words[0].startswith("#"):
            continue
        where = f"{file}, line {number}"
        if len(words) < 10:
            raise InputError(
                f"{where}: a picture is IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, "
                "and its points in the line below"
            )
        if picture_before:
            followed.append(number - 1)
        key, camera = _numbers(int, [words[0], words[8]], where)
        motion = _numbers(float, words[1:8], where)
        yield key, Picture(words[9].rstrip("\r\n"), camera, motion[:4], motion[4:], key)
        picture_before = True


def _of_points(line: str) -> bool:
    """Whether a line below a picture's is that of its points: X Y POINT3D_ID each, or empty.

    That of a picture has ten words, of which the last is a name.
    """
    words = line.split()
    if len(words) % 3 or (words and words[0].startswith("#")):
        return False
    try:
        return not words or math.isfinite(float(words[-1]))
    except ValueError:
        return False


def _text_points(
    lines: Iterable[str], file: Path
) -> Iterator[tuple[list[float], float, np.ndarray]]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{file}, line {number}"
        if len(words) < 8 or len(words) % 2:
            raise InputError(f"{where}: a point is POINT3D_ID X Y Z R G B ERROR and its TRACK")
        *x, _, _, _, error = _numbers(float, words[1:8], where)
        track = words[8 : 8 + 2 * _LONGEST_TRACK : 2]
        seen_by = _numbers(int, track, where) if track else ()
        if not all(0 <= picture < 2**32 for picture in seen_by):
            raise InputError(f"{where}: its track has numbers that can't be pictures'")
        yield x, error, np.array(seen_by, np.int64)


def _numbers(kind: type, words: list[str], where: str) -> tuple:
    try:
        if max(map(len, words)) > 60:
            raise ValueError("no number is so long")
        return tuple(kind(word) for word in words)
    except ValueError:
        raise InputError(f"{where}: {' '.join(words)[:80]!r} are not all numbers") from None
