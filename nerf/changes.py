"""What is no longer as it was when a run stopped: its settings, its data."""

from collections.abc import Iterator, Mapping
from typing import Any

from nerf.config import Config, as_dict

FREE = {
    "run", "scene", "memory", "steps", "max_seconds", "evaluate", "on_nan", "check_every",
    "training.restarts", "training.checkpoint_seconds", "training.checkpoints", "rendering.memory",
}  # fmt: skip
"""Settings that a run may go on with otherwise: where things are, when it ends and is saved, what
is made of it. Of a scene that moved, the data is compared."""
SHOWN = 3
"""Changes that are named; of more their number."""


def of_settings(before: Mapping[str, Any], now: Config) -> list[str]:
    """What differs between settings as `as_dict` has them and a config, a line each.

    One that is not set is as one that is off: a run of an older version does not have them all.
    """
    old, new = dict(_flat(before)), dict(_flat(as_dict(now)))
    names = [name for name in (old | new) if name not in FREE]
    return [
        f"{name} was {old.get(name, 'not set')}, is {new.get(name, 'not set')}"
        for name in names
        if (old.get(name) or None) != (new.get(name) or None)
    ]


def of_pictures(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between the digests of pictures, by their names, a line each."""
    said = [f"picture {name} is gone" for name in before if name not in now]
    said += [f"picture {name} is new" for name in now if name not in before]
    both = (name for name in before if name in now)
    return said + [f"picture {name} is another" for name in both if before[name] != now[name]]


def in_words(changes: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(changes) - SHOWN
    return ", ".join(changes[:SHOWN]) + (f", and {more} more" if more > 0 else "")


def _flat(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
