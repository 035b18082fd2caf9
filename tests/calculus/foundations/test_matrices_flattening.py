"""A matrix and the list of its entries."""

import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices import flattening
from calculus.foundations.matrices.flattening import flatten, row_to_column, unflatten
from calculus.ledger.rule import Rule, normal
from tests.calculus.foundations.drawn import drawn
from tests.calculus.laws import FOUNDATION_LAWS

pytestmark = pytest.mark.usefixtures("strict_float64")
ORDERS = pytest.mark.parametrize(("order", "numpys"), [("row", "C"), ("column", "F")])


def _matrix(seed):
    return drawn(seed, (3, 4))[0]


@ORDERS
def test_flattening_lists_the_entries_as_numpy_does(order, numpys):
    X = _matrix(0)
    np.testing.assert_array_equal(flatten(X, order), np.asarray(X).flatten(order=numpys))


@ORDERS
@pytest.mark.parametrize("shape", [(3, 4), (1, 5), (5, 1)])
def test_flattening_can_be_undone_both_ways(order, numpys, shape):
    (X,) = drawn(1, shape)
    np.testing.assert_array_equal(unflatten(flatten(X, order), shape, order), X)
    (v,) = drawn(2, (X.size,))
    np.testing.assert_array_equal(flatten(unflatten(v, shape, order), order), v)


@ORDERS
def test_flattening_is_linear_and_keeps_the_inner_product(order, numpys):
    X, Y = _matrix(1), _matrix(2)
    both = flatten(2.0 * X - 3.0 * Y, order)
    np.testing.assert_allclose(both, 2.0 * flatten(X, order) - 3.0 * flatten(Y, order), rtol=1e-14)
    product = flatten(X, order) @ flatten(Y, order)
    np.testing.assert_allclose(product, jnp.sum(X * Y), rtol=1e-13)


def test_row_order_of_a_matrix_is_column_order_of_its_transpose():
    X = _matrix(3)
    np.testing.assert_array_equal(flatten(X, "row"), flatten(X.T, "column"))
    assert not np.array_equal(flatten(X, "row"), flatten(X, "column"))


def test_one_permutation_takes_the_row_order_to_the_column_order():
    P, X = row_to_column(3, 4), _matrix(4)
    np.testing.assert_array_equal(P @ flatten(X, "row"), flatten(X, "column"))
    np.testing.assert_array_equal(P.T @ P, jnp.eye(12))
    np.testing.assert_array_equal(P.T, row_to_column(4, 3))


def test_derivative_of_a_flattening_flattened_in_its_own_order_is_the_identity():
    for order in ("row", "column"):
        J = flattening.flatten_jacobian(_matrix(5), order)
        rows = jnp.stack([flatten(slab, order) for slab in J])
        np.testing.assert_array_equal(rows, jnp.eye(12))


@pytest.mark.parametrize("law", FOUNDATION_LAWS, ids=lambda law: law.__name__)
def test_row_order_obeys_the_laws_as_column_order_does(law):
    rule = Rule(flattening, "flatten", lambda key: (normal(key, 3, 4),), static={"order": "row"})
    law(rule)
