"""The rules of `calculus.foundations.univariate`, with inputs to try them on."""

from calculus.foundations import exponential
from calculus.ledger.rule import Rule, normal

RULES: tuple[Rule, ...] = (Rule(exponential, "exp", lambda key: (normal(key),), ids=("1.27",)),)
