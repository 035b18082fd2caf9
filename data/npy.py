"""An array of numbers from a .npy file.

By hand and not by np.load, which makes room for whatever sizes a broken header claims.
"""

import io
import math
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.lib import format as npy

from data.errors import InputError
from data.regular import regular

LARGEST = 2**26
"""Bytes of a file, half a million poses: more is not read into memory."""


def read(file: Path) -> Float[np.ndarray, "*shape"]:
    """The array; InputError for what holds no numbers, is cut short or too large.

    What is no float64 becomes infinite.
    """
    try:
        if regular(file).stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        content = file.read_bytes()
        stream = io.BytesIO(content)
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, columns_first, dtype = header(stream)
        if dtype.kind not in "fiu":
            raise ValueError(f"it holds {'Python objects' if dtype.hasobject else dtype}")
        if math.prod(shape) * dtype.itemsize > len(content) - stream.tell():
            raise ValueError(f"it is cut short, its header says {shape}")
        found = np.frombuffer(content, dtype, math.prod(shape), stream.tell())
        with np.errstate(all="ignore"):
            return found.reshape(shape, order="F" if columns_first else "C").astype(np.float64)
    except InputError:
        raise
    except Exception as error:  # numpy meets broken bytes with exceptions of every kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{file}: can't be read as an array of numbers ({reason}); write it again"
        ) from error
