"""All devices in one row: who takes which rays, who holds which pictures and rows of the tables.

A step's rays and samples are cut into the config's `training.parts`. Each device takes as many
parts as any other, one after another, and what they find is added up: so what a step computes
follows from the config, and the devices decide only who computes it and in which order sums are
taken.

Parameters lie on every device. Tables, which are most of them, may be dealt out by rows instead,
and with them what Adam remembers of them: each step then gathers them, and each device renews its
own rows alone. A table's number of rows is part of its hash and seldom a multiple of anything, so
rows of zeros follow until the parts divide them: their gradient is zero, and they stay so.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from data.errors import InputError
from data.share import ALL, Share
from nerf.config import Config
from nerf.field import rows, vertices

AXIS = "rays"
"""Name of the row of devices."""

Total = Callable[[Any], Any]
"""Adds numbers up over all that share a step; arrays or trees of them."""


def alone(tree: Any) -> Any:
    """The total of one device: the numbers themselves."""
    return tree


def total_over(axis: str | None) -> Total:
    """The total over an axis of devices, or of one alone."""
    return alone if axis is None else lambda tree: jax.lax.psum(tree, axis)


def resolved(config: Config) -> Config:
    """The config of a run that begins, with as many parts as there are devices, if none are named.

    Where its tables lie is the plan's to say, which knows what else there is (nerf/plan/fit.py).
    """
    parts = config.training.parts or jax.device_count()
    return replace(config, training=replace(config.training, parts=parts))


def mesh_of(config: Config) -> Mesh | None:
    """All devices, or one where the config has one part; None where one holds all as it is.

    InputError where the devices can't share the parts evenly.
    """
    parts, found = config.training.parts or 1, jax.devices()
    if parts == 1 and jax.process_count() == 1:
        found = found[:1]
    if parts % len(found):
        raise InputError(
            f"training.parts is {parts}: {len(found)} devices can't go through as many each; give "
            f"a multiple of {len(found)}, or let JAX see fewer devices (CUDA_VISIBLE_DEVICES)"
        )
    if len(found) == 1 and config.training.tables != "sharded":
        return None
    return Mesh(np.array(found), (AXIS,))


def mesh_here() -> Mesh | None:
    """The devices of this process; None if it has one alone."""
    found = jax.local_devices()
    return Mesh(np.array(found), (AXIS,)) if len(found) > 1 else None


def said(config: Config) -> str:
    """How a run is shared, in words for its first lines; empty on one device."""
    parts, mesh = config.training.parts or 1, mesh_of(config)
    count = 1 if mesh is None else mesh.size
    hosts = f" of {jax.process_count()} processes" if jax.process_count() > 1 else ""
    if count == parts == 1:
        return ""
    tables = ", tables dealt out by rows" if config.training.tables == "sharded" else ""
    many = "s" if count > 1 else ""
    return f"; {parts} parts over {count} device{many}{hosts}{tables}"


def share_of(mesh: Mesh | None) -> Share:
    """The pictures that this process's devices of a mesh hold."""
    if mesh is None:
        return ALL
    mine = [k for k, d in enumerate(mesh.devices.flat) if d.process_index == jax.process_index()]
    return Share(min(mine), max(mine) + 1, mesh.size)


def in_rows(path: tuple) -> bool:
    """Whether an array at this place of a tree of parameters is a table."""
    return any(getattr(key, "key", None) == "tables" for key in path)


def specs(tree: Any, config: Config) -> Any:
    """How the arrays of a state lie over the devices."""
    dealt = config.training.tables == "sharded"
    return jax.tree_util.tree_map_with_path(
        lambda path, _: P(AXIS) if dealt and in_rows(path) else P(), tree
    )


def padded(tree: Any, config: Config) -> Any:
    """The arrays with rows of zeros after tables that are dealt out, until parts divide them."""
    if config.training.tables != "sharded":
        return tree
    parts = config.training.parts or 1

    def longer(path: tuple, leaf: Array) -> Array:
        if not in_rows(path):
            return leaf
        return jnp.pad(leaf, ((0, -len(leaf) % parts), (0, 0)))

    return jax.tree_util.tree_map_with_path(longer, tree)


