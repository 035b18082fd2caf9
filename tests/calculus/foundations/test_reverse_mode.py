"""The tape, read backwards; what forward and reverse mode have in common and what they cost."""

import sys
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import check
from calculus.foundations import forward_mode, numpy_like
from calculus.foundations.elementwise import broadcasting, chains, operators
from calculus.foundations.reverse_mode import (
    Tape,
    gradient,
    jacobian,
    topological_order,
    vjp,
)
from tests.calculus.foundations.drawn import normal
from tests.calculus.foundations.programs import network, parameters, squares_then_sines

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1])


def _worked_example(x=0.4, y=1.1):
    tape = Tape()
    x, y = tape.input("x", x), tape.input("y", y)
    u = (x + y).named("u")
    v = numpy_like.sin(u).named("v")
    return tape, (y * v).named("f")


def test_the_tape_of_the_sine_example_is_the_table_worked_by_hand():
    tape, f = _worked_example()
    adjoints = tape.pull_back(f)
    by_hand = {  # name: step, value, adjoint
        "x": ("input", 0.4, 0.077811),
        "y": ("input", 1.1, 1.075306),
        "u": ("x + y", 1.5, 0.077811),
        "v": ("sin(u)", np.sin(1.5), 1.1),
        "f": ("y * v", 1.097244, 1.0),
    }
    assert [step.name for step in tape.steps] == list(by_hand)
    for step in tape.steps:
        text, value, adjoint = by_hand[step.name]
        assert step.step == text
        np.testing.assert_allclose(step.value, value, atol=5e-7)
        np.testing.assert_allclose(adjoints[step], adjoint, atol=5e-7)


def test_the_table_has_a_line_for_each_step_with_value_and_adjoint():
    tape, f = _worked_example()
    lines = tape.table(tape.pull_back(f)).splitlines()
    assert lines[0].split() == ["name", "step", "value", "adjoint"]
    assert [line.split()[0] for line in lines[2:]] == ["x", "y", "u", "v", "f"]
    assert lines[3].split() == ["y", "input", "1.1", "1.07531"]


@SEEDS
def test_each_adjoint_is_the_sum_over_the_children(seed):
    x, y = normal(seed), normal(seed + 1)
    tape, f = _worked_example(x, y)
    bar = tape.pull_back(f)
    x, y, u, v, _ = tape.steps
    np.testing.assert_allclose(bar[v], y.value, rtol=1e-13)
    np.testing.assert_allclose(bar[u], bar[v] * jnp.cos(u.value), rtol=1e-13)
    np.testing.assert_allclose(bar[x], bar[u], rtol=1e-13)
    np.testing.assert_allclose(bar[y], v.value + bar[u], rtol=1e-13)
    np.testing.assert_allclose(
        (bar[x], bar[y]), chains.y_sin_of_sum_jacobian(x.value, y.value), rtol=1e-13
    )


@SEEDS
def test_a_value_used_more_than_once_is_given_the_sum(seed):
    x = normal(seed, 3)
    (once,) = gradient(lambda x: numpy_like.sum(x * x), x)
    np.testing.assert_allclose(once, 2 * x, rtol=1e-13)
    (thrice,) = gradient(lambda x: numpy_like.sum(x * (x * x) + x), x)
    np.testing.assert_allclose(thrice, 3 * x**2 + 1, rtol=1e-13)


def test_fan_out_doubled_again_and_again_has_a_gradient_of_all_its_paths():
    tape = Tape()
    x = y = tape.input("x", 1.0)
    for _ in range(30):  # 2^30 paths, 30 steps
        y = y + y
    adjoints = tape.pull_back(y)
    assert adjoints[x] == 2.0**30
    assert (tape.values, tape.pulls) == (30, 60)


def test_the_order_has_parents_before_children_and_leaves_out_what_is_not_heard():
    tape, f = _worked_example()
    unheard = numpy_like.exp(f)
    order = topological_order([f])
    place = {id(step): k for k, step in enumerate(order)}
    assert len(order) == 5 == len(place)
    assert id(unheard) not in place
    for step in order:
        assert all(place[id(parent)] < place[id(step)] for parent in step.parents)
    adjoints = tape.pull_back(f)
    assert adjoints[unheard] == 0
    assert tape.pulls == 5  # two arguments of f, one of v, two of u


