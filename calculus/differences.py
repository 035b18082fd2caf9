r"""Derivatives without differentiating: differences, the complex step, the remainder of Taylor.

Symbols      a function f of an array x, seen one entry, or one direction u, at a time
    h          step                                          as x
    e          machine epsilon of f's numbers                1

Values
    central(h) = (f(x + h) - f(x - h)) / 2h = f' + h^2 f'''/6 + O(h^4) + O(e |f| / h)      (1)
        the first error falls with h and the second grows: best near h = e^(1/3). Where f
        oscillates, f''' is large and the best h smaller, so a ladder of steps is tried and,
        entry by entry, the two neighbours that agree best are taken; they differ by about
        their error.                                                                      (2)
    complex step: Im f(x + ih) / h = f' - h^2 f'''/6 + ...   nothing cancels, so h = 1e-30   (3)
        is exact, for functions made of holomorphic steps alone.
    remainder(eps) = |f(x + eps u) - f(x) - eps J u|   falls as eps^2 if J is right and as    (4)
        eps if it is not; the slope between two eps on log axes is the order that is seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

LADDER = (10.0, 1.0, 0.1, 0.01)
"""Steps that (2) tries, in units of e^(1/3) max(1, |x|)."""
NOT_HOLOMORPHIC = {
    "abs", "max", "min", "sign", "real", "imag", "conj", "floor", "ceil", "round", "lt", "le",
    "gt", "ge", "eq", "ne", "sort", "argmax", "argmin", "clamp", "reduce_max", "reduce_min",
    "cummax", "cummin", "stop_gradient", "eigh", "svd",
}  # fmt: skip

Leaves = list[np.ndarray]
Flat = Callable[..., list[jax.Array]]
"""A function of arrays, giving a list of arrays: pytrees are taken apart outside."""


def chosen_entries(x: Leaves, most: int) -> list[np.ndarray]:
    """Flat indices of the entries to move, for each array: all, or `most` of them at random."""
    rng = np.random.default_rng(0)
    return [
        np.arange(leaf.size)
        if leaf.size <= most
        else np.sort(rng.choice(leaf.size, most, replace=False))
        for leaf in x
    ]


def central_differences(
    f: Flat, x: Leaves, entries: list[np.ndarray], e: float
) -> tuple[list[Leaves], list[Leaves]]:
    """Central differences (1)(2) and their own estimate of their error.

    Each is [output][input], of shape `output.shape + (entries of that input,)`.
    """
    found: list[Leaves] = []
    doubt: list[Leaves] = []
    for number, (leaf, which) in enumerate(zip(x, entries, strict=True)):
        scale = np.maximum(1.0, np.abs(leaf.reshape(-1)[which])) * e ** (1 / 3)
        steps = np.concatenate([sign * rung * scale for rung in LADDER for sign in (1, -1)])
        moved = _moved(f, x, number, np.tile(which, 2 * len(LADDER)), steps)
        ladders = []
        for value in moved:  # all steps of all entries go through one compiled program
            value = np.moveaxis(value.reshape(*value.shape[:-1], len(LADDER), 2, -1), -3, 0)
            lengths = 2 * np.multiply.outer(LADDER, scale)
            lengths = lengths.reshape(len(LADDER), *[1] * (value.ndim - 3), -1)
            ladders.append((value[..., 0, :] - value[..., 1, :]) / lengths)
        best, gap = zip(*map(_where_neighbours_agree, ladders), strict=True)
        found.append(list(best))
        doubt.append(list(gap))
    return _outputs_first(found), _outputs_first(doubt)


def complex_step(f: Flat, x: Leaves, entries: list[np.ndarray]) -> list[Leaves] | str:
    """Derivatives by the complex step (3), or why it does not apply."""
    as_complex = [jnp.asarray(leaf, complex) for leaf in x]
    try:
        steps = primitives(jax.make_jaxpr(f)(*as_complex).jaxpr)
        if unfit := sorted(steps & NOT_HOLOMORPHIC):
            return f"f is not holomorphic: {', '.join(unfit)}"
        h = 1e-30
        found = []
        for number, which in enumerate(entries):
            moved = _moved(f, as_complex, number, which, np.full(len(which), 1j * h))
            found.append([np.imag(value) / h for value in moved])
    except (TypeError, ValueError, NotImplementedError) as problem:
        return f"f does not take complex numbers: {str(problem).splitlines()[0][:60]}"
    return _outputs_first(found)


def primitives(jaxpr) -> set[str]:
    """Names of all operations in a jaxpr, inner ones included."""
    found = set()
    for equation in jaxpr.eqns:
        found.add(equation.primitive.name)
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "jaxpr")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                found |= primitives(inner)
    return found


@dataclass(frozen=True)
class Taylor:
    """Remainders (4) along one random direction."""

    eps: tuple[float, ...]
    remainders: tuple[float, ...]
    floor: float
    """Below it a remainder is rounding."""

    @property
    def order(self) -> float | None:
        """The order seen at the smallest eps whose remainder is not rounding; None: no remainder.

        2 or more where the derivative is right, 1 where it is not.
        """
        above = [k for k, r in enumerate(self.remainders) if r > self.floor]
        if not above:
            return None
        last = max(above)
        first = max(0, last - 3)  # over a factor of ten, so that one crossing of zero can't fool it
        if first == last:
            return None
        fallen = np.log(self.remainders[first] / self.remainders[last])
        return float(fallen / np.log(self.eps[first] / self.eps[last]))


def taylor(f: Flat, jacobian: list[Leaves], x: Leaves, e: float, seed: int) -> Taylor:
    """Remainders of the first-order expansion with this Jacobian ([output][input])."""
    rng = np.random.default_rng(seed)
    u = [rng.standard_normal(leaf.shape) for leaf in x]
    length = np.sqrt(sum(float(np.sum(v**2)) for v in u))
    u = [v / length for v in u]
    at_x = [np.asarray(value) for value in f(*map(jnp.asarray, x))]
    slope = [
        sum(np.tensordot(J, v, v.ndim) for J, v in zip(row, u, strict=True)) for row in jacobian
    ]
    eps = tuple(float(v) for v in 10.0 ** np.arange(-1, -7.01, -1 / 3))
    moved = [jnp.stack([leaf + s * v for s in eps]) for leaf, v in zip(x, u, strict=True)]
    values = jax.lax.map(lambda one: f(*one), moved)
    remainders = [
        float(
            np.sqrt(
                sum(
                    np.sum((np.asarray(v[k]) - a - s * d) ** 2)
                    for v, a, d in zip(values, at_x, slope, strict=True)
                )
            )
        )
        for k, s in enumerate(eps)
    ]
    # what rounding of f leaves in a difference, with some room
    size = max((float(np.max(np.abs(v))) for v in at_x if v.size), default=1.0)
    moves = max((float(np.max(np.abs(d))) for d in slope if np.size(d)), default=1.0)
    return Taylor(eps, tuple(remainders), 1e3 * e * max(size, moves, 1e-30))


def _moved(f, x, number, which, steps):
    """f where each of the entries in turn moves by its step: the entries' axis comes last."""
    leaf = jnp.asarray(x[number])
    steps = jnp.asarray(steps, leaf.dtype)

    def with_one_moved(index, step):
        changed = leaf.reshape(-1).at[index].add(step).reshape(leaf.shape)
        return f(*(changed if k == number else jnp.asarray(v) for k, v in enumerate(x)))

    values = jax.lax.map(lambda move: with_one_moved(*move), (jnp.asarray(which), steps))
    return [np.moveaxis(np.asarray(value), 0, -1) for value in values]


def _where_neighbours_agree(ladder):
    gaps = np.abs(np.diff(ladder, axis=0))
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    best = np.argmin(gaps, axis=0)[None]
    return np.take_along_axis(ladder[1:], best, 0)[0], np.take_along_axis(gaps, best, 0)[0]


def _outputs_first(by_input):
    return [list(row) for row in zip(*by_input, strict=True)]
