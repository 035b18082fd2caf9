"""A rule on a packed stream, held against the rule of one ray."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from calculus import radiance
from calculus.ledger import Rule
from calculus.radiance.stream import Stream
from tests.calculus.evaluated import reference

LONGEST = 60


def stream_is_its_rays(rule: Rule, seed: int) -> None:
    """Values and cotangents are those of the rule of one ray, ray by ray; 0 at padding.

    In float64 to rounding; and in float32, relative to each ray's own largest, for thousands of
    rays with walls among them that stop all light: a thin ray behind a thousand opaque ones is as
    exact as alone. Alone, a difference of what it shows and hides may cancel to 4e-5 by chance.
    """
    _is_its_rays(rule, seed, rays=40, dtype=jnp.float64, allowed=1e-12)
    _is_its_rays(rule, seed, rays=3000, dtype=jnp.float32, allowed=1e-4)


def drawn(rule: Rule, seed: int, rays: int) -> tuple[Stream, tuple]:
    """Rays of 0 to LONGEST samples, padding, and arguments: thick and thin rays, walls in some."""
    keys = jax.random.split(jax.random.key(seed), 5)
    lengths = jax.random.randint(keys[0], (rays,), 0, LONGEST + 1)
    stream = Stream.of(lengths, 40 * rays)
    depth, *others = rule.filling(stream, keys[1])
    of_ray = jnp.append(10 ** jax.random.uniform(keys[2], (rays,), minval=-4, maxval=0), 1)
    wall = jax.random.bernoulli(keys[3], 0.03, depth.shape)
    return stream, (jnp.where(wall, 1e4, depth * of_ray[stream.ray]), *others)


def _is_its_rays(rule, seed, rays, dtype, allowed):
    stream, arguments, bars, wanted = _of_each_ray(reference(rule), seed, rays, dtype)
    found = _value_and_pulled(getattr(rule.page, rule.name), arguments, bars, {"stream": stream})
    owned = np.arange(LONGEST) < np.diff(stream.first)[:, None]
    for got, rows in zip(found, wanted, strict=True):
        got = np.asarray(got)
        assert got.dtype == dtype and np.all(np.isfinite(got)), rule.name
        if len(got) == len(stream.ray):
            assert not np.any(got[stream.first[-1] :]), f"{rule.name}: not 0 at padding"
            rows = np.where(owned.reshape(owned.shape + (1,) * (rows.ndim - 2)), rows, 0)
        got, rows = (np.asarray(v, float).reshape(rays, -1) for v in (_in_rows(got, stream), rows))
        gap, scale = np.abs(got - rows), np.max(np.abs(rows), axis=1, keepdims=True)
        assert np.all(gap <= allowed * scale + 1e-30), f"{rule.name} in {dtype.__name__}"


@functools.cache
def _of_each_ray(rule, seed, rays, dtype):
    """A stream, arguments and cotangents, and what the rule of one ray makes of each ray.

    The same numbers for a rule and its wrong versions; the rule of one ray is in float64.
    """
    stream, arguments = drawn(rule, seed, rays)
    arguments = [v.astype(dtype) for v in arguments]
    shapes = jax.eval_shape(lambda *v: rule.by_hand(*v, stream=stream), *arguments)
    rng = np.random.default_rng(seed)
    bars = [rng.standard_normal(v.shape).astype(dtype) for v in jax.tree.leaves(shapes)]
    of_one_ray = getattr(radiance, rule.name.removesuffix("_packed"))
    in_rows = ([_in_rows(v, stream) for v in part] for part in (arguments, bars))
    wanted = _value_and_pulled(of_one_ray, *in_rows, {})
    return stream, arguments, bars, [np.asarray(v) for v in wanted]


@functools.partial(jax.jit, static_argnums=0)
def _value_and_pulled(f, arguments, bars, given):
    """All outputs and all cotangents; in one program, since there are many small steps."""
    value, pull = jax.vjp(lambda *v: f(*v, **given), *arguments)
    outputs, structure = jax.tree.flatten(value)
    return *outputs, *pull(jax.tree.unflatten(structure, bars))


def _in_rows(v, stream):
    """Samples as one row a ray, filled up with 0 at the far end; what is of rays stays as it is."""
    v, first = np.asarray(v, float), np.asarray(stream.first)
    if len(v) == stream.rays:
        return v
    rows = np.zeros((stream.rays, LONGEST, *v.shape[1:]))
    rows[np.arange(LONGEST) < np.diff(first)[:, None]] = v[: first[-1]]
    return rows
