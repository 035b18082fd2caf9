"""Runs side by side: figures, where settings differ, and whether they may be compared."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from data.errors import InputError
from nerf.field import Model
from nerf.opened import trained_config_of
from nerf.report import settings
from nerf.report.record import Record, View, read
from nerf.report.settings import Changed

UNKNOWN = "unknown"
"""What an evaluation by an older version says of what it did not write."""


class Figure(NamedTuple):
    """One row of figures, a number for each run."""

    name: str
    values: tuple[float | None, ...]
    digits: int
    better: int = 0
    """1 where more is better; 0 where that can't be said."""

    @property
    def best(self) -> set[int]:
        """Which runs have the best of it."""
        known = [value for value in self.values if value is not None]
        if not self.better or len(known) < 2 or max(known) == min(known):
            return set()
        return {k for k, value in enumerate(self.values) if value == max(known)}


class Compared(NamedTuple):
    """Several runs."""

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    """Names that tell them apart."""
    figures: tuple[Figure, ...]
    protocol: tuple[Changed, ...]
    """What each was evaluated by; all of it, not only where they differ."""
    settings: tuple[Changed, ...]
    """Those that differ."""
    warnings: tuple[str, ...]
    """Why the figures can't be held against one another; none where they can."""
    notes: tuple[str, ...]
    """What else should be known."""
    shared: tuple[tuple[View, ...], ...]
    """Views that all have, one of each run."""


def compare(runs: Sequence[Path]) -> Compared:
    """Reads runs; InputError if there are fewer than two, or one was not evaluated."""
    if len(runs) < 2:
        raise InputError("compare: name two runs or more; nerf eval RUN shows a single one")
    places = [run.resolve() for run in runs]
    for k, place in enumerate(places):
        if place in places[:k]:
            raise InputError(f"{runs[k]}: is named twice; name different runs")
    for run in runs:
        trained_config_of(run)  # refuses settings that the run was not trained with
    records = tuple(read(run) for run in runs)
    names = tuple(labels(places))
    protocol = _protocol(records)
    return Compared(
        records=records,
        labels=names,
        figures=_figures(records),
        protocol=protocol,
        settings=tuple(settings.differing([record.config for record in records])),
        warnings=tuple(_warnings(records, names, protocol)),
        notes=tuple(_notes(records, names)),
        shared=_shared(records),
    )


def labels(places: Sequence[Path]) -> list[str]:
    """Names of folders, with as many folders above as tell all of them apart."""
    deepest = max(len(place.parts) for place in places)
    for depth in range(1, deepest + 1):
        found = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(found)) == len(found):
            break
    return found


def differs(row: Changed) -> bool:
    """Whether the runs have not all the same there."""
    return len(set(row.values)) > 1


def _figures(records: Sequence[Record]) -> tuple[Figure, ...]:
    def of(ask) -> tuple[float | None, ...]:
        values = [ask(record) for record in records]
        return tuple(None if value is None else float(value) for value in values)

    return (
        Figure("PSNR, dB", of(lambda r: r.psnr), 2, 1),
        Figure("SSIM", of(lambda r: r.ssim), 4, 1),
        Figure("steps trained", of(lambda r: r.steps), 0),
        Figure("seconds trained", of(lambda r: r.seconds), 1),
        Figure("rays/s, mean", of(lambda r: r.curve.rays_per_second), 0),
        Figure("parameters", of(_parameters), 0),
    )


def _parameters(record: Record) -> int:
    """How many numbers the run learns; of its config, for none of them is made."""
    known = record.receipt.get("parameters")
    if isinstance(known, int):
        return known
    shapes = jax.eval_shape(lambda: Model.create(record.config)[1])
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def _protocol(records: Sequence[Record]) -> tuple[Changed, ...]:
    names = list(dict.fromkeys(name for record in records for name in record.protocol))
    rows = [
        Changed(name, tuple(record.protocol.get(name, UNKNOWN) for record in records))
        for name in names
    ]
    scenes = tuple(str(record.config.scene or UNKNOWN) for record in records)
    return (Changed("scene", scenes), *rows)


def _warnings(
    records: Sequence[Record], names: Sequence[str], protocol: Sequence[Changed]
) -> list[str]:
    """Why figures can't be held against one another."""
    said = []
    scene, *rows = protocol
    digests = [record.photographs for record in records]
    same_pictures = None not in digests and len(set(digests)) == 1
    # a scene that was moved is the same one: its photographs say so, where they are known
    if not same_pictures and len({Path(value).name for value in scene.values}) > 1:
        said.append(f"different scenes: {_each(names, scene.values)}")
    said += [
        f"different protocols, {row.name}: {_each(names, row.values)}"
        for row in rows
        if differs(row)
    ]
    views = [tuple(view.name for view in record.views) for record in records]
    if not said and len(set(views)) > 1:
        said.append("different views were evaluated; only those that all share can be compared")
    if not said and not same_pictures and None not in digests:
        said.append(
            "different photographs under the same names: another scene, or other pictures of it"
        )
    if not rows:
        said.append("no protocol is known: the evaluations are of an older version")
    return said


def _notes(records: Sequence[Record], names: Sequence[str]) -> list[str]:
    said = []
    for record, name in zip(records, names, strict=True):
        if any(record.picture(view, "rendering") is None for view in record.views):
            said.append(f"{name}: pictures are missing; nerf eval {record.run} makes them anew")
        curve = record.curve
        if not len(curve):
            said.append(f"{name}: metrics.jsonl holds no line, so it has no learning curve")
            continue
        if curve.unread:
            said.append(f"{name}: {curve.unread} lines of metrics.jsonl can't be read")
        last = int(curve.values["step"][-1])
        if record.steps is not None and last > record.steps:
            said.append(
                f"{name}: was evaluated at step {record.steps} and has trained to step {last} "
                f"since; nerf eval {record.run} shows what it is now"
            )
    return said


def _shared(records: Sequence[Record]) -> tuple[tuple[View, ...], ...]:
    each = [{view.name: view for view in record.views} for record in records]
    return tuple(
        tuple(views[name] for views in each)
        for name in each[0]
        if all(name in views for views in each)
    )


def _each(names: Sequence[str], values: Sequence[str]) -> str:
    """`first, second: this; third: that`."""
    groups: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        groups.setdefault(value, []).append(name)
    return "; ".join(f"{', '.join(who)}: {value}" for value, who in groups.items())
