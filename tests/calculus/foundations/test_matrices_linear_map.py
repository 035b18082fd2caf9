"""A x as a function of A."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.matrices.flattening import flatten
from calculus.foundations.matrices.linear_map import (
    apply_matrix,
    apply_matrix_bwd,
    apply_matrix_fwd,
    apply_matrix_jacobian,
    flat_jacobian,
    slab,
)
from calculus.foundations.matrices.tensors import pull, unfold
from calculus.radiance import dense
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _draw(seed):
    return drawn(seed, (3, 4), (4,), (3,))


def test_vector_by_matrix_is_a_stack_of_one_slab_per_output():
    A, x, _ = _draw(0)
    J = apply_matrix_jacobian(A, x)[0]
    assert J.shape == (3, 3, 4)
    for i in range(3):
        of_one = jax.jacrev(lambda A, i=i: apply_matrix.fun(A, x)[i : i + 1])(A)
        assert of_one.shape == (1, 3, 4) == J[i : i + 1].shape
        np.testing.assert_allclose(J[i : i + 1], of_one, rtol=1e-14)


@SEEDS
def test_partial_of_one_output_by_one_entry_is_one_input(seed):
    A, x, _ = _draw(seed)
    for i, q in np.ndindex(3, 4):
        raised = apply_matrix(A.at[i, q].add(0.5), x)
        # linear: the quotient is exact for any step
        np.testing.assert_allclose((raised - apply_matrix(A, x))[i] / 0.5, x[q], rtol=1e-12)


@SEEDS
def test_partial_by_a_row_is_the_input_for_its_own_output_and_zero_for_others(seed):
    A, x, _ = _draw(seed)
    J = apply_matrix_jacobian(A, x)[0]
    for i, k in np.ndindex(3, 3):
        block = J[i : i + 1, k : k + 1, :]
        assert block.shape == (1, 1, 4)
        np.testing.assert_array_equal(block[0, 0], x if i == k else jnp.zeros(4))


@SEEDS
def test_slab_is_zero_but_for_the_row_of_its_output(seed):
    A, x, _ = _draw(seed)
    J = apply_matrix_jacobian(A, x)[0]
    for i in range(3):
        np.testing.assert_array_equal(slab(i, x, 3), J[i])
        np.testing.assert_array_equal(np.flatnonzero(np.any(slab(i, x, 3) != 0, axis=1)), [i])


@SEEDS
def test_tensor_is_the_identity_times_the_input_and_flat_a_kronecker_product(seed):
    A, x, _ = _draw(seed)
    J = apply_matrix_jacobian(A, x)[0]
    np.testing.assert_array_equal(J, jnp.einsum("ik,q->ikq", jnp.eye(3), x))
    for order in ("row", "column"):
        flat = flat_jacobian(x, 3, order)
        assert flat.shape == (3, 12)
        np.testing.assert_array_equal(flat, unfold(J, 1, order))
        np.testing.assert_allclose(flat @ flatten(A, order), A @ x, rtol=1e-13)
    assert not np.array_equal(flat_jacobian(x, 3, "row"), flat_jacobian(x, 3, "column"))


@SEEDS
def test_pullback_is_the_tensor_contracted_and_never_builds_it(seed):
    A, x, f_bar = _draw(seed)
    A_bar, x_bar = apply_matrix_bwd(apply_matrix_fwd(A, x)[1], f_bar)
    by_tensor = [pull(f_bar, J) for J in apply_matrix_jacobian(A, x)]
    np.testing.assert_allclose(A_bar, by_tensor[0], rtol=1e-13)
    np.testing.assert_allclose(x_bar, by_tensor[1], rtol=1e-13)
    np.testing.assert_array_equal(A_bar, f_bar[:, None] * x[None, :])
    program = jax.make_jaxpr(apply_matrix_bwd)((A, x), f_bar)
    largest = max(v.aval.size for line in program.eqns for v in line.outvars)
    assert largest == A.size  # M N, where the tensor has M^2 N


def test_dense_layer_has_the_same_weight_gradient():
    A, x, f_bar = _draw(3)
    _, W_bar, _ = jax.vjp(dense.affine, x, A.T, jnp.zeros(3))[1](f_bar)
    A_bar, _ = jax.vjp(apply_matrix, A, x)[1](f_bar)
    np.testing.assert_allclose(W_bar, A_bar.T, rtol=1e-13)  # its weights stand on the right
