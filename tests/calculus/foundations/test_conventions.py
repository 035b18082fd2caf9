"""Layouts: what the numbers are called and where they lie, and that each conversion is true."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import conventions as layout
from calculus.foundations.gradients import (
    descend,
    mixed_cubic,
    quadratic_plus_linear,
    quadratic_plus_linear_jacobian,
    squared_norm,
    squared_norm_jacobian,
)
from calculus.foundations.jacobians import (
    exp_product,
    orientation,
    polar,
    polar_jacobian,
    spiral,
    volume_factor,
)
from calculus.radiance.integral import integrate
from tests.calculus.foundations.drawn import normal
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
close = np.testing.assert_allclose


def draw(*shape, seed=0):
    return normal(seed, *shape)


@pytest.mark.parametrize(
    ("f", "domain", "codomain"),
    [(squared_norm, (3,), ()), (mixed_cubic, (2,), ()), (spiral, (), (2,)), (polar, (2,), (2,))],
    ids=["squared_norm", "mixed_cubic", "spiral", "polar"],
)
def test_a_map_has_a_domain_a_codomain_and_a_derivative_shaped_by_both(f, domain, codomain):
    x = jnp.abs(draw(*domain))
    assert f(x).shape == codomain
    assert jax.jacrev(f)(x).shape == layout.derivative_shape(codomain, domain)
    assert "derivative" in f.__doc__


def test_the_image_is_a_part_of_the_codomain():
    points = draw(200, 3)
    values = jax.vmap(squared_norm)(points)
    assert values.shape == (200,)  # one value for each input
    assert jnp.all(values >= 0)  # -1 is in R and is never attained
    close(squared_norm(jnp.array([2.0, 0.0, 0.0])), 4.0)  # every r^2 >= 0 is


def test_the_dot_product_is_an_expression_and_a_map():
    x = draw(2)
    close(squared_norm(x), x[0] ** 2 + x[1] ** 2, rtol=1e-14)
    close(squared_norm(x), x @ x, rtol=0)


def misfit(theta, data):
    inputs, observed = data
    return jnp.mean((jnp.tanh(inputs @ theta) - observed) ** 2)


@pytest.fixture
def learning():
    data = draw(8, 3, seed=1), draw(8, seed=2)
    theta = draw(3, seed=3)
    return data, theta, jax.grad(misfit)(theta, data)


def test_a_small_step_against_the_gradient_lowers_the_misfit(learning):
    data, theta, g = learning
    assert misfit(theta, data).shape == ()
    assert misfit(descend(theta, g, 1e-2), data) < misfit(theta, data)


def test_what_a_step_of_descent_gains_is_the_squared_gradient_to_first_order(learning):
    data, theta, g = learning
    gained = lambda eta: misfit(descend(theta, g, eta), data) - misfit(theta, data)  # noqa: E731
    assert_order(lambda eta: gained(eta) + eta * g @ g, 2)


def test_the_integral_that_matters_is_an_expectation_under_the_density_of_light():
    sigma, far = 0.7, 3.0
    density = lambda t: jnp.full_like(t, sigma)  # noqa: E731
    along = jax.jit(lambda: integrate(density, colours, 0.0, far, jnp.zeros(3), panels=4))()
    density = along.dC_dc  # T sigma
    mass = 1 - np.exp(-sigma * far)
    close(along.share @ density, mass, rtol=1e-12)  # closed form of a constant medium
    mean_depth = 1 / sigma - (far + 1 / sigma) * np.exp(-sigma * far)
    close(along.C[0], mean_depth, rtol=1e-12)  # int t T sigma dt, by parts
    close(along.C, along.share @ (density[:, None] * colours(along.t)), rtol=1e-12)


def colours(t):
    return jnp.stack([t, jnp.sin(t), jnp.ones_like(t)], axis=-1)


def test_numerator_layout_is_what_jax_returns():
    f = lambda X: X @ X.T  # noqa: E731
    X = draw(3, 4)
    expected = layout.derivative_shape((3, 3), (3, 4))
    assert jax.jacfwd(f)(X).shape == jax.jacrev(f)(X).shape == expected == (3, 3, 3, 4)


def test_the_chain_rule_reads_from_the_outermost_map_inwards():
    p = jnp.array([0.8, 0.5])
    row = jax.jacrev(exp_product)(polar(p)) @ polar_jacobian(p)
    close(row, jax.jacfwd(lambda p: exp_product.fun(polar.fun(p)))(p), rtol=1e-12)
    wrong_way_round = polar_jacobian(p) @ jax.jacrev(exp_product)(polar(p))
    assert np.max(np.abs(wrong_way_round - row)) > 0.1


def test_a_gradient_by_jax_is_the_row_without_its_leading_1():
    x = draw(3)
    row = jax.jacrev(lambda x: squared_norm.fun(x)[None])(x)
    assert row.shape == (1, 3)
    close(layout.drop_leading_one(row), jax.grad(squared_norm)(x), rtol=0)
    close(layout.restore_leading_one(jax.grad(squared_norm)(x)), row, rtol=0)
    close(layout.as_row(squared_norm_jacobian(x)), row, rtol=1e-14)


def test_only_a_number_has_a_leading_1_to_drop():
    with pytest.raises(ValueError, match="no leading 1"):
        layout.drop_leading_one(draw(2, 3))
    with pytest.raises(ValueError, match="no leading 1"):
        layout.drop_leading_one(jnp.zeros(()))


def test_the_column_gradient_is_the_transposed_row():
    g = squared_norm_jacobian(draw(3))
    row, column = layout.as_row(g), layout.as_column(g)
    assert (row.shape, column.shape) == ((1, 3), (3, 1))
    close(column, row.T, rtol=0)
    close(layout.row_to_column(row), column, rtol=0)
    close(layout.column_to_row(column), row, rtol=0)


def test_in_columns_the_chain_rule_is_a_pullback():
    p = jnp.array([0.8, 0.5])
    column = layout.as_column(jax.grad(exp_product)(polar(p)))
    pulled = layout.column_chain(polar_jacobian(p), column)
    (by_jax,) = jax.vjp(polar.fun, p)[1](jax.grad(exp_product)(polar(p)))
    close(pulled, layout.as_column(by_jax), rtol=1e-12)
    close(
        pulled, layout.as_column(jax.grad(lambda p: exp_product.fun(polar.fun(p)))(p)), rtol=1e-12
    )


def test_slope_along_a_direction_is_the_same_in_rows_and_columns():
    g, u = squared_norm_jacobian(draw(3)), draw(3, seed=1)
    by_row = layout.as_row(g) @ layout.as_column(u)
    by_column = layout.as_row(u) @ layout.as_column(g)
    close(by_row, by_column, rtol=1e-14)


@pytest.fixture
def matrix_case():
    a, b, W, U = draw(3), draw(4, seed=1), draw(3, 4, seed=2), draw(3, 4, seed=3)
    loss = lambda W: (a @ W @ b - 0.3) ** 2  # noqa: E731
    return loss, W, U, 2 * (a @ W @ b - 0.3) * jnp.outer(a, b)


def test_the_generalised_gradient_is_the_derivative_without_its_leading_1(matrix_case):
    loss, W, _, gradient = matrix_case
    tensor = jax.jacfwd(lambda W: loss(W)[None])(W)
    assert tensor.shape == (1, 3, 4)
    close(layout.drop_leading_one(tensor), gradient, rtol=1e-12)
    close(jax.grad(loss)(W), gradient, rtol=1e-12)


def test_the_generalised_gradient_pairs_with_a_change_of_the_matrix(matrix_case):
    loss, W, U, gradient = matrix_case
    linear = jnp.vdot(U, gradient)
    assert_order(lambda eps: loss(W + eps * U) - loss(W) - eps * linear, 2)


def test_for_one_column_the_generalised_gradient_is_the_column_gradient():
    x = draw(3, 1)
    gradient = jax.grad(lambda x: squared_norm.fun(x[:, 0]))(x)
    close(gradient, layout.as_column(squared_norm_jacobian(x[:, 0])), rtol=1e-14)


def test_rows_for_vectors_and_matrix_shape_for_matrices_are_one_convention():
    x, M, a = draw(3), draw(3, 3, seed=1), draw(3, seed=2)
    for k, derivative in enumerate(quadratic_plus_linear_jacobian(x, M, a)):
        by_jax = jax.jacrev(quadratic_plus_linear.fun, argnums=k)(x, M, a)
        assert derivative.shape == layout.derivative_shape((), (x, M, a)[k].shape)
        close(derivative, by_jax, rtol=1e-12)


def test_strict_matrix_layout_is_another_one(matrix_case):
    loss, W, _, gradient = matrix_case
    strict = layout.strict_matrix_layout(gradient)
    assert strict.shape == (4, 3) != jax.grad(loss)(W).shape
    # there the change of a number is a trace, of strict layout times change
    close(jnp.trace(strict @ W), jnp.vdot(gradient, W), rtol=1e-12)


def test_a_tensor_survives_flattening_and_chains_as_a_matrix():
    inner = lambda B: B[:2] * B[1:]  # noqa: E731  (3, 2) -> (2, 2)
    outer = lambda F: jnp.stack([jnp.sin(F), F**2, F * F[0, 0]])  # noqa: E731  -> (3, 2, 2)
    B = draw(3, 2)
    F = inner(B)
    d_outer, d_inner = jax.jit(jax.jacfwd(outer))(F), jax.jit(jax.jacfwd(inner))(B)
    flat = layout.flatten_derivative(d_outer, 3) @ layout.flatten_derivative(d_inner, 2)
    assert flat.shape == (12, 6)
    tensor = layout.unflatten_derivative(flat, (3, 2, 2), (3, 2))
    close(tensor, jax.jit(jax.jacfwd(lambda B: outer(inner(B))))(B), rtol=1e-12, atol=1e-14)
    close(layout.flatten_derivative(tensor, 3), flat, rtol=0)


def test_a_flattened_tensor_acts_on_the_flattened_change():
    f, X, X_dot = lambda X: X @ X.T, draw(2, 3), draw(2, 3, seed=1)
    flat = layout.flatten_derivative(jax.jacfwd(f)(X), 2)
    pushed = jax.jvp(f, (X,), (X_dot,))[1]
    close(flat @ X_dot.reshape(-1), pushed.reshape(-1), rtol=1e-12)


def test_derivatives_of_matrices_have_three_or_four_axes_and_contract_by_einsum():
    X, X_dot, v = draw(2, 3), draw(2, 3, seed=1), draw(3, seed=2)
    vector_by_matrix = jax.jacfwd(lambda X: X @ v)(X)
    matrix_by_matrix = jax.jacfwd(lambda X: X @ X.T)(X)
    assert (vector_by_matrix.ndim, matrix_by_matrix.ndim) == (3, 4)
    pushed = jnp.einsum("ijkl,kl->ij", matrix_by_matrix, X_dot)
    close(pushed, X_dot @ X.T + X @ X_dot.T, rtol=1e-12)


def test_d_collects_the_partials_and_equals_the_partial_for_one_variable():
    f = lambda x: jnp.sin(x[0])  # noqa: E731
    x = draw(1)
    close(jax.jacrev(f)(x)[0], jax.grad(jnp.sin)(x[0]), rtol=1e-14)
    # along a curve the full derivative collects what the partial leaves out
    g = lambda t, s: t * s**2  # noqa: E731
    t = jnp.asarray(0.7)
    full, partial = jax.grad(lambda t: g(t, t))(t), jax.grad(g)(t, t)
    close(full, 3 * t**2, rtol=1e-12)
    close(partial, t**2, rtol=1e-12)


def test_big_o_multiplies_and_divides():
    x, y, u, v = 0.4, -0.3, 1.2, 0.7
    product = lambda eps: (x + eps * u) * (y + eps * v)  # noqa: E731
    remainder = lambda eps: product(eps) - x * y - eps * (x * v + y * u)  # noqa: E731
    assert_order(remainder, 2)  # the product of two first-order terms
    assert_order(lambda eps: remainder(eps) / eps, 1)  # divided by eps, still goes to 0


def test_bars_around_a_matrix_mean_a_determinant_and_two_more_an_absolute_value():
    X = jnp.array([[-2.0, 1.0], [1.0, 1.0]])
    sign, log_abs_det = jnp.linalg.slogdet(X)
    close(jnp.linalg.det(X), -3.0, rtol=1e-14)
    close(sign, -1.0, rtol=0)
    close(log_abs_det, np.log(3.0), rtol=1e-14)
    close(sign * jnp.exp(log_abs_det), X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0], rtol=1e-14)
    close(jnp.trace(X), X[0, 0] + X[1, 1], rtol=0)
    close(jnp.linalg.inv(X) @ X, jnp.eye(2), atol=1e-14)
    close(X.T, [[X[j, i] for j in range(2)] for i in range(2)], rtol=0)
    close([volume_factor(X), orientation(X)], [3.0, -1.0], rtol=1e-14)
    assert jnp.isnan(jnp.log(jnp.linalg.det(X)))  # why slogdet


@pytest.mark.parametrize(
    ("factors", "product"),
    [(((1, 2), (2, 1)), (1, 1)), (((1, 2), (2, 2)), (1, 2)), (((5, 3), (3, 4), (4, 2)), (5, 2))],
)
def test_inner_dimensions_cancel(factors, product):
    assert layout.chain_shape(*factors) == product
    matrices = [np.ones(shape) for shape in factors]
    assert np.linalg.multi_dot(matrices).shape == product


def test_dimensions_that_do_not_match_are_named():
    with pytest.raises(ValueError, match=r"\(2, 1\) does not chain with \(2, 2\): 1 is not 2"):
        layout.chain_shape((1, 2), (2, 1), (2, 2))
