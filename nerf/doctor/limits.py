"""Memory, cores and disk: the machine's, and what a container may use of them."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from nerf import memory
from nerf.doctor.finding import Finding, size

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MEMORY = 4 * 2**30
"""Bytes that the demo should find free."""
DISK = 2**30
"""Bytes that a run should find free: a few checkpoints, a film while it is made."""
UNLIMITED = 2**60
"""Bytes from which on a limit is none: the first version of cgroups says 2^63."""


class Limits(NamedTuple):
    """What a container is allowed; None where it may use all."""

    memory: int | None = None
    """Bytes."""
    cores: float | None = None


def limits(cgroups: Path = CGROUPS, own: Path = OWN) -> Limits:
    """The narrowest limits of the process's cgroup and of those above it, either version."""
    tightest = Limits()
    for folder in _folders(cgroups, own, ""):
        quota = _words(folder / "cpu.max")
        tightest = _tighter(tightest, _words(folder / "memory.max"), quota)
    for folder in _folders(cgroups / "memory", own, "memory"):
        tightest = _tighter(tightest, _words(folder / "memory.limit_in_bytes"), [])
    for folder in _folders(cgroups / "cpu", own, "cpu"):
        quota = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
        tightest = _tighter(tightest, [], quota)
    return tightest


def _folders(root: Path, own: Path, controller: str) -> list[Path]:
    """The process's cgroup under a root, and those above it."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return [root]
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            inner = root / path.lstrip("/")
            return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return [root]


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _tighter(limits: Limits, memory: list[str], quota: list[str]) -> Limits:
    if memory and memory[0].isdigit() and int(memory[0]) < UNLIMITED:
        limits = limits._replace(memory=min(int(memory[0]), limits.memory or UNLIMITED))
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
        cores = int(quota[0]) / int(quota[1])
        limits = limits._replace(cores=min(cores, limits.cores or cores))
    return limits


def of_memory(total: int, free: int, limit: int | None) -> Finding:
    """Bytes of the machine, those that are free, and a container's limit."""
    if limit is not None and limit < total:
        said = f"{size(limit)} in this container, of the machine's {size(total)}"
        cure = f"start it with more, docker run --memory {-(-total // 2**30)}g say"
        return Finding("memory", said, cure)
    said = f"{size(total)}, {size(free)} free"
    if free < MEMORY:
        cure = "end what else runs, or lower training.samples and data.downscale the pictures"
        return Finding("memory", f"{said}: little for a run", cure)
    return Finding("memory", said)


def of_cores(cores: int, allowed: int, limit: float | None) -> Finding:
    """Cores of the machine, those that the process may be run on, and a container's limit."""
    if limit is not None and limit < allowed:
        said = f"{limit:g} in this container, of the machine's {cores}"
        return Finding("cores", said, f"start it with more, docker run --cpus {cores} say")
    if allowed < cores:
        said = f"{allowed} of the machine's {cores} may be used"
        return Finding("cores", said, "start it without taskset, or ask the scheduler for more")
    if cores == 1:
        said = "1: training waits for whatever else runs"
        return Finding("cores", said, "end what else runs, or take a machine with more")
    return Finding("cores", str(cores))


def of_disk(free: int, folder: Path) -> Finding:
    """Bytes that are free where runs are written."""
    said = f"{size(free)} free in {folder}"
    if free < DISK:
        return Finding("disk", f"{said}: little for a run", "remove old runs, or --run ELSEWHERE")
    return Finding("disk", said)


def found(folder: Path) -> list[Finding]:
    """A line each: memory, cores, disk of an existing folder."""
    allowed = limits()
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return [
        of_memory(memory.host(), _free(), allowed.memory),
        of_cores(cores, usable, allowed.cores),
        of_disk(shutil.disk_usage(folder).free, folder),
    ]


def _free() -> int:
    """Bytes that programs can still have, what the system caches counted in."""
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return memory.host()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
