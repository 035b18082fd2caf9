"""Formulas about derivatives of matrices that are found in print, and are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices.generalised import bilinear_square_loss, nearest_minimiser
from calculus.foundations.matrices.gram import gram
from calculus.foundations.matrices.linear_map import apply_matrix
from calculus.ledger.rule import normal
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_e_l2_02_a_slab_needs_the_zero_rows_too():
    """Printed: stack the one row x^T; right: that row and, for k /= i, rows of zeros."""
    A, x = normal(jax.random.key(1), 3, 4), normal(jax.random.key(2), 4)
    truth = jax.jacrev(lambda A: apply_matrix.fun(A, x)[1])(A)
    assert_refuted(x[None, :], truth)  # 1 x N, not M x N
    assert_refuted(jnp.stack([x] * 3), truth)  # nor x^T in each of the M rows
    stacked = jnp.stack([jnp.zeros(4), x, jnp.zeros(4)])
    np.testing.assert_array_equal(stacked, truth)


def test_e_l3_04_at_a_minimum_nothing_decreases():
    """Printed: at the minimum the loss increases in no direction; right: it decreases in none."""
    keys = jax.random.split(jax.random.key(3), 4)
    a, W, b, c = normal(keys[0], 3), normal(keys[1], 3, 4), normal(keys[2], 4), jnp.asarray(2.0)
    at = nearest_minimiser(a, W, b, c)
    directions = normal(keys[3], 20, 3, 4)
    moved = jax.vmap(lambda U: bilinear_square_loss(a, at + 0.1 * U, b, c))(directions)
    changes = moved - bilinear_square_loss(a, at, b, c)
    assert_refuted(jnp.minimum(changes, 0.0), changes)  # what "increases in none" would leave
    assert np.all(changes >= 0)


def test_e_l4_04_each_output_has_its_own_block():
    """Printed: y by X repeats one block along each row; right: block i is dy_i/dX."""
    A, x = normal(jax.random.key(4), 3, 4), normal(jax.random.key(5), 4)
    truth = jax.jacfwd(lambda A: apply_matrix.fun(A, x))(A)
    assert_refuted(jnp.stack([truth[0]] * 3), truth)
    blocks = [jax.jacrev(lambda A, i=i: apply_matrix.fun(A, x)[i])(A) for i in range(3)]
    np.testing.assert_array_equal(jnp.stack(blocks), truth)


def test_e_l4_40_the_table_of_types_reads_output_then_input():
    """Printed in disorder, read as input then output; right: axes of the output come first."""
    X = normal(jax.random.key(6), 4, 2)
    for f in (lambda X: X @ X[0], lambda X: X[:3] * X[0, 0], lambda X: gram.fun(X)):
        truth = jax.jit(jax.jacfwd(f))(X)
        assert_refuted(jnp.zeros(X.shape + f(X).shape), truth)
        assert truth.shape == f(X).shape + X.shape


def test_e_l4_41_the_operator_is_the_first_factor_of_the_kronecker_product():
    """Printed with the derivative as second factor; right: d/dX (x) Y, one block per X_kl."""
    R = normal(jax.random.key(7), 2, 3)
    right, printed = jnp.zeros((6, 9)), jnp.zeros((6, 9))
    for k, l in np.ndindex(2, 3):
        E = jnp.zeros((2, 3)).at[k, l].set(1.0)
        dK = jax.jvp(gram.fun, (R,), (E,))[1]
        right, printed = right + jnp.kron(E, dK), printed + jnp.kron(dK, E)
    assert_refuted(printed, right)
    np.testing.assert_allclose(np.sort(printed, None), np.sort(right, None), rtol=1e-12)
