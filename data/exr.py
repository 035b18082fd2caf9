"""OpenEXR pictures: the size by the header, the pixels by the ffmpeg that imageio brings along."""

import struct
import subprocess
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from data.errors import InputError

_MAGIC = b"v/1\x01"
_HEADER = 2**20
"""Bytes that are searched for the size."""
_SECONDS = 120
"""What one picture may take before it counts as one that can't be decoded."""


def size_of(file: Path) -> tuple[int, int]:
    """Width and height of the display window; InputError where the header doesn't say."""
    with file.open("rb") as stream:
        header = stream.read(_HEADER)
    at = 8  # behind the magic number and the version
    try:
        while header.startswith(_MAGIC) and header[at]:
            name_ends = header.index(b"\0", at)
            type_ends = header.index(b"\0", name_ends + 1)
            (length,) = struct.unpack_from("<i", header, type_ends + 1)
            if header[at:name_ends] == b"displayWindow":
                left, top, right, bottom = struct.unpack_from("<4i", header, type_ends + 5)
                if right >= left and bottom >= top:
                    return right - left + 1, bottom - top + 1
                break
            at = type_ends + 5 + max(length, 0)
    except (IndexError, ValueError, struct.error):
        pass
    raise InputError(f"{file}: can't be decoded as a picture: not the header of an EXR file")


def read(file: Path) -> UInt8[np.ndarray, "h w 4"]:
    """Straight RGBA in sRGB; what is brighter than 1 is 1."""
    import imageio_ffmpeg

    width, height = size_of(file)
    # the protocol is named so that no name of a file is taken for an address
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "exr_pipe"]
    command += [
        "-max_pixels",
        str(width * height),
        "-i",
        f"file:{file}",
        "-frames:v",
        "1",
        "-pix_fmt",
        "gbrapf32le",
    ]
    command += ["-f", "rawvideo", "-"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{file}: can't be decoded as a picture in {_SECONDS} seconds") from None
    if done.returncode or len(done.stdout) != 16 * width * height:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[0] if said else "the file is cut off or broken"
        raise InputError(f"{file}: can't be decoded as a picture: {reason}")
    planes = np.frombuffer(done.stdout, "<f4").reshape(4, height, width)
    if not np.isfinite(planes).all():
        raise InputError(f"{file}: holds pixels that are no numbers; render it again")
    return _srgb(np.stack([planes[2], planes[0], planes[1], planes[3]], axis=-1))


def _srgb(linear: Float[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 4"]:
    """As photographs are stored (IEC 61966-2-1), colours no longer multiplied by alpha."""
    alpha = np.clip(linear[..., 3:], 0, 1)
    straight = np.clip(linear[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    bent = np.where(straight <= 0.0031308, 12.92 * straight, 1.055 * straight ** (1 / 2.4) - 0.055)
    return np.round(np.concatenate([bent, alpha], axis=-1) * 255).astype(np.uint8)
