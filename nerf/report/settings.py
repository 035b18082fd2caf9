"""A config as a list of settings, and where configs differ."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from nerf.config import Config

PLACES = ("scene", "run")
"""Settings that say where a run is and what of, not how it learns."""


class Changed(NamedTuple):
    """One setting that is not the same everywhere."""

    name: str
    values: tuple[str, ...]
    """In words, in the order of the configs."""


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names, as on the command line."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= flat(value, f"{prefix}{field.name}.")
        else:
            found[f"{prefix}{field.name}"] = value
    return found


def in_words(value: Any) -> str:
    """A setting's value as a TOML file would have it, nearly."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(in_words, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def differing(configs: Sequence[Config], places: bool = False) -> list[Changed]:
    """The settings in which configs differ; those of PLACES only if asked for."""
    each = [flat(config) for config in configs]
    return [
        Changed(name, tuple(in_words(one[name]) for one in each))
        for name in each[0]
        if (places or name not in PLACES) and any(one[name] != each[0][name] for one in each)
    ]
