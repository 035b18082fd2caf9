"""Forms in vectors that depend on parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import parametrised
from tests.calculus.foundations.drawn import drawn

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_the_chain_rules_hold_for_every_pair_of_curves():
    """With other maps than the page's own, and a matrix that is not square."""
    P, Q, A, S, z = drawn(0, (3, 2), (2, 2), (2, 3), (3, 3), (2,))

    def x(z):
        return jnp.tanh(P @ z)

    def y(z):
        return jnp.sin(Q @ z)

    def w(z):
        return jnp.exp(P @ z / 4)

    dx, dy, dw = (jax.jacfwd(curve)(z) for curve in (x, y, w))
    for by_hand, f in (
        (parametrised.linear_map_chain(A, dx), lambda z: A @ x(z)),
        (parametrised.inner_product_chain(x(z), w(z), dx, dw), lambda z: w(z) @ x(z)),
        (parametrised.inner_product_chain(x(z), x(z), dx, dx), lambda z: x(z) @ x(z)),
        (parametrised.bilinear_form_chain(y(z), A, x(z), dy, dx), lambda z: y(z) @ A @ x(z)),
        (parametrised.square_form_chain(x(z), S, dx), lambda z: x(z) @ S @ x(z)),
    ):
        by_jax = jax.jacfwd(f)(z)
        assert by_hand.shape == by_jax.shape
        np.testing.assert_allclose(by_hand, by_jax, rtol=1e-9, atol=1e-12)


def test_special_cases_of_the_bilinear_chain_rule_are_the_other_ones():
    x, y, A, dx, dy = drawn(1, (3,), (3,), (3, 3), (3, 2), (3, 2))
    chain = parametrised.bilinear_form_chain
    np.testing.assert_allclose(
        chain(y, jnp.eye(3), x, dy, dx), parametrised.inner_product_chain(x, y, dx, dy), rtol=1e-12
    )
    np.testing.assert_allclose(
        chain(x, A, x, dx, dx), parametrised.square_form_chain(x, A, dx), rtol=1e-12
    )
    np.testing.assert_allclose(
        parametrised.inner_product_chain(x, x, dx, dx), 2 * x @ dx, rtol=1e-12
    )
