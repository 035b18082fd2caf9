"""numpy's names for functions of plain and of followed arrays.

A program written with these functions and with Python's operators runs on plain arrays, on
`forward_mode.Dual` and on `reverse_mode.Variable` alike. Each function is one primitive, or a few.
"""

import string
from types import SimpleNamespace

import jax.numpy as jnp

from calculus.foundations import primitives
from calculus.foundations.tracked import apply, matmul, reshape, sum, value_of
from calculus.foundations.tracked import transpose as transpose


def _function(primitive):
    def call(*arguments):
        return apply(primitive, *arguments)

    call.__name__ = primitive.name
    call.__doc__ = f"`{primitive.name}`, of plain or of followed arrays."
    return call


exp, expm1, log, log1p = map(
    _function, (primitives.exp, primitives.expm1, primitives.log, primitives.log1p)
)
sin, cos, tan, arctan = map(
    _function, (primitives.sin, primitives.cos, primitives.tan, primitives.arctan)
)
tanh, sqrt, abs = map(_function, (primitives.tanh, primitives.sqrt, primitives.absolute))
add, subtract = map(_function, (primitives.add, primitives.subtract))
multiply, divide = map(_function, (primitives.multiply, primitives.divide))
power, maximum = map(_function, (primitives.power, primitives.maximum))
where = _function(primitives.where)
linalg = SimpleNamespace(
    inv=_function(primitives.inv),
    solve=_function(primitives.solve),
    det=_function(primitives.det),
    slogdet=lambda X: (
        jnp.linalg.slogdet(value_of(X))[0],  # the sign is locally constant
        apply(primitives.logabsdet, X),
    ),
)


def einsum(formula: str, *operands):
    """The sum of products that an index formula `ij,jk->ik` says; `...` are axes in front."""
    return apply(primitives.einsum, *operands, formula=_spelled_out(formula, operands))


def _spelled_out(formula, operands):
    """The formula with letters for `...`: `...i->...` of a matrix is `Zi->Z`."""
    given, out = formula.split("->")
    letters, longest = [], ""
    for indices, operand in zip(given.split(","), operands, strict=True):
        front = value_of(operand).ndim - len(indices.replace("...", ""))
        names = string.ascii_uppercase[len(string.ascii_uppercase) - front :]
        letters.append(indices.replace("...", names))
        longest = max(longest, names, key=len)
    return f"{','.join(letters)}->{out.replace('...', longest)}"


def dot(a, b):
    """The product of two vectors, of matrix and vector, or of two matrices."""
    return matmul(a, b)


def vdot(a, b):
    """The sum of the products of entries: of vectors, or the Frobenius product of matrices."""
    return matmul(reshape(a, (-1,)), reshape(b, (-1,)))


def outer(a, b):
    """a b^T, of two vectors."""
    return einsum("i,j->ij", a, b)


def trace(a):
    """The sum of the diagonal."""
    return apply(primitives.trace, a, formula="ii->")


def diag(a):
    """The matrix with a on its diagonal, or the diagonal of the matrix a."""
    if value_of(a).ndim == 2:
        return einsum("ii->i", a)
    return einsum("i,ij->ij", a, jnp.eye(a.shape[0], dtype=a.dtype))


def mean(a, axis=None):
    """The mean over an axis, or over all."""
    added = sum(a, axis)
    return added * (max(value_of(added).size, 1) / value_of(a).size)


def square(a):
    """a * a."""
    return a * a


def broadcast_to(a, shape):
    """a, copied along the axes that it lacks."""
    return apply(primitives.broadcast_to, a, shape=tuple(shape))


def logsumexp(a):
    """log(sum(exp(a))), the largest entry taken out before."""
    largest = jnp.max(value_of(a))
    return log(sum(exp(a - largest))) + largest


def full(shape, value):
    """The number `value`, everywhere in an array of that shape."""
    return broadcast_to(value, (shape,) if isinstance(shape, int) else shape)


def zeros_like(a):
    """A constant: zeros in the shape of a."""
    return jnp.zeros_like(value_of(a))


def ones_like(a):
    """A constant: ones in the shape of a."""
    return jnp.ones_like(value_of(a))


def cumsum(a, axis=0):
    """Running sums along an axis."""
    return apply(primitives.cumsum, a, axis=axis)


def searchsorted(a, v, side="left"):
    """Where v stands in the sorted a: whole numbers, constant as long as no entry is passed."""
    return jnp.searchsorted(value_of(a), value_of(v), side=side)


def concatenate(arrays, axis=0):
    """Arrays joined along an axis that they have."""
    return apply(primitives.concatenate, *arrays, axis=axis)


def stack(arrays, axis=0):
    """Arrays joined along a new axis."""
    return apply(primitives.stack, *arrays, axis=axis)
