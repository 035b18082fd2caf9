"""Many inputs, one output: partial derivatives, gradients, directions, expansions.

directions     the tools: one variable at a time, along a direction, reading a gradient off
expansions     first and second order, and a step downhill
algebra        sum, product and chain rule for any functions whose derivatives are known
polynomials    two functions of two variables
quadratics     squared norm and quadratic forms
"""

from calculus.foundations.gradients.algebra import (
    chain_rule,
    inner_product_rule,
    product_rule,
    scalar_times_vector_rule,
    sum_rule,
)
from calculus.foundations.gradients.directions import (
    directional_derivative,
    gradient_by_partials,
    partial,
    quotient_along,
    read_off,
    steepest,
    unit,
)
from calculus.foundations.gradients.expansions import descend, first_order, second_order
from calculus.foundations.gradients.polynomials import (
    mixed_cubic,
    mixed_cubic_hessian,
    mixed_cubic_jacobian,
    squared_binomial,
    squared_binomial_hessian,
    squared_binomial_jacobian,
)
from calculus.foundations.gradients.quadratics import (
    quadratic,
    quadratic_hessian,
    quadratic_jacobian,
    quadratic_plus_linear,
    quadratic_plus_linear_jacobian,
    squared_norm,
    squared_norm_jacobian,
)

__all__ = [
    "chain_rule",
    "descend",
    "directional_derivative",
    "first_order",
    "gradient_by_partials",
    "inner_product_rule",
    "mixed_cubic",
    "mixed_cubic_hessian",
    "mixed_cubic_jacobian",
    "partial",
    "product_rule",
    "quadratic",
    "quadratic_hessian",
    "quadratic_jacobian",
    "quadratic_plus_linear",
    "quadratic_plus_linear_jacobian",
    "quotient_along",
    "read_off",
    "scalar_times_vector_rule",
    "second_order",
    "squared_binomial",
    "squared_binomial_hessian",
    "squared_binomial_jacobian",
    "squared_norm",
    "squared_norm_jacobian",
    "steepest",
    "sum_rule",
    "unit",
]