def test_a_program_may_be_longer_than_pythons_stack():
    tape = Tape()
    y = x = tape.input("x", 0.0)
    for _ in range(3000):
        y = y + 1.0
    assert y.value == 3000
    assert tape.pull_back(y)[x] == 1


@SEEDS
def test_a_sweep_is_a_vector_jacobian_product_of_jax(seed):
    x, y_bar = normal(seed, 2), normal(seed + 1, 3)
    value, pullback = vjp(lambda x: squares_then_sines(x, numpy_like), x)
    want, pullback_by_jax = jax.vjp(lambda x: squares_then_sines(x, jnp), x)
    np.testing.assert_allclose(value, want, rtol=1e-13)
    np.testing.assert_allclose(pullback(y_bar)[0], pullback_by_jax(y_bar)[0], rtol=1e-12)


@SEEDS
def test_a_network_is_pulled_back_to_all_its_parameters(seed):
    arguments = parameters(seed)
    found = gradient(lambda *a: network(*a, numpy_like), *arguments)
    with jax.numpy_rank_promotion("allow"):
        want = jax.jit(jax.grad(lambda *a: network(*a, jnp), argnums=(0, 1, 2)))(*arguments)
    assert jax.tree.structure(found) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@SEEDS
def test_the_two_modes_are_dual(seed):
    x, x_dot, y_bar = normal(seed, 2), normal(seed + 1, 2), normal(seed + 2, 3)

    def program(x):
        return squares_then_sines(x, numpy_like)

    _, y_dot = forward_mode.jvp(program, (x,), (x_dot,))
    (x_bar,) = vjp(program, x)[1](y_bar)
    np.testing.assert_allclose(jnp.vdot(y_bar, y_dot), jnp.vdot(x_bar, x_dot), rtol=1e-12)
    arguments, tangents = parameters(seed), parameters(seed + 10)
    _, pushed = forward_mode.jvp(lambda *a: network(*a, numpy_like), arguments, tangents)
    bars = gradient(lambda *a: network(*a, numpy_like), *arguments)
    pulled = sum(map(jnp.vdot, jax.tree.leaves(bars), jax.tree.leaves(tangents)))
    np.testing.assert_allclose(pushed, pulled, rtol=1e-11)


def test_a_program_may_have_several_results_and_some_that_are_constant():
    x = normal(0, 2)
    value, pullback = vjp(lambda x: {"a": x[0] * x[1], "b": jnp.ones(2), "c": x[0]}, x)
    np.testing.assert_allclose(value["a"], x[0] * x[1])
    one = jnp.ones(())
    (x_bar,) = pullback({"a": 2 * one, "b": jnp.ones(2), "c": 5 * one})
    np.testing.assert_allclose(x_bar, [2 * x[1] + 5, 2 * x[0]], rtol=1e-13)


@SEEDS
def test_columns_by_forward_mode_and_rows_by_reverse_mode_are_one_jacobian(seed):
    x = normal(seed, 2)

    def program(x):
        return squares_then_sines(x, numpy_like)

    by_columns, by_rows = forward_mode.jacobian(program, x), jacobian(program, x)
    assert by_rows.shape == by_columns.shape == (3, 2)
    np.testing.assert_allclose(by_rows, by_columns, rtol=1e-12, atol=1e-13)


def _wide_or_tall(m, n):
    A = normal(0, m, n)
    return lambda x: A @ numpy_like.sin(x)  # two steps, one argument followed in each


@pytest.mark.parametrize(("m", "n"), [(1, 6), (6, 1), (3, 4)])
def test_forward_mode_pays_by_inputs_and_reverse_mode_by_outputs(m, n):
    f, x = _wide_or_tall(m, n), normal(1, n)
    trace, tape = forward_mode.Trace(), Tape()
    np.testing.assert_allclose(
        forward_mode.jacobian(f, x, trace), jacobian(f, x, tape), rtol=1e-12, atol=1e-14
    )
    assert (trace.values, trace.pushes) == (2 * n, 2 * n)
    assert (tape.values, tape.pulls) == (2, 2 * m)


