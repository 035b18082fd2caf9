"""The rules of `calculus.foundations.jacobians`, with inputs to try them on."""

from calculus.ledger.rule import Rule

RULES: tuple[Rule, ...] = ()
