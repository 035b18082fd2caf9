"""The laws that every derivative by hand obeys, as functions: the suite and the mutants run them.

A law takes a `Rule` and a seed and raises AssertionError where the rule breaks it. All but those
named for float32 run in float64; the suite turns on strict dtype and rank promotion around each.

What a law asks of a rule is one program, kept from seed to seed: step by step each is compiled
alone, for each shape. At the limits it is step by step all the same: a compiler may round a product
and a sum together, and what is all but zero there is then another number.
"""

import contextlib
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from calculus.ledger import Rule
from tests.calculus.streams import stream_is_its_rays
from tests.calculus.truth import pullback_by_oracle

_of_rule = functools.partial(jax.jit, static_argnums=0)
"""A program for each rule, and for what else is no array."""


@_of_rule
def pulled(rule: Rule, arguments: tuple, bar) -> tuple:
    """The value by hand, and the cotangents of the arguments for one of the value."""
    return _value_and_bars(rule.by_hand, arguments, bar)


@_of_rule
def pulled_by_jax(rule: Rule, arguments: tuple, bar) -> tuple:
    """The same by JAX."""
    return _value_and_bars(rule.by_jax, arguments, bar)


def _value_and_bars(f, arguments, bar):
    value, pull = jax.vjp(f, *arguments)
    return value, pull(bar)


def _step_by_step(rule, arguments, bar):
    """As `pulled`, each step a program of its own."""
    return _value_and_bars(rule.by_hand, arguments, bar)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pulled_mapped(rule, axes, arguments, bar):
    return _value_and_bars(jax.vmap(rule.by_hand, in_axes=axes), arguments, bar)


@_of_rule
def _value(rule, arguments):
    return rule.by_hand(*arguments)


@_of_rule
def _jacobian(rule, arguments):
    return rule.jacobian(*arguments)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _jacobian_by_jax(rule, argnums, arguments):
    return jax.jacrev(rule.by_jax, argnums=argnums)(*arguments)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _both_jacobians(rule, k, arguments):
    """By JAX, for argument k: forward mode, reverse mode."""
    return tuple(j(rule.by_jax, argnums=k)(*arguments) for j in (jax.jacfwd, jax.jacrev))


@_of_rule
def _value_by_jax(rule, arguments):
    return rule.by_jax(*arguments)


@_of_rule
def _pushed_by_jax(rule, arguments, tangents):
    return jax.jvp(rule.by_jax, arguments, tangents)[1]


def pullback_is_jax(rule: Rule, seed: int) -> None:
    """1. The pullback by hand is the pullback by JAX, for a random cotangent."""
    arguments = rule.example(jax.random.key(seed))
    bar = random_like(jax.eval_shape(rule.by_hand, *arguments), seed)
    value, by_hand = pulled(rule, arguments, bar)
    value_by_jax, by_jax = pulled_by_jax(rule, arguments, bar)
    _same(value, value_by_jax, 1e-12)
    _same(by_hand, by_jax, 1e-10)


def jacobian_is_jax(rule: Rule, seed: int) -> None:
    """2. The Jacobian by hand is the Jacobian by JAX, in shape and in every entry."""
    arguments = rule.example(jax.random.key(seed))
    every = tuple(range(len(arguments))) if len(arguments) > 1 else 0
    _same(_jacobian(rule, arguments), _jacobian_by_jax(rule, every, arguments), 1e-10)


def agrees_with_finite_differences(rule: Rule, seed: int) -> None:
    """3. First and second derivatives agree with central differences."""
    arguments = rule.example(jax.random.key(seed))

    def f(*arguments):  # check_grads perturbs in numpy
        return rule.by_hand(*jax.tree.map(jnp.asarray, arguments))

    check_grads(f, arguments, order=2, modes=["rev"], atol=1e-4, rtol=1e-4)


def is_another_program(rule: Rule, seed: int) -> None:
    """4. By hand and by JAX are two programs, so that comparing them means something.

    The programs differ; and the pullback by hand runs where JAX's differentiation is forbidden.
    """
    arguments = rule.example(jax.random.key(seed))
    decorated = getattr(rule.page, rule.name)
    value, residuals = decorated.fwd(*arguments, **rule.given)
    with _no_differentiation():
        decorated.bwd(*rule.static.values(), residuals, jax.tree.map(jnp.ones_like, value))

    def program(f):
        def value_and_pullback(*arguments):
            value, pull = jax.vjp(f, *arguments)
            return value, pull(jax.tree.map(jnp.ones_like, value))

        return str(jax.make_jaxpr(value_and_pullback)(*arguments))

    # a linear step that keeps nothing may well be pulled back as JAX does: there is one way
    assert residuals is None or program(rule.by_hand) != program(rule.by_jax)
    assert "custom_vjp_call" in str(jax.make_jaxpr(rule.by_hand)(*arguments))
    assert "custom_vjp_call" not in str(jax.make_jaxpr(rule.by_jax)(*arguments))


