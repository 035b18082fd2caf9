"""Many inputs: partial derivatives, gradients, directions, expansions, and the rules for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations import conventions as layout
from calculus.foundations import gradients
from calculus.foundations.gradients import (
    directional_derivative,
    mixed_cubic,
    mixed_cubic_hessian,
    mixed_cubic_jacobian,
    partial,
    quadratic_hessian,
    quadratic_jacobian,
    quadratic_plus_linear,
    quadratic_plus_linear_jacobian,
    quotient_along,
    read_off,
    squared_binomial,
    squared_binomial_hessian,
    squared_binomial_jacobian,
    squared_norm,
    squared_norm_jacobian,
    steepest,
    unit,
)
from tests.calculus.foundations.drawn import normal
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
close = np.testing.assert_allclose
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def draw(*shape, seed=0):
    return normal(seed, *shape)


def wave(x):
    """A number of three variables that is no polynomial: R^3 -> R."""
    return jnp.sin(x[0]) * jnp.exp(x[1] * x[2]) + x[2] ** 3


def wave_row(x):
    grown = jnp.exp(x[1] * x[2])
    return jnp.stack(
        [
            jnp.cos(x[0]) * grown,
            jnp.sin(x[0]) * grown * x[2],
            jnp.sin(x[0]) * grown * x[1] + 3 * x[2] ** 2,
        ]
    )


@SEEDS
@pytest.mark.parametrize("i", [0, 1, 2])
def test_one_variable_moves_and_the_others_are_frozen(i, seed):
    x = draw(3, seed=seed)
    close(partial(wave, i)(x), jax.grad(wave)(x)[i], rtol=1e-12)
    close(partial(wave, i)(x), wave_row(x)[i], rtol=1e-12)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_a_partial_derivative_is_the_limit_of_quotients_along_a_unit_vector(i):
    x = draw(3)
    assert_order(lambda h: quotient_along(wave, x, unit(i, 3), h) - wave_row(x)[i], 1)
    h = 6e-6
    central = (wave(x + h * unit(i, 3)) - wave(x - h * unit(i, 3))) / (2 * h)
    close(central, jax.grad(wave)(x)[i], rtol=1e-6)


def test_the_gradient_is_the_row_of_all_partials():
    x = draw(3)
    row = layout.as_row(gradients.gradient_by_partials(wave, x))
    assert row.shape == jax.jacobian(wave)(x)[None].shape == (1, 3)
    close(row, layout.as_row(wave_row(x)), rtol=1e-12)


def test_the_row_gradient_is_the_jacobian_of_one_output():
    x = draw(3)
    jacobian = jax.jacfwd(lambda x: wave(x)[None])(x)
    assert jacobian.shape == (1, 3)
    close(jax.grad(wave)(x), jacobian[0], rtol=1e-12)
    close(layout.as_row(wave_row(x)), jacobian, rtol=1e-12)


def test_the_column_stacks_the_same_partials():
    x = draw(3)
    column = layout.as_column(wave_row(x))
    assert column.shape == (3, 1)
    close(column, jax.jacobian(wave)(x)[None].T, rtol=1e-12)


def test_sympy_agrees_with_the_polynomials():
    a, b = sympy.symbols("a b")
    point = {a: 0.7, b: -0.4}
    x = jnp.array([0.7, -0.4])
    binomial = squared_binomial, squared_binomial_jacobian, squared_binomial_hessian
    cubic = mixed_cubic, mixed_cubic_jacobian, mixed_cubic_hessian
    for expression, (f, row, hessian) in (
        ((a + 2 * b**3) ** 2, binomial),
        (a**2 * b + a * b**3, cubic),
    ):
        partials = [sympy.diff(expression, v) for v in (a, b)]
        seconds = sympy.hessian(expression, (a, b))
        close(f(x), float(expression.subs(point)), rtol=1e-12)
        close(row(x), [float(p.subs(point)) for p in partials], rtol=1e-12)
        close(hessian(x), np.array(seconds.subs(point), float), rtol=1e-12)


def test_the_printed_partials_are_the_derivatives_symbolically():
    x, y = sympy.symbols("x y")
    f, g = (x + 2 * y**3) ** 2, x**2 * y + x * y**3
    assert sympy.expand(sympy.diff(f, x) - 2 * (x + 2 * y**3)) == 0
    assert sympy.expand(sympy.diff(f, y) - 12 * y**2 * (x + 2 * y**3)) == 0
    assert sympy.expand(sympy.diff(g, x) - (2 * x * y + y**3)) == 0
    assert sympy.expand(sympy.diff(g, y) - (x**2 + 3 * x * y**2)) == 0


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_squared_norm_has_the_row_2x_and_an_exact_remainder(n):
    x, u, eps = draw(n), draw(n, seed=1), 0.3
    assert layout.as_row(squared_norm_jacobian(x)).shape == (1, n)
    left = squared_norm(x + eps * u) - squared_norm(x) - eps * squared_norm_jacobian(x) @ u
    close(left, eps**2 * u @ u, rtol=1e-12)


# The rules, on functions whose derivatives are known


def height(x):
    return jnp.cos(x[0] * x[1]) + x[2]


def height_row(x):
    slope = -jnp.sin(x[0] * x[1])
    return jnp.stack([slope * x[1], slope * x[0], jnp.ones_like(slope)])


def bend(x):
    return jnp.stack([x[0] * x[2], jnp.sin(x[1])])


def bend_matrix(x):
    zero = jnp.zeros_like(x[0])
    return jnp.array([[x[2], zero, x[0]], [zero, jnp.cos(x[1]), zero]])


def fold(x):
    return jnp.stack([x[1] ** 2, x[0] + x[2]])


def fold_matrix(x):
    zero, one = jnp.zeros_like(x[0]), jnp.ones_like(x[0])
    return jnp.array([[zero, 2 * x[1], zero], [one, zero, one]])


def is_the_derivative(f, derivative, x):
    for by_jax in (jax.jacfwd(f)(x), jax.jacrev(f)(x)):
        assert derivative(x).shape == by_jax.shape == f(x).shape + x.shape
        close(derivative(x), by_jax, rtol=1e-9, atol=1e-10)


@SEEDS
def test_the_functions_of_the_rules_have_the_derivatives_claimed(seed):
    x = draw(3, seed=seed)
    for f, df in (
        (wave, wave_row),
        (height, height_row),
        (bend, bend_matrix),
        (fold, fold_matrix),
    ):
        is_the_derivative(f, df, x)


@SEEDS
def test_derivatives_of_sums_add(seed):
    x = draw(3, seed=seed)
    is_the_derivative(lambda x: wave(x) + height(x), gradients.sum_rule(wave_row, height_row), x)
    is_the_derivative(lambda x: bend(x) + fold(x), gradients.sum_rule(bend_matrix, fold_matrix), x)


@SEEDS
def test_a_product_of_numbers_has_two_terms(seed):
    derivative = gradients.product_rule(wave, wave_row, height, height_row)
    is_the_derivative(lambda x: wave(x) * height(x), derivative, draw(3, seed=seed))


@SEEDS
def test_a_number_times_a_vector_has_an_outer_product_and_a_scaled_matrix(seed):
    x = draw(3, seed=seed)
    derivative = gradients.scalar_times_vector_rule(height, height_row, bend, bend_matrix)
    is_the_derivative(lambda x: height(x) * bend(x), derivative, x)
    assert derivative(x).shape == (2, 3)
    with pytest.raises(TypeError):  # the factors do not commute: (1 x 3)(2 x 1)
        layout.as_row(height_row(x)) @ layout.as_column(bend(x))


def test_light_times_opacity_times_colour_is_the_rule_applied_twice():
    opacity = lambda x: 1 - jnp.exp(-(x[0] ** 2))  # noqa: E731
    opacity_row = lambda x: jnp.exp(-(x[0] ** 2)) * 2 * x[0] * unit(0, 3)  # noqa: E731
    weight = lambda x: height(x) * opacity(x)  # noqa: E731
    weight_row = gradients.product_rule(height, height_row, opacity, opacity_row)
    derivative = gradients.scalar_times_vector_rule(weight, weight_row, bend, bend_matrix)
    is_the_derivative(lambda x: height(x) * opacity(x) * bend(x), derivative, draw(3))


@SEEDS
def test_an_inner_product_has_one_term_for_each_factor(seed):
    derivative = gradients.inner_product_rule(bend, bend_matrix, fold, fold_matrix)
    is_the_derivative(lambda x: bend(x) @ fold(x), derivative, draw(3, seed=seed))


@SEEDS
def test_the_chain_rule_is_a_matrix_product_whose_inner_dimensions_cancel(seed):
    x = draw(3, seed=seed)
    number = gradients.chain_rule(mixed_cubic_jacobian, bend, bend_matrix)
    is_the_derivative(lambda x: cubic(bend(x)), number, x)
    assert layout.chain_shape((1, 2), (2, 3)) == layout.as_row(number(x)).shape


def cubic(x):
    return mixed_cubic.fun(x)  # without its rule, so that forward mode passes


# Directions


@SEEDS
def test_a_slope_along_a_direction_is_the_limit_of_its_quotients(seed):
    x, u = draw(3, seed=seed), steepest(draw(3, seed=seed + 5))
    slope = directional_derivative(wave, x, u)
    assert slope.shape == ()
    close(slope, jax.jvp(wave, (x,), (u,))[1], rtol=1e-12)
    assert_order(lambda eps: quotient_along(wave, x, u, eps) - slope, 1, eps=(1e-3, 1e-4))


def test_slopes_differ_with_the_direction():
    x = draw(3)
    slopes = [float(directional_derivative(wave, x, unit(i, 3))) for i in range(3)]
    assert min(abs(a - b) for a, b in zip(slopes, slopes[1:] + slopes[:1], strict=True)) > 0.01


def test_along_a_unit_vector_the_slope_is_the_partial_derivative():
    x = draw(3)
    for i in range(3):
        close(directional_derivative(wave, x, unit(i, 3)), jax.grad(wave)(x)[i], rtol=1e-12)
        close(jax.jvp(wave, (x,), (unit(i, 3),))[1], partial(wave, i)(x), rtol=1e-12)


@SEEDS
def test_a_slope_is_an_inner_product_with_the_gradient(seed):
    x, u = draw(3, seed=seed), draw(3, seed=seed + 5)
    close(directional_derivative(wave, x, u), wave_row(x) @ u, rtol=1e-12)
    close(jax.jvp(wave, (x,), (u,))[1], u @ wave_row(x), rtol=1e-12)


def test_no_direction_rises_faster_than_the_gradient():
    x = draw(3)
    g = wave_row(x)
    directions = jax.vmap(steepest)(draw(1000, 3, seed=1))
    slopes = jax.vmap(lambda u: jax.jvp(wave, (x,), (u,))[1])(directions)
    length = jnp.linalg.norm(g)
    assert jnp.max(slopes) <= length * (1 + 1e-12)
    assert jnp.max(slopes) > 0.98 * length  # the bound is nearly met by chance
    close(directional_derivative(wave, x, steepest(g)), length, rtol=1e-12)  # and met there


# Expansions


def test_what_first_order_leaves_falls_with_the_square_of_the_step():
    x, u = draw(3), draw(3, seed=1)
    flat = gradients.first_order(wave, wave_row, x)
    assert_order(lambda eps: wave(x + eps * u) - flat(eps * u), 2)


def test_without_a_second_derivative_first_order_may_leave_more():
    rough = lambda x: jnp.sum(jnp.abs(x) ** 1.5)  # noqa: E731  differentiable at 0, gradient 0
    u = draw(3)
    assert_order(lambda eps: rough(eps * u), 1.5)


@pytest.mark.parametrize(
    ("f", "row", "hessian"),
    [
        (squared_binomial, squared_binomial_jacobian, squared_binomial_hessian),
        (mixed_cubic, mixed_cubic_jacobian, mixed_cubic_hessian),
    ],
    ids=["squared_binomial", "mixed_cubic"],
)
def test_what_second_order_leaves_falls_with_the_cube_of_the_step(f, row, hessian):
    x, u = jnp.array([0.7, -0.4]), jnp.array([0.6, 0.9])
    close(hessian(x), jax.hessian(f.fun)(x), rtol=1e-12)
    close(hessian(x), jax.jacrev(row)(x), rtol=1e-12)  # the row, differentiated once more
    curved = gradients.second_order(f, row, hessian, x)
    assert_order(lambda eps: f(x + eps * u) - curved(eps * u), 3, eps=(1e-3, 1e-4))


def test_the_hessian_of_a_quadratic_form_makes_the_second_order_exact():
    x, u, M, a = draw(3), draw(3, seed=1), draw(3, 3, seed=2), draw(3, seed=3)
    f = lambda x: quadratic_plus_linear(x, M, a)  # noqa: E731
    row = lambda x: quadratic_plus_linear_jacobian(x, M, a)[0]  # noqa: E731
    curved = gradients.second_order(f, row, lambda _: quadratic_hessian(M), x)
    close(f(x + u), curved(u), rtol=1e-12)
    close(quadratic_hessian(M), jax.jacrev(row)(x), rtol=1e-12)


@SEEDS
def test_the_gradient_is_read_off_from_the_linear_part(seed):
    x, M, a = draw(3, seed=seed), draw(3, 3, seed=2), draw(3, seed=3)
    f = lambda x: x @ M @ x + a @ x  # noqa: E731
    linear_part = lambda u: u @ (M @ x + M.T @ x + a)  # noqa: E731
    by_hand = quadratic_plus_linear_jacobian(x, M, a)[0]
    close(read_off(linear_part, 3), by_hand, rtol=1e-12)
    close(read_off(lambda u: jax.jvp(f, (x,), (u,))[1], 3), by_hand, rtol=1e-12)


def test_no_other_vector_fits_the_expansion():
    x, u = draw(3), draw(3, seed=1)
    other = wave_row(x) + 1e-2 * unit(1, 3)
    left = lambda eps: wave(x + eps * u) - wave(x) - eps * other @ u  # noqa: E731
    with pytest.raises(AssertionError, match="order"):
        assert_order(left, 2, eps=(1e-4, 1e-5))


# Quadratic forms


@SEEDS
def test_a_quadratic_form_is_a_double_sum_and_so_are_its_partials(seed):
    w, M = np.asarray(draw(3, seed=seed)), np.asarray(draw(3, 3, seed=seed + 7))
    value = sum(w[i] * M[i, j] * w[j] for i in range(3) for j in range(3))
    close(gradients.quadratic(jnp.asarray(w), jnp.asarray(M)), value, rtol=1e-12)
    partials = [
        sum(M[k, j] * w[j] for j in range(3)) + sum(w[i] * M[i, k] for i in range(3))
        for k in range(3)
    ]
    row, _ = quadratic_jacobian(jnp.asarray(w), jnp.asarray(M))
    close(row, partials, rtol=1e-12)
    close(layout.as_column(row), (M @ w + M.T @ w)[:, None], rtol=1e-12)


def test_only_a_symmetric_matrix_gives_twice_its_product():
    w, M = draw(3), draw(3, 3, seed=1)
    symmetric = M + M.T
    close(quadratic_jacobian(w, symmetric)[0], 2 * symmetric @ w, rtol=1e-12)
    assert np.max(np.abs(quadratic_jacobian(w, M)[0] - 2 * M @ w)) > 0.1


@SEEDS
@pytest.mark.parametrize("eps", [1.0, 1e-2])
def test_what_first_order_leaves_of_a_quadratic_is_exact(seed, eps):
    x, u, M, a = draw(3, seed=seed), draw(3, seed=1), draw(3, 3, seed=2), draw(3, seed=3)
    f = lambda x: quadratic_plus_linear(x, M, a)  # noqa: E731
    row = quadratic_plus_linear_jacobian(x, M, a)[0]
    left = f(x + eps * u) - f(x) - eps * row @ u
    close(left / eps**2, u @ M @ u, rtol=1e-9)


@SEEDS
def test_a_number_equals_its_transpose(seed):
    x, u, a, M = draw(3, seed=seed), draw(3, seed=1), draw(3, seed=2), draw(3, 3, seed=3)
    close(x @ M @ u, u @ M.T @ x, rtol=1e-12)
    close(a @ u, u @ a, rtol=1e-14)


@SEEDS
def test_by_entries_and_by_expansion_the_gradient_is_the_same(seed):
    w, M = draw(3, seed=seed), draw(3, 3, seed=1)
    delta = jnp.eye(3)
    by_entries = jnp.einsum("ik,ij,j->k", delta, M, w) + jnp.einsum("i,ij,jk->k", w, M, delta)
    by_expansion = read_off(lambda u: u @ M @ w + w @ M @ u, 3)
    close(by_entries, by_expansion, rtol=1e-12)
    close(by_entries, quadratic_jacobian(w, M)[0], rtol=1e-12)
