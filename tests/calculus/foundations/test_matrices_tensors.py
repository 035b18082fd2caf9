"""Derivatives of arrays with respect to arrays: as tensors and flattened."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.matrices.flattening import flatten
from calculus.foundations.matrices.gram import gram, gram_jacobian
from calculus.foundations.matrices.products import two_sided_product, two_sided_product_jacobian
from calculus.foundations.matrices.tensors import (
    chain,
    collate,
    fold,
    plane_rotation,
    plane_rotation_jacobian,
    pull,
    push,
    unfold,
    waves,
    waves_flat_jacobian,
    waves_jacobian,
    waves_partial,
)
from tests.calculus.foundations.drawn import drawn
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])
ORDERS = pytest.mark.parametrize("order", ["row", "column"])


def _product(seed):
    """F(X) = A X B, from 4 x 2 to 3 x 5, with its derivative by hand."""
    A, X, B = drawn(seed, (3, 4), (4, 2), (2, 5))
    return (lambda X: two_sided_product.fun(A, X, B)), X, two_sided_product_jacobian(A, X, B)[1]


def test_matrix_of_a_matrix_has_a_derivative_with_four_axes():
    F, X, J = _product(0)
    assert F(X).shape == (3, 5) and X.shape == (4, 2) and J.shape == (3, 5, 4, 2)
    by_entry = np.zeros(J.shape)
    for k, l in np.ndindex(4, 2):
        step = np.zeros((4, 2))
        step[k, l] = 1e-6
        by_entry[:, :, k, l] = np.asarray(F(X + step) - F(X - step)) / 2e-6
    np.testing.assert_allclose(J, by_entry, atol=1e-8)


@SEEDS
def test_tensor_pushes_tangents_and_pulls_cotangents(seed):
    F, X, J = _product(seed)
    X_dot, Y_bar = drawn(seed + 10, (4, 2), (3, 5))
    np.testing.assert_allclose(push(J, X_dot), jax.jvp(F, (X,), (X_dot,))[1], rtol=1e-12)
    np.testing.assert_allclose(push(J, X_dot), jnp.einsum("ijkl,kl->ij", J, X_dot), rtol=1e-12)
    np.testing.assert_allclose(pull(Y_bar, J), jax.vjp(F, X)[1](Y_bar)[0], rtol=1e-12)
    np.testing.assert_allclose(pull(Y_bar, J), jnp.einsum("ij,ijkl->kl", Y_bar, J), rtol=1e-12)
    duality = jnp.sum(Y_bar * push(J, X_dot)), jnp.sum(pull(Y_bar, J) * X_dot)
    np.testing.assert_allclose(*duality, rtol=1e-12)


@ORDERS
def test_flattened_tensor_is_the_ordinary_jacobian_of_the_flattened_map(order):
    F, _, J = _product(1)
    (X_dot,) = drawn(3, (4, 2))
    pushed = unfold(J, 2, order) @ flatten(X_dot, order)
    np.testing.assert_allclose(pushed, flatten(F(X_dot), order), rtol=1e-12)


@ORDERS
@pytest.mark.parametrize(("output", "inputs"), [((3, 4), (2, 5)), ((6,), (2, 3)), ((4, 2), (3,))])
def test_folding_undoes_unfolding(output, inputs, order):
    J = jnp.asarray(np.random.default_rng(0).normal(size=output + inputs))
    flat = unfold(J, len(output), order)
    assert flat.shape == (np.prod(output), np.prod(inputs))
    np.testing.assert_array_equal(fold(flat, output, inputs, order), J)
    if len(output) == len(inputs):
        numpys = np.asarray(J).reshape(flat.shape, order="C" if order == "row" else "F")
        np.testing.assert_array_equal(flat, numpys)


@SEEDS
def test_collating_the_partials_and_flattening_give_one_tensor(seed):
    D, x = drawn(seed, (4, 3), (3,))
    collated = collate([waves_partial(D, x, k) for k in range(3)])
    flattened = fold(waves_flat_jacobian(D, x), (4, 2), (3,))
    assert collated.shape == (4, 2, 3)
    np.testing.assert_allclose(collated, flattened, rtol=1e-14)
    np.testing.assert_allclose(waves_jacobian(D, x)[1], flattened, rtol=1e-14)


@SEEDS
def test_each_approach_is_what_jax_does_with_it(seed):
    D, x = drawn(seed, (4, 3), (3,))

    def A(x):
        return waves.fun(D, x)

    by_tangents = [jax.jvp(A, (x,), (e,))[1] for e in jnp.eye(3)]
    for k, partial in enumerate(by_tangents):
        np.testing.assert_allclose(waves_partial(D, x, k), partial, rtol=1e-12)
    flat = jax.jacfwd(lambda x: A(x).reshape(-1))(x)
    assert flat.shape == (8, 3)
    np.testing.assert_allclose(waves_flat_jacobian(D, x), flat, rtol=1e-12)
    np.testing.assert_allclose(collate(by_tangents), flat.reshape(4, 2, 3), rtol=1e-14)


def test_folding_in_the_other_order_scrambles_the_tensor():
    D, x = drawn(0, (4, 3), (3,))
    flat = waves_flat_jacobian(D, x)  # row order
    scrambled = fold(flat, (4, 2), (3,), "column")
    assert np.max(np.abs(scrambled - fold(flat, (4, 2), (3,)))) > 0.1


@SEEDS
def test_chain_rule_sums_over_every_axis_between(seed):
    A, X, B = drawn(seed, (3, 4), (4, 2), (2, 3))
    Y = A @ X @ B
    inner, outer = two_sided_product_jacobian(A, X, B)[1], gram_jacobian(Y)
    whole = chain(outer, inner, Y.ndim)
    composed = jax.jacfwd(lambda X: gram.fun(two_sided_product.fun(A, X, B)))(X)
    assert whole.shape == composed.shape == (3, 3, 4, 2)
    np.testing.assert_allclose(whole, composed, rtol=1e-10)
    flat = unfold(outer, 2) @ unfold(inner, 2)
    np.testing.assert_allclose(unfold(whole, 2), flat, rtol=1e-12)
    # one axis is not enough
    assert chain(outer, inner, 1).shape == (3, 3, 3, 3, 4, 2)


@pytest.mark.parametrize(
    ("output", "inputs"), [(o, i) for o in ((), (2,), (2, 3)) for i in ((), (4,), (4, 5))], ids=str
)
def test_nine_kinds_of_derivative_have_the_shape_of_output_then_input(output, inputs):
    M = np.random.default_rng(0).normal(size=(int(np.prod(output)), int(np.prod(inputs))))
    x = np.random.default_rng(1).normal(size=inputs)

    def f(x):
        return jnp.sin(M @ x.reshape(-1)).reshape(output)

    assert jax.eval_shape(jax.jacrev(f), x).shape == output + inputs
    derivative = jax.jit(jax.jacfwd(f))(x)
    assert derivative.shape == output + inputs
    by_hand = np.cos(M @ x.reshape(-1))[:, None] * M
    np.testing.assert_allclose(derivative, by_hand.reshape(output + inputs), rtol=1e-12)


def test_derivative_with_respect_to_a_number_keeps_the_shape():
    t = jnp.asarray(0.7)
    assert plane_rotation_jacobian(t).shape == plane_rotation(t).shape == (2, 2)


def test_derivative_of_a_rotation_is_a_quarter_turn_of_it_entry_by_entry():
    t = sympy.Symbol("t", real=True)
    R = sympy.Matrix([[sympy.cos(t), -sympy.sin(t)], [sympy.sin(t), sympy.cos(t)]])
    quarter = sympy.Matrix([[0, -1], [1, 0]])
    assert sympy.simplify(R.diff(t) - quarter * R) == sympy.zeros(2)
    by_hand = plane_rotation_jacobian(jnp.asarray(0.3))
    np.testing.assert_allclose(by_hand, np.array(R.diff(t).subs(t, 0.3), float), rtol=1e-14)


def test_rotations_remainder_is_of_second_order():
    t = jnp.asarray(0.7)
    slope = plane_rotation_jacobian(t)
    assert_order(lambda e: plane_rotation(t + e) - plane_rotation(t) - e * slope, 2)


def test_waves_remainder_is_of_second_order():
    D, x, u = drawn(2, (4, 3), (3,), (3,))
    linear = push(waves_jacobian(D, x)[1], u)
    assert_order(lambda e: waves(D, x + e * u) - waves(D, x) - e * linear, 2, eps=(1e-3, 1e-4))
