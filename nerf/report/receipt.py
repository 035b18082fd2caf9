"""What an evaluation keeps beside its figures: who computed them, with what, and the errors."""

import json
import platform
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, UInt8

from nerf import machine
from nerf.config import replace_text
from nerf.field import Params

PACKAGES = ("nabla-nerf", "jax", "jaxlib", "flax", "numpy")
LEVELS = 256
"""Of an error: steps of 8 bits, mean over the channels, rounded."""


def errors(a: UInt8[np.ndarray, "*at 3"], b: UInt8[np.ndarray, "*at 3"]) -> Int[np.ndarray, "256"]:
    """How many pixels of two pictures differ by 0, 1, 2, ... steps of 8 bits, mean of RGB."""
    difference = np.abs(a.astype(np.int16) - b).sum(axis=-1, dtype=np.int16)
    return np.bincount((difference.ravel() + 1) // 3, minlength=LEVELS).astype(np.int64)


def parameters(params: Params) -> int:
    """How many numbers are learnt."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Of Python and of the packages that compute; without those that are not installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write(out: Path, **known: Any) -> None:
    """Writes `out`/receipt.json: date, device and versions of now, and what else is known."""
    told = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": machine.device(),
        "versions": versions(),
    }
    replace_text(out / "receipt.json", json.dumps(told | known) + "\n")
