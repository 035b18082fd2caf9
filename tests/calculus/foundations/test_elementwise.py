"""Operations entry by entry, scalars with vectors, chains: beyond the laws of every rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import elementwise
from calculus.foundations.elementwise import (
    add,
    bottleneck,
    divide,
    elementwise_jacobian,
    is_elementwise,
    log_of_square_plus_one,
    multiply,
    product_of_slopes,
    scalar_expansion,
    scalar_times_vector,
    sin_of_square,
    sin_times_exp,
    subtract,
    vector_chain_rule,
    vector_plus_scalar,
    y_sin_of_sum,
)
from calculus.foundations.elementwise.broadcasting import scalar_times_vector_jacobian
from calculus.foundations.elementwise.chains import (
    bottleneck_jacobian,
    log_of_square_plus_one_jacobian,
    powers_of_first_two_jacobian,
    y_sin_of_sum_jacobian,
)
from calculus.foundations.elementwise.operators import (
    add_jacobian,
    divide_jacobian,
    multiply_jacobian,
    sin_times_exp_jacobian,
    subtract_jacobian,
)
from tests.calculus.foundations.drawn import normal
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


@SEEDS
@pytest.mark.parametrize(
    ("name", "of_numbers"),
    [
        ("add", lambda w, x: w + x),
        ("subtract", lambda w, x: w - x),
        ("multiply", lambda w, x: w * x),
        ("divide", lambda w, x: w / x),
        ("sin_times_exp", lambda w, x: np.sin(w) * np.exp(x)),
    ],
)
def test_an_operation_acts_on_one_entry_after_the_other(seed, name, of_numbers):
    w, x = normal(seed, 3), normal(seed + 10, 3)
    looped = [of_numbers(float(w[i]), float(x[i])) for i in range(3)]
    np.testing.assert_allclose(getattr(elementwise, name)(w, x), looped, rtol=1e-14)


@SEEDS
def test_the_jacobian_of_an_operation_entry_by_entry_is_diagonal(seed):
    w, x = normal(seed, 4), normal(seed + 10, 4)
    by_hand = elementwise_jacobian(lambda w, x: jnp.cos(w) * jnp.exp(x), w, x)
    np.testing.assert_array_equal(by_hand, jnp.diag(jnp.diagonal(by_hand)))
    np.testing.assert_allclose(by_hand, jax.jacfwd(sin_times_exp.fun)(w, x), rtol=1e-12)


@SEEDS
def test_a_diagonal_jacobian_pulls_back_by_a_product_entry_by_entry(seed):
    w, x, y_bar = normal(seed, 4), normal(seed + 10, 4), normal(seed + 20, 4)
    _, pull = jax.vjp(sin_times_exp, w, x)
    for pulled, jacobian in zip(pull(y_bar), sin_times_exp_jacobian(w, x), strict=True):
        np.testing.assert_allclose(pulled, jnp.diagonal(jacobian) * y_bar, rtol=1e-13)


def test_entry_by_entry_functions_answer_to_their_own_entry_alone():
    w = normal(0, 3)
    assert is_elementwise(lambda w: jnp.sin(w) / (1 + w**2), w)
    assert is_elementwise(sin_of_square, w)


@pytest.mark.parametrize(
    "mixing",
    [
        lambda w: jnp.full(3, jnp.sum(w)),
        lambda w: w / jnp.sum(w),
        lambda w: jnp.cumsum(w),
        lambda w: w[::-1],
        lambda w: w[:2],
    ],
    ids=["sum", "normalise", "running sum", "reverse", "not square"],
)
def test_a_function_that_mixes_entries_has_no_diagonal_jacobian(mixing):
    w = normal(0, 3)
    assert not is_elementwise(mixing, w)
    jacobian = jax.jacfwd(mixing)(w)
    own = jacobian.shape == (3, 3) and jnp.all(jacobian == jnp.diag(jnp.diagonal(jacobian)))
    assert not own


@SEEDS
def test_add_and_subtract_have_no_remainder_and_multiply_has_an_exact_one(seed):
    w, x, u, v = (normal(seed + 10 * k, 3) for k in range(4))
    eps = 0.3
    for f, jacobian, remainder in (
        (add, add_jacobian, jnp.zeros(3)),
        (subtract, subtract_jacobian, jnp.zeros(3)),
        (multiply, multiply_jacobian, eps**2 * u * v),
    ):
        by_first, by_second = jacobian(w, x)
        linear = eps * (by_first @ u + by_second @ v)
        left = f(w + eps * u, x + eps * v) - f(w, x) - linear
        np.testing.assert_allclose(left, remainder, atol=1e-14)


@SEEDS
def test_the_remainder_of_a_quotient_is_of_second_order(seed):
    w, x, u = normal(seed, 3), 2 + 0.1 * normal(seed + 10, 3), normal(seed + 20, 3)
    _, by_divisor = divide_jacobian(w, x)
    assert_order(lambda e: divide(w, x + e * u) - divide(w, x) - e * by_divisor @ u, 2)


@SEEDS
def test_a_broadcast_is_pulled_back_by_a_sum(seed):
    z, y_bar = normal(seed), normal(seed + 10, 5)
    value, pull = jax.vjp(lambda z: scalar_expansion(z, 5), z)
    np.testing.assert_array_equal(value, np.full(5, z))
    np.testing.assert_allclose(pull(y_bar)[0], sum(float(b) for b in y_bar), rtol=1e-13)


@SEEDS
def test_a_scalar_with_a_vector_is_the_expanded_scalar_with_the_vector(seed):
    z, x, y_bar = normal(seed), normal(seed + 10, 4), normal(seed + 20, 4)
    for direct, expanded in (
        (lambda z: vector_plus_scalar(x, z), lambda z: elementwise.add(x, scalar_expansion(z, 4))),
        (
            lambda z: scalar_times_vector(z, x),
            lambda z: elementwise.multiply(scalar_expansion(z, 4), x),
        ),
    ):
        (value, pull), (same, also) = jax.vjp(direct, z), jax.vjp(expanded, z)
        np.testing.assert_allclose(value, same, rtol=1e-14)
        np.testing.assert_allclose(pull(y_bar)[0], also(y_bar)[0], rtol=1e-13)


def test_the_derivative_with_respect_to_a_scalar_is_a_column_not_a_matrix():
    z, x = normal(0), normal(1, 4)
    column, multiple_of_identity = scalar_times_vector_jacobian(z, x)
    assert column.shape == (4,)
    assert multiple_of_identity.shape == (4, 4)
    np.testing.assert_array_equal(multiple_of_identity, z * jnp.eye(4))


@SEEDS
def test_shapes_chain_k_by_m_times_m_by_n(seed):
    A, B, x = normal(seed, 3, 2), normal(seed + 1, 4, 3), normal(seed + 2, 2)

    def inner(x):
        return jnp.sin(A @ x)

    def inner_jacobian(x):
        return jnp.cos(A @ x)[:, None] * A

    def outer_jacobian(f):
        return B * (2 * f)[None, :]

    by_hand = vector_chain_rule(outer_jacobian, inner, inner_jacobian)(x)
    assert outer_jacobian(inner(x)).shape == (4, 3)
    assert inner_jacobian(x).shape == (3, 2)
    assert by_hand.shape == (4, 2)
    np.testing.assert_allclose(
        by_hand, jax.jacfwd(lambda x: B @ inner(x) ** 2)(x), rtol=1e-12, atol=1e-13
    )
    paths = sum(jnp.outer(outer_jacobian(inner(x))[:, l], inner_jacobian(x)[l]) for l in range(3))
    np.testing.assert_allclose(by_hand, paths, rtol=1e-12, atol=1e-13)
    with pytest.raises(TypeError, match="dot_general"):  # the product the other way round
        inner_jacobian(x) @ outer_jacobian(inner(x))


@SEEDS
def test_even_square_factors_of_the_chain_rule_do_not_commute(seed):
    x = normal(seed, 2)
    A, B = normal(seed + 1, 2, 2), normal(seed + 2, 2, 2)
    truth = jax.jacfwd(lambda x: B @ jnp.sin(A @ x))(x)
    inner = jnp.cos(A @ x)[:, None] * A
    np.testing.assert_allclose(B @ inner, truth, rtol=1e-12, atol=1e-13)
    assert jnp.max(jnp.abs(inner @ B - truth)) > 1e-2


@SEEDS
def test_what_passes_a_bottleneck_of_two_has_a_jacobian_of_rank_two(seed):
    x = normal(seed, 3)
    jacobian = bottleneck_jacobian(x)
    assert jacobian.shape == bottleneck(x).shape + x.shape == (4, 3)
    assert np.linalg.matrix_rank(np.asarray(jacobian), tol=1e-10) == 2


@SEEDS
def test_diagonals_multiply_entry_by_entry_and_commute(seed):
    a, b, c = (normal(seed + k, 4) for k in range(3))
    together = product_of_slopes(a, b, c)
    np.testing.assert_allclose(
        jnp.diag(a) @ jnp.diag(b) @ jnp.diag(c), jnp.diag(together), atol=1e-14
    )
    np.testing.assert_allclose(together, product_of_slopes(c, a, b), rtol=1e-14)


def test_a_power_of_the_first_entry_does_not_hear_the_others():
    x = jnp.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(elementwise.chains.power_of_first_jacobian(x, 3), [12.0, 0.0, 0.0])
    np.testing.assert_allclose(powers_of_first_two_jacobian(x, 3), [12 * 27.0, 8 * 27.0, 0.0])


def test_the_logarithm_example_has_the_values_worked_by_hand():
    np.testing.assert_allclose(log_of_square_plus_one(jnp.asarray(2.0)), 1.609438, atol=5e-7)
    np.testing.assert_allclose(log_of_square_plus_one_jacobian(jnp.asarray(2.0)), 0.8, atol=1e-15)


@SEEDS
def test_the_total_derivative_is_the_product_along_a_path_summed_over_paths(seed):
    x, y = normal(seed), normal(seed + 1)
    u, v = x + y, jnp.sin(x + y)
    du_dx, du_dy, dv_du, df_dv, df_dy_directly = 1.0, 1.0, jnp.cos(u), y, v
    by_x, by_y = y_sin_of_sum_jacobian(x, y)
    np.testing.assert_allclose(by_x, df_dv * dv_du * du_dx, rtol=1e-13)
    np.testing.assert_allclose(by_y, df_dy_directly + df_dv * dv_du * du_dy, rtol=1e-13)
    one_path_only = df_dv * dv_du * du_dy
    assert abs(one_path_only - jax.grad(y_sin_of_sum.fun, argnums=1)(x, y)) > 1e-3
    np.testing.assert_allclose(
        log_of_square_plus_one_jacobian(x), (1 / (x**2 + 1)) * (2 * x), rtol=1e-13
    )


def test_the_sine_example_has_the_values_worked_by_hand():
    at = jnp.asarray(0.4), jnp.asarray(1.1)
    np.testing.assert_allclose(y_sin_of_sum(*at), 1.097244, atol=5e-7)
    np.testing.assert_allclose(y_sin_of_sum_jacobian(*at), (0.077811, 1.075306), atol=5e-7)


def test_a_program_is_a_graph_of_primitives_and_jax_shows_the_same_one():
    jaxpr = jax.make_jaxpr(bottleneck.fun)(normal(0, 3))
    operations = [equation.primitive.name for equation in jaxpr.eqns]
    assert operations.count("sin") == operations.count("cos") == 1
    assert operations.index("sin") < operations.index("cos")  # g comes after f
