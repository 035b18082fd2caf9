r"""Forward mode: dual numbers over arrays.

Symbols      a program of steps w_j, each made from earlier ones, its parents
    w_j        value of step j, an array of any shape
    w_j_dot    tangent of step j: how fast it moves when the inputs move along x_dot
    eps        a number other than 0 with eps^2 = 0

Value
    w + w_dot eps                                the pair that is carried along  (1)

Jacobian     put pairs into the operations and drop eps^2, as in every first-order expansion:
    (a + a_dot eps) + (b + b_dot eps) = (a + b) + (a_dot + b_dot) eps            (2)
    (a + a_dot eps) (b + b_dot eps)   = a b + (a_dot b + a b_dot) eps            (3)
    g(a + a_dot eps)                  = g(a) + g'(a) a_dot eps                   (4)
    (3) is the product rule, (4) the chain rule. For a step p of several arrays
    w_j_dot = sum over parents i of (dw_j/dw_i) w_i_dot                          (5)
    where `primitives` knows what dw_j/dw_i does to a tangent. Seeded with x_dot, the output has
    y_dot = J x_dot: one pass is one Jacobian-vector product, so with x_dot = e_k
    one pass is column k of J                                                    (6)

Cotangent    none is carried: `reverse_mode` reads the same program from its end. The two are tied
    by <y_bar, J x_dot> = <J^T y_bar, x_dot>                                     (7)
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from calculus.foundations.primitives import Primitive
from calculus.foundations.tracked import Tracked, shown, value_of


class Dual(Tracked):
    """The pair (1). Operations on it obey (5); with a trace, each leaves a line there."""

    def __init__(self, value, tangent=0.0, trace: "Trace | None" = None, **step: Any):
        super().__init__(value, **step)
        self.tangent = jnp.broadcast_to(jnp.asarray(tangent, self.dtype), self.shape)
        self.trace = trace

    @classmethod
    def follow(cls, primitive: Primitive, arguments: tuple, static: dict[str, Any]) -> "Dual":
        """The pair that a primitive makes of pairs and constants."""
        values = tuple(map(value_of, arguments))
        y = primitive.value(*values, **static)
        y_dot = jnp.zeros_like(y)
        trace = None
        for k, parent in enumerate(arguments):
            if isinstance(parent, Dual):
                y_dot += primitive.push(k, parent.tangent, y, values, **static)  # (5)
                trace = trace or parent.trace
        step = {"primitive": primitive, "arguments": arguments, "static": static}
        return Dual(y, y_dot, trace, **step)._recorded()

    def _recorded(self):
        if self.trace is not None:
            self.trace.append(self)
        return self

    def __repr__(self):
        return f"{shown(self.value)} + {shown(self.tangent)} eps"


class Trace:
    """The evaluation trace: every step with value and tangent, in the order in which they came.

    values   steps evaluated        pushes   tangents sent through an argument of a step
    """

    def __init__(self) -> None:
        self.steps: list[Dual] = []
        self.values = 0
        self.pushes = 0

    def input(self, name: str, value, tangent) -> Dual:
        """An input and how it moves: the first lines of the table."""
        x = Dual(value, tangent, self, name=name)
        self.steps.append(x)
        return x

    def append(self, step: Dual) -> None:
        """One more line, named w1, w2, .. until `named` says better."""
        self.steps.append(step)
        self.values += 1
        self.pushes += len([a for a in step.arguments if isinstance(a, Dual)])
        step.name = f"w{self.values}"

    def __str__(self):
        """The table: name, step, value, tangent."""
        lines = [("name", "step", "value", "tangent")]
        lines += [(s.name, s.step, shown(s.value), shown(s.tangent)) for s in self.steps]
        return table(lines)


def table(lines: Sequence[tuple[str, ...]]) -> str:
    """Rows of texts, the first of them the heading, as columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in lines
    ]
    return "\n".join([rows[0], "  ".join("-" * w for w in widths), *rows[1:]])


def jvp(
    f: Callable, arguments: tuple, tangents: tuple, trace: Trace | None = None
) -> tuple[Any, Any]:
    """f(*arguments) and J x_dot (6), in one pass. Arguments and results may be pytrees."""
    trace = trace or Trace()
    leaves, structure = jax.tree.flatten(arguments)
    duals = [
        trace.input(f"x{k + 1}", value, tangent)
        for k, (value, tangent) in enumerate(zip(leaves, jax.tree.leaves(tangents), strict=True))
    ]
    y = f(*jax.tree.unflatten(structure, duals))
    return jax.tree.map(value_of, y), jax.tree.map(_tangent_of, y)


def _tangent_of(y):
    return y.tangent if isinstance(y, Dual) else jnp.zeros_like(y)  # a constant does not move


def jacobian(f: Callable, x, trace: Trace | None = None):
    """The Jacobian of f at the array x, column after column (6): x.size passes.

    The trace, if one is given, counts what they cost.
    """
    x = jnp.asarray(x)
    directions = jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    columns = [jvp(f, (x,), (direction,), trace)[1] for direction in directions]
    return jnp.stack(columns, axis=-1).reshape(*columns[0].shape, *x.shape)
