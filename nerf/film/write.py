"""Frames -> a film. Frames are read from disk one at a time: memory does not grow with the film."""

import errno
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import imageio.v2
import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data.errors import InputError
from nerf import ours
from nerf.whole import free, put, replacing

LARGEST = {".mp4": 16384, ".gif": 65535, ".webp": 16383}
"""Endings of films, and how many pixels their pictures may be wide and high."""
COMPRESSION = 1
"""Of frames on disk (zlib's): they are read once or twice and go."""
_BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
"""ffmpeg's filters that convert RGB, and tag what they made."""
PICTURE = re.compile(r"\d{4,}\.png")
"""What the pictures of a film are called; nothing else in a folder is ever removed, nor are they if
this program did not write them."""
FOLDERS = ("film", "before")
"""Among the frames: a folder of pictures that is about to be put in place, and what was there."""


def check(out: Path, overwrite: bool | None = None) -> None:
    """InputError for a place where no film can be put, before anything is rendered.

    With `overwrite` False nothing may be there; with None a film may be, but no pictures.
    """
    if out.suffix.lower() not in (*LARGEST, ""):
        raise InputError(
            f"{out}: unknown ending; give .mp4, .gif, .webp, or a name without ending for a "
            "folder of PNG"
        )
    if out.suffix and out.is_dir():
        raise InputError(f"{out}: is a folder; name a file for the film")
    if out.suffix and out.exists() and overwrite is False:
        raise InputError(f"{out}: is there already; say --overwrite to replace it")
    if not out.suffix and out.exists():
        if not out.is_dir():
            raise InputError(f"{out}: is a file; name a new folder for the pictures")
        if any(out.iterdir()) and not overwrite:
            more = "" if overwrite is None else ", or say --overwrite to replace its pictures"
            raise InputError(
                f"{out}: holds something already; name a new folder for the pictures{more}"
            )
        if not only_pictures(out):
            raise InputError(
                f"{out}: holds more than a film's pictures, and is not replaced; name a new folder"
            )


def check_size(out: Path, width: int, height: int) -> None:
    """InputError for frames that the format can't hold."""
    most = LARGEST.get(out.suffix.lower())
    if most is not None and max(width, height) > most:
        raise InputError(
            f"{out}: frames of {width}x{height}; {out.suffix} holds {most} pixels each way at most"
        )


def save(
    frames: Iterable[UInt8[np.ndarray, "h w 3"]],
    out: Path,
    fps: float | int,
    overwrite: bool | None = None,
) -> None:
    """Write frames as .mp4, .gif or .webp, or as numbered PNG into a folder (no ending).

    A film that can't be finished leaves what was there before; `overwrite` as in `check`.
    """
    check(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".film-") as beside:
        files = []
        for k, frame in enumerate(frames):
            files.append(Path(beside) / f"{k:04d}.png")
            save_png(frame, files[-1])
        assemble(files, out, fps, overwrite)


def save_png(frame: UInt8[np.ndarray, "h w 3"], file: Path) -> None:
    """Writes a frame whole or not at all."""
    with replacing(file, file.with_suffix(".part")) as part:
        Image.fromarray(frame).save(part, compress_level=COMPRESSION, **ours.png())


def assemble(
    files: Sequence[Path], out: Path, fps: float | int, overwrite: bool | None = None
) -> None:
    """Makes a film of pictures that lie together in a folder beside `out`; they stay there.

    InputError if the film can't be written, or if by now something is there that `check` refuses;
    it stays as it is then.
    """
    if not files:
        raise InputError(f"{out}: no frame to write")
    check(out, overwrite)
    part = files[0].parent / f"film{out.suffix.lower()}"
    try:
        if not out.suffix:
            _folder(files, out)
            return
        {".mp4": _mp4, ".gif": _gif, ".webp": _webp}[out.suffix.lower()](files, part, fps)
        if not part.is_file() or part.stat().st_size == 0:
            raise InputError(f"{out}: ffmpeg could not write it")
        check(out, overwrite)  # again: a long film takes minutes
        put(part, out)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or "no reason given").splitlines()[-1][-160:]
        room = f"{free(out)}; make room" if os.strerror(errno.ENOSPC) in reason else ""
        with suppress(OSError):  # what there is of it takes the room that it lacked
            part.unlink(missing_ok=True)
        raise InputError(f"{out}: could not be written: {reason}{room}") from error


