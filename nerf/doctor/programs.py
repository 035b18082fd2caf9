"""The programs beside: browsers, codecs, and how fast the run's folder takes what is written."""

import os
import shutil
import subprocess
import tempfile
import time
import webbrowser
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from data.errors import InputError
from nerf.doctor.finding import Finding
from nerf.film import save

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
"""What the browser that tests drive is called."""
WRITTEN = 64 * 2**20
"""Bytes that are written for the speed: about a checkpoint of the defaults."""
SLOW = 20 * 2**20
"""Bytes a second below which a checkpoint keeps training waiting."""
FRAMES, SIZE = 4, (32, 48)
"""Frames that are encoded, rows and columns of each."""


def chromium() -> str | None:
    """Where the browser that tests drive is; NERF_BROWSER=PATH names another."""
    named = os.environ.get("NERF_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, CHROMIUM)), None)


def of_browser(there: bool) -> Finding:
    """A browser for the user."""
    if there:
        return Finding("browser", "there is one to look at nerf view")
    cure = "look from another machine: ssh -L 8080:localhost:8080 THIS_ONE, then nerf view RUN here"
    return Finding("browser", "none here for nerf view", cure)


def of_chromium(path: str | None) -> Finding:
    """The browser that tests drive."""
    if path:
        return Finding("chromium", path)
    said = "none: tests of the pages are skipped, nothing else needs it"
    return Finding("chromium", said, "apt-get install chromium, or NERF_BROWSER=PATH")


def encoded(ending: str) -> str:
    """Why a film of some frames can't be written and read back as they were; empty if it can."""
    rows, columns = SIZE
    grey = np.linspace(40, 200, FRAMES).astype(np.uint8)
    frames = [np.full((rows, columns, 3), level, np.uint8) for level in grey]
    try:
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / f"film{ending}"
            save(frames, film, 10)
            if ending == ".webp":
                with Image.open(film) as opened:
                    read = [_seen(opened, k) for k in range(opened.n_frames)]  # type: ignore
            else:
                read = _decoded(film)
    except (InputError, OSError, ImportError, ValueError, RuntimeError) as error:
        return (str(error).strip() or type(error).__name__).splitlines()[-1]
    if len(read) != FRAMES:
        return f"{len(read)} frames of {FRAMES} came back"
    if np.max(np.abs([frame.mean() - level for frame, level in zip(read, grey, strict=True)])) > 8:
        return "other colours came back"
    return ""


def _decoded(film: Path) -> list[np.ndarray]:
    """The frames of a film of `SIZE`: imageio's own reader leaves its pipes open."""
    asked = ["-v", "error", "-nostdin", "-i", str(film), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run([get_ffmpeg_exe(), *asked], capture_output=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace"))
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, *SIZE, 3))


def _seen(film: Image.Image, number: int) -> np.ndarray:
    film.seek(number)
    return np.asarray(film.convert("RGB"))


def of_codec(name: str, ending: str, why_not: str) -> Finding:
    """One kind of film."""
    if not why_not:
        return Finding(name, f"{FRAMES} frames written and read back ({ending})")
    package = "pillow" if ending == ".webp" else "imageio-ffmpeg"
    cure = f"python -m pip install --force-reinstall {package}"
    return Finding(name, f"no {ending} film can be made: {why_not[:120]}", cure)


def nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next((f for f in (folder, *folder.parents) if f.is_dir()), Path("/"))


def speed(folder: Path) -> float:
    """Bytes a second that an existing folder takes until they are on the disk; OSError."""
    block = np.random.default_rng(0).bytes(2**20)
    with tempfile.TemporaryFile(dir=folder, prefix=".nerf-doctor-") as file:
        began = time.perf_counter()
        for _ in range(WRITTEN // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return WRITTEN / (time.perf_counter() - began)


def of_speed(folder: Path, rate: float | None, why_not: str = "") -> Finding:
    """The run's folder; rate None: it can't be written to, and why."""
    cure = "name another folder: --run FOLDER"
    if rate is None:
        return Finding("run folder", f"{folder} can't be written to: {why_not}", cure)
    said = f"{folder}, {rate / 2**20:,.0f} MiB/s written"
    if rate < SLOW:
        return Finding("run folder", f"{said}: checkpoints keep training waiting", cure)
    return Finding("run folder", said)


def found(folder: Path) -> list[Finding]:
    """A line each: the run's folder, browsers, codecs."""
    there = nearest(folder)
    try:
        written = of_speed(folder, speed(there))
    except OSError as error:
        written = of_speed(folder, None, error.strerror or str(error))
    try:
        browser = webbrowser.get() is not None
    except webbrowser.Error:
        browser = False
    return [
        written,
        of_browser(browser),
        of_chromium(chromium()),
        of_codec("H.264", ".mp4", encoded(".mp4")),
        of_codec("WebP", ".webp", encoded(".webp")),
    ]
