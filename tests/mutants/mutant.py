"""A rule of the ledger with one of its companions wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import jax


@dataclass(frozen=True)
class Mutant:
    """`wrong` stands for `rule`_fwd, `rule`_bwd or `rule`_jacobian, the value stays as it is.

    Each law in `killed_by` must refuse the mutant by itself.
    """

    name: str
    rule: str
    wrong: Callable
    killed_by: tuple[str, ...] = ("pullback_is_jax",)
    replaces: Literal["fwd", "bwd", "jacobian"] = "bwd"


def mutate(mutant: Mutant, page: ModuleType) -> ModuleType:
    """The page as the mutant would have it; the page itself is left alone."""
    mutated = ModuleType(page.__name__)
    mutated.__dict__.update(vars(page))
    if mutant.replaces == "jacobian":
        setattr(mutated, f"{mutant.rule}_jacobian", mutant.wrong)
        return mutated
    right = getattr(page, mutant.rule)
    fwd, bwd = right.fwd, right.bwd
    rule = jax.custom_vjp(right.fun, nondiff_argnums=right.nondiff_argnums)
    rule.defvjp(
        mutant.wrong if mutant.replaces == "fwd" else fwd,
        mutant.wrong if mutant.replaces == "bwd" else bwd,
    )
    setattr(mutated, mutant.rule, rule)
    return mutated
