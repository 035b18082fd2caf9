"""Frames of a video, evenly chosen, of those near by the sharpest.

Colours are converted from the matrix and range in which the video stores them to those of JPEG
(BT.601, full range). A video without a tag is taken for BT.709 in HD and for BT.601
below, and for limited range, about as players do. Primaries and transfer function stay as they are.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np

from data.errors import InputError
from nerf.inspect import sharpness

MOST = 2000
"""Frames that are taken of a video: each is named in the command that takes them."""
HD = 1280, 720
"""Longer or shorter side, pixels, from which on a video is HD: cinema formats and squares too."""
HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
"""Transfer functions whose frames look pale where they are shown as any other's."""
_MATRICES = {"bt709", "bt470bg", "smpte170m", "smpte240m", "fcc", "bt2020nc", "bt2020c", "gbr"}
"""What ffmpeg converts, by its names; gbr is no matrix but colours themselves."""
_SIDE = 512
"""Frames are compared at this width and height, whatever their own: blur shows, and it is quick."""


def length(video: Path) -> int:
    """How many frames a video has."""
    # ffmpeg starts without a fork hook of its own: JAX's threads do not survive a fork
    os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    try:
        frames, _ = imageio_ffmpeg.count_frames_and_secs(str(video.resolve()))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{video}: {_NOT_A_VIDEO}") from error
    if not frames:
        raise InputError(f"{video}: {_NOT_A_VIDEO}")
    return int(frames)


class Colours(NamedTuple):
    """How a video stores its colours, by ffmpeg's names."""

    matrix: str | None
    """None: it does not say."""
    transfer: str | None
    hd: bool
    """Whether its longer or its shorter side is that of HD."""


def colours(video: Path) -> Colours:
    """How a video stores its colours; InputError where that can't be converted."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", _named(video)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    header = done.stderr.decode(errors="replace")
    # Stream #0:0: Video: h264 (High), yuv420p(tv, bt709/bt709/bt709, progressive), 1280x720
    # not a cover picture
    line = r"^ *Stream #0:[^\n]*?: Video: (?![^\n]*\(attached pic\))"
    line += r"[^\n]*?, \w+(?:\(([^)]*)\))?, (\d+)x(\d+)"
    found = re.search(line, header, re.MULTILINE)
    if found is None:
        raise InputError(f"{video}: {_NOT_A_VIDEO}")
    matrix = transfer = None
    for part in (found[1] or "").split(", "):
        names = part.split("/")
        if len(names) == 3 or names[0] in _MATRICES:
            matrix, transfer = names[0], names[-1]
    matrix = None if matrix in ("unknown", "reserved") else matrix
    if matrix is not None and matrix not in _MATRICES:
        raise InputError(
            f"{video}: stores its colours as {matrix}, which can't be converted; convert the video "
            "to BT.709"
        )
    shorter, longer = sorted((int(found[2]), int(found[3])))
    return Colours(matrix, transfer, longer >= HD[0] or shorter >= HD[1])


def cut(video: Path, folder: Path, frames: int, tick: Callable[[int], None]) -> list[Path]:
    """Writes so many frames of a video into `folder`, in their order; `tick` counts frames read.

    The video is read twice: to see which frames are sharp, and to take these.
    """
    chosen = sharpest(_sharpness(video, tick), frames)
    folder.mkdir(parents=True)
    select = "+".join(rf"eq(n\,{number})" for number in chosen)
    stored = colours(video)
    untagged = "bt709" if stored.hd else "bt601"
    matrix = untagged if stored.matrix is None else "auto"  # of the frames' tags
    # by way of RGB: not every ffmpeg converts from one matrix to another
    convert = (
        f"scale=in_color_matrix={matrix},format=gbrp,scale=out_color_matrix=bt601:out_range=pc"
    )
    with tempfile.TemporaryFile() as said:
        code = subprocess.run(
            [*_reading(video), "-vf", f"select={select},{convert}", "-fps_mode", "passthrough",
             "-qmin", "1", "-qscale:v", "1", str(folder.resolve() / "part-%06d.jpg")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, check=False,
        ).returncode  # fmt: skip
        files = sorted(folder.iterdir())
        if code or len(files) != len(chosen):
            raise InputError(f"{video}: frames can't be taken out: {_last_line(said)}")
    names = [folder / f"frame_{number + 1:06d}.jpg" for number in chosen]
    return [file.rename(name) for file, name in zip(files, names, strict=True)]


def sharpest(values: list[float], count: int) -> list[int]:
    """Of `count` equal stretches the sharpest frame each; all if there are no more."""
    frames = len(values)
    if frames <= count:
        return list(range(frames))
    bounds = [k * frames // count for k in range(count + 1)]
    return [a + int(np.argmax(values[a:b])) for a, b in pairwise(bounds)]


_NOT_A_VIDEO = "not a video that ffmpeg reads; name a video, or a folder of photographs"


def _sharpness(video: Path, tick: Callable[[int], None]) -> list[float]:
    size = _SIDE * _SIDE
    command = [*_reading(video), "-vf", f"scale={_SIDE}:{_SIDE},format=gray"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    found = []
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        ) as ffmpeg,
    ):
        assert ffmpeg.stdout is not None
        try:
            while len(frame := ffmpeg.stdout.read(size)) == size:
                found.append(sharpness(np.frombuffer(frame, np.uint8).reshape(_SIDE, _SIDE, 1)))
                tick(1)
        finally:
            ffmpeg.kill()  # it has ended, unless reading was broken off
        if not found:
            raise InputError(f"{video}: {_NOT_A_VIDEO}: {_last_line(said)}")
    return found


def _reading(video: Path) -> list[str]:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return [program, "-v", "error", "-nostdin", "-i", _named(video), "-map", "0:V:0"]


def _named(video: Path) -> str:
    """The protocol is named, so that no name of a file is taken for an address."""
    return f"file:{video.resolve()}"


def _last_line(said) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "ffmpeg does not say why"
