"""OpenEXR pictures: the header read here, the pixels by the ffmpeg that imageio brings along.

A file is a header of attributes, a table of the places of its chunks (some lines of pixels, or a
tile), and the chunks. A chunk that is missing ffmpeg would fill with black and say nothing: that
all are there is seen here. Pixels are taken in the numbers that it decodes, of 16 or 32 bits: its
conversion from one format to another goes through integers, which have no place for what is not
finite. It is a process of its own, and has to be: the OpenEXR wheel (3.5.3) decodes more
compressions, but a file with a few wrong bytes ends the process that reads it.
"""

import re
import struct
import subprocess
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from data.errors import InputError

_MAGIC = b"v/1\x01"
_HEADER = 2**20
"""Bytes that are searched for the end of the header."""
_TILED, _DEEP, _PARTS = 0x200, 0x800, 0x1000
_INTEGERS = b"\0\0\0\0"
"""Of a channel: whole numbers, of which nothing says what 1 is."""
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)
"""In a chunk, by the number of the compression."""
_SECONDS = 120
"""What one picture may take before it counts as one that can't be decoded."""


class _Header(NamedTuple):
    flags: int
    attributes: dict[bytes, bytes]
    length: int

    def window(self, name: bytes) -> tuple[int, int]:
        left, top, right, bottom = struct.unpack("<4i", self.attributes[name])
        if right < left or bottom < top:
            raise ValueError
        return right - left + 1, bottom - top + 1


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of the display window; InputError where the header doesn't say."""
    with file.open("rb") as stream:
        return _header(file, stream).window(b"displayWindow")


def read(file: Path) -> UInt8[np.ndarray, "h w 4"]:
    """Straight RGBA in sRGB; what is brighter than 1 is 1."""
    import imageio_ffmpeg

    width, height = size_of(file)
    with file.open("rb") as stream:
        header = _header(file, stream)
        if any(struct.unpack("<2i", header.attributes[b"displayWindow"][:8])):
            raise InputError(
                f"{file}: is part of a larger picture: its display window does not begin at 0,0; "
                "save it as a picture of its own"
            )
        if not _complete(header, stream):
            raise InputError(f"{file}: can't be decoded as a picture: it is cut off or broken")
    planes = _planes(file, header)
    most = (width + 64) * (height + 64)  # it decodes with a margin
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "exr_pipe"]
    # the protocol is named so that no name of a file is taken for an address
    source = ["-max_pixels", str(most), "-i", f"file:{file}", "-frames:v", "1"]
    wanted = ["-f", "rawvideo", "-"]
    try:
        done = subprocess.run(
            [*command, *source, *wanted], capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{file}: can't be decoded as a picture in {_SECONDS} seconds") from None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    size, rest = divmod(len(done.stdout), len(planes) * width * height)
    if said or done.returncode or rest or size not in (2, 4):
        # without the addresses that it puts in front
        reason = re.sub(r"\[[^]]*\] *", "", said[0]) if said else "ffmpeg made nothing of it"
        raise InputError(f"{file}: can't be decoded as a picture: {reason}")
    pixels = np.frombuffer(done.stdout, f"<f{size}")
    if not np.isfinite(pixels).all():
        raise InputError(f"{file}: holds pixels that are no numbers; render it again")
    by_name = dict(zip(planes, pixels.reshape(-1, height, width), strict=True))
    colours = [by_name[name if name in by_name else "Y"] for name in "RGB"]
    alpha = by_name.get("A", np.ones((height, width)))
    return _srgb(np.stack([*colours, alpha], axis=-1, dtype=np.float32))


def _planes(file: Path, header: _Header) -> str:
    """The channels of a picture in ffmpeg's order: GBR, GBRA or Y; InputError for others."""
    kinds, listed = {}, header.attributes.get(b"channels", b"")
    while listed[:1] not in (b"", b"\0"):
        name, _, rest = listed.partition(b"\0")
        kinds[name.decode(errors="replace").upper()] = rest[:4]
        listed = rest[16:]  # kind of numbers, flags, and of how many pixels there is one
    names = list(kinds)
    if {"R", "G", "B"} <= {*names}:
        planes = "GBR" + "A" * ("A" in names)
    elif "Y" in names and not {"RY", "BY", "A"} & {*names}:  # which not every ffmpeg reads
        planes = "Y"
    else:
        raise InputError(
            f"{file}: has the channels {', '.join(names[:6]) or 'of no picture'}, not R, G and B "
            "nor Y alone; save a flat picture"
        )
    if any(kinds[name] == _INTEGERS for name in planes):
        raise InputError(f"{file}: holds integers; save a picture of 16 or 32 bit floats")
    return planes


def _header(file: Path, stream: BinaryIO) -> _Header:
    content = stream.read(_HEADER)
    attributes = {}
    at = 8  # behind the magic number and the version
    try:
        if not content.startswith(_MAGIC):
            raise ValueError
        (flags,) = struct.unpack_from("<I", content, 4)
        while content[at]:
            name_ends = content.index(b"\0", at)
            start = content.index(b"\0", name_ends + 1) + 5
            (length,) = struct.unpack_from("<I", content, start - 4)
            attributes[content[at:name_ends]] = content[start : start + length]
            at = start + length
        found = _Header(flags, attributes, at + 1)
        found.window(b"displayWindow")
    except (IndexError, KeyError, ValueError, struct.error):
        raise InputError(
            f"{file}: can't be decoded as a picture: not the header of an EXR file"
        ) from None
    if flags & (_DEEP | _PARTS):
        raise InputError(f"{file}: is an EXR file of several parts or depths; save a flat picture")
    return found


def _complete(header: _Header, stream: BinaryIO) -> bool:
    """Whether every chunk that the picture needs lies in the file to its end."""
    end = stream.seek(0, 2)
    try:
        width, height = header.window(b"dataWindow")
        if header.flags & _TILED:
            wide, high, levels = struct.unpack("<IIB", header.attributes[b"tiles"])
            if levels & 15:  # several sizes of the picture, the first of them in front
                return True
            before = 20  # bytes of a chunk up to its pixels
        else:
            wide, high = width, _LINES[header.attributes[b"compression"][0]]
            before = 8
        count = -(-width // wide) * -(-height // high)
        stream.seek(header.length)
        if 8 * count > end:
            return False
        places = struct.unpack(f"<{count}Q", stream.read(8 * count))
        for place in places:
            stream.seek(min(place + before - 4, end))
            (length,) = struct.unpack("<I", stream.read(4))
            if place < header.length or place + before + length > end:
                return False
    except (IndexError, KeyError, ValueError, ZeroDivisionError, struct.error):
        return False
    return True


def _srgb(linear: Float[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 4"]:
    """As photographs are stored (IEC 61966-2-1), colours no longer multiplied by alpha."""
    alpha = np.clip(linear[..., 3:], 0, 1)
    straight = np.clip(linear[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    bent = np.where(straight <= 0.0031308, 12.92 * straight, 1.055 * straight ** (1 / 2.4) - 0.055)
    return np.round(np.concatenate([bent, alpha], axis=-1) * 255).astype(np.uint8)
