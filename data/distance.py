"""The exact distances that bundled scenes hold for their test views."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from data.errors import InputError


def distances(folder: Path, split: str = "test") -> Float[np.ndarray, "pictures height width"]:
    """Along the ray through each pixel's centre to what is seen there, in the files' own units.

    Infinite where there is nothing. The pictures are in the order of the transforms file, whose
    distance_unit says what a step of their 16 bits stands for: half of it is the error.
    """
    file = folder / f"transforms_{split}.json"
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
        unit, frames = float(meta["distance_unit"]), meta["frames"]
        paths = [folder / frame["distance_path"] for frame in frames]
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: can't be read: {error}") from error
    except (KeyError, TypeError):
        raise InputError(f"{file}: holds no distances; of the bundled scenes most do") from None
    steps = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                steps.append(np.asarray(picture, np.uint16))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{path}: can't be decoded: {error}") from error
    return np.where(np.stack(steps) == 0, np.inf, unit * np.stack(steps))
