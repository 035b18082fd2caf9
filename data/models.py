"""Where COLMAP puts its models, within the folder of a scene."""

from pathlib import Path

from data.files import is_file

_PLACES = ("sparse/0", "sparse", "colmap/sparse/0")


def roots(path: Path) -> list[Path]:
    """Folders with models: the scene's own, then those that COLMAP undistorted within `dense`."""
    numbered = [p for p in (path / "dense").glob("*") if p.name.isdecimal()]
    dense = [path / "dense", *sorted(numbered, key=lambda p: int(p.name[:9]))]
    return [place for place in (path, *dense) if folders(place)]


def folders(path: Path) -> list[Path]:
    """The folders under a scene's folder that hold a model, in order."""
    numbered = [p for p in (path / "sparse").glob("*") if p.name.isdecimal()]
    places = [path / place for place in _PLACES]
    places += sorted(numbered, key=lambda p: int(p.name[:9]))
    return [p for p in dict.fromkeys(places) if file_of(p, "cameras") and file_of(p, "images")]


def file_of(folder: Path, stem: str) -> Path | None:
    """Binary before text, as COLMAP itself reads them."""
    candidates = (folder / f"{stem}.bin", folder / f"{stem}.txt")
    return next((file for file in candidates if is_file(file)), None)
