"""What the process asks of the machine before the first array: memory, compiled programs."""

import ctypes
import os
from pathlib import Path

import jax

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8


KEPT = 2**27
"""Bytes of the largest array that is kept when it is freed. Of larger ones each would leave a hole
that the next, a little larger for its alignment, does not fit into: a process then grows to several
times what it uses."""


def prepare() -> None:
    """Keeps freed memory, and compiled programs on disk from run to run.

    A program asks for its temporary arrays anew at each call. By default the C library gives large
    ones back to the system at once, and the system hands them out again page by page, each page
    cleared first: of a training step on two cores that can be half the time.
    """
    keep_memory()
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if folder is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(cache) / "nabla-nerf"))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def keep_memory() -> bool:
    """Tells the C library to keep what is freed, up to KEPT; False where it can't be told so."""
    try:
        tell = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # one arena: only the first can grow without bound, the others map what is large anew each time
    settings = {
        _M_ARENA_MAX: 1,
        _M_MMAP_THRESHOLD: KEPT,
        _M_TRIM_THRESHOLD: 2**31 - 1,
        _M_TOP_PAD: 2**28,
    }
    done = [tell(name, value) for name, value in settings.items()]
    return done == [1] * len(settings)


def device() -> str:
    """What JAX computes on, in words."""
    first = jax.devices()[0]
    return f"CPU, {os.cpu_count()} cores" if first.platform == "cpu" else first.device_kind
