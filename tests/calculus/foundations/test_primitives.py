"""Each primitive's push and pull, against JAX and against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import primitives
from calculus.foundations.primitives import Primitive

pytestmark = pytest.mark.usefixtures("strict_float64")


def _draw(*shapes, low=None, seed=0):
    rng = np.random.default_rng(seed)
    if low is not None:
        return tuple(jnp.asarray(rng.uniform(low, low + 1.5, shape)) for shape in shapes)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in shapes)


S, V, M, N = (), (3,), (2, 3), (3, 3)
ONE = ("negative", "exp", "expm1", "sin", "cos", "tan", "arctan", "tanh", "absolute")
POSITIVE = ("log", "log1p", "sqrt")
TWO = ("add", "subtract", "multiply", "divide", "maximum")
CASES = [
    *((name, (M,), None, {}) for name in ONE),
    *((name, (M,), 0.3, {}) for name in POSITIVE),
    *((name, shapes, None, {}) for name in TWO for shapes in ((M, V), (S, M))),
    ("multiply", ((2, 1), (1, 3)), None, {}),
    ("power", (M, S), 0.5, {}),
    ("einsum", (M, N), None, {"formula": "ij,jk->ik"}),
    ("einsum", (N, V), None, {"formula": "ij,j->j"}),
    ("einsum", (N,), None, {"formula": "ii->i"}),
    ("einsum", (M, N, V), None, {"formula": "ij,jk,k->"}),
    ("matmul", (V, V), None, {"formula": "i,i->"}),
    ("transpose", (M,), None, {"formula": "ij->ji"}),
    ("total", (M,), None, {"formula": "ij->i"}),
    ("total", (M,), None, {"formula": "ij->"}),
    ("trace", (N,), None, {"formula": "ii->"}),
    ("reshape", (M,), None, {"shape": (3, 2)}),
    ("broadcast_to", ((2, 1),), None, {"shape": (4, 2, 3)}),
    ("index", (M,), None, {"at": (slice(None), 1)}),
    ("index", (V,), None, {"at": np.array([0, 2, 0, 0])}),  # entries used more than once
    ("cumsum", (M,), None, {"axis": 0}),
    ("cumsum", (M,), None, {"axis": -1}),
    ("concatenate", (M, (2, 1), M), None, {"axis": 1}),
    ("stack", (V, V, V), None, {"axis": -1}),
    ("inv", (N,), None, {}),
    ("det", (N,), None, {}),
    ("logabsdet", (N,), None, {}),
    ("solve", (N, V), None, {}),
    ("logabsdet", ((2, 3, 3),), None, {}),
    ("solve", ((2, 3, 3), (2, 3, 1)), None, {}),
    ("solve", (N, (3, 2)), None, {}),
]
IDS = [
    f"{name}-{'-'.join('x'.join(map(str, s)) or '0' for s in shapes)}" for name, shapes, *_ in CASES
]


@pytest.mark.parametrize(("name", "shapes", "low", "static"), CASES, ids=IDS)
def test_push_and_pull_are_jaxs_and_dual(name, shapes, low, static):
    primitive = getattr(primitives, name)
    xs, dots = _draw(*shapes, low=low), _draw(*shapes, seed=1)

    def f(*xs):
        return primitive.value(*xs, **static)

    @jax.jit  # one program instead of many
    def both(xs, dots, y_bar):
        with jax.numpy_rank_promotion("allow"):
            (y, y_dot), x_bars = jax.jvp(f, xs, dots), jax.vjp(f, *xs)[1](y_bar)
        pushed = [primitive.push(k, dot, y, xs, **static) for k, dot in enumerate(dots)]
        pulled = [primitive.pull(k, y_bar, y, xs, **static) for k in range(len(xs))]
        return y_dot, x_bars, pushed, pulled

    (y_bar,) = _draw(jax.eval_shape(f, *xs).shape, seed=2)
    y_dot, x_bars, pushed, pulled = both(xs, dots, y_bar)
    np.testing.assert_allclose(sum(pushed), y_dot, rtol=1e-11, atol=1e-12)
    for k, x_bar in enumerate(x_bars):
        assert pulled[k].shape == xs[k].shape
        np.testing.assert_allclose(pulled[k], x_bar, rtol=1e-11, atol=1e-12)
        there, back = jnp.vdot(y_bar, pushed[k]), jnp.vdot(pulled[k], dots[k])
        np.testing.assert_allclose(there, back, rtol=1e-10, atol=1e-12)


def test_where_lets_through_what_it_chose():
    chosen = jnp.asarray([True, False, True])
    a, b, y_bar = _draw(V, V, V)
    y = primitives.where.value(chosen, a, b)
    pulled = [primitives.where.pull(k, y_bar, y, (chosen, a, b)) for k in range(3)]
    np.testing.assert_array_equal(pulled[0], np.zeros(3))
    np.testing.assert_array_equal(pulled[1], np.where(chosen, y_bar, 0))
    np.testing.assert_array_equal(pulled[2], np.where(chosen, 0, y_bar))
    np.testing.assert_array_equal(
        primitives.where.push(1, a, y, (chosen, a, b)), np.where(chosen, a, 0)
    )


def test_a_maximum_of_equals_takes_half_of_each():
    a = jnp.ones(3)
    for k in (0, 1):
        np.testing.assert_array_equal(primitives.maximum.pull(k, a, a, (a, a)), 0.5 * np.ones(3))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_whole_powers_are_differentiated_at_zero_and_below(exponent):
    x = jnp.array([-1.5, 0.0, 2.0])
    p = jnp.asarray(exponent)
    pulled = primitives.power.pull(0, jnp.ones(3), x**exponent, (x, p))
    by_hand = [exponent * float(v) ** (exponent - 1) if exponent else 0.0 for v in x]
    np.testing.assert_allclose(pulled, by_hand)


def test_every_primitive_there_is_is_tested():
    found = {name for name, value in vars(primitives).items() if isinstance(value, Primitive)}
    assert found == {name for name, *_ in CASES} | {"where"}


def test_the_pullback_of_a_product_of_matrices_is_the_one_known_by_heart():
    A, B, C_bar = _draw(M, N, M)
    static = {"formula": "ij,jk->ik"}
    C = primitives.matmul.value(A, B, **static)
    np.testing.assert_allclose(C, A @ B, rtol=1e-13)
    A_bar = primitives.matmul.pull(0, C_bar, C, (A, B), **static)
    B_bar = primitives.matmul.pull(1, C_bar, C, (A, B), **static)
    np.testing.assert_allclose(A_bar, C_bar @ B.T, rtol=1e-12)
    np.testing.assert_allclose(B_bar, A.T @ C_bar, rtol=1e-12)
