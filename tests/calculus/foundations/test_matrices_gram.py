"""K = R^T R."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices.gram import (
    gram,
    gram_bwd,
    gram_flat_jacobian,
    gram_jacobian,
    gram_jacobian_by_cases,
    gram_tangent,
)
from calculus.foundations.matrices.tensors import fold, push, unfold
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _draw(seed):
    return drawn(seed, (3, 4), (3, 4))


@SEEDS
def test_gram_entry_is_the_inner_product_of_two_columns(seed):
    R, _ = _draw(seed)
    K = gram(R)
    assert K.shape == (4, 4)
    R = np.asarray(R)
    for p, q in np.ndindex(4, 4):
        np.testing.assert_allclose(K[p, q], sum(R[m, p] * R[m, q] for m in range(3)), rtol=1e-12)
    np.testing.assert_array_equal(K, K.T)
    assert np.all(np.linalg.eigvalsh(K) > -1e-12)  # no negative length


def test_gram_derivative_has_the_shape_output_then_input():
    R, _ = _draw(0)
    assert gram_jacobian(R).shape == (4, 4, 3, 4)
    of_one_entry = jax.jacrev(lambda R: gram.fun(R)[1:2, 2])(R)
    assert of_one_entry.shape == (1, 3, 4)
    np.testing.assert_allclose(gram_jacobian(R)[1, 2], of_one_entry[0], rtol=1e-13)


@SEEDS
def test_four_cases_are_one_line(seed):
    R, _ = _draw(seed)
    cases = gram_jacobian_by_cases(R)
    np.testing.assert_allclose(cases, jax.jacfwd(gram.fun)(R), rtol=1e-12)
    np.testing.assert_array_equal(cases, gram_jacobian(R))
    assert np.count_nonzero(cases) == 2 * 3 * 4 * 4 - 3 * 4  # where both hold, one entry


@SEEDS
def test_derivative_is_symmetric_in_the_two_columns(seed):
    J = gram_jacobian(_draw(seed)[0])
    np.testing.assert_array_equal(J, J.transpose(1, 0, 2, 3))


@SEEDS
def test_flattened_derivative_is_a_symmetrised_kronecker_product(seed):
    R, _ = _draw(seed)
    flat = gram_flat_jacobian(R)
    assert flat.shape == (16, 12)
    np.testing.assert_allclose(flat, unfold(gram_jacobian(R), 2), rtol=1e-14)
    np.testing.assert_allclose(fold(flat, (4, 4), (3, 4)), gram_jacobian(R), rtol=1e-14)
    by_jax = jax.jacfwd(lambda v: gram.fun(v.reshape(3, 4)).reshape(-1))(R.reshape(-1))
    np.testing.assert_allclose(flat, by_jax, rtol=1e-12)


@SEEDS
@pytest.mark.parametrize("eps", [1.0, 1e-3])
def test_gram_remainder_is_exactly_the_gram_of_the_direction(seed, eps):
    R, U = _draw(seed)
    left_over = gram(R + eps * U) - gram(R) - eps * gram_tangent(R, U)
    np.testing.assert_allclose(left_over, eps**2 * gram(U), rtol=1e-8, atol=1e-14)


@SEEDS
def test_tangent_is_the_tensor_pushed_and_jax(seed):
    R, U = _draw(seed)
    np.testing.assert_allclose(gram_tangent(R, U), push(gram_jacobian(R), U), rtol=1e-12)
    np.testing.assert_allclose(
        gram_tangent(R, U), jax.jvp(gram.fun, (R,), (U,))[1], rtol=1e-12, atol=1e-14
    )


@SEEDS
def test_pullback_sees_only_the_symmetric_part(seed):
    R, _ = _draw(seed)
    (K_bar,) = drawn(seed + 5, (4, 4))
    skew = K_bar - K_bar.T
    np.testing.assert_allclose(gram_bwd(R, skew)[0], jnp.zeros((3, 4)), atol=1e-14)
    np.testing.assert_allclose(
        gram_bwd(R, K_bar)[0], jax.vjp(gram.fun, R)[1](K_bar)[0], rtol=1e-12, atol=1e-14
    )
