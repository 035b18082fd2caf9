"""What a run left behind, read back as far as it can be read.

Files of older versions lack fields, a killed run ends in half a line: what is missing is None or
NaN here, and pages leave it out. Only a run without an evaluation is refused.
"""

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data.errors import InputError
from data.regular import regular
from nerf import run as folder
from nerf.config import Config

PARTS = ("photograph", "rendering", "error", "depth")
"""Pictures of a view that an evaluation writes, in their order."""
LOGGED = ("step", "seconds", "loss", "psnr", "rays_per_second", "learning_rate")
"""What is read of each line of metrics.jsonl."""


class Curve(NamedTuple):
    """The lines of metrics.jsonl; NaN where a line does not say."""

    values: dict[str, Float[np.ndarray, " lines"]]
    """By the names of LOGGED."""
    unread: int
    """Lines that are no such lines: cut short, say."""

    def __len__(self) -> int:
        return len(self.values["step"])

    @property
    def rays_per_second(self) -> float | None:
        """Mean over training, compilation included."""
        rates, at = self.values["rays_per_second"], self.values["seconds"]
        rays = rates * np.diff(at, prepend=0.0)
        known = np.isfinite(rays) & (at > 0)
        return float(rays[known].sum() / at[known].max()) if known.any() else None


class View(NamedTuple):
    """One evaluated view."""

    name: str
    psnr: float | None
    ssim: float | None
    stem: str
    """Of its files in eval/views."""


@dataclass(frozen=True)
class Record:
    """A run and its evaluation."""

    run: Path
    config: Config
    curve: Curve
    psnr: float | None
    ssim: float | None
    seconds: float | None
    """Of training, at the evaluation."""
    protocol: dict[str, str]
    views: tuple[View, ...]
    receipt: dict[str, Any]
    """As nerf.report.receipt writes it; empty for an evaluation by an older version."""

    @property
    def steps(self) -> int | None:
        """Of training, at the evaluation."""
        if isinstance(self.receipt.get("steps"), int):
            return self.receipt["steps"]
        before = self.curve.values["seconds"] <= (self.seconds or 0) + 1e-3
        return int(self.curve.values["step"][before][-1]) if before.any() else None

    @property
    def photographs(self) -> str | None:
        """A digest of the photographs; None where none was kept."""
        digest = self.receipt.get("photographs")
        return digest if isinstance(digest, str) else None

    def picture(self, view: View, part: str) -> Path | None:
        """The file of one of PARTS, or of the `panel` of all; None where there is none."""
        name = f"{view.stem}.png" if part == "panel" else f"{view.stem}.{part}.webp"
        file = self.run / "eval" / "views" / name
        return file if file.is_file() else None


def stems(names: list[str]) -> list[str]:
    """File names, without ending, for the names of views: no folders, and no name twice."""
    found: list[str] = []
    for name in names:
        stem = wanted = name.replace("/", "_")
        number = 1
        while stem in found:
            number += 1
            stem = f"{wanted}-{number}"
        found.append(stem)
    return found


def read(run: Path) -> Record:
    """The record of a run; InputError if it is none, or was not evaluated."""
    config = folder.config_of(run)
    file = run / "eval" / "metrics.json"
    if not file.is_file():
        raise InputError(f"{run}: not evaluated yet; nerf eval {run} does it")
    told = _json(file)
    if not isinstance(told, dict) or not isinstance(told.get("views"), list):
        raise InputError(f"{file}: can't be read; nerf eval {run} writes it anew")
    rows = [row for row in told["views"] if isinstance(row, dict)]
    names = [str(row.get("name", k)) for k, row in enumerate(rows)]
    protocol = told.get("protocol")
    receipt = _json(run / "eval" / "receipt.json")
    return Record(
        run=run,
        config=config,
        curve=curve(run / "metrics.jsonl"),
        psnr=_number(told.get("psnr")),
        ssim=_number(told.get("ssim")),
        seconds=_number(told.get("seconds")),
        protocol=_in_words(protocol if isinstance(protocol, dict) else {}),
        views=tuple(
            View(name, _number(row.get("psnr")), _number(row.get("ssim")), stem)
            for name, row, stem in zip(names, rows, stems(names), strict=True)
        ),
        receipt=receipt if isinstance(receipt, dict) else {},
    )


def curve(file: Path) -> Curve:
    """The learning curve in a metrics.jsonl; an empty one if there is no such file."""
    rows, unread = [], 0
    lines = (
        file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    )
    for line in lines:
        row = _parsed(line)
        if isinstance(row, dict) and all(_number(row.get(k)) is not None for k in LOGGED[:2]):
            numbers = (_number(row.get(name)) for name in LOGGED)
            rows.append([math.nan if number is None else number for number in numbers])
        else:
            unread += 1
    table = np.array(rows, np.float64).reshape(-1, len(LOGGED))
    return Curve(dict(zip(LOGGED, table.T, strict=True)), unread)


def _json(file: Path) -> Any:
    try:
        return _parsed(regular(file).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    with suppress(OverflowError):  # of a whole number beyond all floats
        return float(value) if math.isfinite(value) else None
    return None


def _in_words(protocol: dict[str, Any]) -> dict[str, str]:
    return {
        name: "x".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in protocol.items()
    }
