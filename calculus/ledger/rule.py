"""One entry of the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import jax


@dataclass(frozen=True)
class Rule:
    """One derivative by hand.

    `example` draws the arguments for one ray (or point, or sample) from a key, in the default
    float type and away from kinks. `shared` says which of them a batch has in common (weights of a
    network, a grid). `limits` names arguments at the edges: of what float32 can hold, and of where
    the formula holds. `beyond_jax` names those of them where JAX's derivative of the forward is
    wrong or another choice, and says why; the truth there is differences of the oracle, taken in
    200 digits, outwards where the two sides differ. `reduces` is true where a batch is summed into
    one number. `ids` are the entries of docs/catalogue.csv that the rule answers.
    """

    page: ModuleType
    name: str
    example: Callable[[jax.Array], tuple]
    limits: dict[str, tuple] = field(default_factory=dict)
    beyond_jax: dict[str, str] = field(default_factory=dict)
    shared: tuple[int, ...] = ()
    static: dict[str, Any] = field(default_factory=dict)
    reduces: bool = False
    ids: tuple[str, ...] = ()

    @property
    def by_hand(self) -> Callable:
        """The function with its rule, static arguments filled in."""
        decorated = getattr(self.page, self.name)
        return lambda *arguments: decorated(*arguments, **self.static)

    @property
    def by_jax(self) -> Callable:
        """The same function without its rule."""
        undecorated = getattr(self.page, self.name).fun
        return lambda *arguments: undecorated(*arguments, **self.static)

    @property
    def jacobian(self) -> Callable:
        """The dense Jacobian by hand: a tuple over arguments, within one over outputs."""
        dense_form = getattr(self.page, f"{self.name}_jacobian")
        return lambda *arguments: dense_form(*arguments, **self.static)


def normal(key: jax.Array, *shape: int) -> jax.Array:
    """Standard normal numbers in the default float type."""
    return jax.random.normal(key, shape)


def uniform(key: jax.Array, *shape: int, low: float = 0.0, high: float = 1.0) -> jax.Array:
    """Numbers between `low` and `high` in the default float type."""
    return jax.random.uniform(key, shape, minval=low, maxval=high)