def test_a_sweep_evaluates_no_more_than_one_pull_for_each_use():
    tape = Tape()
    vjp_of_network = vjp(lambda *a: network(*a, numpy_like), *parameters(0), tape=tape)
    vjp_of_network[1](jnp.ones(()))
    uses = sum(len(step.parents) for step in tape.steps)
    assert tape.pulls == uses
    assert tape.values < uses <= 2 * tape.values


@SEEDS
def test_the_product_of_a_chain_is_the_same_from_either_end_but_not_its_price(seed):
    sizes = (1, 5, 5, 6)  # a loss last: L is 1 x 5, the first step's Jacobian 5 x 6
    J = [normal(seed + k, a, b) for k, (a, b) in enumerate(pairwise(sizes))]
    from_output, from_input = (J[0] @ J[1]) @ J[2], J[0] @ (J[1] @ J[2])
    np.testing.assert_allclose(from_output, from_input, rtol=1e-12, atol=1e-13)
    price_from_output = 1 * 5 * 5 + 1 * 5 * 6
    price_from_input = 5 * 5 * 6 + 1 * 5 * 6
    compiled = [
        jax.jit(f).lower(*J).compile().cost_analysis()["flops"]
        for f in (lambda a, b, c: (a @ b) @ c, lambda a, b, c: a @ (b @ c))
    ]
    assert compiled == [2 * price_from_output, 2 * price_from_input]  # a product and a sum each


def test_steps_on_two_tapes_do_not_meet():
    with pytest.raises(ValueError, match="two tapes"):
        Tape().input("x", 1.0) + Tape().input("y", 2.0)


def test_the_error_of_a_central_difference_is_lowest_near_the_cube_root_of_epsilon():
    x = np.array([0.7, -0.3])
    angles = np.linspace(0.1, 6.2, 25)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)

    def f(x, np_):
        return np_.exp(np_.sin(3 * x[0]) * x[1])

    (slope,) = gradient(lambda x: f(x, numpy_like), jnp.asarray(x))
    steps = 10.0 ** np.arange(-11, 0)
    error = np.array(
        [  # the mean over directions: of one alone, rounding may vanish by chance
            np.mean(
                [
                    abs((f(x + h * u, np) - f(x - h * u, np)) / (2 * h) - slope @ u)
                    for u in directions
                ]
            )
            for h in steps
        ]
    )
    epsilon = np.finfo(float).eps
    best = steps[np.argmin(error)]
    assert epsilon ** (1 / 3) / 10 < best < epsilon ** (1 / 3) * 10
    falling = np.polyfit(np.log(steps[-4:-1]), np.log(error[-4:-1]), 1)[0]
    np.testing.assert_allclose(falling, 2, rtol=0.03)  # h^2 |f'''| / 6
    rising = np.polyfit(np.log(steps[:4]), np.log(error[:4]), 1)[0]
    np.testing.assert_allclose(rising, -1, rtol=0.2)  # epsilon |f| / h
    assert np.all(error[:4] < epsilon * f(x, np) / steps[:4])


W, X, Z = np.array([0.5, -1.2, 2.0]), np.array([1.5, 0.7, -0.4]), np.array(0.6)


@pytest.mark.parametrize(
    ("f", "printed", "at"),
    [
        (operators.subtract, lambda w, x: (jnp.eye(3), jnp.eye(3)), (W, X)),
        (operators.multiply, lambda w, x: (x, w), (W, X)),
        (operators.divide, lambda w, x: (jnp.diag(1 / x), jnp.diag(-1 / x**2)), (W, X)),
        (broadcasting.vector_plus_scalar, lambda x, z: (jnp.eye(3), jnp.eye(3)), (X, Z)),
        (broadcasting.scalar_times_vector, lambda z, x: (jnp.diag(x), jnp.eye(3)), (Z, X)),
        (chains.log_of_square_plus_one, lambda x: 1 / (2 * x + 1), np.array(1.3)),
        (chains.y_sin_of_sum, lambda x, y: (y * jnp.cos(x + y), jnp.sin(x + y)), (Z, Z)),
    ],
    ids=["-", "*", "/", "x + z", "z x", "log", "one path only"],
)
def test_a_gradient_check_finds_each_formula_that_is_printed_wrong(f, printed, at):
    assert not check(f, printed, at).ok
    by_hand = getattr(sys.modules[f.__module__], f"{f.__name__}_jacobian")
    assert check(f, by_hand, at).ok
