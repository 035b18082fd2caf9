"""Hold a derivative by hand against JAX's, against differences, and against Taylor's remainder."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from calculus.diagnosis import explain, explain_exchange
from calculus.differences import central_differences, chosen_entries, complex_step, taylor
from calculus.report import Comparison, Kind, Report


def check(
    f: Callable,
    derivative: Callable,
    x: Any,
    kind: Kind = "jacobian",
    *,
    seed: int = 0,
    tolerance: float | None = None,
    most_entries: int = 200,
    dtype: Any = float,
) -> Report:
    """Compares a derivative by hand with JAX's, with differences, with the complex step.

    `x` is an array, or a tuple of them if `f` takes several. What `derivative` gives, by `kind`:

    - `jacobian`: `derivative(*x)`, of shape `output.shape + input.shape`; for several arguments a
      tuple of these, for several outputs a tuple of such tuples, as `jax.jacobian` has it;
    - `gradient`: `derivative(*x)` of the shape of x, f giving one number;
    - `jvp`: `derivative(*x, *x_dot)`, the tangent of the output (x_dot is drawn from `seed`);
    - `vjp`: `derivative(*x, y_bar)`, the cotangents of the arguments (y_bar likewise).

    Works in float64 by default (`dtype`), whatever JAX is set to. `tolerance` is the relative
    error allowed against JAX. Of large arguments, `most_entries` entries each are tried by
    differences. If f has a hand-written rule (`jax.custom_vjp`), JAX differentiates f without it.

    Raises ValueError, in one line, where there is nothing to compare.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind is {kind!r}: it must be one of {', '.join(get_args(Kind))}")
    with _wide(dtype):
        f = f.fun if isinstance(f, jax.custom_vjp | jax.custom_jvp) else f
        several = isinstance(x, tuple)
        x = tuple(_floats(leaf, dtype) for leaf in (x if several else (x,)))
        as_jacobian = _as_jacobian(f, derivative, x, kind, several, seed)
        report = _compare(as_jacobian, kind, seed, tolerance, most_entries)
        if kind == "vjp" and not report.ok and _is_pushed(f, derivative, x, seed):
            reason = "transposed: this is J y_bar, where J^T y_bar is wanted"
            return replace(report, reason=reason)
        return report


@contextlib.contextmanager
def _wide(dtype):
    """Float64 within, if asked for and not the process's own setting.

    JAX (0.10) keeps programs compiled with captured numpy arrays of one width and fails when they
    are called under the other, so where the width changes its caches are emptied on the way out.
    """
    if jnp.dtype(dtype).itemsize <= 4 or jnp.result_type(float) == jnp.float64:
        yield
        return
    try:
        jax.clear_caches()
        with jax.enable_x64(True):
            yield
    finally:
        jax.clear_caches()


def _floats(tree, dtype):
    def one(leaf):
        array = np.asarray(leaf)
        if not np.issubdtype(array.dtype, np.number) and array.dtype != jnp.bfloat16:
            raise ValueError(f"x holds {type(leaf).__name__}: give numbers, or a tuple of arrays")
        if np.iscomplexobj(array):
            raise ValueError("x is complex: give real numbers")
        return jnp.asarray(array, dtype)

    return jax.tree.map(one, tree)


def _as_jacobian(f, derivative, x, kind, several, seed):
    """The other kinds are Jacobians too: of <y_bar, f>, or of f along a line."""
    value = jax.eval_shape(f, *x)
    if kind == "gradient" and [v.shape for v in jax.tree.leaves(value)] != [()]:
        shapes = jax.tree.map(lambda v: v.shape, value)
        raise ValueError(f"f gives {shapes}: a gradient is that of one number; use kind='jacobian'")
    if kind == "vjp":
        bar = _drawn(value, seed)

        def contracted(*x):
            pairs = zip(jax.tree.leaves(bar), jax.tree.leaves(f(*x)), strict=True)
            return sum(jnp.sum(b * y) for b, y in pairs)

        return contracted, lambda *x: derivative(*x, bar), x, several
    if kind == "jvp":
        dot = _drawn(x, seed)

        def along(s):
            return f(*jax.tree.map(lambda v, d: v + s * d, x, dot))

        zero = jnp.zeros((), jax.tree.leaves(x)[0].dtype)
        return along, lambda s: derivative(*x, *dot), (zero,), False
    return f, derivative, x, several


