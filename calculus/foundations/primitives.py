r"""The primitives that programs are made of, each with its derivative by hand, in both directions.

Symbols      one step y = p(x_1, .., x_K) of a program; arrays of any shape
    J_k        dy/dx_k, of shape y.shape + x_k.shape: never written out, used as a linear map
    x_k_dot    tangent: how x_k moves            y_bar   cotangent: how the result hears y

Value        p, by JAX

Jacobian     given by what it does to a tangent, `push`: x_k_dot -> J_k x_k_dot, so that
    y_dot = sum_k J_k x_k_dot                                                  (1)
    entry by entry:  J_k is a diagonal of slopes d, push multiplies by d       (2)
    linear in x_k:   p itself with x_k_dot in the place of x_k                 (3)
    inverse:         Y X = I gives Y_dot X + Y X_dot = 0, Y_dot = -Y X_dot Y   (4)
    solve:           A y = b gives A_dot y + A y_dot = b_dot,
                     y_dot = A^{-1} (b_dot - A_dot y)                          (5)
    determinant:     y_dot = y tr(X^{-1} X_dot),  (log|y|)_dot = tr(X^{-1} X_dot)           (6)

Cotangent    the transposed map, `pull`: y_bar -> J_k^T y_bar, found from <y_bar, J u> = <J^T
    y_bar, u> for every u:
    (2)  a diagonal is its own transpose: multiply by d; an axis along which x_k was copied
         (broadcast) is summed                                                 (7)
    (3)  einsum: exchange x_k and the output in the index formula. C_ik = sum_j A_ij B_jk gives
         A_bar_ij = sum_k C_bar_ik B_jk. An index of x_k found nowhere else was summed over:
         the cotangent is the same along it. An index that x_k has twice is a diagonal: the
         cotangent is 0 beside it.                                             (8)
         moving entries (reshape, index, join): move them back, and add where one was used twice (9)
    (4)  X_bar = -Y^T Y_bar Y^T                                               (10)
    (5)  b_bar = A^{-T} y_bar,  A_bar = -b_bar y^T                            (11)
    (6)  X_bar = y y_bar X^{-T},  and  y_bar X^{-T}                           (12)
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import jax.numpy as jnp


@dataclass(frozen=True)
class Primitive:
    """One operation with its derivative: value, push (1) and pull, argument by argument.

    value(*xs, **static) -> y
    push(k, x_k_dot, y, xs, **static) -> J_k x_k_dot
    pull(k, y_bar, y, xs, **static) -> J_k^T y_bar
    """

    name: str
    value: Callable
    push: Callable
    pull: Callable
    template: str = ""

    def text(self, *arguments: str) -> str:
        """The step as one writes it: `x * y`, `sin(x)`."""
        if self.template:
            return self.template.format(*arguments)
        return f"{self.name}({', '.join(arguments)})"


def _elementwise(name, value, *slopes, template=""):
    def apply(*xs):
        return value(*jnp.broadcast_arrays(*xs))

    def push(k, x_dot, y, xs):
        slope = slopes[k](y, *jnp.broadcast_arrays(*xs))
        return slope * jnp.broadcast_to(x_dot, y.shape)  # (2)

    def pull(k, y_bar, y, xs):
        slope = slopes[k](y, *jnp.broadcast_arrays(*xs))
        return _sum_to(slope * y_bar, xs[k].shape)  # (7)

    return Primitive(name, apply, push, pull, template)


def _sum_to(array, shape):
    """`array` summed over the axes along which `shape` was broadcast to it (7)."""
    array = jnp.sum(array, axis=tuple(range(array.ndim - len(shape))))
    copied = tuple(a for a, n in enumerate(shape) if n == 1 and array.shape[a] != 1)
    return jnp.sum(array, axis=copied, keepdims=True)


add = _elementwise("add", jnp.add, lambda y, a, b: 1, lambda y, a, b: 1, template="{} + {}")
subtract = _elementwise(
    "subtract", jnp.subtract, lambda y, a, b: 1, lambda y, a, b: -1, template="{} - {}"
)
multiply = _elementwise(
    "multiply", jnp.multiply, lambda y, a, b: b, lambda y, a, b: a, template="{} * {}"
)
divide = _elementwise(
    "divide", jnp.divide, lambda y, a, b: 1 / b, lambda y, a, b: -y / b, template="{} / {}"
)
power = _elementwise(
    "power",
    jnp.power,
    lambda y, a, p: jnp.where(p == 0, 0, p * a ** jnp.where(p == 0, 1, p - 1)),
    lambda y, a, p: y * jnp.log(a),  # a^p = e^{p log a}
    template="{} ^ {}",
)
negative = _elementwise("negative", jnp.negative, lambda y, x: -1, template="-{}")
exp = _elementwise("exp", jnp.exp, lambda y, x: y)
expm1 = _elementwise("expm1", jnp.expm1, lambda y, x: y + 1)
log = _elementwise("log", jnp.log, lambda y, x: 1 / x)
log1p = _elementwise("log1p", jnp.log1p, lambda y, x: 1 / (1 + x))
sin = _elementwise("sin", jnp.sin, lambda y, x: jnp.cos(x))
cos = _elementwise("cos", jnp.cos, lambda y, x: -jnp.sin(x))
tan = _elementwise("tan", jnp.tan, lambda y, x: 1 + y * y)
arctan = _elementwise("arctan", jnp.arctan, lambda y, x: 1 / (1 + x * x))
tanh = _elementwise("tanh", jnp.tanh, lambda y, x: 1 - y * y)
sqrt = _elementwise("sqrt", jnp.sqrt, lambda y, x: 0.5 / y)
absolute = _elementwise("abs", jnp.abs, lambda y, x: jnp.sign(x), template="|{}|")
maximum = _elementwise(  # no derivative where a = b: half of each is taken
    "maximum",
    jnp.maximum,
    lambda y, a, b: jnp.where(a > b, 1.0, jnp.where(a == b, 0.5, 0.0)).astype(y.dtype),
    lambda y, a, b: jnp.where(a < b, 1.0, jnp.where(a == b, 0.5, 0.0)).astype(y.dtype),
)
where = _elementwise(  # nothing flows into the condition
    "where",
    jnp.where,
    lambda y, chosen, a, b: jnp.zeros_like(y),
    lambda y, chosen, a, b: chosen.astype(y.dtype),
    lambda y, chosen, a, b: 1 - chosen.astype(y.dtype),
)


def _einsum(name, template=""):
    def value(*xs, formula):
        return jnp.einsum(formula, *xs)

    def push(k, x_dot, y, xs, formula):
        return jnp.einsum(formula, *xs[:k], x_dot, *xs[k + 1 :])  # (3)

    def pull(k, y_bar, y, xs, formula):
        operands, out = formula.split("->")
        indices = operands.split(",")
        mine = indices.pop(k)
        others = [x for l, x in enumerate(xs) if l != k]
        indices, others = [*indices, out], [*others, y_bar]
        unused = (letter for letter in map(chr, count(ord("A"))) if letter not in formula)
        target = ""
        for letter, n in zip(mine, xs[k].shape, strict=True):  # (8)
            if letter in target:  # on the diagonal only
                target += next(unused)
                indices.append(letter + target[-1])
                others.append(jnp.eye(n, dtype=y_bar.dtype))
            else:
                target += letter
                if not any(letter in other for other in indices):  # the same all along it
                    indices.append(letter)
                    others.append(jnp.ones(n, y_bar.dtype))
        return jnp.einsum(f"{','.join(indices)}->{target}", *others)

    return Primitive(name, value, push, pull, template)


einsum = _einsum("einsum")
matmul = _einsum("matmul", "{} @ {}")
transpose = _einsum("transpose", "{}^T")
total = _einsum("sum", "sum({})")
trace = _einsum("trace", "tr({})")


def _moving(name, value, back, template=""):
    """Entries of one array moved, copied or added up: `value` pushes, `back` pulls."""

    def push(k, x_dot, y, xs, **static):
        return value(x_dot, **static)  # (3)

    def pull(k, y_bar, y, xs, **static):
        return back(y_bar, xs[0], **static)  # (9)

    return Primitive(name, value, push, pull, template)


reshape = _moving(
    "reshape", lambda x, shape: x.reshape(shape), lambda y_bar, x, shape: y_bar.reshape(x.shape)
)
broadcast_to = _moving(
    "broadcast",
    lambda x, shape: jnp.broadcast_to(x, shape),
    lambda y_bar, x, shape: _sum_to(y_bar, x.shape),
)
index = _moving(
    "index",
    lambda x, at: x[at],
    lambda y_bar, x, at: jnp.zeros(x.shape, y_bar.dtype).at[at].add(y_bar),
    "{}[..]",
)
cumsum = _moving(
    "cumsum",
    lambda x, axis: jnp.cumsum(x, axis=axis),
    lambda y_bar, x, axis: jnp.flip(jnp.cumsum(jnp.flip(y_bar, axis), axis=axis), axis),
)


def _joining(name, join, part):
    """Arrays laid side by side: each answers for its own part of the result."""

    def value(*xs, axis):
        return join(xs, axis=axis)

    def push(k, x_dot, y, xs, axis):
        parts = [x_dot if l == k else jnp.zeros(x.shape, y.dtype) for l, x in enumerate(xs)]
        return join(parts, axis=axis)

    def pull(k, y_bar, y, xs, axis):
        return part(k, y_bar, xs, axis)  # (9)

    return Primitive(name, value, push, pull)


def _slice_of(k, y_bar, xs, axis):
    sizes = [x.shape[axis] for x in xs]
    start = sum(sizes[:k])
    return jnp.take(y_bar, jnp.arange(start, start + sizes[k]), axis=axis)


concatenate = _joining("concatenate", jnp.concatenate, _slice_of)
stack = _joining("stack", jnp.stack, lambda k, y_bar, xs, axis: jnp.take(y_bar, k, axis=axis))


def _t(X):
    return jnp.swapaxes(X, -1, -2)


def _tr(X):
    return jnp.trace(X, axis1=-2, axis2=-1)


inv = Primitive(  # here and below of the last two axes, of as many matrices as the others number
    "inv",
    jnp.linalg.inv,
    lambda k, X_dot, Y, xs: -Y @ X_dot @ Y,  # (4)
    lambda k, Y_bar, Y, xs: -_t(Y) @ Y_bar @ _t(Y),  # (10)
    "{}^-1",
)
det = Primitive(
    "det",
    jnp.linalg.det,
    lambda k, X_dot, y, xs: y * _tr(jnp.linalg.solve(xs[0], X_dot)),  # (6)
    lambda k, y_bar, y, xs: (y_bar * y)[..., None, None] * _t(jnp.linalg.inv(xs[0])),  # (12)
)
logabsdet = Primitive(
    "log|det|",
    lambda X: jnp.linalg.slogdet(X)[1],
    lambda k, X_dot, y, xs: _tr(jnp.linalg.solve(xs[0], X_dot)),  # (6)
    lambda k, y_bar, y, xs: y_bar[..., None, None] * _t(jnp.linalg.inv(xs[0])),  # (12)
    "log|det {}|",
)


def _solve_push(k, x_dot, y, xs):
    return jnp.linalg.solve(xs[0], x_dot if k == 1 else -x_dot @ y)  # (5)


def _solve_pull(k, y_bar, y, xs):
    b_bar = jnp.linalg.solve(_t(xs[0]), y_bar)
    if k == 1:
        return b_bar
    return -jnp.outer(b_bar, y) if y.ndim == 1 else -b_bar @ _t(y)  # (11)


solve = Primitive("solve", jnp.linalg.solve, _solve_push, _solve_pull)