def batch_is_its_rays(rule: Rule, seed: int) -> None:
    """5. A batch is its rays: values and cotangents, by batch axis, by vmap and one by one.

    A packed stream has no batch axis, and is its rays as well.
    """
    if rule.stream is not None:
        stream_is_its_rays(rule, seed)
        return
    keys = jax.random.split(jax.random.key(seed), 3)
    rows = [rule.example(key) for key in keys]
    for row in rows:  # what a batch shares is the same for each ray
        assert len(row) == len(rows[0])
    rows = [
        tuple(rows[0][k] if k in rule.shared else row[k] for k in range(len(row))) for row in rows
    ]
    batch = tuple(
        rows[0][k]
        if k in rule.shared
        else jax.tree.map(lambda *v: jnp.stack(v), *(r[k] for r in rows))
        for k in range(len(rows[0]))
    )
    axes = tuple(None if k in rule.shared else 0 for k in range(len(batch)))
    values = [_value(rule, row) for row in rows]
    stacked = jax.tree.map(lambda *v: jnp.stack(v), *values)
    bar = random_like(stacked, seed)
    bars = [jax.tree.map(lambda b, i=i: b[i], bar) for i in range(len(rows))]
    bars_of_rows = [pulled(rule, row, b)[1] for row, b in zip(rows, bars, strict=True)]
    expected = tuple(
        jax.tree.map(
            (lambda *v: sum(v)) if k in rule.shared else (lambda *v: jnp.stack(v)),
            *(p[k] for p in bars_of_rows),
        )
        for k in range(len(batch))
    )
    mapped, mapped_bars = _pulled_mapped(rule, axes, batch, bar)
    _same(mapped, stacked, 1e-12)
    _same(mapped_bars, expected, 1e-12)
    if rule.reduces:  # one number for the whole batch: the sum of its rays'
        value, pulled_whole = pulled(rule, batch, jnp.ones(()))
        _same(value, sum(values), 1e-12)
        ones = [pulled(rule, row, jnp.ones(()))[1] for row in rows]
        expected = tuple(jnp.stack([p[k] for p in ones]) for k in range(len(batch)))
        _same(pulled_whole, expected, 1e-12)
    else:
        value, pulled_whole = pulled(rule, batch, bar)
        _same(value, stacked, 1e-12)
        _same(pulled_whole, expected, 1e-12)


def float32_survives_the_limits(rule: Rule, seed: int) -> None:
    """6. In float32, value and pullback stay finite and close to float64.

    At the limits that the rule names, entry by entry; at its example, where a sum may cancel by
    chance, relative to the largest entry.
    """
    float32_is_close(rule, seed)
    for name, arguments in rule.limits.items():
        _close_in_float32(rule, name, arguments, seed, 0.0, _step_by_step)


def limits_are_jax(rule: Rule, seed: int) -> None:
    """7. At the limits, in float64, pullback and Jacobian are JAX's, or the truth where it errs.

    Entry by entry. Law 6 compares a program with itself; what is wrong at a limit alone, and alike
    in both widths, shows here. Where JAX errs, and why, is `Rule.beyond_jax`.
    """
    for name, arguments in rule.limits.items():
        arguments = in_float64(arguments)
        bar = random_like(jax.eval_shape(rule.by_hand, *arguments), seed)
        if name in rule.beyond_jax:
            truth = pullback_by_oracle(rule, arguments, bar)
        else:
            truth = _value_and_bars(rule.by_jax, arguments, bar)[1]
        by_jacobian = _contracted(rule.jacobian(*arguments), bar)
        for found in (_value_and_bars(rule.by_hand, arguments, bar)[1], by_jacobian):
            for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
                np.testing.assert_allclose(
                    a, b, rtol=1e-10, atol=1e-30, err_msg=f"{rule.name}, {name}"
                )


def is_the_standard_derivative(rule: Rule, seed: int) -> None:
    """8. The Jacobian by hand is JAX's in both modes, shape included, and the differences'.

    For each argument: shape `output.shape + input.shape`, forward mode, reverse mode, central
    differences.
    """
    arguments = rule.example(jax.random.key(seed))
    found = _jacobian(rule, arguments)
    for k, by_hand in enumerate(found if len(arguments) > 1 else (found,)):
        for by_jax in _both_jacobians(rule, k, arguments):
            _same(by_hand, by_jax, 1e-9)

        def f(x, k=k):
            return _value_by_jax(rule, (*arguments[:k], x, *arguments[k + 1 :]))

        differences = _central_differences(f, np.asarray(arguments[k], float))
        np.testing.assert_allclose(by_hand, differences, rtol=1e-5, atol=1e-6)


