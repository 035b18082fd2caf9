"""The three stages of structure from motion, run one after another, with their progress."""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import nerf
from data.errors import InputError
from nerf.console import bar, console

ALL_PAIRS = 150
"""Photographs of which every two are compared; of more, and of a film, neighbours and some."""
NEIGHBOURS = 10
"""Pictures before and after in the order of names that each is compared with."""
ANCHORS = 40
"""Pictures, evenly chosen, of which every two are compared: they close a path around a thing."""
ENOUGH_MATCHES = 15
"""Matches from which on two pictures are said to show the same."""


def run(work: Path, names: Sequence[str], settings: dict[str, Any], film: bool) -> dict[str, Any]:
    """The largest model of the pictures WORK/pictures/`names`; see `nerf.photos.reconstruct`."""
    both = pairs(len(names), film)
    (work / "pairs.txt").write_text("".join(f"{names[a]} {names[b]}\n" for a, b in both))
    (work / "settings.json").write_text(json.dumps(settings))
    seconds = _stage("features", work, len(names), lambda: _count(work, "descriptors"))
    counts = [n for (n,) in _rows(work, "SELECT rows FROM keypoints")]
    middle = statistics.median(counts) if counts else 0
    console.print(f"features {middle:,.0f} of a picture (median), {seconds:.0f} s")
    seconds = _stage("matches", work, len(both), lambda: _count(work, "two_view_geometries"))
    query = f"SELECT COUNT(*) FROM two_view_geometries WHERE rows >= {ENOUGH_MATCHES}"
    ((same,),) = _rows(work, query) or [(0,)]
    console.print(f"matches  in {same:,} of {len(both):,} pairs of pictures, {seconds:.0f} s")
    seconds = _stage("mapping", work, len(names), lambda: _size(work / "registered"))
    console.print(f"mapping  {seconds:.0f} s")
    return json.loads((work / "model.json").read_text())


def pairs(count: int, film: bool = False) -> list[tuple[int, int]]:
    """Which pictures are compared: every two, or of many neighbours, leaps, and every two anchors.

    Leaps are over powers of two: pictures of one place that are far apart in time find each other.
    """
    if count <= ALL_PAIRS and not film:
        return list(combinations(range(count), 2))
    steps = {*range(1, NEIGHBOURS + 1), *(2**k for k in range(count.bit_length()))}
    found = {(a, a + step) for step in steps for a in range(count - step)}
    anchors = sorted({k * count // ANCHORS for k in range(ANCHORS)})
    return sorted(found | set(combinations(anchors, 2)))


def _stage(what: str, work: Path, total: int, done: Callable[[], int]) -> float:
    """Runs one stage in its process and shows how far it is; returns the seconds it took."""
    root = str(Path(nerf.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    start, shown = time.monotonic(), 0
    with (work / "log.txt").open("ab") as log, bar(what, total) as tick:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "nerf.photos.reconstruct", what, str(work)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        try:
            while child.poll() is None:
                time.sleep(0.2)
                now = min(max(done(), shown), total)
                tick(now - shown)
                shown = now
        finally:  # Ctrl-C: pycolmap would not stop by itself
            child.kill()
            child.wait()
        tick(total - shown)
    if child.returncode:
        lines = (work / "log.txt").read_text(errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else "it does not say why"
        raise InputError(f"pycolmap failed ({what}, exit code {child.returncode}): {last[-300:]}")
    return time.monotonic() - start


def _count(work: Path, table: str) -> int:
    counted = _rows(work, f"SELECT COUNT(*) FROM {table}")
    return counted[0][0] if counted else 0


def _rows(work: Path, query: str) -> list[tuple[Any, ...]]:
    """What pycolmap's database says; nothing while it is being made."""
    file = (work / "database.db").resolve()
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.1)) as base:
            return base.execute(query).fetchall()
    except sqlite3.Error:
        return []


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
