"""load(path): a scene from a folder, whatever its format."""

from pathlib import Path

from data import blender, colmap, files, llff, transforms
from data.errors import InputError
from data.scene import Scene
from data.share import ALL, Share

KINDS = (blender, transforms, llff, colmap)
"""Formats, in the order in which they are tried."""
MOST_FOLDERS = 100
"""Folders within one that is no scene which are looked at for one that is."""


def load(
    path: Path,
    downscale: int = 1,
    bound: float | None = None,
    splits: tuple[str, ...] | None = None,
    share: Share = ALL,
) -> Scene:
    """The scene in folder `path`.

    `downscale` divides the pictures' width and height. `bound` is the half side, in the files'
    own units, of the cube around the scene's middle that holds what matters; it becomes
    [-1, 1]^3. By default the loader finds what suits the scene.
    `splits` names those to read; by default all that are there. Of the pictures' files only those
    of a `share` are read, and the header of the first; names, lenses and poses are those of all.
    Raises InputError with one line where the folder is no scene or a file in it is broken.
    """
    if not path.exists():
        raise InputError(f"{path}: no such folder; --scene names the folder of a scene")
    if not path.is_dir():
        raise InputError(f"{path}: is a file; --scene names the folder that holds the scene")
    if downscale < 1:
        raise InputError(f"downscale {downscale}: give a whole number of at least 1")
    if bound is not None and not 1e-6 <= bound <= 1e9:
        raise InputError(f"bound {bound:g}: it must be from 1e-06 to 1e+09 of the files' own units")
    for kind in KINDS:
        if kind.recognises(path):
            return kind.load(path, downscale, bound, splits, share)
    within = [folder.name for folder in files.listing(path)[:MOST_FOLDERS] if _recognised(folder)]
    hint = f"; one lies in {path / within[0]}" if within else ""
    raise InputError(
        f"{path}: not a scene in a known format; a Blender scene has transforms_train.json, "
        "nerfstudio's and instant-ngp's transforms.json, LLFF's poses_bounds.npy, COLMAP's a model "
        f"in sparse/0, each beside its pictures{hint}"
    )


def _recognised(folder: Path) -> bool:
    """Whether a folder is a scene in some format."""
    return any(kind.recognises(folder) for kind in KINDS)
