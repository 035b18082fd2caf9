r"""Whole powers of one number, and the power rule twice: by the quotient, by the expansion.

Symbols      one number
    x          any real number
    n          exponent, a whole number; i counts from 0 to n
    h          a step, not 0
    eps        a step whose square is neglected
    C(n, i)    the number of ways to choose i of n things

Value
    n! = n (n-1)!,    0! = 1                                                      (1)
    C(n, i) = n (n-1) .. (n-i+1) / i! = n! / (i! (n-i)!),    so C(n, 1) = n       (2)
    (x + h)^n = sum_{i=0}^n C(n, i) x^{n-i} h^i                                   (3)
    since each of the n brackets gives an x or an h, and i of them give h in C(n, i) ways
    x^2                                                                           (4)
    x^n    with n >= 1                                                            (5)

Jacobian     the square first, where nothing is neglected
    ((x + eps)^2 - x^2) / eps = 2 x + eps,    so (x^2)' = 2 x                     (6)

    x^n by the quotient: in (3) the term i = 0 cancels x^n, and each other one loses an h
    ((x + h)^n - x^n) / h = C(n, 1) x^{n-1} + sum_{i=2}^n C(n, i) x^{n-i} h^{i-1} (7)
    Only the sum vanishes with h: each of its terms has a factor h. What stays is
    (x^n)' = n x^{n-1}                                                            (8)

    x^n by the expansion: eps from one bracket, x from the n - 1 others, in n ways
    (x + eps)^n = x^n + n eps x^{n-1} + C(n, 2) eps^2 x^{n-2} + ..                (9)
    and the factor of eps is (8). For n = 0 it would read 0 x^{-1}, which is no number at 0.

Cotangent    x_bar = 2 x y_bar                                                    (10)
             x_bar = n x^{n-1} y_bar                                              (11)
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.foundations.univariate.quotient import Scalar


def factorial(n: int) -> int:
    """n! by its recursion (1)."""
    return 1 if n == 0 else n * factorial(n - 1)


def binomial(n: int, i: int) -> int:
    """C(n, i) as the falling product over i! (2): 0 where i > n."""
    falling = functools.reduce(lambda product, k: product * (n - k), range(i), 1)
    return falling // factorial(i)


def binomial_terms(x: Scalar, h: Scalar, n: int) -> Float[Array, " {n}+1"]:
    """The n + 1 terms of (3), i = 0 first; their sum is (x + h)^n."""
    return jnp.stack([binomial(n, i) * x ** (n - i) * h**i for i in range(n + 1)])


@jax.custom_vjp
def square(x: Float[Array, ""]) -> Float[Array, ""]:
    """x^2 (4)."""
    return square_fwd(x)[0]


def square_fwd(x):
    return x * x, x  # (4)


def square_bwd(x, y_bar):
    return (2 * x * y_bar,)  # (10)


square.defvjp(square_fwd, square_bwd)


def square_jacobian(x: Float[Array, ""]) -> Float[Array, ""]:
    """2 x, as (6) reads."""
    return 2 * x


@functools.partial(jax.custom_vjp, nondiff_argnames=("n",))
def power(x: Float[Array, ""], n: int) -> Float[Array, ""]:
    """x^n (5) for a whole number n >= 1; ValueError for any other."""
    return power_fwd(x, n)[0]


def power_fwd(x, n):
    if n < 1:
        raise ValueError(f"the rule holds for n >= 1, not for n = {n}")
    return x**n, x  # (5)


def power_bwd(n, x, y_bar):
    return (n * x ** (n - 1) * y_bar,)  # (11)


power.defvjp(power_fwd, power_bwd)


def power_jacobian(x: Float[Array, ""], n: int) -> Float[Array, ""]:
    """n x^{n-1}, as (8) reads."""
    return n * x ** (n - 1)
