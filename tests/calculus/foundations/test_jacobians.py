"""Many outputs: the Jacobian and its shapes, curves inside functions, areas, new coordinates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations import conventions as layout
from calculus.foundations import jacobians
from calculus.foundations.gradients import chain_rule, first_order, squared_norm
from calculus.foundations.jacobians import (
    curves,
    exp_along_spiral,
    exp_along_spiral_jacobian,
    flip_and_stretch,
    flip_and_stretch_jacobian,
    jacobian_from_bases,
    orientation,
    polar,
    polar_jacobian,
    polygon_area,
    volume_factor,
)
from calculus.foundations.matrices.linear_map import apply_matrix, apply_matrix_jacobian
from calculus.radiance.encoding import encode, encode_jacobian
from tests.calculus.foundations.drawn import between, normal
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
close = np.testing.assert_allclose
SEEDS = pytest.mark.parametrize("seed", [0, 1])
B = np.eye(2)  # columns b_1, b_2
C = np.array([[-2.0, 1.0], [1.0, 1.0]])  # columns c_1, c_2


def draw(*shape, seed=0):
    return normal(seed, *shape)


def bend(x):
    """R^3 -> R^2."""
    return jnp.stack([x[0] * jnp.sin(x[2]), jnp.exp(x[1]) + x[0] ** 2])


def bend_matrix(x):
    zero = jnp.zeros_like(x[0])
    return jnp.array([[jnp.sin(x[2]), zero, x[0] * jnp.cos(x[2])], [2 * x[0], jnp.exp(x[1]), zero]])


def test_a_vector_valued_function_is_its_entries_side_by_side():
    x = draw(3)
    parts = [lambda x, i=i: bend(x)[i] for i in range(2)]
    stacked = jacobians.stack_functions(*parts)
    close(stacked(x), bend(x), rtol=0)
    rows = [layout.as_row(jax.grad(part)(x)) for part in parts]  # the scalar rules, entry by entry
    close(jnp.concatenate(rows), bend_matrix(x), rtol=1e-12)


def test_the_partial_of_a_vector_is_a_column_taken_entry_by_entry():
    x = draw(3)
    for j, e_j in enumerate(jnp.eye(3)):
        column = jax.jvp(bend, (x,), (e_j,))[1]
        assert layout.as_column(column).shape == (2, 1)
        close(column, bend_matrix(x)[:, j], rtol=1e-12, atol=1e-14)
    quotient = lambda h: (bend(x + h * jnp.eye(3)[0]) - bend(x)) / h  # noqa: E731
    assert_order(lambda h: quotient(h) - bend_matrix(x)[:, 0], 1)


@SEEDS
def test_columns_rows_and_entries_build_one_jacobian(seed):
    x = draw(3, seed=seed)
    J = jax.jacobian(bend)(x)
    assert J.shape == (2, 3)
    close(bend_matrix(x), J, rtol=1e-12, atol=1e-14)
    close(jacobians.jacobian_by_columns(bend, x), J, rtol=1e-12, atol=1e-14)
    close(jacobians.jacobian_by_rows(bend, x), J, rtol=1e-12, atol=1e-14)
    close(jacobians.jacobian_by_entries(bend, x), J, rtol=1e-12, atol=1e-14)


def test_outputs_index_rows_and_inputs_index_columns():
    x, h = draw(3), 6e-6
    J = jax.jacfwd(bend)(x)
    for i in range(2):
        for j in range(3):
            step = h * jnp.eye(3)[j]
            close((bend(x + step)[i] - bend(x - step)[i]) / (2 * h), J[i, j], rtol=1e-5, atol=1e-9)


def test_rows_use_the_rule_by_hand_where_there_is_one():
    p = jnp.array([0.8, 0.5])
    close(jacobians.jacobian_by_rows(polar, p), polar_jacobian(p), rtol=1e-12)
    with pytest.raises(TypeError, match="forward-mode"):
        jacobians.jacobian_by_columns(polar, p)
    close(jacobians.jacobian_by_columns(polar.fun, p), polar_jacobian(p), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "x", "shape", "as_matrix"),
    [
        (exp_along_spiral, (), (), (1, 1)),
        (squared_norm, (5,), (5,), (1, 5)),
        (curves.spiral, (), (2,), (2, 1)),
        (bend, (3,), (2, 3), (2, 3)),
    ],
    ids=["number of a number", "number of a vector", "vector of a number", "vector of a vector"],
)
def test_the_shape_of_a_derivative_is_outputs_by_inputs(f, x, shape, as_matrix):
    x = jnp.abs(draw(*x))
    assert jax.jacrev(f)(x).shape == jacobians.derivative_shape_of(f, x) == shape
    matrix = layout.flatten_derivative(jax.jacrev(f)(x), output_axes=f(x).ndim)
    assert matrix.shape == as_matrix


def test_the_shape_of_a_derivative_is_known_before_it_is_taken():
    x = draw(3)
    assert jacobians.derivative_shape_of(bend, x) == jax.eval_shape(jax.jacfwd(bend), x).shape
    calls = []

    def counted(x):
        calls.append(type(x))
        return bend(x)

    assert jacobians.derivative_shape_of(counted, x) == (2, 3)
    assert all(issubclass(kind, jax.core.Tracer) for kind in calls)  # traced, never run on numbers


def test_dimensions_are_checked_before_differentiating():
    row, velocity = (1, 2), (2, 1)
    assert layout.chain_shape(row, velocity) == (1, 1)
    with pytest.raises(ValueError, match="does not chain"):
        layout.chain_shape(velocity, velocity)


@SEEDS
def test_a_linear_map_is_its_own_jacobian_and_leaves_no_remainder(seed):
    A, x, u = draw(3, 4, seed=seed), draw(4, seed=1), draw(4, seed=2)
    _, J = apply_matrix_jacobian(A, x)
    close(J, A, rtol=0)
    close(J, [[float(A[i, j]) for j in range(4)] for i in range(3)], rtol=0)
    close(apply_matrix(A, x + u), apply_matrix(A, x) + J @ u, rtol=1e-12)
    loop = [sum(float(A[i, k] * x[k]) for k in range(4)) for i in range(3)]
    close(apply_matrix(A, x), loop, rtol=1e-12)


# Curves


@SEEDS
def test_along_a_curve_the_chain_rule_is_a_row_times_a_column(seed):
    c = draw(2, 3, seed=seed)
    f = lambda x: jnp.sin(x[0]) * x[1] ** 2  # noqa: E731
    row = lambda x: jnp.stack([jnp.cos(x[0]) * x[1] ** 2, 2 * jnp.sin(x[0]) * x[1]])  # noqa: E731
    curve = lambda t: c[:, 0] + c[:, 1] * jnp.sin(t) + c[:, 2] * t**2  # noqa: E731
    velocity = lambda t: c[:, 1] * jnp.cos(t) + 2 * c[:, 2] * t  # noqa: E731
    t = jnp.asarray(0.6)
    slope = chain_rule(row, curve, velocity)(t)
    assert slope.shape == ()
    close(slope, jax.grad(lambda t: f(curve(t)))(t), rtol=1e-10)
    x, v = curve(t), velocity(t)
    close(slope, row(x)[0] * v[0] + row(x)[1] * v[1], rtol=1e-12)


def test_along_an_ellipse_the_slope_is_dotted_from_row_and_velocity():
    t, p, q = jnp.asarray(0.6), draw(2), draw(2, seed=1)
    by_t, by_p, by_q = curves.along_ellipse_jacobian(t, p, q)
    moved = jax.grad(curves.along_ellipse.fun)(t, p, q)
    close(by_t, moved, rtol=1e-12)
    # p and q reach the value through x alone, so their rows are multiples of one another
    close(by_p * jnp.sin(t), by_q * jnp.cos(t), rtol=1e-12)


def test_sympy_agrees_with_the_parabola_on_the_circle():
    t = sympy.symbols("t")
    x_1, x_2 = sympy.sin(t), sympy.cos(t)
    slope = sympy.diff(x_1**2 + 2 * x_2, t)
    assert sympy.simplify(slope - 2 * sympy.sin(t) * (sympy.cos(t) - 1)) == 0
    half = -4 * sympy.sin(t) * sympy.sin(t / 2) ** 2  # as the code has it
    assert sympy.simplify(slope - half) == 0


def test_near_zero_the_slope_on_the_circle_keeps_its_digits():
    t = jnp.asarray(1e-4, jnp.float32)
    exact = -(float(t) ** 3)  # 2 sin t (cos t - 1) = -t^3 + O(t^5)
    close(curves.parabola_along_circle_jacobian(t), exact, rtol=1e-6)
    assert float(jnp.cos(t) - 1) == 0  # the other way to write it has no digit left


@SEEDS
def test_two_parameters_give_a_row_times_a_matrix(seed):
    (st,) = between(0.3, 1.1, seed, (2,))
    x, columns = curves.two_parameters(st), curves.two_parameters_jacobian(st)
    row = layout.as_row(curves.exp_product_jacobian(x))
    assert layout.chain_shape(row.shape, columns.shape) == (1, 2)
    close(row @ columns, layout.as_row(curves.exp_two_parameters_jacobian(st)), rtol=1e-12)
    by_jax = jax.grad(curves.exp_two_parameters.fun)(st)
    for k in range(2):  # each parameter by itself: a sum over the two coordinates
        by_one = row[0, 0] * columns[0, k] + row[0, 1] * columns[1, k]
        close(by_one, by_jax[k], rtol=1e-12)


def test_sympy_agrees_with_the_surface_of_two_parameters():
    s, t = sympy.symbols("s t")
    x_1, x_2 = s * sympy.sin(t), s**2 + t
    E = sympy.exp(x_1 * x_2**2)
    by_s = E * (x_2**2 * sympy.sin(t) + 4 * s * x_1 * x_2)
    by_t = E * (x_2**2 * s * sympy.cos(t) + 2 * x_1 * x_2)
    assert sympy.simplify(sympy.diff(E, s) - by_s) == 0
    assert sympy.simplify(sympy.diff(E, t) - by_t) == 0


def test_sympy_agrees_with_the_spiral_in_both_forms():
    t = sympy.symbols("t")
    x_1, x_2 = t * sympy.cos(t), t * sympy.sin(t)
    h = sympy.exp(x_1 * x_2**2)
    row = h * x_2**2, 2 * h * x_1 * x_2
    velocity = sympy.cos(t) - t * sympy.sin(t), sympy.sin(t) + t * sympy.cos(t)
    by_chain = row[0] * velocity[0] + row[1] * velocity[1]
    s, c = sympy.sin(t), sympy.cos(t)
    in_t = t**2 * h * (3 * s**2 * c - t * s**3 + 2 * t * s * c**2)
    assert sympy.simplify(sympy.diff(h, t) - by_chain) == 0
    assert sympy.simplify(by_chain - in_t) == 0


def test_the_slope_on_the_spiral_at_one_is_known():
    t = jnp.asarray(1.0)
    close(exp_along_spiral_jacobian(t), 1.529377, atol=5e-7)
    by_chain = curves.exp_product_jacobian(curves.spiral(t)) @ curves.spiral_jacobian(t)
    close(exp_along_spiral_jacobian(t), by_chain, rtol=1e-12)


# Linear maps, bases and areas


def test_both_sets_of_vectors_are_bases():
    for basis, det in ((B, 1), (C, -3)):
        assert np.linalg.matrix_rank(basis) == 2
        close(np.linalg.det(basis), det, rtol=1e-12)
    assert np.linalg.matrix_rank(np.array([[-2.0, 4.0], [1.0, -2.0]])) == 1  # no basis: det = 0


def test_a_linear_map_is_known_by_what_it_does_to_a_basis():
    J = jacobian_from_bases(jnp.asarray(B), jnp.asarray(C))
    close(J, C, atol=1e-14)
    close(volume_factor(J), 3.0, rtol=1e-12)


@SEEDS
@pytest.mark.parametrize("n", [2, 3])
def test_the_map_between_two_bases_sends_each_vector_to_its_partner(n, seed):
    B, C = draw(n, n, seed=seed), draw(n, n, seed=seed + 3)
    J = jacobian_from_bases(B, C)
    for i in range(n):
        close(J @ B[:, i], C[:, i], rtol=1e-9, atol=1e-10)
    close(jnp.linalg.det(J), jnp.linalg.det(C) / jnp.linalg.det(B), rtol=1e-9)
    columns = [apply_matrix(J, e) for e in jnp.eye(n)]  # the columns are the images of the e_i
    close(jnp.stack(columns, axis=1), J, rtol=1e-12)


def test_from_bases_and_from_partials_comes_the_same_matrix():
    x = draw(2)
    close(flip_and_stretch_jacobian(x), C, rtol=0)
    close(flip_and_stretch_jacobian(x), jacobian_from_bases(jnp.asarray(B), jnp.asarray(C)))
    for i in range(2):
        close(flip_and_stretch(jnp.asarray(B[:, i])), C[:, i], rtol=0)


SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])  # counter-clockwise


def test_the_unit_square_becomes_a_parallelogram_three_times_as_large_and_flipped():
    image = jax.vmap(flip_and_stretch)(jnp.asarray(SQUARE))
    J = flip_and_stretch_jacobian(jnp.zeros(2))
    close(polygon_area(jnp.asarray(SQUARE)), 1.0, rtol=0)
    close(polygon_area(image), -3.0, rtol=1e-12)  # the sign: its corners run clockwise
    close(volume_factor(J), 3.0, rtol=1e-12)
    close(orientation(J), -1.0, rtol=0)


@SEEDS
def test_areas_scale_with_the_determinant_whatever_the_polygon(seed):
    J, polygon = draw(2, 2, seed=seed), draw(5, 2, seed=4)
    scaled = orientation(J) * volume_factor(J) * polygon_area(polygon)
    close(polygon_area(polygon @ J.T), scaled, rtol=1e-10)


@SEEDS
def test_volumes_scale_with_the_determinant(seed):
    J, edges = draw(3, 3, seed=seed), draw(3, 3, seed=4)
    volume = jacobians.parallelepiped_volume
    close(volume(jnp.eye(3)), 1.0, rtol=0)
    close(volume(J @ edges), orientation(J) * volume_factor(J) * volume(edges), rtol=1e-10)
    close(volume(J), jnp.linalg.det(J), rtol=1e-10)


def test_a_singular_map_flattens():
    J = jnp.array([[1.0, 2.0], [2.0, 4.0]])
    close(volume_factor(J), 0.0, atol=1e-14)
    close(orientation(J), 0.0, rtol=0)
    close(polygon_area(jnp.asarray(SQUARE) @ J.T), 0.0, atol=1e-14)


# Maps that are linear only up close


def test_what_the_linear_stand_in_leaves_falls_with_the_square_of_the_step():
    p, u = jnp.array([0.8, 0.5]), jnp.array([0.6, -0.9])
    flat = first_order(polar, polar_jacobian, p)
    assert_order(lambda eps: polar(p + eps * u) - flat(eps * u), 2)


def test_the_stand_in_is_exact_for_affine_maps_only():
    x, u, shift = draw(2), draw(2, seed=1), draw(2, seed=2)
    flat = first_order(lambda x: flip_and_stretch(x) + shift, flip_and_stretch_jacobian, x)
    close(flip_and_stretch(x + u) + shift, flat(u), rtol=1e-12)
    p = jnp.array([0.8, 0.5])
    far = first_order(polar, polar_jacobian, p)(u)
    assert jnp.max(jnp.abs(polar(p + u) - far)) > 0.1


@SEEDS
def test_in_polar_coordinates_areas_grow_with_the_radius(seed):
    (p,) = between(0.3, 2.0, seed, (2,))
    J = polar_jacobian(p)
    close(jnp.linalg.det(J), p[0], rtol=1e-12)
    close(J.T @ J, jnp.diag(jnp.stack([jnp.ones_like(p[0]), p[0] ** 2])), atol=1e-12)


def area_ratio(phi, p, eps):
    return polygon_area(jacobians.image_of_triangle(phi, p, eps)) / (eps**2 / 2)


def test_a_small_triangle_grows_by_the_determinant_to_first_order():
    p = jnp.array([0.8, 0.5])
    J = curves.two_parameters_jacobian(p)
    factor = orientation(J) * volume_factor(J)
    assert_order(lambda eps: area_ratio(curves.two_parameters, p, eps) - factor, 1)


def test_in_polar_coordinates_the_first_order_of_the_triangle_cancels():
    p = jnp.array([0.8, 0.5])
    np.testing.assert_allclose(area_ratio(polar, p, 0.1), 0.8 * np.sin(0.1) / 0.1, rtol=1e-10)
    assert_order(lambda eps: area_ratio(polar, p, eps) - volume_factor(polar_jacobian(p)), 2)


def test_the_area_of_a_disc_is_an_integral_over_a_rectangle():
    low, high = jnp.array([0.0, 0.0]), jnp.array([1.5, 2 * np.pi])
    one = lambda y: jnp.ones_like(y[0])  # noqa: E731
    integral = jax.jit(jacobians.integral_by_substitution, static_argnums=(0, 1, 2, 5))
    area = integral(one, polar, polar_jacobian, low, high, 8)
    close(area, np.pi * 1.5**2, rtol=1e-12)  # the midpoint rule is exact for a linear integrand


def test_an_integral_over_a_disc_converges_with_the_square_of_the_cells():
    low, high = jnp.array([0.0, 0.0]), jnp.array([1.5, 2 * np.pi])
    bell = lambda y: jnp.exp(-(y @ y))  # noqa: E731
    exact = np.pi * (1 - np.exp(-(1.5**2)))

    def error(side):
        cells = round(1 / side)
        integral = functools.partial(jacobians.integral_by_substitution, cells=cells)
        compiled = jax.jit(integral, static_argnums=(0, 1, 2))
        return compiled(bell, polar, polar_jacobian, low, high) - exact

    assert_order(error, 2, eps=(1 / 16, 1 / 32))


def test_without_the_determinant_the_integral_is_that_of_another_area():
    low, high = jnp.array([0.0, 0.0]), jnp.array([1.5, 2 * np.pi])
    flat = lambda p: jnp.eye(2)  # noqa: E731
    one = lambda y: jnp.ones_like(y[0])  # noqa: E731
    integral = jax.jit(jacobians.integral_by_substitution, static_argnums=(0, 1, 2, 5))
    area = integral(one, polar, flat, low, high, 8)
    close(area, 1.5 * 2 * np.pi, rtol=1e-12)  # the rectangle's own
    assert abs(float(area) - np.pi * 1.5**2) > 1


def test_for_one_variable_it_is_the_substitution_of_school():
    phi, slope = lambda u: u**3, lambda u: 3 * u**2
    nodes, weights = np.polynomial.legendre.leggauss(12)
    u, share = (nodes + 1) / 2, weights / 2
    t = 1 + 0 * u + phi(u)
    exact = np.exp(2) - np.e  # int_1^2 e^t dt, with t = 1 + u^3
    close(share @ (np.exp(t) * slope(u)), exact, rtol=1e-10)


@SEEDS
def test_the_encoding_stretches_every_direction_alike(seed):
    (p,), frequencies = between(-1.0, 1.0, seed, (3,)), 4
    J = encode_jacobian(p, frequencies)
    assert J.shape == jacobians.derivative_shape_of(lambda p: encode(p, frequencies), p) == (24, 3)
    close(J.T @ J, np.pi**2 * (4**frequencies - 1) / 3 * np.eye(3), rtol=1e-12, atol=1e-9)
