"""The rules of `calculus.foundations.identities`, with inputs to try them on."""

import jax
import jax.numpy as jnp

from calculus.foundations.identities import (
    density,
    determinants,
    forms,
    inverse,
    least_squares,
    parametrised,
    tensors,
    traces,
)
from calculus.ledger.rule import Rule, normal, uniform


def _draw(*shapes):
    """An example with normal numbers in arrays of these shapes."""

    def example(key):
        keys = jax.random.split(key, len(shapes))
        return tuple(normal(k, *shape) for k, shape in zip(keys, shapes, strict=True))

    return example


def _well_conditioned(key, n=3):
    """A matrix with singular values from 1 to 2 and a determinant of either sign."""
    a, b = jax.random.split(key)
    (left, _), (right, _) = jnp.linalg.qr(normal(a, n, n)), jnp.linalg.qr(normal(b, n, n))
    return left @ jnp.diag(jnp.linspace(1.0, 2.0, n)) @ right


def _covariance(key, n=3):
    root = _well_conditioned(key, n)
    return root @ root.T


def _quadratic_map(key):
    """X A X + B near a well-conditioned B."""
    a, b, c = jax.random.split(key, 3)
    return 0.4 * normal(a, 3, 3), 0.4 * normal(b, 3, 3), 2 * _well_conditioned(c)


def _positive(key):
    """Matrices without cancellation: the trace of their product is far from 0."""
    keys = jax.random.split(key, 3)
    return tuple(uniform(k, 3, 3, low=0.2) for k in keys)


def _along_curve(key):
    a, b, c = jax.random.split(key, 3)
    return uniform(a, low=-1.0), 2 * _well_conditioned(b), 0.5 * normal(c, 3, 3)


def _inverse_form(key):
    a, b, c = jax.random.split(key, 3)
    return normal(a, 3), _well_conditioned(b), normal(c, 3)


def _triangle(key):
    return (_covariance(key)[jnp.triu_indices(3)],)


def _evidence(key):
    a, b, c = jax.random.split(key, 3)
    return _covariance(a), uniform(b, low=0.3, high=0.9), normal(c, 3)


def _mixture(key):
    a, b, c, d = jax.random.split(key, 4)
    S = jnp.stack([_covariance(k, 2) for k in jax.random.split(d, 3)])
    return normal(a, 2), jax.nn.log_softmax(normal(b, 3)), normal(c, 3, 2), S


_FIT = ((2,), (3, 2), (3,))

RULES: tuple[Rule, ...] = (
    Rule(
        tensors,
        "quadratic_map",
        _draw((3, 2), (2, 3), (3, 2)),
        ids=("5.01", "5.02", "5.03", "5.04"),
    ),
    Rule(tensors, "quadratic_map_transpose", _draw((3, 2), (2, 3), (3, 2)), ids=("5.01",)),
    Rule(tensors, "quadratic_map_trace", _positive, ids=("5.02",)),
    Rule(tensors, "quadratic_map_det", _quadratic_map, ids=("5.03",)),
    Rule(tensors, "quadratic_map_inverse", _quadratic_map, ids=("5.04",)),
    Rule(forms, "linear_form", _draw((3,), (3,)), ids=("5.06", "5.07", "5.18")),
    Rule(forms, "bilinear_form", _draw((2,), (2, 3), (3,)), ids=("5.08", "5.41")),
    Rule(forms, "half_square", _draw((3,)), ids=("5.39",)),
    Rule(forms, "unit_vector", lambda key: (1 + uniform(key, 3),), ids=("5.44",)),
    Rule(parametrised, "mapped_curve", _draw((2, 3), (2,)), ids=("5.40",)),
    Rule(parametrised, "product_of_curves", _draw((2,)), ids=("5.42",)),
    Rule(parametrised, "square_of_curve", _draw((2,)), ids=("5.42",)),
    Rule(parametrised, "bilinear_form_of_curves", _draw((3, 3), (2,)), ids=("5.41",)),
    Rule(parametrised, "square_form_of_curve", _draw((3, 3), (2,)), ids=("5.43",)),
    Rule(traces, "trace", _draw((3, 3)), ids=("5.12",)),
    Rule(traces, "trace_of_product", _draw((2, 3), (3, 2)), ids=("5.15", "5.24")),
    Rule(traces, "trace_axb", _draw((3, 2), (2, 3), (3, 3)), ids=("5.23",)),
    Rule(traces, "trace_of_square", _draw((3, 3)), ids=("5.22",)),
    Rule(traces, "squared_frobenius", _draw((2, 3)), ids=("5.21",)),
    Rule(traces, "frobenius_norm", _draw((2, 3)), ids=("5.20", "5.21")),
    Rule(determinants, "det", lambda key: (_well_conditioned(key),), ids=("5.34",)),
    Rule(determinants, "log_abs_det", lambda key: (_well_conditioned(key),), ids=("5.32", "5.33")),
    Rule(determinants, "log_abs_det_symmetric", _triangle, ids=("5.33",)),
    Rule(inverse, "inverse", lambda key: (_well_conditioned(key),), ids=("5.04",)),
    Rule(inverse, "inverse_along_curve", _along_curve, ids=("5.35",)),
    Rule(inverse, "inverse_form", _inverse_form, ids=("5.05",)),
    Rule(least_squares, "residual", _draw(*_FIT), ids=("5.46", "5.48")),
    Rule(least_squares, "least_squares", _draw(*_FIT), ids=("5.46", "5.49")),
    Rule(least_squares, "weighted_least_squares", _draw(*_FIT, (3, 3)), ids=("5.10",)),
    Rule(density, "log_evidence", _evidence, ids=("5.30",)),
    Rule(density, "mixture_log_density", _mixture, ids=("0.17",)),
)
