"""numpy's names on followed arrays: functions, operators, and every rule of the foundations."""

import importlib
import inspect
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calculus
from calculus.foundations import forward_mode, numpy_like, reverse_mode
from calculus.ledger import FOUNDATIONS
from tests.calculus import evaluated
from tests.calculus.foundations.drawn import normal
from tests.calculus.foundations.programs import squares_then_sines

pytestmark = pytest.mark.usefixtures("strict_float64")

_PREFIXES = ("calculus.foundations", "calculus.radiance")


@pytest.mark.parametrize(
    ("program", "shape"),
    [
        (lambda x, np_: np_.where(x > 0, np_.exp(x), 1 - x), (3,)),
        (lambda x, np_: np_.maximum(x, 0) + np_.abs(x), (3,)),
        (lambda x, np_: 2 ** (x / 3) - (1 / (3 + x)), (3,)),
        (lambda x, np_: np_.sum(x, axis=1, keepdims=True) * x[0].reshape(3, 1), (3, 3)),
        (lambda x, np_: np_.mean(x, axis=0) @ x + x.sum(axis=-1), (3, 3)),
        (lambda x, np_: np_.trace(np_.linalg.inv(x) @ x.T), (3, 3)),
        (lambda x, np_: np_.linalg.solve(x, np_.diag(x)), (3, 3)),
        (lambda x, np_: np_.linalg.det(x) + np_.linalg.slogdet(x)[1], (3, 3)),
        (lambda x, np_: np_.outer(x[0], x[:, 1]) - np_.diag(np_.dot(x, x[0])), (3, 3)),
        (lambda x, np_: np_.stack([x[0], -x[1]]) @ np_.concatenate([x, x], axis=1), (3, 3)),
        (lambda x, np_: np_.sqrt(np_.vdot(x, x)) / np_.cumsum(np_.exp(x), axis=0), (3, 3)),
        (lambda x, np_: np_.transpose(x, (1, 0)) @ (np.ones((3, 3)) - x) @ np.ones(3), (3, 3)),
        (lambda x, np_: np_.einsum("...i,ij,...->...j", x, x, x[0]), (3, 3)),
        (lambda x, np_: x[np_.searchsorted(np_.cumsum(np_.exp(x)), x + 2)] * x, (3,)),
        (lambda x, np_: np_.matmul(x.reshape(1, 3, 3), x.reshape(1, 3, 3)), (3, 3)),
    ],
)
def test_numpys_functions_and_operators_are_followed_both_ways(program, shape):
    x, u = normal(3, *shape), normal(4, *shape)
    y_bar = normal(5, *jax.eval_shape(lambda x: program(x, jnp), x).shape)

    @jax.jit  # one program instead of many
    def followed(x, u, y_bar):
        again, pullback = reverse_mode.vjp(lambda x: program(x, numpy_like), x)
        return (
            forward_mode.jvp(lambda x: program(x, numpy_like), (x,), (u,)),
            again,
            pullback(y_bar),
        )

    @jax.jit
    def by_jax(x, u, y_bar):
        both = jax.jvp(lambda x: program(x, jnp), (x,), (u,))
        return both, jax.vjp(lambda x: program(x, jnp), x)[1](y_bar)

    (value, y_dot), again, (x_bar,) = followed(x, u, y_bar)
    (want, want_dot), (want_bar,) = by_jax(x, u, y_bar)
    assert value.shape == y_dot.shape == want.shape
    np.testing.assert_allclose(value, want, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(y_dot, want_dot, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(again, value)
    np.testing.assert_allclose(x_bar, want_bar, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.vdot(y_bar, y_dot), np.vdot(x_bar, u), rtol=1e-10)


def test_the_same_program_runs_on_plain_arrays():
    x = normal(0, 2)
    plain = squares_then_sines(x, numpy_like)
    assert isinstance(plain, jax.Array)
    np.testing.assert_allclose(plain, squares_then_sines(x, jnp), rtol=1e-14)


class _Namespace:
    """Our name where there is one, JAX's where not: constants, shapes, comparisons.

    JAX refuses a followed array with a TypeError, so nothing passes unseen.
    """

    def __init__(self, jaxs, **ours):
        self.__dict__.update(ours)
        self.__jaxs = jaxs

    def __getattr__(self, name):
        return getattr(self.__jaxs, name)


def _loop(start, stop, body, x):
    """A loop whose length is known is its steps, one after another."""
    for k in range(start, stop):
        x = body(k, x)
    return x


def _scan(step, carry, given, reverse=False):
    results = []
    for k in range(len(jax.tree.leaves(given)[0]))[:: -1 if reverse else 1]:
        carry, result = step(carry, jax.tree.map(lambda g, k=k: g[k], given))
        results.append(result)
    return carry, numpy_like.stack(results[:: -1 if reverse else 1])


JNP = _Namespace(
    jnp, **{**vars(numpy_like), "linalg": _Namespace(jnp.linalg, **vars(numpy_like.linalg))}
)
JAX = _Namespace(
    jax,
    numpy=JNP,
    lax=_Namespace(jax.lax, fori_loop=_loop, scan=_scan),
    nn=_Namespace(jax.nn, logsumexp=numpy_like.logsumexp),
)


@pytest.fixture(scope="module")
def pages():
    """Copies of the pages that compute with `numpy_like` for jax.numpy.

    They are imported without the checks of array types, which know no followed arrays, and without
    `jit`, which would compile the steps before we see them.
    """
    kept = {name: module for name, module in sys.modules.items() if name.startswith(_PREFIXES)}
    packages, finders = (calculus.foundations, calculus.radiance), list(sys.meta_path)
    for name in kept:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in finders if "jaxtyping" not in type(f).__module__]
    try:
        copies = {name: importlib.import_module(name) for name in kept}
    finally:
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if name.startswith(_PREFIXES)]:
            del sys.modules[name]
        sys.modules.update(kept)
        calculus.foundations, calculus.radiance = packages
    for copy in copies.values():
        for name, value in list(vars(copy).items()):
            vars(copy)[name] = _followable(value)
    return copies


