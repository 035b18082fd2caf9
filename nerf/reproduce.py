"""Two runs of the same config held against each other: the same bits, or where they differ."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from data.errors import InputError
from data.regular import regular
from nerf import receipt
from nerf import run as folder
from nerf.checkpoint import named
from nerf.opened import open_run

MEASURED = ("psnr", "ssim")


class Line(NamedTuple):
    """One thing that was compared."""

    what: str
    said: str
    """How it differs; or how much of it there is, if it is equal."""
    equal: bool


def receipt_of(run: Path) -> dict[str, Any]:
    """The receipt of a run that can be run again; InputError for others."""
    folder.config_of(run)
    told = receipt.read(run)
    if told is None and (run / receipt.FILE).exists():
        raise InputError(f"{run / receipt.FILE}: is broken: it is no object of JSON; restore it")
    if told is None:
        raise InputError(
            f"{run}: has no receipt ({receipt.FILE}): it was killed, or is of an older version; "
            f"nerf train --resume {run} brings it to its end"
        )
    if told.get("changes"):
        raise InputError(
            f"{run}: was changed on its way ({told['changes'][0]}): no one config makes it again"
        )
    return told


def warnings(told: Mapping[str, Any]) -> list[str]:
    """Why the same bits are not to be expected of a run, whatever the machine."""
    said = []
    if told["config"].get("max_seconds") is not None:
        said.append("its learning rate follows the clock (max_seconds): only --steps repeats")
    if told.get("rollbacks"):
        said.append("it was rolled back to checkpoints, which are made by the clock")
    return said


def compared(run: Path, again: Path) -> list[Line]:
    """What two runs have in common and what not, from where they ran to their last views."""
    a, b = receipt_of(run), receipt_of(again)
    lines = [
        _same("versions", a["versions"], b["versions"]),
        _same("device", [a["device"], a["devices"]], [b["device"], b["devices"]]),
        _same("config", a["config_digest"], b["config_digest"]),
        _same("data", a["data_digest"], b["data_digest"]),
        _curves(run, again),
        _states(run, again, a["state"], b["state"]),
    ]
    if a.get("evaluation"):
        lines.append(_views(a["evaluation"], b["evaluation"] or {"views": []}))
    return lines


def _same(what: str, a: Any, b: Any) -> Line:
    if isinstance(a, dict):
        differ = [
            f"{name} {a.get(name, 'none')}, now {b.get(name, 'none')}"
            for name in sorted(a.keys() | b.keys())
            if a.get(name) != b.get(name)
        ]
        all_of_it = ", ".join(f"{name} {version}" for name, version in a.items())
        return Line(what, ", ".join(differ) or all_of_it, not differ)
    if isinstance(a, list):
        a, b = (" x ".join(map(str, told)) for told in (a, b))
    return Line(what, a if a == b else f"{a}, now {b}", a == b)


def _curves(run: Path, again: Path) -> Line:
    a, b = (_losses(at) for at in (run, again))
    both = [step for step in a if step in b]
    for step in both:
        if a[step] != b[step]:
            return Line("loss", f"from step {step} on: {a[step]!r}, now {b[step]!r}", False)
    return Line("loss", f"{len(both)} logged steps", bool(both) and a.keys() == b.keys())


def _losses(run: Path) -> dict[int, float]:
    losses = {}
    for line in regular(run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            losses[int(row["step"])] = float(row["loss"])
        except (ValueError, KeyError, TypeError):  # a killed run ends in half a line
            continue
    return losses


def _states(run: Path, again: Path, a: Mapping[str, Any], b: Mapping[str, Any]) -> Line:
    differ = [name for name in a if a[name] != b.get(name)]
    if not differ:
        return Line("state", f"{len(a)} arrays", a.keys() == b.keys())
    states = (jax.device_get(named(open_run(at).state)) for at in (run, again))
    x, y = ({name: np.asarray(v, np.float64) for name, v in state.items()} for state in states)
    gaps = {name: _gap(x[name], y[name]) for name in differ if name in x and name in y}
    worst = max(gaps, key=lambda name: gaps[name], default=differ[0])
    said = f"{len(differ)} of {len(a)} arrays; most of all {worst}"
    return Line("state", f"{said}, by {gaps.get(worst, math.nan):.1e} of its length", False)


def _gap(x: np.ndarray, y: np.ndarray) -> float:
    length = float(np.linalg.norm(x))
    return float(np.linalg.norm(x - y)) / length if length else math.inf


def _views(a: Mapping[str, Any], b: Mapping[str, Any]) -> Line:
    theirs = {view["name"]: view for view in b["views"]}
    names = [view["name"] for view in a["views"] if view["name"] in theirs]
    if len(names) < len(a["views"]):
        return Line("views", f"{len(names)} of {len(a['views'])} were measured again", False)
    gaps = {
        figure: max(abs(view[figure] - theirs[view["name"]][figure]) for view in a["views"])
        for figure in MEASURED
    }
    if any(gaps.values()):
        said = f"by {gaps['psnr']:.2g} dB PSNR and {gaps['ssim']:.2g} SSIM at most"
        return Line("views", said, False)
    return Line("views", f"{len(names)}, {a['psnr']:.2f} dB", True)
