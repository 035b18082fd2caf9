"""The laws that every derivative by hand obeys, as functions: the suite and the mutants run them.

A law takes a `Rule` and raises AssertionError where the rule breaks it, at any of its points: the
example's seeds and the limits, evaluated once for all laws by `tests.calculus.evaluated`. All but
those named for float32 are about float64; the suite turns on strict dtype and rank promotion.
"""

import contextlib
from collections.abc import Callable

import jax
import numpy as np

from calculus.ledger import Rule
from tests.calculus import evaluated
from tests.calculus.evaluated import SEEDS, STEP, Points, examples, limits, row, rows, vdot
from tests.calculus.streams import stream_is_its_rays

OF_SEEDS = range(len(SEEDS))
"""Rows of the seeds among the examples; behind them two of differences, and a batch."""
UP, DOWN = len(SEEDS), len(SEEDS) + 1
OF_BATCH = range(len(SEEDS) + 2, 2 * len(SEEDS) + 2)


def pullback_is_jax(rule: Rule) -> None:
    """1. The pullback by hand is the pullback by JAX, for a random cotangent."""
    at = examples(rule)
    value, by_hand = rows(evaluated.pulled(rule, "by_hand", at), OF_SEEDS)
    value_by_jax, by_jax = rows(evaluated.pulled(rule, "by_jax", at), OF_SEEDS)
    _same(value, value_by_jax, 1e-12)
    _same(by_hand, by_jax, 1e-10)


def jacobian_is_jax(rule: Rule) -> None:
    """2. The Jacobian by hand is the Jacobian by JAX, in shape and in every entry."""
    at = examples(rule)
    _same(evaluated.jacobian(rule, at), evaluated.jacobian_by_jax(rule, at), 1e-10)


def agrees_with_finite_differences(rule: Rule) -> None:
    """3. First and second derivatives agree with central differences.

    At one seed, along a random direction; at every seed the second derivative, reverse mode over
    the pullback by hand, is the one that JAX finds without it.
    """
    at, d = examples(rule), evaluated.direction(rule)
    values, bars = evaluated.pulled(rule, "by_hand", at)
    by_hand = evaluated.second(rule, at)
    _same(rows(by_hand, OF_SEEDS), rows(evaluated.second_by_jax(rule, at), OF_SEEDS), 1e-9)

    def slope(tree, of):
        return (vdot(of, row(tree, UP)) - vdot(of, row(tree, DOWN))) / (2 * STEP)

    found = vdot(row(bars, 0), d), vdot(row(by_hand, 0), d)
    _same(found, (slope(values, row(at.bars, 0)), slope(bars, d)), 1e-5)


def is_another_program(rule: Rule) -> None:
    """4. By hand and by JAX are two programs, so that comparing them means something.

    The programs differ; and the pullback by hand runs where JAX's differentiation is forbidden.
    """
    arguments, bar = examples(rule)[0]
    decorated = getattr(rule.page, rule.name)
    value, residuals = jax.eval_shape(lambda *a: decorated.fwd(*a, **rule.given), *arguments)
    with _no_differentiation():
        jax.eval_shape(lambda *kept: decorated.bwd(*rule.static.values(), *kept), residuals, value)

    def program(f):
        def value_and_pullback(*arguments):
            value, pull = jax.vjp(f, *arguments)
            return value, pull(bar)

        return str(jax.make_jaxpr(value_and_pullback)(*arguments))

    # a linear step that keeps nothing may well be pulled back as JAX does: there is one way
    assert residuals is None or program(rule.by_hand) != program(rule.by_jax)
    assert "custom_vjp_call" in str(jax.make_jaxpr(rule.by_hand)(*arguments))
    assert "custom_vjp_call" not in str(jax.make_jaxpr(rule.by_jax)(*arguments))


def batch_is_its_rays(rule: Rule) -> None:
    """5. A batch is its rays: values and cotangents, by batch axis, by vmap and one by one.

    A packed stream has no batch axis, and is its rays as well.
    """
    if rule.stream is not None:
        for seed in SEEDS:
            stream_is_its_rays(rule, seed)
        return
    at = examples(rule)
    values, bars = rows(evaluated.pulled(rule, "by_hand", at), OF_BATCH)
    batch = Points((), rows(at.arguments, OF_BATCH), rows(at.bars, OF_BATCH))
    # what a batch shares is pulled by all of its rays
    bars = tuple(
        jax.tree.map(lambda b: b.sum(0), bar) if k in rule.shared else bar
        for k, bar in enumerate(bars)
    )
    (mapped, mapped_bars), (whole, whole_bars) = evaluated.in_a_batch(rule, batch)
    _same(mapped, values, 1e-12)
    _same(mapped_bars, bars, 1e-12)
    # a rule may sum its batch into one number
    _same(whole, values.sum() if rule.reduces else values, 1e-12)
    _same(whole_bars, bars, 1e-12)


