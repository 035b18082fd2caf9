"""Operations entry by entry, scalars that meet vectors, and what a chain of such steps does.

operators      vector with vector: + - * / and the diagonal Jacobians they have
broadcasting   scalar with vector: a scalar is copied on the way in, summed on the way back
chains         one step after another: the vector chain rule and its worked examples
"""

from calculus.foundations.elementwise.broadcasting import (
    scalar_expansion,
    scalar_times_vector,
    vector_plus_scalar,
)
from calculus.foundations.elementwise.chains import (
    bottleneck,
    log_of_square_plus_one,
    power_of_first,
    powers_of_first_two,
    product_of_slopes,
    sin_of_square,
    vector_chain_rule,
    y_sin_of_sum,
)
from calculus.foundations.elementwise.operators import (
    add,
    divide,
    elementwise_jacobian,
    is_elementwise,
    multiply,
    sin_times_exp,
    subtract,
)

__all__ = [
    "add",
    "bottleneck",
    "divide",
    "elementwise_jacobian",
    "is_elementwise",
    "log_of_square_plus_one",
    "multiply",
    "power_of_first",
    "powers_of_first_two",
    "product_of_slopes",
    "scalar_expansion",
    "scalar_times_vector",
    "sin_of_square",
    "sin_times_exp",
    "subtract",
    "vector_chain_rule",
    "vector_plus_scalar",
    "y_sin_of_sum",
]
