"""What a wrong derivative has been mistaken for: transposed, wrong sign, wrong factor, ..."""

import itertools

import numpy as np

CLOSE = 1e-6
"""Relative difference within which an explanation explains."""


def explain(by_hand: np.ndarray, truth: np.ndarray, inputs: int) -> str | None:
    """One line that explains the whole difference, or None where none does.

    `inputs` is the number of axes of the truth that belong to the input: its last ones.
    """
    if by_hand.shape == truth.shape and _same(by_hand, truth):
        return None
    tries = [("", by_hand)] if by_hand.shape == truth.shape else []
    tries += _layouts(by_hand, truth.shape, inputs)
    for layout, values in tries:
        if (factor := _common_factor(values, truth)) is None:
            continue
        factor_named = _name_factor(factor)
        if layout or factor_named:
            return " and ".join(part for part in (layout, factor_named) if part)
    if by_hand.shape != truth.shape:
        return f"wrong shape: {by_hand.shape}, where output and input make {truth.shape}"
    return _factors_along_an_axis(by_hand, truth, inputs) or _where(by_hand, truth)


def explain_exchange(by_hand: list[np.ndarray], truth: list[np.ndarray]) -> str | None:
    """Whether the derivatives of two arguments stand in each other's place."""
    for i, j in itertools.combinations(range(len(truth)), 2):
        if by_hand[i].shape != truth[j].shape or by_hand[j].shape != truth[i].shape:
            continue
        if _same(by_hand[i], truth[j]) and _same(by_hand[j], truth[i]):
            return f"the derivatives of arguments {i} and {j} are exchanged"
    return None


def _layouts(values, wanted, inputs):
    """The ways to lay out the same numbers that would make them fit, with their names."""
    found = []
    outputs = len(wanted) - inputs
    if values.ndim == len(wanted) <= 4:
        for axes in itertools.permutations(range(values.ndim)):
            if axes == tuple(range(values.ndim)):
                continue
            turned = np.transpose(values, axes)
            if turned.shape != tuple(wanted):
                continue
            inputs_first = (*range(inputs, len(wanted)), *range(inputs))
            if axes == inputs_first and outputs and inputs:
                name = "transposed layout: inputs stand before outputs"
            else:
                name = (
                    f"transposed: the axes are in the order of {tuple(map(int, np.argsort(axes)))}"
                )
            found.append((name, turned))
    elif values.size == np.prod(wanted, dtype=int):
        squeezed = tuple(n for n in values.shape if n != 1)
        if squeezed == tuple(n for n in wanted if n != 1):
            name = f"wrong shape: {values.shape} has the numbers of {tuple(wanted)}"
            found.append((name, values.reshape(wanted)))
        else:
            for order, rows in (("C", "row"), ("F", "column")):
                name = f"wrong shape: {values.shape} is {tuple(wanted)} flattened {rows} by {rows}"
                found.append((name, values.reshape(wanted, order=order)))
        if values.ndim == 2 and values.T.shape != values.shape:
            name = f"wrong shape: {values.shape} is {tuple(wanted)} flattened and transposed"
            found.append((name, values.T.reshape(wanted)))
    return found


def _common_factor(values, truth):
    """c where values = c * truth, or None."""
    size = float(np.vdot(truth, truth))
    if size == 0 or not np.all(np.isfinite(values)):
        return None
    factor = float(np.vdot(truth, values)) / size
    return factor if factor and _same(values, factor * truth) else None


def _name_factor(factor):
    if abs(factor - 1) < CLOSE:
        return ""
    if abs(factor + 1) < CLOSE:
        return "wrong sign"
    sign = "wrong sign and " if factor < 0 else ""
    return f"{sign}wrong factor: {abs(factor):.6g} times what it should be"


def _factors_along_an_axis(values, truth, inputs):
    """A factor of its own for entries along one axis: an interval's length forgotten, say."""
    for axis in range(truth.ndim):
        if truth.shape[axis] < 2:
            continue
        v, t = (np.moveaxis(a, axis, 0).reshape(truth.shape[axis], -1) for a in (values, truth))
        size = np.sum(t * t, axis=1)
        if v.shape[1] < 2 or np.any(size == 0):
            continue
        factors = np.sum(v * t, axis=1) / size
        if _same(v, factors[:, None] * t):
            side = "input" if axis >= truth.ndim - inputs else "output"
            off = np.flatnonzero(np.abs(factors - 1) > CLOSE)
            shown = ", ".join(f"{factors[k]:.4g} at {k}" for k in off[:4])
            more = ", ..." if len(off) > 4 else ""
            return f"wrong factor for entries of the {side} (axis {axis}): {shown}{more}"
    return None


def _where(values, truth):
    scale = np.max(np.abs(truth), initial=0.0)
    wrong = ~(np.abs(values - truth) <= CLOSE * (np.abs(truth) + scale))
    if np.all(wrong | (truth == 0)) or not np.any(wrong):
        return None
    missing = wrong & (values == 0)
    if np.array_equal(missing, wrong):
        return f"{np.sum(wrong)} of {wrong.size} entries are zero and should not be"
    return f"{np.sum(wrong)} of {wrong.size} entries are wrong, the others right"


def _same(a, b):
    scale = np.max(np.abs(b), initial=0.0)
    return bool(np.all(np.abs(a - b) <= CLOSE * (np.abs(b) + 1e-3 * scale)))
