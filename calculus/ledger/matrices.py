"""The rules of `calculus.foundations.matrices`, with inputs to try them on."""

from calculus.ledger.rule import Rule

RULES: tuple[Rule, ...] = ()
