"""The list of every derivative by hand: function, page, inputs to try it on.

The laws of the test suite run over this list by themselves. A rule that is not listed here is not
known to be right, so a test refuses rules without an entry.
"""

from calculus.ledger import (
    captures,
    elementwise,
    gradients,
    identities,
    jacobians,
    matrices,
    radiance,
    rendering,
    univariate,
)
from calculus.ledger.rule import Rule

__all__ = ["FOUNDATIONS", "LEDGER", "RADIANCE", "Rule"]

FOUNDATIONS: tuple[Rule, ...] = (
    *univariate.RULES,
    *gradients.RULES,
    *jacobians.RULES,
    *matrices.RULES,
    *identities.RULES,
    *elementwise.RULES,
    *rendering.RULES,
)
"""From the difference quotient to the vector chain rule: what one learns with."""
RADIANCE: tuple[Rule, ...] = (*radiance.RULES, *captures.RULES)
"""The steps of a ray: what training runs on."""
LEDGER: tuple[Rule, ...] = FOUNDATIONS + RADIANCE
