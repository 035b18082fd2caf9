"""det(I + eps M), minor by minor."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from sympy.polys.matrices import DomainMatrix

from calculus.foundations.identities import expansion
from tests.calculus.foundations.drawn import drawn
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
EPS = sp.Symbol("epsilon")


def _symbols(n):
    return sp.Matrix(n, n, lambda i, j: sp.Symbol(f"M{i + 1}{j + 1}"))


def _pushed(M):
    return sp.eye(M.rows) + EPS * M


def test_two_by_two_the_determinant_is_a_parabola_of_trace_and_determinant():
    M = _symbols(2)
    direct = (1 + EPS * M[0, 0]) * (1 + EPS * M[1, 1]) - EPS**2 * M[1, 0] * M[0, 1]
    assert sp.expand(direct - _pushed(M).det()) == 0
    assert sp.expand(direct - (1 + EPS * M.trace() + EPS**2 * M.det())) == 0
    numbers = jnp.asarray([[0.3, -1.2], [2.0, 0.7]])
    np.testing.assert_allclose(expansion.det_polynomial(numbers), [1, 1.0, 2.61], rtol=1e-13)


def test_laplace_down_the_first_column_has_alternating_signs_and_minors():
    """At size 5, as polynomials in epsilon."""
    M = sp.Matrix(5, 5, [sp.Rational(2 * (k * k % 11) - 9, 2) for k in range(25)])
    minors = [_pushed(M).minor_submatrix(i, 0).det(method="berkowitz") for i in range(5)]
    laplace = (1 + EPS * M[0, 0]) * minors[0] - EPS * M[1, 0] * minors[1]
    laplace += EPS * M[2, 0] * minors[2] - EPS * M[3, 0] * minors[3] + EPS * M[4, 0] * minors[4]
    assert sp.expand(laplace - _pushed(M).det(method="berkowitz")) == 0
    assert all(minor != 0 for minor in minors) and 0 not in M[:, 0]


def test_laplace_is_the_determinant():
    (X,) = drawn(0, (4, 4))
    np.testing.assert_allclose(expansion.laplace_first_column(X), np.linalg.det(X), rtol=1e-11)


def test_minors_off_the_diagonal_are_of_first_order():
    """They vanish at eps = 0 and their terms start at eps^2; the first one is 1 there."""
    M = _symbols(4)
    pushed = _pushed(M)
    for i in range(4):
        minor = sp.expand(pushed.minor_submatrix(i, 0).det(method="berkowitz"))
        if i == 0:
            assert minor.subs(EPS, 0) == 1
        else:
            assert minor.subs(EPS, 0) == 0 and minor.coeff(EPS, 1) != 0
            assert sp.expand(EPS * minor).coeff(EPS, 1) == 0


def test_after_two_steps_two_diagonal_factors_and_a_smaller_minor_are_left():
    M = _symbols(4)
    pushed = _pushed(M)
    rest = pushed[2:, 2:].det()
    difference = pushed.det(method="berkowitz") - (1 + EPS * M[0, 0]) * (1 + EPS * M[1, 1]) * rest
    difference = sp.expand(difference)
    assert difference.coeff(EPS, 0) == 0 and difference.coeff(EPS, 1) == 0
    assert difference.coeff(EPS, 2) != 0


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_first_order_coefficient_is_the_trace_at_every_size(n):
    M = _symbols(n)
    pushed = DomainMatrix.from_Matrix(_pushed(M))
    det = sp.Poly(pushed.domain.to_sympy((-1) ** n * pushed.charpoly()[-1]), EPS)
    assert det.coeff_monomial(1) == 1
    assert sp.expand(det.coeff_monomial(EPS) - M.trace()) == 0
    by_diagonal = sp.Poly(sp.prod(1 + EPS * M[i, i] for i in range(n)), EPS)
    assert sp.expand(by_diagonal.coeff_monomial(EPS) - M.trace()) == 0


def test_identity_plus_a_small_matrix_has_determinant_one_plus_the_trace():
    (M,) = drawn(1, (4, 4))

    def det(e):
        return jnp.linalg.det(expansion.identity_plus(jnp.asarray(e), M))

    assert_order(lambda e: det(e) - 1 - e * jnp.trace(M), 2)
    assert_order(lambda e: det(e) - expansion.diagonal_product(jnp.asarray(e), M), 2)


def test_the_whole_polynomial_has_symmetric_functions_of_the_eigenvalues():
    (M,) = drawn(2, (4, 4))
    e = np.asarray(expansion.det_polynomial(M))
    of_eigenvalues = np.poly(-np.linalg.eigvals(M))  # prod (t + l_i), highest power first
    np.testing.assert_allclose(e, of_eigenvalues.real, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(e[[0, 1, 4]], [1, np.trace(M), np.linalg.det(M)], rtol=1e-10)
    for eps in (0.3, -2.0):
        pushed = expansion.identity_plus(jnp.asarray(eps), M)
        np.testing.assert_allclose(
            np.polyval(e[::-1], eps), np.linalg.det(np.asarray(pushed)), rtol=1e-9
        )
