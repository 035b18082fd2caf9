"""`calculus.check`: right derivatives pass, wrong ones fail and are named."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calculus
from calculus.radiance import weights
from calculus.radiance.compositing import weights_jacobian

pytestmark = pytest.mark.usefixtures("float64")
RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
X = np.array([0.3, -0.7, 1.1])


def f(x):
    return jnp.sin(A @ x)


def jacobian(x):
    return jnp.cos(A @ x)[:, None] * A


def against(report):
    return {c.against for c in report.comparisons}


def test_a_right_jacobian_passes_every_comparison():
    report = calculus.check(f, jacobian, X)
    assert report.ok and report and report.reason is None
    assert against(report) == {"JAX", "central differences", "complex step"}
    assert report.taylor.order == pytest.approx(2, abs=0.02)
    assert max(c.relative for c in report.comparisons if c.against != "JAX") < 1e-8


WRONG = {
    "transposed layout: inputs stand before outputs": lambda x: jacobian(x).T,
    "wrong sign": lambda x: -jacobian(x),
    "wrong factor: 0.5 times what it should be": lambda x: 0.5 * jacobian(x),
    "wrong sign and wrong factor: 2 times what it should be": lambda x: -2 * jacobian(x),
    "transposed layout: inputs stand before outputs and wrong sign": lambda x: -jacobian(x).T,
    "wrong shape: (9,) is (3, 3) flattened row by row": lambda x: jacobian(x).reshape(-1),
    "wrong shape: (9,) is (3, 3) flattened column by column": lambda x: jacobian(x).T.reshape(-1),
    "wrong shape: (3,), where output and input make (3, 3)": lambda x: jacobian(x)[0],
    "wrong shape: (1, 3, 3) has the numbers of (3, 3)": lambda x: jacobian(x)[None],
    "wrong factor for entries of the input (axis 1): 2 at 1, 3 at 2": (
        lambda x: jacobian(x) * jnp.arange(1.0, 4.0)
    ),
    "2 of 9 entries are zero and should not be": (
        lambda x: jacobian(x).at[0, 1].set(0.0).at[2, 2].set(0.0)
    ),
    "1 of 9 entries are wrong, the others right": lambda x: jacobian(x).at[1, 2].add(0.1),
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_wrong_jacobian_is_named(reason):
    report = calculus.check(f, WRONG[reason], X)
    assert not report.ok and not report
    assert report.reason == reason
    if report.taylor is not None:
        assert report.taylor.order == pytest.approx(1, abs=0.05)


def test_the_worst_entry_is_found_by_every_way():
    report = calculus.check(f, lambda x: jacobian(x).at[1, 2].add(0.1), X)
    for comparison in report.comparisons:
        assert comparison.index == (1, 2) and not comparison.ok
        assert comparison.absolute == pytest.approx(0.1, rel=1e-6)
        assert comparison.by_hand - comparison.other == pytest.approx(0.1, rel=1e-6)


def test_a_gradient_has_the_shape_of_its_argument():
    W = RNG.normal(size=(2, 3))

    def loss(W):
        return jnp.sum(jnp.tanh(W) ** 2)

    def gradient(W):
        return 2 * jnp.tanh(W) * (1 - jnp.tanh(W) ** 2)

    assert calculus.check(loss, gradient, W, kind="gradient").ok
    transposed = calculus.check(loss, lambda W: gradient(W).T, W, kind="gradient")
    assert not transposed.ok and "transposed" in transposed.reason
    with pytest.raises(ValueError, match="a gradient is that of one number"):
        calculus.check(f, jacobian, X, kind="gradient")


def test_a_jvp_and_a_vjp():
    assert calculus.check(f, lambda x, x_dot: jacobian(x) @ x_dot, X, kind="jvp").ok
    assert calculus.check(f, lambda x, y_bar: y_bar @ jacobian(x), X, kind="vjp").ok
    pushed = calculus.check(f, lambda x, y_bar: jacobian(x) @ y_bar, X, kind="vjp")
    assert pushed.reason == "transposed: this is J y_bar, where J^T y_bar is wanted"
    twice = calculus.check(f, lambda x, x_dot: 2 * jacobian(x) @ x_dot, X, kind="jvp")
    assert twice.reason == "wrong factor: 2 times what it should be"


def test_a_vjp_of_several_outputs():
    def both(x):
        return jnp.sin(x), x**2

    def right(x, y_bar):
        return jnp.cos(x) * y_bar[0] + 2 * x * y_bar[1]

    assert calculus.check(both, right, X, kind="vjp").ok
    report = calculus.check(both, lambda x, y_bar: -right(x, y_bar), X, kind="vjp")
    assert not report.ok and report.reason == "wrong sign"


def test_several_arguments_and_outputs():
    def both(a, b):
        return a * b, a / b

    def right(a, b):
        return (jnp.diag(b), jnp.diag(a)), (jnp.diag(1 / b), jnp.diag(-a / b**2))

    x = (X, X + 2)
    assert calculus.check(both, right, x).ok

    def numerator_forgotten(a, b):
        product, _ = right(a, b)
        return product, (jnp.diag(1 / b), jnp.diag(-1 / b**2))

    report = calculus.check(both, numerator_forgotten, x)
    assert not report.ok
    assert {c.block for c in report.comparisons if not c.ok} == {"y[1] by x[1]"}
    exchanged = calculus.check(lambda a, b: a * b, lambda a, b: (jnp.diag(a), jnp.diag(b)), x)
    assert exchanged.reason == "the derivatives of arguments 0 and 1 are exchanged"
    with pytest.raises(ValueError, match="2 arrays, where outputs times arguments make 4"):
        calculus.check(both, lambda a, b: right(a, b)[0], x)


def test_a_rule_of_ones_own_is_not_its_own_judge():
    """f with a hand-written rule is differentiated by JAX without it."""

    @jax.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, y_bar: (2 * x**2 * y_bar,))
    report = calculus.check(cube, lambda x: jnp.diag(2 * x**2), X)
    assert not report.ok and report.reason.startswith("wrong factor: 0.666667")
    tau = np.linspace(0.1, 0.9, 5)
    assert calculus.check(weights, weights_jacobian, tau).ok


def test_the_complex_step_knows_where_it_applies():
    report = calculus.check(jnp.abs, lambda x: jnp.diag(jnp.sign(x)), X)
    assert report.ok and report.taylor.order is None
    assert report.not_applied == {"complex step": "f is not holomorphic: abs"}
    assert "complex step: not tried, f is not holomorphic: abs" in str(report)


def test_an_oscillation_gets_the_step_that_it_needs():
    """sin 2^9 pi x: the usual step of differences is off by 1e-5, and all are right."""
    w = 2**9 * np.pi

    def wave(x):
        return jnp.sin(w * x)

    report = calculus.check(wave, lambda x: jnp.diag(w * jnp.cos(w * x)), X)
    assert report.ok
    assert max(c.relative for c in report.comparisons) < 1e-6
    assert not calculus.check(wave, lambda x: jnp.diag(1.001 * w * jnp.cos(w * x)), X).ok


def test_a_large_argument_is_tried_at_some_entries():
    x = RNG.normal(size=3000)
    calls = calculus.check(lambda x: jnp.sum(x**3), lambda x: 3 * x**2, x, kind="gradient")
    assert calls.ok and against(calls) == {"JAX", "central differences", "complex step"}


def test_a_nan_is_wrong():
    report = calculus.check(f, lambda x: jacobian(x).at[0, 0].set(jnp.nan), X)
    assert not report.ok


def test_float32_has_its_own_tolerance():
    def narrow(x):
        return jnp.sin(A.astype(np.float32) @ x)

    report = calculus.check(narrow, jacobian, X, dtype=jnp.float32)
    assert report.ok
    assert max(c.relative for c in report.comparisons) > 1e-9, "this was float64"
    assert not calculus.check(narrow, lambda x: 1.01 * jacobian(x), X, dtype=jnp.float32).ok


def test_a_program_in_float32_is_checked_in_float64_and_goes_on_in_float32():
    B = RNG.normal(size=(5, 3))  # captured by g: JAX keeps it in the width it first saw

    def g(x):
        return jnp.sin(B @ x)

    with jax.enable_x64(False):
        before = jax.jacrev(g)(jnp.asarray(X))
        report = calculus.check(g, lambda x: jnp.cos(B @ x)[:, None] * B, X)
        assert max(c.relative for c in report.comparisons) < 1e-8
        after = jax.jacrev(g)(jnp.asarray(X))
    assert after.dtype == jnp.float32
    np.testing.assert_array_equal(before, after)


def test_for_programs_for_people_and_as_a_plot(tmp_path):
    report = calculus.check(f, lambda x: -jacobian(x), X)
    read = json.loads(json.dumps(report.as_dict()))
    assert read["ok"] is False and read["reason"] == "wrong sign"
    assert read["taylor"]["order"] == pytest.approx(1, abs=0.01)
    assert len(read["comparisons"]) == 3
    shown = str(report)
    assert "the derivative is WRONG: wrong sign" in shown and "central differences" in shown
    assert max(len(line) for line in shown.splitlines()) <= 100
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    axes = report.plot()
    axes.figure.savefig(tmp_path / "taylor.png")
    assert (tmp_path / "taylor.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((f, jacobian, X, "gradient"), "a gradient is that of one number"),
        ((f, jacobian, X + 0j), "x is complex"),
        ((f, jacobian, "abc"), "x holds str"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        calculus.check(*arguments)
    assert "\n" not in str(caught.value)