def _compare(as_jacobian, kind, seed, tolerance, most_entries):
    f, derivative, x, several = as_jacobian
    every = tuple(range(len(x))) if several else 0
    truth = [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jacrev(f, argnums=every)(*x))]
    by_hand = [np.asarray(leaf) for leaf in jax.tree.leaves(derivative(*x))]
    if len(by_hand) != len(truth):
        raise ValueError(
            f"the derivative has {len(by_hand)} arrays, where outputs times arguments make "
            f"{len(truth)}"
        )
    leaves, arguments = jax.tree.flatten(x)

    def flat(*leaves):
        return jax.tree.leaves(f(*jax.tree.unflatten(arguments, leaves)))

    inputs = [leaf.ndim for leaf in leaves] * (len(truth) // len(leaves))
    blocks = _names(jax.eval_shape(f, *x), x)
    misfit = next((k for k, h in enumerate(by_hand) if h.shape != truth[k].shape), None)
    if misfit is not None:
        reason = explain_exchange(by_hand, truth)
        reason = reason or explain(by_hand[misfit], truth[misfit], inputs[misfit])
        named = f"{blocks[misfit]}: {reason}" if blocks[misfit] else reason
        return Report(kind, (), {}, None, named)

    e = max(float(jnp.finfo(v.dtype).eps) for v in flat(*leaves))
    close = max(1e-9, 2e3 * e) if tolerance is None else tolerance
    largest = max((float(np.max(np.abs(t), initial=0)) for t in truth), default=0.0)
    comparisons, not_applied = [], {}

    def compare(against, k, hand, other, allowed, which=None):
        shape = truth[k].shape
        scale = max(1e-3 * float(np.max(np.abs(truth[k]), initial=0)), 1e-6 * largest, 1e-290)
        gap = np.abs(hand - other)
        relative = gap / np.maximum(np.abs(other), scale)
        excess = np.where(np.isfinite(relative), relative / allowed, np.inf)
        if not excess.size:
            return
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        index = worst
        if which is not None:  # the last axis counts the entries that were moved
            inner = np.unravel_index(which[worst[-1]], shape[len(shape) - inputs[k] :])
            index = (*worst[:-1], *inner)
        comparisons.append(
            Comparison(
                against,
                blocks[k],
                tuple(int(i) for i in index),
                float(hand[worst]),
                float(other[worst]),
                float(gap[worst]),
                float(relative[worst]),
                float(np.broadcast_to(allowed, relative.shape)[worst]),
            )
        )

    for k, (hand, other) in enumerate(zip(by_hand, truth, strict=True)):
        compare("JAX", k, hand, other, close)
    entries = chosen_entries([np.asarray(leaf) for leaf in leaves], most_entries)
    moved, doubt = central_differences(flat, [np.asarray(v) for v in leaves], entries, e)
    stepped: Any = complex_step(flat, [np.asarray(v) for v in leaves], entries)
    if isinstance(stepped, str):
        not_applied["complex step"] = stepped
    for k, hand in enumerate(by_hand):
        row, column = divmod(k, len(leaves))
        which = entries[column]
        chosen = hand.reshape(*hand.shape[: hand.ndim - inputs[k]], -1)[..., which]
        scale = np.maximum(np.abs(moved[row][column]), 1e-3 * np.max(np.abs(truth[k]), initial=0))
        doubted = 10 * doubt[row][column] / np.maximum(scale, 1e-290)
        allowed = max(1e-5, 50 * e ** (2 / 3)) + np.where(np.isfinite(doubted), doubted, 0.0)
        compare("central differences", k, chosen, moved[row][column], allowed, which)
        if "complex step" not in not_applied:
            compare("complex step", k, chosen, stepped[row][column], close, which)

    rows = [by_hand[k : k + len(leaves)] for k in range(0, len(by_hand), len(leaves))]
    remainder = taylor(flat, rows, [np.asarray(v) for v in leaves], e, seed)
    report = Report(kind, tuple(comparisons), not_applied, remainder, None)
    if report.ok:
        return report
    return Report(
        kind, report.comparisons, not_applied, remainder, _reason(by_hand, truth, inputs, blocks)
    )


def _reason(by_hand, truth, inputs, blocks):
    if exchanged := explain_exchange(by_hand, truth):
        return exchanged
    found = []
    for hand, other, n, block in zip(by_hand, truth, inputs, blocks, strict=True):
        if (reason := explain(hand, other, n)) is not None:
            found.append(f"{block}: {reason}" if block else reason)
    return "; ".join(found) or None


def _is_pushed(f, derivative, x, seed):
    """Whether a pullback is the pushforward: of x's own shape, that is easily mistaken."""
    bar = _drawn(jax.eval_shape(f, *x), seed)
    shapes = [[leaf.shape for leaf in jax.tree.leaves(tree)] for tree in (bar, x)]
    if len(shapes[0]) > 1 or shapes[0] != shapes[1]:
        return False
    pushed = jax.jvp(f, x, (bar,))[1]
    return bool(jnp.allclose(jax.tree.leaves(derivative(*x, bar))[0], pushed, rtol=1e-6))


def _names(value, x):
    """A name for each block: output by argument, where there is more than one of either."""
    outputs = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(value)]
    arguments = [
        f"x{jax.tree_util.keystr(path)}" for path, _ in jax.tree_util.tree_leaves_with_path(x)
    ]
    if len(arguments) == 1:
        return [f"y{name}" if len(outputs) > 1 else "" for name in outputs]
    return [f"y{o} by {a}" if len(outputs) > 1 else a for o in outputs for a in arguments]


def _drawn(tree, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda v: jnp.asarray(rng.standard_normal(v.shape), v.dtype), tree)
