"""Arrays that are followed through a program, with Python's operators.

What `forward_mode.Dual` and `reverse_mode.Variable` have in common: each is the result of a step,
and an operation on it is handed, as a primitive, to its class to be followed. `numpy_like` has the
functions.
"""

import string
from typing import Any

import jax.numpy as jnp

from calculus.foundations import primitives
from calculus.foundations.primitives import Primitive


class Tracked:
    """The result of one step: its value, its name, and the step that made it.

    A step without a primitive is an input. What else is kept, and what becomes of a step, is for
    the subclass to say.
    """

    __array_ufunc__ = None  # numpy leaves `array * tracked` to us

    def __init__(
        self,
        value: Any,
        name: str = "",
        primitive: Primitive | None = None,
        arguments: tuple = (),
        static: dict[str, Any] | None = None,
    ):
        value = jnp.asarray(value)
        self.value = value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float)
        self.name = name
        self.primitive = primitive
        self.arguments = arguments
        self.static = static or {}

    @classmethod
    def follow(cls, primitive: Primitive, arguments: tuple, static: dict[str, Any]) -> "Tracked":
        """The result of a primitive, at least one argument of which is a `cls`."""
        raise NotImplementedError

    def named(self, name: str) -> "Tracked":
        """Itself, under the name that one would give it by hand."""
        self.name = name
        return self

    @property
    def step(self) -> str:
        """How it was made, in the names of its arguments: `x * y`."""
        if self.primitive is None:
            return "input"
        return self.primitive.text(*(shown(a) for a in self.arguments))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes of the value."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of entries of the value."""
        return self.value.size

    @property
    def dtype(self):
        """The type of the value's entries."""
        return self.value.dtype

    @property
    def T(self):  # noqa: N802  numpy's name
        """Its axes in the opposite order."""
        return transpose(self)

    def reshape(self, *shape):
        """The same entries in another shape."""
        return reshape(self, shape[0] if isinstance(shape[0], (tuple, list)) else shape)

    def sum(self, axis=None, keepdims=False):
        """The sum over an axis, or over all."""
        return sum(self, axis, keepdims)

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, at):
        return apply(primitives.index, self, at=at)

    def __neg__(self):
        return apply(primitives.negative, self)

    def __add__(self, other):
        return apply(primitives.add, self, other)

    def __radd__(self, other):
        return apply(primitives.add, other, self)

    def __sub__(self, other):
        return apply(primitives.subtract, self, other)

    def __rsub__(self, other):
        return apply(primitives.subtract, other, self)

    def __mul__(self, other):
        return apply(primitives.multiply, self, other)

    def __rmul__(self, other):
        return apply(primitives.multiply, other, self)

    def __truediv__(self, other):
        return apply(primitives.divide, self, other)

    def __rtruediv__(self, other):
        return apply(primitives.divide, other, self)

    def __pow__(self, other):
        return apply(primitives.power, self, other)

    def __rpow__(self, other):
        return apply(primitives.power, other, self)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    # a comparison is of values: its answer does not move when they move a little

    def __lt__(self, other):
        return self.value < value_of(other)

    def __le__(self, other):
        return self.value <= value_of(other)

    def __gt__(self, other):
        return self.value > value_of(other)

    def __ge__(self, other):
        return self.value >= value_of(other)


def apply(primitive: Primitive, *arguments: Any, **static: Any) -> Any:
    """The primitive's result: followed if an argument is, and otherwise a plain array."""
    kinds = {type(a) for a in arguments if isinstance(a, Tracked)}
    if not kinds:
        return primitive.value(*map(jnp.asarray, arguments), **static)
    if len(kinds) > 1:
        raise TypeError("one program can't be followed in two ways at once")
    dtype = next(a.dtype for a in arguments if isinstance(a, Tracked))
    numbers = (int, float)  # True stays what it is
    arguments = tuple(
        a if isinstance(a, Tracked) else jnp.asarray(a, dtype if type(a) in numbers else None)
        for a in arguments
    )
    return kinds.pop().follow(primitive, arguments, static)


def value_of(x: Any) -> Any:
    """The plain array behind x."""
    return x.value if isinstance(x, Tracked) else x


def shown(x: Any) -> str:
    """A name, if it has one; a number; the entries of up to four; otherwise the shape."""
    if isinstance(x, Tracked) and x.name:
        return x.name
    x = value_of(x)
    if x.ndim == 0:
        return f"{x:.6g}"
    if x.ndim == 1 and x.size <= 4:
        return "[" + " ".join(f"{v:.4g}" for v in x) + "]"
    return "[" + "x".join(map(str, x.shape)) + "]"


def matmul(a, b):
    """a @ b; axes before the last two go along on both sides, or on one."""
    left, right = jnp.ndim(value_of(a)), jnp.ndim(value_of(b))
    batch = string.ascii_lowercase[: max(left, right, 2) - 2]
    mine, other = batch[: max(left - 2, 0)], batch[: max(right - 2, 0)]
    row, column = "x" if left > 1 else "", "z" if right > 1 else ""
    formula = f"{mine}{row}y,{other}y{column}->{batch}{row}{column}"
    return apply(primitives.matmul, a, b, formula=formula)


def transpose(a, axes=None):
    """The axes in the opposite order, or in the order given."""
    letters = string.ascii_lowercase[: value_of(a).ndim]
    out = letters[::-1] if axes is None else "".join(letters[k] for k in axes)
    return apply(primitives.transpose, a, formula=f"{letters}->{out}")


def sum(a, axis=None, keepdims=False):
    """The sum over an axis, over several, or over all."""
    shape = value_of(a).shape
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = {k % len(shape) for k in axes}
    letters = string.ascii_lowercase[: len(shape)]
    kept = "".join(letter for k, letter in enumerate(letters) if k not in gone)
    added = apply(primitives.total, a, formula=f"{letters}->{kept}")
    if not keepdims:
        return added
    return reshape(added, tuple(1 if k in gone else n for k, n in enumerate(shape)))


def reshape(a, shape):
    """The same entries in another shape."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return apply(primitives.reshape, a, shape=shape)
