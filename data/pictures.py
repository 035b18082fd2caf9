"""Picture files -> one array of bytes: every format, in parallel, in bounded memory.

A picture is taken as its pixels are stored. An orientation that a camera noted beside them (EXIF)
is not applied: lens and pose are taken to be of the pixels as stored, and a turned picture would
have its width and height, and the point that the lens looks at, in the wrong places. Tools differ
in what they go by, so `turned` tells which pictures have one.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data import exr
from data.errors import InputError
from data.regular import regular

T = TypeVar("T")
ENDINGS = (
    *(".png", ".webp", ".jpg", ".jpeg", ".exr", ".tif", ".tiff", ".bmp", ".avif"),
    *(".jp2", ".tga", ".gif", ".ppm", ".pgm", ".pnm", ".qoi", ".jpe", ".jfif"),
)
"""Of pictures that are read; where a name has none they are tried in this order."""
FOREIGN = {
    **{".heic": "HEIC", ".heif": "HEIF", ".jxl": "JPEG XL", ".psd": "PSD", ".hdr": "HDR"},
    **{".dng": "DNG", ".cr2": "CR2", ".cr3": "CR3", ".nef": "NEF", ".arw": "ARW", ".raw": "RAW"},
    **{".orf": "ORF", ".rw2": "RW2", ".raf": "RAF", ".svg": "SVG", ".npy": "NPY", ".ktx": "KTX"},
}
"""Formats of pictures that are named where they are met, but not read."""
FORMATS = (
    *("PNG", "WEBP", "JPEG", "TIFF", "BMP", "JPEG2000", "GIF", "PPM", "QOI"),
    *(("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()),  # since Pillow 11.3
    "TGA",  # has no mark of its own, so it comes last
)
"""What Pillow may take a file for, whatever its name ends in: no format that runs programs."""
MOST_PIXELS = 2**26
"""Of one picture, 8192 x 8192: more is taken for a small file that means to fill the memory."""
_BAND = 2**22
"""Pixels that are averaged at a time."""


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # the system doesn't say
        return 2**33


MOST_BYTES = _physical_memory() // 4
"""Of memory for the pictures of one split; what needs more lies in a file, of which the system
keeps in memory what is in use."""


_HEADERS_ALONE = ContextVar("headers_alone", default=False)


@contextmanager
def headers_alone() -> Iterator[None]:
    """Within it no pixel is read: pictures have their size, are black, and take no memory."""
    before = _HEADERS_ALONE.set(True)
    try:
        yield
    finally:
        _HEADERS_ALONE.reset(before)


def is_picture(file: Path) -> bool:
    """Whether a file's name is that of a picture: `._name.png` of macOS is none, nor is a mask."""
    return file.suffix.lower() in ENDINGS and not file.name.startswith((".", "dynamic_mask_"))


def only_headers() -> bool:
    """Whether this is within `headers_alone`."""
    return _HEADERS_ALONE.get()


def size_of(file: Path) -> tuple[int, int]:
    """Width and height by the header; InputError for what is no picture, or too large a one."""
    width, height = decoding(file, exr.size_of if is_exr(file) else _size)
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{file}: {width}x{height} is more than the {MOST_PIXELS} pixels that a picture may "
            "have; make it smaller"
        )
    return width, height


