"""Short numbers that tell whether arrays, pictures or a config are the same bits as before.

Of an array two sums over its words u_i of 32 bits, both modulo 2^32:

    a = sum_i u_i        b = sum_i (2 i + 1) u_i

One changed word changes both, since 2 i + 1 is odd; words that changed places change b. Whole
numbers add up to the same in every order, so the sums are taken where the array is, on one device
or over many, and nothing is fetched for it. They find faults of disks and memories, not forgers.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from data.scene import Split
from nerf import processes

Digests = dict[str, list[int]]
"""The sums a and b of arrays, by their names."""


def of_arrays(arrays: Mapping[str, Array]) -> tuple[Digests, list[str]]:
    """The digests of arrays, and the names of those that hold a number that is not finite."""
    told = jax.device_get(_looked_at(dict(arrays)))
    digests = {name: [int(a), int(b)] for name, ((a, b), _) in told.items()}
    return digests, [name for name in arrays if not told[name][1]]


@jax.jit
def _looked_at(arrays: dict[str, Array]) -> dict[str, tuple[tuple[Array, Array], Array]]:
    return {name: (_sums(array), _finite(array)) for name, array in arrays.items()}


def _sums(array: Array) -> tuple[Array, Array]:
    bits = {1: jnp.uint8, 2: jnp.uint16}.get(array.dtype.itemsize, jnp.uint32)
    # eight bytes become two words
    words = array if array.dtype == bool else jax.lax.bitcast_convert_type(array, bits)
    words = words.ravel().astype(jnp.uint32)
    odd = 2 * jax.lax.iota(jnp.uint32, words.size) + np.uint32(1)
    return jnp.sum(words, dtype=jnp.uint32), jnp.sum(odd * words, dtype=jnp.uint32)


def _finite(array: Array) -> Array:
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        return jnp.bool_(True)
    return jnp.all(jnp.isfinite(array))


def of_pictures(split: Split) -> dict[str, str]:
    """A digest for each picture of a split, by name: of its pixels, mask, lens and pose.

    Each of several processes looks at those that it has read.
    """
    found = {}
    for number, picture in enumerate(split.pictures):
        k = split.first + number
        parts = [picture, split.intrinsics[k], split.poses[k]]
        parts += [] if split.distortion is None else [split.distortion[k]]
        parts += [] if split.masks is None else [split.masks[number]]
        parts += [np.uint8(1)] if split.fisheye else []
        found[split.names[k]] = _hash(np.ascontiguousarray(part).tobytes() for part in parts)
    return {name: told for part in processes.exchange(found) for name, told in part.items()}


def of_all(digests: Mapping[str, str]) -> str:
    """One digest of many."""
    return of_settings(dict(digests))


def of_settings(told: Mapping[str, Any]) -> str:
    """A digest of what can be said in JSON, whatever the order it is said in."""
    return _hash([json.dumps(told, sort_keys=True).encode()])


def _hash(parts: Iterable[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()
