"""How much memory there is: of the machine, and of the device that JAX computes on."""

import os
import re
import resource
import sys
from pathlib import Path

import jax

from data.errors import InputError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}
_CGROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that this process may have of the device's memory; 0 where it doesn't say.

    What is free, and what the process holds already; of a CPU no more than its control group may.
    """
    device = jax.devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit", 0)
    held = resident()
    free = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    return min(there + held for there in (free or host(), *_left_to_the_group()))


def host() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def resident() -> int:
    """Bytes that this process has in memory now; 0 where the system doesn't say."""
    return _kilobytes(Path("/proc/self/status"), "VmRSS") or 0


def peak() -> int:
    """The most that this process has had in memory, bytes.

    As the system tells of it since it began; what is told of its resources counts in what its
    parent had when it was started.
    """
    found = _kilobytes(Path("/proc/self/status"), "VmHWM")
    if found is not None:
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def bytes_of(text: str, where: str = "memory") -> int:
    """2GiB, 1500MB, 800000000 in bytes; InputError for what is no size."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?i?)b?\s*", text, re.IGNORECASE)
    if found and found[2].upper() in _UNITS:
        size = float(found[1]) * _UNITS[found[2].upper()]
        if 1 <= size < 2**63:
            return int(size)
    raise InputError(f"{where} {text}: give a size: 2GiB, 1500MB")


def _left_to_the_group() -> list[int]:
    """What the control group that the process is in may still take, if it has a limit (v2, v1)."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (int((_CGROUP / name).read_text()) for name in (limit, used))
        except (OSError, ValueError):  # no such group, or `max`
            continue
        if most < host():
            return [max(most - now, 0)]
    return []


def _kilobytes(file: Path, name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
