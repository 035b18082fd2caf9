"""The exact distances that bundled scenes hold for their test views."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from data import files
from data.errors import InputError
from data.regular import regular


def distances(folder: Path, split: str = "test") -> Float[np.ndarray, "pictures height width"]:
    """Along the ray through each pixel's centre to what is seen there, in the files' own units.

    Infinite where there is nothing. The pictures are in the order of the transforms file, whose
    distance_unit says what a step of their 16 bits stands for: half of it is the error.
    """
    file = folder / f"transforms_{split}.json"
    meta = files.read_json(file)
    frames = files.value(meta, "frames", list, file)
    named = [isinstance(frame, dict) and "distance_path" in frame for frame in frames]
    if "distance_unit" not in meta or not any(named):
        raise InputError(f"{file}: holds no distances; the test views of most bundled scenes do")
    unit = files.value(meta, "distance_unit", float, file)
    if not 0 < unit < math.inf:
        raise InputError(f"{file}: distance_unit is {unit}; it is the length of a step, above 0")
    steps: list[np.ndarray] = []
    for number, frame in enumerate(frames):
        where = f"{file}, frame {number}"
        path = files.inside(folder, files.value(frame, "distance_path", str, where), where)
        try:
            with Image.open(regular(path)) as picture:
                steps.append(np.asarray(picture, np.uint16))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{path}: can't be decoded: {error}") from error
        if steps[-1].ndim != 2 or steps[-1].shape != steps[0].shape:
            raise InputError(
                f"{path}: distances are one channel of 16 bits, all pictures of one size; "
                f"this one is {steps[-1].shape}, the first {steps[0].shape}"
            )
    return np.where(np.stack(steps) == 0, np.inf, unit * np.stack(steps))
