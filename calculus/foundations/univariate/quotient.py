r"""The slope of a secant, and what is left of it when the second point slides in.

Symbols      one number in, one number out
    f          a function of one real variable
    x          where its slope is wanted
    dx         a step of either sign, not 0; h = |dx|
    eps        a step whose square is neglected
    u          rounding error of a float, 2^-53 in float64

Value
    q(x, dx) = (f(x + dx) - f(x)) / dx              slope of the secant           (1)
    c(x, h) = (f(x + h) - f(x - h)) / (2 h)         the same, about x             (2)

Jacobian     the number that (1) tends to from both sides, if there is one
    f'(x) = lim_{dx -> 0} q(x, dx)                                                (3)
    Times dx, (3) says that f is straight at close range:
    f(x + eps) = f(x) + eps f'(x) + r(eps),    r(eps) / eps -> 0                  (4)
    and the tangent is the line  xi -> f(x) + f'(x) (xi - x);  f'(x) is its slope (5)
    With f'' continuous, |r(eps)| <= eps^2 max|f''| / 2, so r = O(eps^2). Less will not do:
    |x|^{3/2} has the slope 0 at 0 and r(eps) = |eps|^{3/2}.

    Put Taylor's series into (1) and (2). Even powers of h cancel in (2):
    q(x, h) = f'(x) + h f''(x) / 2 + O(h^2)                                       (6)
    c(x, h) = f'(x) + h^2 f'''(x) / 6 + O(h^4)                                    (7)
    f(x) is rounded by about u |f|, and that is divided by h: what is left grows again as
    u |f| / h. Both together are least near h = u^{1/2} for (1) and near h = u^{1/3} for (2).
    Two steps tell the term in h^2 from the slope (Richardson). With c_0(h) = c(x, h),
    c_{k+1}(h) = (4^{k+1} c_k(h/2) - c_k(h)) / (4^{k+1} - 1) = f'(x) + O(h^{2k+4}) (8)

Cotangent    x_bar = f'(x) y_bar                    one number: push and pull agree (9)
"""

import itertools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Function = Callable[[Scalar], Scalar]
"""f: R -> R, or its derivative, which is again such a function."""


def difference_quotient(f: Function, x: Scalar, dx: float) -> Scalar:
    """The slope (1) of the secant through x and x + dx; dx < 0 looks to the left."""
    return (f(x + dx) - f(x)) / dx


def central_quotient(f: Function, x: Scalar, h: float) -> Scalar:
    """The slope (2) of the secant through x - h and x + h: wrong by O(h^2)."""
    return (f(x + h) - f(x - h)) / (2 * h)


def richardson(f: Function, x: Scalar, h: float, levels: int = 2) -> Scalar:
    """f'(x) from central quotients at h, h/2, .., `levels` times extrapolated (8)."""
    found = [central_quotient(f, x, h / 2**k) for k in range(levels + 1)]
    for k in range(levels):
        weight = 4 ** (k + 1)
        found = [
            (weight * fine - coarse) / (weight - 1) for coarse, fine in itertools.pairwise(found)
        ]  # (8)
    return found[0]


def quotient_table(f: Function, x: Scalar, steps: Sequence[float]) -> Float[Array, "steps 2"]:
    """The quotients (1) and (2), one row for each step."""
    rows = [[difference_quotient(f, x, h), central_quotient(f, x, h)] for h in steps]
    return jnp.stack([jnp.stack(row) for row in rows])


def tangent(f: Function, df: Function, x: Scalar) -> Function:
    """The tangent (5) to f at x, as a function."""
    return lambda xi: f(x) + df(x) * (xi - x)


def first_order_remainder(f: Function, df: Function, x: Scalar, eps: float) -> Scalar:
    """r(eps) in (4): what the tangent misses at x + eps."""
    return f(x + eps) - f(x) - eps * df(x)
