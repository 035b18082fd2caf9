"""What is saved beside the arrays of a checkpoint, as JSON under a digest of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nerf import digest
from nerf.checkpoint_folder import BrokenError

FILE = "metadata"
"""In the checkpoint's part for it; orbax writes it."""

OTHER = "what lies beside the arrays is not what was written"

Shapes = dict[str, list[Any]]
"""dtype and sizes of arrays, by their names."""


class Memo(NamedTuple):
    """What a run needs beside its arrays to go on."""

    config: dict[str, Any]
    """The settings it is trained with, as `nerf.config.told` has them."""
    data: str = ""
    """Digest of the pictures and cameras it is trained on."""
    seconds: float = 0.0
    """Of training, compilation included, dead starts counted in."""
    lost: float = 0.0
    """Of these, seconds of dead starts."""
    seeds: tuple[int, ...] = ()
    """Those that were tried, this one last."""
    watch: tuple[tuple[float, float, float], ...] = ()
    """What the watch over dead starts remembers."""
    slower: float = 1.0
    """Times the learning rate, after rollbacks."""
    rollbacks: int = 0
    changes: tuple[str, ...] = ()
    """What was changed in the course of the run, in words, and at which step."""


class Kept(NamedTuple):
    """A memo as it was read, and what it says of the arrays beside it."""

    memo: Memo
    digests: digest.Digests
    shapes: Shapes | None
    """None in checkpoints of older versions."""


def written(
    memo: Memo, step: int, digests: digest.Digests, shapes: Mapping[str, list[Any]]
) -> dict[str, Any]:
    """The JSON of a memo: with the step and its arrays' digests and shapes, and a digest of all."""
    told = memo._asdict() | {"step": step, "digests": digests, "shapes": dict(shapes)}
    return told | {"digest": digest.of_settings(told)}


def read(at: Path, step: int) -> Kept:
    """The memo of the checkpoint of a step, which lies in the folder `at`.

    BrokenError where it is not what was written; OSError where the system can't read it.
    """
    try:
        told = json.loads((at / FILE).read_bytes())
        # older versions wrote none; a damaged name of it is a name that no memo has
        kept = told.pop("digest", None)
        if kept is not None and kept != digest.of_settings(told):
            raise BrokenError(OTHER)
        digests, shapes = told.pop("digests"), told.pop("shapes", None)
        if told.pop("step") != step:
            raise BrokenError("is of another step")
        told |= {name: tuple(map(_row, told[name])) for name in ("seeds", "watch", "changes")}
        return Kept(Memo(**told), digests, shapes)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenError(OTHER) from error


def _row(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
