"""Derivatives by hand: each step of a ray with its Jacobian and pullback, derived beside the code.

check        hold a derivative of your own against JAX's and against differences
foundations  from the difference quotient to the vector chain rule
radiance     the steps of a ray, from pixel to loss
by_jax       the names of radiance, differentiated by JAX
ledger       the list of every rule, with inputs to try it on
"""

from calculus.check import Report, check

__all__ = ["Report", "check"]
