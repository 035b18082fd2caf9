"""One entry of the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from calculus.radiance.stream import Stream


@dataclass(frozen=True, eq=False)
class Rule:
    """One derivative by hand. A rule equals itself alone: programs are kept for it.

    `example` draws the arguments for one ray (or point, or sample) from a key, in the default
    float type and away from kinks. `shared` says which of them a batch has in common (weights of a
    network, a grid). `limits` names arguments at the edges: of what float32 can hold, and of where
    the formula holds. `beyond_jax` names those of them where JAX's derivative of the forward is
    wrong or another choice, and says why; the truth there is differences of the oracle, taken in
    200 digits, outwards where the two sides differ. `reduces` is true where a batch is summed into
    one number. `stream` is made for a rule on packed samples: the example fills it, and a call may
    name another one, along each ray of which the arguments `rising` rise. `ids` are the entries of
    docs/catalogue.csv that the rule answers.
    """

    page: ModuleType
    name: str
    example: Callable[[jax.Array], tuple]
    limits: dict[str, tuple] = field(default_factory=dict)
    beyond_jax: dict[str, str] = field(default_factory=dict)
    shared: tuple[int, ...] = ()
    static: dict[str, Any] = field(default_factory=dict)
    reduces: bool = False
    stream: Callable[[], Stream] | None = None
    rising: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """What a call is given beside the numbers that have a derivative."""
        return self.static if self.stream is None else self.static | {"stream": self.stream()}

    @property
    def by_hand(self) -> Callable:
        """The function with its rule, all that is given filled in."""
        return partial(getattr(self.page, self.name), **self.given)

    @property
    def by_jax(self) -> Callable:
        """The same function without its rule."""
        return partial(getattr(self.page, self.name).fun, **self.given)

    @property
    def jacobian(self) -> Callable:
        """The dense Jacobian by hand: a tuple over arguments, within one over outputs."""
        return partial(getattr(self.page, f"{self.name}_jacobian"), **self.given)

    def filling(self, stream: Stream, key: jax.Array) -> tuple:
        """Arguments for another stream: those of as many examples as it takes, put in a row."""
        assert self.stream is not None
        samples, rays = len(self.stream().ray), self.stream().rays
        number = max(-(-len(stream.ray) // samples), -(-stream.rays // rays))
        drawn = jax.vmap(self.example)(jax.random.split(key, number))

        def in_a_row(k, v):
            count = len(stream.ray) if v.shape[1] == samples else stream.rays
            row = v.reshape(-1, *v.shape[2:])[:count]
            return row[jnp.lexsort((row, stream.ray))] if k in self.rising else row

        return tuple(in_a_row(k, v) for k, v in enumerate(drawn))


def normal(key: jax.Array, *shape: int) -> jax.Array:
    """Standard normal numbers in the default float type."""
    return jax.random.normal(key, shape)


def uniform(key: jax.Array, *shape: int, low: float = 0.0, high: float = 1.0) -> jax.Array:
    """Numbers between `low` and `high` in the default float type."""
    return jax.random.uniform(key, shape, minval=low, maxval=high)
