"""A X B and its Kronecker forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices.flattening import flatten
from calculus.foundations.matrices.gram import gram, gram_jacobian
from calculus.foundations.matrices.products import (
    from_kronecker_layout,
    to_kronecker_layout,
    two_sided_flat,
    two_sided_product,
    two_sided_product_jacobian,
)
from calculus.foundations.matrices.tensors import unfold
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _draw(seed):
    return drawn(seed, (3, 4), (4, 2), (2, 5))


@SEEDS
def test_each_order_of_flattening_has_its_own_kronecker_product(seed):
    A, X, B = _draw(seed)
    Y = two_sided_product(A, X, B)
    by_rows, by_columns = jnp.kron(A, B.T), jnp.kron(B.T, A)
    np.testing.assert_array_equal(two_sided_flat(A, B, "row"), by_rows)
    np.testing.assert_array_equal(two_sided_flat(A, B, "column"), by_columns)
    np.testing.assert_allclose(by_rows @ flatten(X, "row"), flatten(Y, "row"), rtol=1e-11)
    np.testing.assert_allclose(by_columns @ flatten(X, "column"), flatten(Y, "column"), rtol=1e-11)


@SEEDS
def test_kronecker_product_of_the_wrong_order_gives_another_vector(seed):
    A, X, B = _draw(seed)
    Y = two_sided_product(A, X, B)
    mixed = two_sided_flat(A, B, "row") @ flatten(X, "column")
    for order in ("row", "column"):
        assert np.max(np.abs(mixed - flatten(Y, order))) > 0.1


@SEEDS
def test_kronecker_product_is_the_unfolded_tensor(seed):
    A, X, B = _draw(seed)
    J = two_sided_product_jacobian(A, X, B)[1]
    for order in ("row", "column"):
        np.testing.assert_allclose(two_sided_flat(A, B, order), unfold(J, 2, order), rtol=1e-14)


@SEEDS
def test_other_factors_flattened_by_rows_are_kronecker_products_with_the_identity(seed):
    A, X, B = _draw(seed)
    dY_dA, _, dY_dB = two_sided_product_jacobian(A, X, B)
    np.testing.assert_allclose(unfold(dY_dA, 2), jnp.kron(jnp.eye(3), (X @ B).T), rtol=1e-14)
    np.testing.assert_allclose(unfold(dY_dB, 2), jnp.kron(A @ X, jnp.eye(5)), rtol=1e-14)


@SEEDS
def test_product_is_linear_in_each_factor_with_no_remainder(seed):
    A, X, B = _draw(seed)
    (U,) = drawn(seed + 10, (4, 2))
    left_over = two_sided_product(A, X + 0.3 * U, B) - two_sided_product(A, X, B)
    np.testing.assert_allclose(left_over, 0.3 * (A @ U @ B), rtol=1e-11)


def test_kronecker_layout_sums_one_block_per_entry_of_the_input():
    (R,) = drawn(0, (2, 3))
    J = gram_jacobian(R)  # 3 x 3 by 2 x 3
    blocks, summed = to_kronecker_layout(J), jnp.zeros((2 * 3, 3 * 3))
    for k, l in np.ndindex(2, 3):
        E = jnp.zeros((2, 3)).at[k, l].set(1.0)
        dK = jax.jvp(gram.fun, (R,), (E,))[1]
        summed = summed + jnp.kron(E, dK)
        np.testing.assert_allclose(blocks[3 * k : 3 * k + 3, 3 * l : 3 * l + 3], dK, rtol=1e-13)
    assert blocks.shape == (6, 9)
    np.testing.assert_allclose(blocks, summed, rtol=1e-13)
    np.testing.assert_allclose(blocks, jnp.einsum("ijkl->kilj", J).reshape(6, 9), rtol=1e-15)


def test_kronecker_layout_keeps_every_number_and_can_be_undone():
    (J,) = drawn(1, (3, 5, 4, 2))
    blocks = to_kronecker_layout(J)
    assert blocks.shape == (4 * 3, 2 * 5)
    np.testing.assert_array_equal(from_kronecker_layout(blocks, (3, 5)), J)
    rows, columns = np.asarray(blocks), np.asarray(J)
    for i, j, k, l in np.ndindex(*J.shape):
        assert rows[k * 3 + i, l * 5 + j] == columns[i, j, k, l]


def test_vector_by_matrix_in_kronecker_layout_is_one_long_matrix():
    (x,) = drawn(2, (4,))
    J = jnp.einsum("ik,q->ikq", jnp.eye(3), x)[:, None]  # f = A x as a 3 x 1 matrix
    blocks = to_kronecker_layout(J)
    assert blocks.shape == (9, 4)
    for k in range(3):  # block (k, q) is df/dA_kq, a column
        np.testing.assert_array_equal(blocks[3 * k : 3 * k + 3], J[:, 0, k])
