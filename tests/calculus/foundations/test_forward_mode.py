"""Dual numbers over arrays, and the trace that they leave."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import numpy_like
from calculus.foundations.elementwise.chains import log_of_square_plus_one_jacobian
from calculus.foundations.forward_mode import Dual, Trace, jacobian, jvp
from tests.calculus.foundations.drawn import normal
from tests.calculus.foundations.programs import network, parameters, squares_then_sines
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _worked_example(x, x_dot):
    trace = Trace()
    x = trace.input("x", x, x_dot)
    u = (x**2 + 1).named("u")
    numpy_like.log(u).named("f")
    return trace


def test_the_trace_of_the_logarithm_is_the_table_worked_by_hand():
    trace = _worked_example(2.0, 1.0)
    rows = {step.name: (step.step, float(step.value), float(step.tangent)) for step in trace.steps}
    assert list(rows) == ["x", "w1", "u", "f"]
    by_hand = {
        "x": ("input", 2.0, 1.0),
        "w1": ("x ^ 2", 4.0, 4.0),
        "u": ("w1 + 1", 5.0, 4.0),
        "f": ("log(u)", 1.609438, 0.8),
    }
    for name, (step, value, tangent) in by_hand.items():
        assert rows[name][0] == step
        np.testing.assert_allclose(rows[name][1:], (value, tangent), atol=5e-7)


def test_the_table_has_a_line_for_each_step_with_value_and_tangent():
    lines = str(_worked_example(2.0, 1.0)).splitlines()
    assert lines[0].split() == ["name", "step", "value", "tangent"]
    assert [line.split()[0] for line in lines[2:]] == ["x", "w1", "u", "f"]
    assert lines[-1].split() == ["f", "log(u)", "1.60944", "0.8"]


@SEEDS
def test_each_line_of_the_trace_obeys_the_chain_rule(seed):
    at = float(normal(seed))
    x, square, u, f = _worked_example(at, 1.0).steps
    np.testing.assert_allclose(u.tangent, 2 * at * x.tangent, rtol=1e-13)
    np.testing.assert_allclose(f.tangent, u.tangent / u.value, rtol=1e-13)
    np.testing.assert_allclose(f.tangent, log_of_square_plus_one_jacobian(x.value), rtol=1e-13)
    np.testing.assert_allclose(square.tangent, u.tangent)  # adding 1 moves nothing


@SEEDS
def test_dual_numbers_multiply_as_polynomials_without_the_square_of_eps(seed):
    a, a_dot, b, b_dot = map(float, normal(seed, 4))
    product = Dual(a, a_dot) * Dual(b, b_dot)
    polynomial = np.polymul([a_dot, a], [b_dot, b])  # highest power of eps first
    np.testing.assert_allclose((product.tangent, product.value), polynomial[1:], rtol=1e-13)
    assert abs(polynomial[0]) > 1e-6  # what is dropped


def test_the_square_of_eps_is_zero_and_eps_is_not():
    eps = Dual(0.0, 1.0)
    square = eps * eps
    assert (square.value, square.tangent) == (0, 0)
    assert eps.tangent == 1


@SEEDS
def test_the_quotient_times_the_divisor_is_the_dividend(seed):
    a, a_dot, b, b_dot = map(float, normal(seed, 4))
    again = Dual(a, a_dot) / Dual(b, b_dot) * Dual(b, b_dot)
    np.testing.assert_allclose((again.value, again.tangent), (a, a_dot), rtol=1e-12)


@SEEDS
def test_sine_and_cosine_of_a_dual_number_keep_their_identity(seed):
    x = Dual(normal(seed, 3), normal(seed + 1, 3))
    one = numpy_like.sin(x) ** 2 + numpy_like.cos(x) ** 2
    np.testing.assert_allclose(one.value, np.ones(3), rtol=1e-13)
    np.testing.assert_allclose(one.tangent, np.zeros(3), atol=1e-14)


@SEEDS
def test_the_dual_part_is_what_the_expansion_is_linear_in(seed):
    x, u = normal(seed, 2), normal(seed + 1, 2)
    y, y_dot = jvp(lambda x: squares_then_sines(x, numpy_like), (x,), (u,))
    assert_order(lambda e: squares_then_sines(x + e * u, jnp) - y - e * y_dot, 2)


@SEEDS
def test_a_pass_is_a_jacobian_vector_product_of_jax(seed):
    x, u = normal(seed, 2), normal(seed + 1, 2)
    got = jvp(lambda x: squares_then_sines(x, numpy_like), (x,), (u,))
    want = jax.jvp(lambda x: squares_then_sines(x, jnp), (x,), (u,))
    np.testing.assert_allclose(got[0], want[0], rtol=1e-13)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-12, atol=1e-13)


@SEEDS
def test_a_network_is_pushed_forward_along_all_its_parameters(seed):
    arguments, tangents = parameters(seed), parameters(seed + 10)
    got = jvp(lambda *a: network(*a, numpy_like), arguments, tangents)
    with jax.numpy_rank_promotion("allow"):
        by_jax = jax.jit(lambda a, dots: jax.jvp(lambda *a: network(*a, jnp), a, dots))
        want = by_jax(arguments, tangents)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-13)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-11)


@SEEDS
def test_passes_along_the_axes_are_the_columns_of_the_jacobian(seed):
    x = normal(seed, 2)
    trace = Trace()
    got = jacobian(lambda x: squares_then_sines(x, numpy_like), x, trace)
    want = jax.jacfwd(lambda x: squares_then_sines(x, jnp))(x)
    assert got.shape == want.shape == (3, 2)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    assert len([step for step in trace.steps if step.primitive is None]) == x.size


def test_what_does_not_depend_on_the_inputs_does_not_move():
    y, y_dot = jvp(lambda x: jnp.ones(2), (normal(0, 3),), (normal(1, 3),))
    np.testing.assert_array_equal(y, np.ones(2))
    np.testing.assert_array_equal(y_dot, np.zeros(2))


def test_a_tangent_in_float32_stays_there():
    x = jnp.asarray([0.5, 2.0], jnp.float32)
    _, y_dot = jvp(lambda x: numpy_like.log(x**2 + 1) * 3, (x,), (x,))
    assert y_dot.dtype == jnp.float32
    np.testing.assert_allclose(y_dot, 3 * 2 * x**2 / (x**2 + 1), rtol=1e-6)