def _followable(value):
    """The same module, function, or tuple of them, with our namespaces for JAX's."""
    if value is jnp or value is jax:
        return JNP if value is jnp else JAX
    if isinstance(value, tuple):
        return tuple(map(_followable, value))
    if callable(value) and getattr(jnp, getattr(value, "__name__", ""), None) is value:
        return getattr(JNP, value.__name__)
    if type(value) is type(jax.jit(abs)):  # compiled: the function within
        return value.__wrapped__
    return value


def _rebuilt(value):
    """A function given as a static argument, with our namespaces for JAX's in all it names."""
    if isinstance(value, tuple):
        return tuple(map(_rebuilt, value))
    if not isinstance(value, types.FunctionType):
        return _followable(value)
    value = inspect.unwrap(value)
    cells = tuple(types.CellType(_rebuilt(c.cell_contents)) for c in value.__closure__ or ())
    names = {name: _followable(v) for name, v in value.__globals__.items()}
    return types.FunctionType(value.__code__, names, value.__name__, value.__defaults__, cells)


@pytest.mark.parametrize("rule", FOUNDATIONS, ids=lambda rule: rule.name)
def test_every_rule_of_the_foundations_is_followed_both_ways(rule, pages):
    undecorated = getattr(pages[rule.page.__name__], rule.name).fun
    static = {name: _rebuilt(value) for name, value in rule.static.items()}

    def program(*arguments):
        return undecorated(*arguments, **static)

    @jax.jit  # one program instead of many
    def followed(arguments, tangents, y_bar):
        again, pullback = reverse_mode.vjp(program, *arguments)
        return (*forward_mode.jvp(program, arguments, tangents), again), pullback(y_bar)

    points = evaluated.examples(rule)
    arguments, y_bar = points[0]
    tangents = evaluated.random_like(arguments, 1)
    found, bars = followed(arguments, tangents, y_bar)
    values, _ = evaluated.pulled(rule, "by_jax", points)
    jacobians = evaluated.row(evaluated.jacobian(rule, points), 0)  # by hand; see its laws
    pushed = sum(map(np.tensordot, jacobians, tangents, map(np.ndim, tangents)))
    _close(found, (values[0], pushed, values[0]))
    _close(bars, [np.tensordot(y_bar, jacobian, np.ndim(y_bar)) for jacobian in jacobians])


def _close(got, want):
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_the_copies_of_the_pages_do_not_replace_the_pages(pages):
    for rule in FOUNDATIONS:
        assert sys.modules[rule.page.__name__] is rule.page
        assert pages[rule.page.__name__] is not rule.page


def test_jaxs_own_functions_refuse_a_followed_array():
    with pytest.raises(TypeError):
        jnp.sin(forward_mode.Dual(1.0, 1.0))
    with pytest.raises(TypeError):
        jnp.sum(reverse_mode.Tape().input("x", jnp.ones(3)))


def test_one_program_is_not_followed_in_two_ways_at_once():
    with pytest.raises(TypeError, match="two ways"):
        forward_mode.Dual(1.0, 1.0) * reverse_mode.Tape().input("x", 2.0)
