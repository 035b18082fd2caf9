r"""Reverse mode: a tape that is read backwards.

Symbols      a program of steps w_i; its children are the steps that use it
    w_i        value of step i, an array of any shape
    w_i_bar    adjoint of step i: dL/dw_i, how the output L hears it
    y_bar      adjoint of the output, given: 1 if the output is L itself

Value        the program runs once, forwards, and the tape keeps what it did:
    w_j = p_j(its parents)            for j = 1, 2, ..                           (1)

Jacobian     if w_i moves by eps u, each child j moves by eps (dw_j/dw_i) u + O(eps^2), and the
    output by the sum of what it hears from all of them. So
    dL/dw_i = sum over children j of (dL/dw_j) (dw_j/dw_i)                       (2)
    a sum over all paths from i to the output of the products along them.

Cotangent    (2) transposed, from the last step to the first, so that a step comes after all its
    children and its adjoint is complete:
    w_i_bar = sum over children j of (dw_j/dw_i)^T w_j_bar                       (3)
    where `primitives` knows what (dw_j/dw_i)^T does to a cotangent. A step used twice is given two
    contributions, and they are added. One sweep is one product y_bar^T J, so with y_bar = e_k
    one sweep is row k of J                                                      (4)
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from calculus.foundations.forward_mode import table
from calculus.foundations.primitives import Primitive
from calculus.foundations.tracked import Tracked, shown, value_of


class Variable(Tracked):
    """A step on a tape, to be computed with like an array."""

    def __init__(self, value, tape: "Tape", **step: Any):
        super().__init__(value, **step)
        self.tape = tape

    @classmethod
    def follow(cls, primitive: Primitive, arguments: tuple, static: dict[str, Any]) -> "Variable":
        """A new step on the tape of its arguments."""
        tapes = {id(a.tape): a.tape for a in arguments if isinstance(a, Variable)}
        if len(tapes) > 1:
            raise ValueError("the arguments of a step are on two tapes")
        (tape,) = tapes.values()
        y = primitive.value(*map(value_of, arguments), **static)  # (1)
        step = Variable(y, tape, primitive=primitive, arguments=arguments, static=static)
        tape.append(step)
        return step

    @property
    def parents(self) -> "list[Variable]":
        """The steps that it was made from, one entry for each place where one is used."""
        return [a for a in self.arguments if isinstance(a, Variable)]

    def __repr__(self):
        return f"Variable({self.name} = {shown(self.value)})"


class Adjoints:
    """What a sweep found: `adjoints[w]` is w_bar, zero where the output does not hear w."""

    def __init__(self) -> None:
        self._found: dict[int, jax.Array] = {}

    def __getitem__(self, w: Variable) -> jax.Array:
        return self._found.get(id(w), jnp.zeros_like(w.value))

    def add(self, w: Variable, contribution) -> None:
        """One more contribution to w_bar."""
        before = self._found.get(id(w))
        self._found[id(w)] = contribution if before is None else before + contribution


class Tape:
    """The steps of a program, in the order in which they were made (a Wengert list).

    values   steps evaluated        pulls   cotangents sent through an argument of a step
    """

    def __init__(self) -> None:
        self.steps: list[Variable] = []
        self.values = 0
        self.pulls = 0

    def input(self, name: str, value) -> Variable:
        """An input of the program."""
        x = Variable(value, self, name=name)
        self.steps.append(x)
        return x

    def append(self, step: Variable) -> None:
        """One more step, named w1, w2, .. until `named` says better."""
        self.steps.append(step)
        self.values += 1
        step.name = f"w{self.values}"

    def pull_back(self, y, y_bar=1.0) -> Adjoints:
        """The adjoints of all steps, from that of the output, or from a list of outputs' (3)."""
        outputs, bars = (y, y_bar) if isinstance(y, (list, tuple)) else ([y], [y_bar])
        adjoints = Adjoints()
        for output, bar in zip(outputs, bars, strict=True):
            bar = jnp.broadcast_to(jnp.asarray(bar, output.dtype), output.shape)
            adjoints.add(output, bar)
        for step in reversed(topological_order(outputs)):
            if step.primitive is None:  # an input
                continue
            values = tuple(map(value_of, step.arguments))
            for k, parent in enumerate(step.arguments):
                if isinstance(parent, Variable):
                    w_bar = adjoints[step]
                    pulled = step.primitive.pull(k, w_bar, step.value, values, **step.static)
                    adjoints.add(parent, pulled)  # (3)
                    self.pulls += 1
        return adjoints

    def table(self, adjoints: Adjoints) -> str:
        """Every step with value and adjoint: read the values downwards, the adjoints upwards."""
        lines = [("name", "step", "value", "adjoint")]
        lines += [(s.name, s.step, shown(s.value), shown(adjoints[s])) for s in self.steps]
        return table(lines)


def topological_order(outputs: Iterable[Variable]) -> list[Variable]:
    """The steps that the outputs are made from, themselves included: parents before children.

    Depth first, with a stack of our own, since a program can be longer than Python's.
    """
    order: list[Variable] = []
    seen: set[int] = set()
    stack = [(output, False) for output in outputs]
    while stack:
        step, parents_are_done = stack.pop()
        if parents_are_done:
            order.append(step)
        elif id(step) not in seen:
            seen.add(id(step))
            stack.append((step, True))
            stack.extend((parent, False) for parent in step.parents)
    return order


def vjp(f: Callable, *arguments: Any, tape: Tape | None = None) -> tuple[Any, Callable]:
    """f(*arguments), and the function y_bar -> a tuple of x_bar, one for each argument.

    Arguments and results may be pytrees. The tape, if one is given, counts what a sweep costs.
    """
    tape = tape or Tape()
    leaves, structure = jax.tree.flatten(arguments)
    inputs = [tape.input(f"x{k + 1}", leaf) for k, leaf in enumerate(leaves)]
    y = f(*jax.tree.unflatten(structure, inputs))
    outputs = jax.tree.leaves(y)

    def pullback(y_bar):
        heard = [
            (output, bar)
            for output, bar in zip(outputs, jax.tree.leaves(y_bar), strict=True)
            if isinstance(output, Variable)  # the others are constants
        ]
        adjoints = tape.pull_back([output for output, _ in heard], [bar for _, bar in heard])
        return jax.tree.unflatten(structure, [adjoints[x] for x in inputs])

    return jax.tree.map(value_of, y), pullback


def gradient(f: Callable, *arguments: Any) -> tuple[Any, ...]:
    """The derivative of a scalar f by each argument, in its shape: one sweep with y_bar = 1."""
    value, pullback = vjp(f, *arguments)
    return pullback(jnp.ones_like(value))


def jacobian(f: Callable, x, tape: Tape | None = None):
    """The Jacobian of f at the array x, row after row (4): one pass and f(x).size sweeps."""
    x = jnp.asarray(x)
    value, pullback = vjp(f, x, tape=tape)
    directions = jnp.eye(value.size, dtype=value.dtype).reshape(value.size, *value.shape)
    rows = [pullback(direction)[0] for direction in directions]
    return jnp.stack(rows).reshape(*value.shape, *x.shape)