def tangents_and_cotangents_are_dual(rule: Rule, seed: int) -> None:
    """9. <y_bar, J x_dot> = <J^T y_bar, x_dot>: the Jacobian pushes, the pullback pulls, as one."""
    arguments = rule.example(jax.random.key(seed))
    tangents = random_like(arguments, seed + 1)
    bar = random_like(jax.eval_shape(rule.by_hand, *arguments), seed)
    _, bars = pulled(rule, arguments, bar)
    jacobians = _jacobian(rule, arguments)
    jacobians = jacobians if len(arguments) > 1 else (jacobians,)
    pushed = sum(
        jnp.tensordot(J, dot, jnp.ndim(dot)) for J, dot in zip(jacobians, tangents, strict=True)
    )
    _same(pushed, _pushed_by_jax(rule, arguments, tangents), 1e-9)
    both = sum(jnp.vdot(b, dot) for b, dot in zip(bars, tangents, strict=True))
    np.testing.assert_allclose(jnp.vdot(bar, pushed), both, rtol=1e-9, atol=1e-10)


def float32_is_close(rule: Rule, seed: int) -> None:
    """10. In float32, value and pullback at the example are close to float64."""
    _close_in_float32(rule, "example", rule.example(jax.random.key(seed)), seed, 2e-6, pulled)


FOUNDATION_LAWS: tuple[Callable[[Rule, int], None], ...] = (
    pullback_is_jax,
    is_the_standard_derivative,
    tangents_and_cotangents_are_dual,
    is_another_program,
    float32_is_close,
)
LAWS: tuple[Callable[[Rule, int], None], ...] = (
    pullback_is_jax,
    jacobian_is_jax,
    agrees_with_finite_differences,
    is_another_program,
    batch_is_its_rays,
    float32_survives_the_limits,
    limits_are_jax,
)


@contextlib.contextmanager
def _no_differentiation():
    """Within it, asking JAX for a derivative fails."""
    names = ("vjp", "jvp", "grad", "value_and_grad", "linearize", "jacfwd", "jacrev", "hessian")
    kept = {name: getattr(jax, name) for name in names}

    def forbidden(*arguments, **options):
        raise AssertionError("the pullback is left to JAX")

    try:
        for name in names:
            setattr(jax, name, forbidden)
        yield
    finally:
        for name, function in kept.items():
            setattr(jax, name, function)


def _close_in_float32(rule, name, arguments, seed, of_largest, pull):
    wide = in_float64(arguments)
    # the same numbers on both sides: what float32 can't hold is no fault of the rule
    narrow = jax.tree.map(lambda v: v.astype(jnp.float32), wide)
    wide = jax.tree.map(lambda v: v.astype(jnp.float64), narrow)
    bar64 = jax.tree.map(
        lambda v: v.astype(jnp.float32).astype(jnp.float64),
        random_like(jax.eval_shape(rule.by_hand, *wide), seed),
    )
    bar32 = jax.tree.map(lambda v: v.astype(jnp.float32), bar64)
    (value32, bars32), (value64, bars64) = (
        pull(rule, arguments, bar) for arguments, bar in ((narrow, bar32), (wide, bar64))
    )
    for got, want in ((value32, value64), (bars32, bars64)):
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            assert a.dtype == jnp.float32, f"{rule.name}, {name}: {a.dtype} out of float32"
            assert jnp.all(jnp.isfinite(a)), f"{rule.name}, {name}: not finite: {a}"
            atol = 1e-30 + of_largest * float(jnp.max(jnp.abs(b)))
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=atol, err_msg=f"{rule.name}, {name}")


def _central_differences(f, x):
    columns = []
    for index in np.ndindex(x.shape):
        h = np.zeros_like(x)
        h[index] = 6e-6 * max(1.0, abs(x[index]))
        difference = f(jnp.asarray(x + h)) - f(jnp.asarray(x - h))
        columns.append(np.asarray(difference) / (2 * h[index]))
    return np.moveaxis(np.array(columns), 0, -1).reshape(columns[0].shape + x.shape)


def in_float64(arguments):
    """What a rule names as floats and lists, as arrays in float64."""

    def number_or_list(value):
        return isinstance(value, (float, list))

    return jax.tree.map(lambda v: jnp.asarray(v, jnp.float64), arguments, is_leaf=number_or_list)


def _contracted(jacobian, bar):
    """y_bar J for each argument: the leaves of J stand outputs first, arguments within."""
    bars, blocks = jax.tree.leaves(bar), jax.tree.leaves(jacobian)
    arguments = len(blocks) // len(bars)
    return [
        sum(jnp.tensordot(b, blocks[o * arguments + k], jnp.ndim(b)) for o, b in enumerate(bars))
        for k in range(arguments)
    ]


def random_like(tree, seed):
    """Standard normal numbers in the shapes and types of a tree of arrays."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed + 1000), len(leaves))
    drawn = [jax.random.normal(k, v.shape, v.dtype) for k, v in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def _same(got, want, tolerance):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert jnp.shape(a) == jnp.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
