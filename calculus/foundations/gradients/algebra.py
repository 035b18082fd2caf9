r"""The rules, for functions of a vector whose derivatives are known.

Numbers f, g and s of x in R^n have rows of shape (n,); vectors u, v, w in R^m have m x n matrices.

    d(f + g)   = df + dg                      equal shapes of f and g                           (1)
    d(f g)     = g df + f dg                  numbers f and g                                   (2)
    d(s w)     = w ds + s dw                  (m x 1)(1 x n) + 1 (m x n): an outer product first (3)
    d(u^T v)   = u^T dv + v^T du              (1 x m)(m x n) twice                              (4)
    d(f o g)   = df/dg dg/dx                  (k x m)(m x n): the inner dimension cancels       (5)

All from the expansion. (2): (f + eps f_dot)(g + eps g_dot) = f g + eps (f_dot g + f g_dot) + ..,
where f_dot = df u and g_dot = dg u, and the rest is O(eps^2). (3) is (2) for each entry of w, (4)
the sum of (2) over the entries of u and v. (5): g moves by eps dg u + O(eps^2), so f(g) moves by df
times that. Matrices do not commute: the order of the factors in (3) and (5) is part of the rule.
"""

from collections.abc import Callable

from jaxtyping import Array, Float

Map = Callable[[Float[Array, " n"]], Array]
"""A function of a vector, or the derivative of one."""


def sum_rule(df: Map, dg: Map) -> Map:
    """d(f + g) (1)."""
    return lambda x: df(x) + dg(x)


def product_rule(f: Map, df: Map, g: Map, dg: Map) -> Map:
    """d(f g) (2), f and g numbers."""
    return lambda x: g(x) * df(x) + f(x) * dg(x)


def scalar_times_vector_rule(s: Map, ds: Map, w: Map, dw: Map) -> Map:
    """d(s w) (3), s a number and w in R^m: m x n."""
    return lambda x: w(x)[:, None] * ds(x)[None, :] + s(x) * dw(x)


def inner_product_rule(u: Map, du: Map, v: Map, dv: Map) -> Map:
    """d(u^T v) (4), u and v in R^m: a row, shape (n,)."""
    return lambda x: u(x) @ dv(x) + v(x) @ du(x)


def chain_rule(df: Map, g: Map, dg: Map) -> Map:
    """d(f o g) (5): df taken at g(x), times dg. f may be a number or a vector."""
    return lambda x: df(g(x)) @ dg(x)