def _folder(files, out):
    """All pictures at once: a folder of them is renamed into place, and the old one goes then."""
    fresh, before = (files[0].parent / name for name in FOLDERS)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in files:
        try:
            os.link(file, fresh / file.name)
        except OSError:  # a file system without links
            shutil.copy2(file, fresh / file.name)
    if before.exists():  # of a process that was killed just between the two names
        _remove_pictures(before)
    out = out.resolve()
    try:
        if out.exists() and any(out.iterdir()):
            out.replace(before)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EBUSY):
            raise
        _remove_pictures(out, folder=False)  # a volume of its own, which has no other name
    try:
        if before.exists() and not only_pictures(before):
            raise InputError(f"{out}: holds more than a film's pictures by now; name a new folder")
        try:
            fresh.replace(out)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EBUSY):
                raise
            shutil.copytree(fresh, out, dirs_exist_ok=True)
    except BaseException:
        if before.exists():
            before.replace(out)
        raise
    if before.exists():
        _remove_pictures(before)


def only_pictures(folder: Path) -> bool:
    """Whether a folder holds nothing but pictures of a film of this program."""
    return all(_is_picture(file) for file in folder.iterdir())


def _is_picture(file):
    return PICTURE.fullmatch(file.name) and ours.wrote(file)


def _remove_pictures(of, folder=True):
    """Removes pictures, and their folder; OSError if there is anything else in it."""
    for file in of.iterdir():
        if _is_picture(file):
            file.unlink()
    if folder:
        of.rmdir()


def _mp4(files, part, fps):
    """H.264 in yuv420p with its index in front: what every player and browser shows.

    Colours are stored by BT.709 in limited range, and tagged so, whatever the size: players take
    an untagged film for BT.709 if it is large, but for BT.601 if it is small.
    """
    # ffmpeg starts without a fork hook of its own: JAX's threads do not survive a fork
    os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    film: Any = imageio.v2.get_writer(
        part,
        fps=fps,
        codec="libx264",
        macro_block_size=1,
        quality=8,
        pixelformat="yuv420p",
        ffmpeg_log_level="quiet",
        output_params=["-vf", _BT709, "-movflags", "+faststart"],
    )
    with film:
        for file in files:
            frame = _pixels(file)
            # players want even sizes: the last row and column are shown twice where they must
            odd = (frame.shape[0] % 2, frame.shape[1] % 2)
            film.append_data(np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge"))
    _refuse_cut_short(part, len(files))


def _refuse_cut_short(film, frames):
    """OSError where not all frames are in a film: how ffmpeg ended is not told by its writer."""
    try:
        there = imageio_ffmpeg.count_frames_and_secs(str(film))[0]
    except RuntimeError:
        there = 0
    if there != frames:
        raise OSError(
            f"ffmpeg put {there} of {frames} frames into it: is the disk full?{free(film)}"
        )


def _gif(files, part, fps):
    """256 colours chosen for the whole film; ffmpeg reads the frames twice instead of keeping."""
    digits = len(files[0].stem)
    frames = ["-framerate", f"{fps:.6g}", "-start_number", str(int(files[0].stem))]
    frames += ["-i", f"%0{digits}d.png"]
    _ffmpeg([*frames, "-vf", "palettegen", "-update", "1", "-frames:v", "1", "palette.bmp"], part)
    use = "paletteuse=dither=sierra2_4a:diff_mode=rectangle"
    _ffmpeg([*frames, "-i", "palette.bmp", "-lavfi", use, "-loop", "0", part.name], part)


def _ffmpeg(arguments, part):
    """Runs in the folder of the frames: its patterns must not meet a % in the user's own names."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    done = subprocess.run(command, cwd=part.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr)


def _webp(files, part, fps):
    # whole milliseconds that stay with the true time
    ends = np.round(np.arange(len(files) + 1) * 1000 / fps).astype(int)
    durations = np.maximum(np.diff(ends), 1).tolist()
    film = _Frames(files)
    film.save(part, format="WEBP", save_all=True, duration=durations, loop=0, quality=80, method=4)


class _Frames(Image.Image):
    """A picture of many frames, each read when it is turned to, as Pillow's own of files are."""

    def __init__(self, files: Sequence[Path]):
        super().__init__()
        self._files, self.n_frames, self.is_animated = files, len(files), True
        self.seek(0)

    def seek(self, frame: int) -> None:
        with Image.open(self._files[frame]) as picture:
            self.im = picture.convert("RGB").im
        self._mode, self._size, self._at = "RGB", self.im.size, frame

    def tell(self) -> int:
        return self._at


def _pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))
