"""The rules of `calculus.foundations.rendering`, with inputs to try them on."""

import jax
import jax.numpy as jnp

from calculus.foundations.rendering import field, loss, medium, opacity, placement, suffix
from calculus.ledger.rule import Rule, normal, uniform


def _fog(key):
    a, b, c = jax.random.split(key, 3)
    return uniform(a, low=0.2, high=2.0), uniform(b, low=0.3, high=2.0), uniform(c, 3)


def _intervals(key):
    a, b = jax.random.split(key)
    return uniform(a, 4, high=3.0), uniform(b, 4, low=0.05, high=0.7)


def _cuts(key):
    return (1 + jnp.cumsum(uniform(key, 5, low=0.1, high=0.8)),)


def _opacities(key):
    a, b, c = jax.random.split(key, 3)
    # one interval is opaque, where dividing by 1 - alpha would fail
    alpha = uniform(a, 4, high=0.9).at[2].set(1.0)
    return alpha, uniform(b, 4, 3), uniform(c, 3)


def _places(key):
    a, b, c = jax.random.split(key, 3)
    p = uniform(a, 4, low=0.3)
    p = p / jnp.sum(p)
    F = jnp.concatenate([jnp.zeros(1), jnp.cumsum(p)])
    # one place within each interval but the first, in any order
    u = F[jnp.array([2, 1, 3])] + p[jnp.array([2, 1, 3])] * uniform(b, 3, low=0.2, high=0.8)
    return u, _cuts(c)[0], p


def _point(key):
    a, b, c = jax.random.split(key, 3)
    return uniform(a, 3, low=-1.0), normal(b, 12, 4) / 3, normal(c, 4)


def _ray(key):
    a, b, c, d = jax.random.split(key, 4)
    return *_intervals(a), uniform(b, 4, 3), uniform(c, 3), uniform(d, 3)


def _rays_and_field(key):
    a, b, c, d, e = jax.random.split(key, 5)
    return (
        normal(a, 6, 3) / 2,
        normal(b, 3, 4),
        uniform(c, 2, 2, 3, low=-1.0),
        uniform(d, 2, 2, low=0.1, high=0.8),
        uniform(e, 2, 3),
    )


RULES: tuple[Rule, ...] = (
    Rule(medium, "constant_medium", _fog, ids=("7.12",)),
    Rule(opacity, "lengths", _cuts, ids=("7.28",)),
    Rule(opacity, "alpha", _intervals, ids=("7.18",)),
    Rule(opacity, "transmittance", _intervals, ids=("7.19", "7.20")),
    Rule(suffix, "suffix_radiance", _opacities, ids=("7.25",)),
    Rule(suffix, "composite", _opacities, ids=("7.28",)),
    Rule(placement, "normalised_weights", lambda key: (uniform(key, 4, low=0.1),), ids=("7.41",)),
    Rule(placement, "inverse_cdf", _places, ids=("7.40", "7.42")),
    Rule(field, "field_density", _point, static={"frequencies": 2}, ids=("7.39",)),
    Rule(loss, "ray_loss", _ray, ids=("7.35",)),
    Rule(loss, "field_loss", _rays_and_field, static={"frequencies": 1}, ids=("7.38",)),
)
"""Single steps of a ray, and the whole of them."""
