r"""Expressions, whose derivatives are expressions again: three rules and a table are enough.

Symbols
    x          the variable
    c          a constant
    u, v       expressions
    s          a function of the table, applied to an expression

Value        an expression is one of
    x    or    c                                                                  (1)
    u + v                                                                         (2)
    u v                                                                           (3)
    s(u),    s one of the table's                                                 (4)

Jacobian     each case by its rule, so that no expression is left without one
    x' = 1,    c' = 0                                                             (5)
    (u + v)' = u' + v'                                                            (6)
    (u v)' = u' v + u v'                                                          (7)
    s(u)' = s'(u) u',    s' an expression, looked up                              (8)
    Differences, quotients and powers are written with these: u - v = u + (-1) v and
    u / v = u (1/v), with 1/v from the table.

Cotangent    x_bar = E'(x) y_bar    for the expression E
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from calculus.foundations.univariate.quotient import Scalar


class Expression:
    """A formula in one variable. Call it for its value; `derivative()` is an expression again."""

    def __call__(self, x: Scalar) -> Scalar:
        """The value at x."""
        raise NotImplementedError

    def derivative(self) -> Expression:
        """The derivative, by (5) to (8)."""
        raise NotImplementedError

    def __add__(self, other: Expression) -> Expression:
        return Sum(self, other)

    def __mul__(self, other: Expression) -> Expression:
        return Product(self, other)


@dataclass(frozen=True)
class Variable(Expression):
    """x."""

    def __call__(self, x):
        """x itself (1)."""
        return x

    def derivative(self):
        """1 (5)."""
        return Constant(1.0)

    def __str__(self):
        return "x"


@dataclass(frozen=True)
class Constant(Expression):
    """A number that does not depend on x."""

    number: float

    def __call__(self, x):
        """The number (1)."""
        return jnp.full_like(x, self.number)

    def derivative(self):
        """0 (5)."""
        return Constant(0.0)

    def __str__(self):
        return f"{self.number:g}"


@dataclass(frozen=True)
class Sum(Expression):
    """left + right (2)."""

    left: Expression
    right: Expression

    def __call__(self, x):
        """The values' sum (2)."""
        return self.left(x) + self.right(x)

    def derivative(self):
        """The sum rule (6)."""
        return self.left.derivative() + self.right.derivative()

    def __str__(self):
        return f"({self.left} + {self.right})"


@dataclass(frozen=True)
class Product(Expression):
    """left times right (3)."""

    left: Expression
    right: Expression

    def __call__(self, x):
        """The values' product (3)."""
        return self.left(x) * self.right(x)

    def derivative(self):
        """The product rule (7)."""
        return self.left.derivative() * self.right + self.left * self.right.derivative()

    def __str__(self):
        return f"{self.left} * {self.right}"


@dataclass(frozen=True)
class Applied(Expression):
    """A function of the table, applied to an expression (4)."""

    name: str
    inner: Expression

    def __call__(self, x):
        """The function at the value of what is inside (4)."""
        return TABLE[self.name][0](self.inner(x))

    def derivative(self):
        """The chain rule (8)."""
        return TABLE[self.name][1](self.inner) * self.inner.derivative()

    def __str__(self):
        return f"{self.name}({self.inner})"


TABLE: dict[str, tuple[Callable, Callable[[Expression], Expression]]] = {
    "sin": (jnp.sin, lambda u: Applied("cos", u)),
    "cos": (jnp.cos, lambda u: Constant(-1.0) * Applied("sin", u)),
    "exp": (jnp.exp, lambda u: Applied("exp", u)),
    "log": (jnp.log, lambda u: Applied("reciprocal", u)),
    "reciprocal": (
        lambda u: 1 / u,
        lambda u: Constant(-1.0) * Applied("reciprocal", u) * Applied("reciprocal", u),
    ),
}
"""Each elementary function with its derivative, an expression in what it is applied to."""
