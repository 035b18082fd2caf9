"""The frame that a run was trained in: where the files' points lie for it.

x_scene = scale (R x_file + m), [R | m] = motion (`data.scene.Scene`). A run keeps both, so that
what it makes can be taken back to the user's own units, and so that it is never shown other poses
than those that it was trained with.
"""

import json
from pathlib import Path

import numpy as np

from data.errors import InputError
from data.regular import regular
from data.scene import Scene
from nerf.config import replace_text

FILE = "frame.json"
SAME = 1e-4
"""Difference up to which two frames are one: of scales, relative; of axes; and, in scene units, of
the places of the scene's middle, wherever the files have it."""


def keep(scene: Scene, run: Path) -> None:
    """Writes the frame of a scene into the folder of a run."""
    told = {"scale": scene.scale, "motion": np.asarray(scene.motion, float).tolist()}
    replace_text(run / FILE, json.dumps(told, indent=1) + "\n")


def check(scene: Scene, run: Path) -> None:
    """InputError where the scene is not in the frame of the run; older runs have kept none."""
    file = run / FILE
    if not file.exists():
        return
    try:
        told = json.loads(regular(file).read_text(encoding="utf-8"))
        scale, motion = float(told["scale"]), np.array(told["motion"], float).reshape(3, 4)
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError) as error:
        raise InputError(f"{file}: is no frame of a run; restore it, or train again") from error
    there = np.asarray(scene.motion, np.float64)
    R, m = there[:, :3], there[:, 3]
    turned = float(np.abs(motion[:, :3] - R).max())
    middle = scale * float(np.abs(motion[:, 3] - motion[:, :3] @ R.T @ m).max())
    if not (abs(scale / scene.scale - 1) < SAME and turned < SAME and middle < SAME):
        raise InputError(
            f"{run}: was trained with the scene at scale {scale:.5g}; {scene.path} is at "
            f"{scene.scale:.5g} now, or moved: its poses have changed; train again"
        )