def float32_survives_the_limits(rule: Rule) -> None:
    """6. In float32, value and pullback stay finite and close to float64.

    At the limits that the rule names, entry by entry; at its example, where a sum may cancel by
    chance, relative to the largest entry.
    """
    float32_is_close(rule)
    for at in limits(rule):
        for k, _ in enumerate(at.names):
            _close_in_float32(rule, at, k, 0.0)


def limits_are_jax(rule: Rule) -> None:
    """7. At the limits, in float64, pullback and Jacobian are JAX's, or the truth where it errs.

    Entry by entry. Law 6 compares a program with itself; what is wrong at a limit alone, and alike
    in both widths, shows here. Where JAX errs, and why, is `Rule.beyond_jax`.
    """
    for at in limits(rule):
        _, by_hand = evaluated.pulled(rule, "by_hand", at)
        _, by_jax = evaluated.pulled(rule, "by_jax", at)
        jacobian = evaluated.jacobian(rule, at)
        for k, name in enumerate(at.names):
            right = evaluated.truth(rule, at, name) if name in rule.beyond_jax else row(by_jax, k)
            by_jacobian = _contracted(row(jacobian, k), row(at.bars, k))
            for found in (row(by_hand, k), by_jacobian):
                for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
                    np.testing.assert_allclose(
                        a, b, rtol=1e-10, atol=1e-30, err_msg=f"{rule.name}, {name}"
                    )


def is_the_standard_derivative(rule: Rule) -> None:
    """8. The Jacobian by hand is JAX's in both modes, shape included, and the differences'.

    For each argument: shape `output.shape + input.shape`, forward mode, reverse mode, central
    differences.
    """
    at = examples(rule)
    found = evaluated.jacobian(rule, at)
    forward, reverse, differences = evaluated.in_every_way(rule, at)
    _same(found, forward, 1e-9)
    _same(found, reverse, 1e-9)
    for a, b in zip(found, differences, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def tangents_and_cotangents_are_dual(rule: Rule) -> None:
    """9. <y_bar, J x_dot> = <J^T y_bar, x_dot>: the Jacobian pushes, the pullback pulls, as one."""
    at = examples(rule)
    dots = evaluated.random_like(at.arguments, 1)
    _, bars = evaluated.pulled(rule, "by_hand", at)
    found = evaluated.jacobian(rule, at)
    pushed = evaluated.pushed(rule, at, dots)
    for k, _ in enumerate(at.names):
        blocks = zip(row(found, k), row(dots, k), strict=True)
        by_hand = sum(np.tensordot(J, dot, np.ndim(dot)) for J, dot in blocks)
        _same(by_hand, row(pushed, k), 1e-9)
        both = vdot(row(bars, k), row(dots, k))
        np.testing.assert_allclose(vdot(row(at.bars, k), by_hand), both, rtol=1e-9, atol=1e-10)


def float32_is_close(rule: Rule) -> None:
    """10. In float32, value and pullback at the example are close to float64."""
    for k in OF_SEEDS:
        _close_in_float32(rule, examples(rule), k, 2e-6)


FOUNDATION_LAWS: tuple[Callable[[Rule], None], ...] = (
    pullback_is_jax,
    is_the_standard_derivative,
    tangents_and_cotangents_are_dual,
    is_another_program,
    float32_is_close,
    agrees_with_finite_differences,
)
LAWS: tuple[Callable[[Rule], None], ...] = (
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


def _close_in_float32(rule, at, k, of_largest):
    narrow = evaluated.pulled(rule, "by_hand", at.in_float32)
    wide = evaluated.pulled(rule, "by_hand", at)
    name = f"{rule.name}, {at.names[k]}"
    pairs = zip(jax.tree.leaves(row(narrow, k)), jax.tree.leaves(row(wide, k)), strict=True)
    for a, b in pairs:
        assert a.dtype == np.float32, f"{name}: {a.dtype} out of float32"
        assert np.all(np.isfinite(a)), f"{name}: not finite: {a}"
        atol = 1e-30 + of_largest * float(np.max(np.abs(b)))
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=atol, err_msg=name)


def _contracted(jacobian, bar):
    """y_bar J for each argument: the leaves of J stand outputs first, arguments within."""
    bars, blocks = jax.tree.leaves(bar), jax.tree.leaves(jacobian)
    arguments = len(blocks) // len(bars)
    return [
        sum(np.tensordot(b, blocks[o * arguments + k], np.ndim(b)) for o, b in enumerate(bars))
        for k in range(arguments)
    ]


def _same(got, want, tolerance):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
