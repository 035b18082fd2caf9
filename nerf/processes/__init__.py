"""Many processes, on one machine or on many, as one run.

JAX's own distributed runtime joins them: after `join` each sees the devices of all, and a program
over a mesh of these runs in all processes at once. So all must come to the same programs in the
same order: what they decide by, the clock, a signal, a file, is what the first of them says or what
any of them says, and is exchanged.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from data.errors import InputError
from nerf.whole import complaint

T = TypeVar("T")
AT_ONCE = 64
"""Bytes that are exchanged in one go; what is longer takes a second one."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How this process finds the others."""

    distributed: bool = False
    """One of several processes that share the work: each is started with the same arguments, on its
    own machine, say. Without the three flags below JAX finds the others through SLURM, MPI or the
    cloud."""
    coordinator: str | None = None
    """HOST:PORT at which process 0 listens (--distributed)."""
    processes: int | None = None
    """How many there are (--distributed)."""
    process: int | None = None
    """Which of them this is, from 0 (--distributed)."""


class SharedError(InputError):
    """A mistake that all processes have been told of: the first one says it."""


def join(told: Joining) -> None:
    """Joins the other processes, and waits for them; InputError where they can't be found.

    Must come before anything is computed. Does nothing unless asked to.
    """
    given = told.coordinator, told.processes, told.process
    if not told.distributed:
        if any(value is not None for value in given):
            raise InputError("--coordinator, --processes and --process belong to --distributed")
        return
    if (told.coordinator is None) != (told.processes is None) or (told.process is None) != (
        told.processes is None
    ):
        raise InputError(
            "--distributed: give all of --coordinator HOST:PORT --processes N --process K, or none "
            "where SLURM, MPI or the cloud say them"
        )
    if told.process is not None and not 0 <= told.process < (told.processes or 0):
        raise InputError(f"--process {told.process}: from 0 to one less than {told.processes}")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(*given)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"--distributed: the other processes are not found: {reason}; name them with "
            "--coordinator HOST:PORT --processes N --process K"
        ) from error


def several() -> bool:
    """Whether this is one of several processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that prints, logs and writes what there is one of."""
    return not several() or jax.process_index() == 0


def exchange(value: Any) -> list[Any]:
    """What each process has given, in their order; anything that can be said in JSON.

    All processes must call it.
    """
    if not several():
        return [value]
    text = json.dumps(value).encode()
    head = len(text).to_bytes(4, "little") + text[: AT_ONCE - 4]
    rows = _from_all(np.frombuffer(head.ljust(AT_ONCE, b"\0"), np.uint8))
    lengths = [int.from_bytes(row[:4].tobytes(), "little") for row in rows]
    rest = max(lengths) - (AT_ONCE - 4)
    parts = [row[4:].tobytes() for row in rows]
    if rest > 0:
        size = 2 ** (rest - 1).bit_length()  # few sizes: each is a program of its own
        tail = text[AT_ONCE - 4 :].ljust(size, b"\0")
        more = _from_all(np.frombuffer(tail, np.uint8))
        parts = [part + row.tobytes() for part, row in zip(parts, more, strict=True)]
    return [json.loads(part[:length]) for part, length in zip(parts, lengths, strict=True)]


def of_first(value: T) -> T:
    """What the first process has given."""
    return exchange(value)[0]


def own(items: Sequence[T]) -> Sequence[T]:
    """Of things that processes take in turn those of this one."""
    return items[jax.process_index() :: jax.process_count()] if several() else items


def together(do: Callable[[], T]) -> T:
    """What `do` returns in this process, once all have done it; InputError in all if in any."""
    if not several():
        return do()
    found, failed = None, None
    try:
        found = do()
    except InputError as error:
        failed = str(error)
    except OSError as error:
        failed = complaint(error)
    lines = exchange(failed)
    for k, line in enumerate(lines):
        if line is not None:
            raise SharedError(line if len(set(lines)) == 1 else f"process {k}: {line}")
    return found  # type: ignore[return-value]


def by_first(do: Callable[[], Any]) -> None:
    """Has the first process do something while the others wait; InputError in all if it fails."""
    together(do if is_first() else lambda: None)


def _from_all(row: np.ndarray) -> np.ndarray:
    """The rows of all processes, through one device of each."""
    first = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh(np.array([first[k] for k in sorted(first)]), ("processes",))
    sharding = NamedSharding(mesh, P("processes"))
    shape = (mesh.size, len(row))
    rows = jax.make_array_from_callback(shape, sharding, lambda _: row[None])
    return np.asarray(_whole(rows, mesh))


@partial(jax.jit, static_argnames="mesh")
def _whole(rows: jax.Array, mesh: Mesh) -> jax.Array:
    return jax.lax.with_sharding_constraint(rows, NamedSharding(mesh, P()))
