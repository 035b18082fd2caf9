"""Pictures -> endless shuffled batches of pixels.

Batch k is a function of (seed, k): a run that is resumed sees the pixels it would have seen.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8

from data.scene import Split


class Batch(NamedTuple):
    """Pixels to learn from; rays are made from them on the device."""

    picture: Int32[np.ndarray, " rays"]
    """Which picture of the split, and so which camera."""
    pixel: Int32[np.ndarray, "rays 2"]
    """Column and row; the centre of the pixel is half a pixel on."""
    rgba: UInt8[np.ndarray, "rays 4"]


def batches(split: Split, rays: int, seed: int, start: int = 0) -> Iterator[Batch]:
    """Batches number `start`, `start + 1`, .. of `rays` pixels each, without end.

    Every pixel of the split comes once before any comes twice.
    """
    n, height, width, _ = split.pictures.shape
    pixels = n * height * width
    flat = split.pictures.reshape(pixels, 4)
    epoch, order = -1, np.empty(0, np.uint32)
    k = start
    while True:
        at, parts = k * rays, []
        while at < (k + 1) * rays:
            if at // pixels != epoch:
                epoch = at // pixels
                rng = np.random.default_rng((seed, epoch))
                order = rng.permutation(np.arange(pixels, dtype=np.uint32))
            first = at % pixels
            parts.append(order[first : first + (k + 1) * rays - at])
            at += len(parts[-1])
        chosen = np.concatenate(parts).astype(np.int64)
        picture, within = np.divmod(chosen, height * width)
        row, column = np.divmod(within, width)
        yield Batch(
            picture.astype(np.int32),
            np.stack([column, row], axis=-1).astype(np.int32),
            flat[chosen],
        )
        k += 1