def turned(files: Sequence[Path]) -> list[Path]:
    """Those that are to be shown turned or mirrored, by what their headers say (EXIF)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return [file for file in files if not is_exr(file) and 2 <= _orientation(file) <= 8]


def read_all(
    files: Sequence[Path], downscale: int = 1, part: slice = slice(None)
) -> UInt8[np.ndarray, "pictures h w 4"]:
    """Straight RGBA of all files, or of a part of them, which are of one size, at 1/downscale of
    it; of the others none but the first is looked at.

    A memory-mapped file where that is more than MOST_BYTES.
    """
    first, files = files[:1], files[part]
    width, height = _one_size((*first, *files), downscale)
    shape = len(files), height // downscale, width // downscale, 4
    if only_headers():
        return np.broadcast_to(np.array([0, 0, 0, 255], np.uint8), shape)
    pictures = _room(shape)

    def read(k: int) -> None:
        picture = decoding(files[k], _decoded)
        if picture.shape[:2] != (height, width):
            raise InputError(f"{files[k]}: changed while it was read; start again")
        pictures[k] = shrink(picture, downscale)

    each(read, len(files), width * height, any(map(is_exr, files)))
    return pictures


def shrink(picture: UInt8[np.ndarray, "h w 4"], factor: int) -> UInt8[np.ndarray, "_ _ 4"]:
    """The picture at 1/factor of its width and height, averaged over blocks.

    Colours are weighted by alpha: a transparent pixel has no colour of its own, and must not
    darken the silhouette it stands beside.
    """
    if factor == 1:
        return picture
    h, w, _ = picture.shape
    small = np.empty((h // factor, w // factor, 4), np.uint8)
    rows = max(1, _BAND // (w * factor))
    for top in range(0, len(small), rows):  # a band at a time: as floats it is eight times as large
        band = picture[top * factor : (top + rows) * factor].astype(np.float64) / 255
        blocks = band.reshape(-1, factor, w // factor, factor, 4)
        alpha = blocks[..., 3:].mean((1, 3))
        colour = (blocks[..., :3] * blocks[..., 3:]).mean((1, 3)) / np.maximum(alpha, 1e-9)
        small[top : top + rows] = np.round(np.concatenate([colour, alpha], axis=-1) * 255)
    return small


def _one_size(files: Sequence[Path], downscale: int) -> tuple[int, int]:
    if not files:
        raise InputError("no pictures to read: the scene names none that exists")
    sizes = [size_of(file) for file in files]
    width, height = sizes[0]
    for file, (w, h) in zip(files, sizes, strict=True):
        if (w, h) != (width, height):
            raise InputError(
                f"{file}: is {w}x{h}, but {files[0]} is {width}x{height}; "
                "all pictures must be of one size"
            )
    if width % downscale or height % downscale:
        raise InputError(
            f"{files[0]}: {width}x{height} can't be divided by downscale {downscale}; "
            "choose another"
        )
    return width, height


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """An array of bytes: in memory, or beyond MOST_BYTES in a file that ends with the process."""
    needed = int(np.prod(shape, dtype=object))
    if needed <= MOST_BYTES:
        return np.empty(shape, np.uint8)
    # the usual folder for what is temporary is often memory itself
    folder = os.environ.get("TMPDIR") or ("/var/tmp" if Path("/var/tmp").is_dir() else None)
    folder = folder or tempfile.gettempdir()
    try:
        free = shutil.disk_usage(folder).free
        if needed > free:  # written to nonetheless, the process would be ended by the system
            raise OSError(f"{free / 2**30:.1f} GiB are free")
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise InputError(
            f"{shape[0]} pictures of {shape[2]}x{shape[1]} need {needed / 2**30:.1f} GiB in "
            f"{folder}: {error.strerror or error}; raise --data.downscale or set TMPDIR"
        ) from None


def each(do: Callable[[int], None], count: int, pixels: int, floats: bool) -> None:
    """do(0), do(1) .. do(count - 1) in parallel, as many pictures as memory holds decoded.

    `floats` where there are EXR pictures among them.
    """
    at_a_time = MOST_BYTES // (pixels * (100 if floats else 16))
    at_a_time = max(1, min(os.cpu_count() or 1, at_a_time))
    with warnings.catch_warnings(), ThreadPoolExecutor(at_a_time) as pool:
        warnings.filterwarnings("ignore", module=r"PIL\.")  # remarks on what beside the pixels lies
        for _ in pool.map(do, range(count)):
            pass


def is_exr(file: Path) -> bool:
    """Whether a file's name is that of an OpenEXR picture."""
    return file.suffix.lower() == ".exr"


def _size(file: Path) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            with Image.open(file, formats=FORMATS) as image:
                return image.size
        except Image.DecompressionBombError:
            raise InputError(
                f"{file}: is more than the {MOST_PIXELS} pixels that a picture may have; "
                "make it smaller"
            ) from None


def _orientation(file: Path) -> int:
    """1: as stored. What can't be read is refused where the pixels are."""
    exif = Image.Exif()
    try:
        with Image.open(regular(file), formats=FORMATS) as image:
            exif.load(image.info.get("exif", b""))
        return int(exif.get(0x0112, 1))
    except Exception:  # decoders meet broken bytes with exceptions of every kind
        return 1


def _decoded(file: Path) -> UInt8[np.ndarray, "h w 4"]:
    if is_exr(file):
        return exr.read(file)
    with Image.open(file, formats=FORMATS) as image:
        if image.format == "TIFF" and image.mode != "F":
            _check_tiff(image)
        if image.mode.startswith("I"):  # grey in 16 bits; of colours Pillow keeps the high byte too
            grey = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
            return np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
        if image.mode == "F":
            raise ValueError("it holds floats; write it with 8 or 16 bits, or as OpenEXR")
        return np.asarray(image.convert("RGBA"))


def _check_tiff(image: Any) -> None:
    """ValueError for TIFF that Pillow would decode to other numbers or places than are stored."""
    tags = {name: image.tag_v2.get(number) for name, number in _TIFF.items()}
    bits = set(np.ravel(8 if tags["bits"] is None else tags["bits"]).tolist())
    signed = set(np.ravel(1 if tags["format"] is None else tags["format"]).tolist())
    if not (bits <= {1, 2, 4, 8} or bits == {16}) or not signed <= {1}:
        raise ValueError("it is a TIFF of neither 8 nor 16 bits unsigned; convert it")
    if (tags["orientation"] or 1) != 1:
        raise ValueError("it is a TIFF that is stored turned; turn its pixels")
    if bits == {16} and (tags["photometric"] == 0 or tags["planar"] == 2):
        raise ValueError("it is a TIFF of 16 bits, inverted or in planes; convert it")


_TIFF = {"bits": 258, "photometric": 262, "orientation": 274, "planar": 284, "format": 339}


def decoding(file: Path, do: Callable[[Path], T]) -> T:
    """do(file), which decodes it; InputError where it can't be."""
    try:
        return do(regular(file))
    except InputError:
        raise
    except Exception as error:  # decoders meet broken bytes with exceptions of every kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: can't be decoded as a picture: {reason}") from error
