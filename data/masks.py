"""Masks: which pixels of a picture to learn from.

Every pixel that is not zero counts, in a mask of 0 and 1 as in one of 0 and 255. JPEG, WebP, AVIF
and JPEG 2000 ring about edges, so that their zeros are not kept: there a pixel counts if it is
above half of the mask's brightest value. A transparent pixel counts as zero. In instant-ngp's
dynamic masks, which lie beside their pictures as dynamic_mask_NAME.png, nothing is learned from
pixels that are not zero, and alpha means nothing.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from PIL import Image

from data import exr
from data.errors import InputError
from data.pictures import FORMATS, decoding, each, is_exr, only_headers, size_of

LOSSY = ("JPEG", "WEBP", "AVIF", "JPEG2000")
"""Formats, by Pillow's names, that do not keep a zero beside an edge."""


class Mask(NamedTuple):
    """A mask of one picture, and of its size."""

    file: Path
    dynamic: bool = False
    """Its pixels that are not zero are those that nothing is learned from."""


def dynamic(picture: Path) -> Path | None:
    """The dynamic mask beside a picture, named with or without its ending; None: there is none.

    InputError where instant-ngp would find the picture's alpha channel in a file of its own.
    """
    for name in (picture.name, picture.stem):
        alpha = picture.with_name(f"{name}.alpha{picture.suffix}")
        if os.path.lexists(alpha):
            raise InputError(
                f"{alpha}: an alpha channel in a file of its own is not read; put it into "
                f"{picture.name}, or remove it"
            )
    rays = picture.with_name(f"rays_{picture.stem}.dat")
    if os.path.lexists(rays):
        raise InputError(f"{rays}: rays of single pixels are not read; give a lens, or remove it")
    file = picture.with_name(f"dynamic_mask_{picture.stem}.png")
    for ending in (".PNG", ".jpg", ".jpeg", ".JPG", ".webp", ".tif", ".bmp"):
        if os.path.lexists(other := file.with_suffix(ending)):
            raise InputError(f"{other}: a dynamic mask is read as {file.name}; convert it")
    return file if os.path.lexists(file) else None


def of(picture: Path, marked: Path | None = None) -> tuple[Mask, ...]:
    """The masks of a picture: the one that its scene names, if any, and the dynamic one."""
    beside = dynamic(picture)
    named = () if marked is None else (Mask(marked),)
    return named if beside is None else (*named, Mask(beside, dynamic=True))


def read(
    masks: Sequence[tuple[Mask, ...]], size: tuple[int, int], downscale: int = 1
) -> Bool[np.ndarray, "pictures h w"]:
    """Which pixels of pictures, of `size` as stored, to learn from, by the masks of each.

    A pixel of a smaller picture counts if all that it was averaged from does.
    """
    w, h = size[0] // downscale, size[1] // downscale
    if only_headers():
        return np.broadcast_to(np.True_, (len(masks), h, w))
    found = np.ones((len(masks), h, w), bool)
    files = [mask.file for some in masks for mask in some]
    for file in files:
        if (its := size_of(file)) != size:
            raise InputError(
                f"{file}: is {its[0]}x{its[1]}, but its picture is {size[0]}x{size[1]}; "
                "a mask must have its picture's size"
            )

    def read_one(k: int) -> None:
        for mask in masks[k]:
            marked = decoding(mask.file, partial(_not_zero, transparent=mask.dynamic))
            counts = marked != mask.dynamic
            found[k] &= counts.reshape(h, downscale, w, downscale).all((1, 3))

    each(read_one, len(masks), size[0] * size[1], any(map(is_exr, files)))
    return found


def _not_zero(file: Path, transparent: bool) -> Bool[np.ndarray, "h w"]:
    """Pixels that are not zero; with `transparent` those are that alpha hides, too."""
    lossy = False
    if is_exr(file):
        values = exr.read(file)
    else:
        with Image.open(file, formats=FORMATS) as image:
            lossy = image.format in LOSSY
            # grey of 16 bits, 32 or floats as it is: converted to 8 bits a 1 becomes 0
            values = np.asarray(image if image.mode[0] in "IF" else image.convert("RGBA"))
    if values.ndim == 3:
        values = values[..., :3].max(-1) * (transparent | (values[..., 3] > 0))
    return np.asarray(values > (values.max() / 2 if lossy else 0))
