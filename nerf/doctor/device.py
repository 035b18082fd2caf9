"""What JAX computes on, whether there is something faster, and what JAX is told beside."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import jax

from nerf import machine
from nerf.doctor.finding import Finding, size

NVIDIA = "0x10de"
"""NVIDIA's number among the vendors of PCI."""
OLDEST_DRIVER = 525
"""From which on NVIDIA's driver runs CUDA 12."""
BY_HAND = 'make setup EXTRA=cuda, or python -m pip install "jax[cuda12]" in the environment of nerf'


def gpu(root: Path = Path("/")) -> tuple[str, str]:
    """An NVIDIA GPU of the machine, whoever uses it, and its driver; both empty if there is none.

    The driver's program is asked; without it, the devices that the driver or the system made.
    """
    program = shutil.which("nvidia-smi") if root == Path("/") else None
    if program:
        asked = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done is not None and done.returncode == 0 and "," in done.stdout:
            name, version = done.stdout.splitlines()[0].rsplit(",", 1)
            return name.strip(), version.strip()
    if (root / "dev/nvidia0").exists():
        return "an NVIDIA GPU (/dev/nvidia0)", _version(root / "proc/driver/nvidia/version")
    for vendor in sorted(root.glob("sys/class/drm/card*/device/vendor")):
        try:
            if vendor.read_text().strip() == NVIDIA:
                return "an NVIDIA GPU", ""
        except OSError:
            continue
    return "", ""


def _version(file: Path) -> str:
    try:
        found = re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", file.read_text())
    except OSError:
        return ""
    return found.group() if found else "of unknown version"


def of_device(said: str, platform: str, there: str, driver: str, platforms: str) -> Finding:
    """What JAX computes on (`said`, `platform`), the GPU that is there, and JAX_PLATFORMS."""
    if platform == "cpu" and there:
        said = f"{said}; {there} is there and not used"
        if "cpu" in platforms.split(","):
            return Finding(
                "device", f"{said}, for JAX_PLATFORMS={platforms}", "unset JAX_PLATFORMS"
            )
        if not driver:
            return Finding(
                "device", f"{said}: it has no driver", "install NVIDIA's, then nerf doctor"
            )
        return Finding("device", said, BY_HAND)
    return Finding("device", said)


def of_driver(platform: str, there: str, driver: str) -> Finding:
    """The driver of a GPU."""
    if not there:
        said = "none needed" if platform == "cpu" else "JAX's own"
        return Finding("driver", said)
    major = re.match(r"\d+", driver)
    if not driver:
        return Finding("driver", f"none for {there}", f"install NVIDIA's, {OLDEST_DRIVER} or newer")
    if major and int(major.group()) < OLDEST_DRIVER:
        said = f"{driver}, too old for CUDA 12"
        return Finding("driver", said, f"install NVIDIA's, {OLDEST_DRIVER} or newer")
    return Finding("driver", driver)


def of_settings(x64: bool, debug_nans: bool) -> list[Finding]:
    """What JAX is told by its environment that makes runs slow."""
    found = []
    if x64:
        said = "float64 is on: steps take twice as long, and are not those of other machines"
        found.append(Finding("precision", said, "unset JAX_ENABLE_X64"))
    else:
        found.append(Finding("precision", "float32"))
    if debug_nans:
        said = "JAX_DEBUG_NANS is on: it looks at each result, and a run looks itself"
        found.append(Finding("NaN", said, "unset JAX_DEBUG_NANS"))
    return found


def of_cache(folder: str | None) -> Finding:
    """Where compiled programs are kept; None: nowhere."""
    again = "each run compiles its programs anew"
    if not folder:
        cure = "unset JAX_COMPILATION_CACHE_DIR and JAX_ENABLE_COMPILATION_CACHE"
        return Finding("programs", f"not kept: {again}", cure)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = f"can't be kept in {folder} ({error.strerror}): {again}"
        return Finding("programs", said, "export JAX_COMPILATION_CACHE_DIR=A_FOLDER_OF_YOURS")
    return Finding("programs", f"kept in {folder}")


def found() -> Iterable[Finding]:
    """A line each: device, driver, its memory, precision, compiled programs."""
    first = jax.devices()[0]
    there, driver = gpu()

    def told(name: str):
        return getattr(jax.config, name)

    platforms = os.environ.get("JAX_PLATFORMS", "")
    yield of_device(machine.device(), first.platform, there, driver, platforms)
    yield of_driver(first.platform, there, driver)
    bytes_limit = (first.memory_stats() or {}).get("bytes_limit", 0)
    if first.platform != "cpu" and bytes_limit:
        yield Finding("its memory", size(bytes_limit))
    yield from of_settings(told("jax_enable_x64"), told("jax_debug_nans"))
    kept = told("jax_enable_compilation_cache")
    yield of_cache(told("jax_compilation_cache_dir") if kept else None)