def cut(tree: Any, config: Config) -> Any:
    """The arrays without what `padded` put after them."""
    if config.training.tables != "sharded":
        return tree
    counts = [rows(n, config.field) for n in vertices(config.field)]
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf[: counts[path[-1].key]] if in_rows(path) else leaf, tree
    )


def placed(tree: Any, mesh: Mesh, spec: Any = None) -> Any:
    """The arrays on a mesh, each whole on every device or as `spec` says, a tree as theirs.

    Every process holds all of them, and gives its own devices their share.
    """

    def put(leaf: Any, spec: P) -> Array:
        sharding = NamedSharding(mesh, spec)
        if jax.process_count() == 1:
            return jax.device_put(leaf, sharding)
        held = np.asarray(leaf)
        return jax.make_array_from_callback(held.shape, sharding, lambda index: held[index])

    if spec is None:
        spec = jax.tree.map(lambda _: P(), tree)
    return jax.tree.map(put, tree, spec)


def dealt(held: np.ndarray, count: int, first: int, mesh: Mesh) -> Array:
    """Pictures over the devices of a mesh, as many for each, `count` in all and then empty ones.

    `held` are those of this process, from number `first` on: all that its devices are given.
    """
    each = -(-count // mesh.size)

    def share(index: Any) -> np.ndarray:
        begin, end, _ = index[0].indices(each * mesh.size)
        some = held[min(begin, count) - first : min(end, count) - first]
        if len(some) == end - begin:
            return some
        return np.concatenate(
            [some, np.zeros((end - begin - len(some), *held.shape[1:]), held.dtype)]
        )

    shape = each * mesh.size, *held.shape[1:]
    return jax.make_array_from_callback(shape, NamedSharding(mesh, P(AXIS)), share)


@partial(jax.jit, static_argnames="mesh")
def replicated(tree: Any, mesh: Mesh) -> Any:
    """The arrays whole on every device of the mesh."""
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, P()))


def fetched(tree: Any, mesh: Mesh) -> Any:
    """The arrays on this process's first device, out of those that lie on the mesh."""
    return jax.tree.map(jnp.asarray, jax.device_get(replicated(tree, mesh)))


def own(array: Array, axis: str | None) -> Array:
    """Within a program of all devices, the part of an array's first axis that is this device's."""
    if axis is None:
        return array
    here = len(array) // jax.lax.axis_size(axis)
    return jax.lax.dynamic_slice_in_dim(array, jax.lax.axis_index(axis) * here, here)


def gathered(params: Any, config: Config, axis: str | None) -> Any:
    """Within a program of all devices, the whole of parameters that are dealt out."""
    if axis is None or config.training.tables != "sharded":
        return params
    whole = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jax.lax.all_gather(leaf, axis, tiled=True) if in_rows(path) else leaf,
        params,
    )
    return cut(whole, config)


def summed(gradient: Any, config: Config, axis: str | None) -> Any:
    """Within a program of all devices, the sum of their gradients: of tables the own rows."""
    if axis is None:
        return gradient
    if config.training.tables != "sharded":
        return jax.lax.psum(gradient, axis)
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            jax.lax.psum_scatter(leaf, axis, tiled=True)
            if in_rows(path)
            else jax.lax.psum(leaf, axis)
        ),
        padded(gradient, config),
    )


def split_up(f: Callable[[Array], Array], axis: str | None) -> Callable[[Array], Array]:
    """A function of many points, each by itself, of which every device is asked its part."""
    if axis is None:
        return f

    def asked(x: Array) -> Array:
        count = len(x)
        x = jnp.pad(x, ((0, -count % jax.lax.axis_size(axis)), *((0, 0),) * (x.ndim - 1)))
        return jax.lax.all_gather(f(own(x, axis)), axis, tiled=True)[:count]

    return asked
