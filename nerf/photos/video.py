"""Frames of a video, evenly chosen, of those near by the sharpest."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from data.errors import InputError
from nerf.inspect import sharpness

MOST = 2000
"""Frames that are taken of a video: each is named in the command that takes them."""
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


def cut(video: Path, folder: Path, frames: int, tick: Callable[[int], None]) -> list[Path]:
    """Writes so many frames of a video into `folder`, in their order; `tick` counts frames read.

    The video is read twice: to see which frames are sharp, and to take these.
    """
    chosen = sharpest(_sharpness(video, tick), frames)
    folder.mkdir(parents=True)
    select = "+".join(rf"eq(n\,{number})" for number in chosen)
    with tempfile.TemporaryFile() as said:
        code = subprocess.run(
            [*_reading(video), "-vf", f"select={select}", "-fps_mode", "passthrough",
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
    return [program, "-v", "error", "-nostdin", "-i", f"file:{video.resolve()}", "-map", "0:v:0"]


def _last_line(said) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "ffmpeg does not say why"
