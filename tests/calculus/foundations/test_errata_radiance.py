"""What is printed about radiance fields and is not so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import encode, squared_error
from tests.calculus.wrong import assert_refuted

pytestmark = pytest.mark.usefixtures("strict_float64")


def test_e_l1_13_the_encoding_preserves_detail():
    """Printed: an encoding is needed to "reserve" fine detail. Right: to preserve it.

    Two coordinates a 512th apart are all but one number, and far apart when encoded.
    """
    p, q = jnp.array([0.3]), jnp.array([0.3 + 1 / 512])
    lost, kept = jnp.linalg.norm(p - q), jnp.linalg.norm(encode(p, 10) - encode(q, 10))
    assert lost < 0.002 and kept > 2
    # nothing is lost on the way: the lowest frequency alone gives the coordinate back
    low = encode(p, 10)[:2]
    np.testing.assert_allclose(jnp.arctan2(low[0], low[1]) / jnp.pi, p[0], rtol=1e-13)


def test_e_l1_14_one_letter_for_two_colours_makes_the_loss_vanish():
    """Printed: C(r) for the rendered and for the observed colour. Right: two letters."""
    rendered, observed = jax.random.uniform(jax.random.key(0), (2, 4, 3))
    wrong = squared_error(rendered, rendered, jnp.ones(4))
    C, Y = np.asarray(rendered), np.asarray(observed)
    right = sum((C[r, a] - Y[r, a]) ** 2 for r in range(4) for a in range(3))
    assert_refuted(wrong, right)


def test_e_l1_20_an_encoding_has_low_frequencies_too():
    """Printed: geometry becomes "high-frequency signals". Right: low and high frequencies."""
    L, p = 6, (jnp.arange(4096.0) + 0.5)[:, None] / 2048 - 1
    rising = np.sign(np.asarray(encode(p, L))[:, 0::2])
    waves = np.sum(np.roll(rising, -1, axis=0) > rising, axis=0)  # rises through 0, once round
    assert_refuted(np.full(L, 2.0 ** (L - 1)), waves.astype(float))
    np.testing.assert_array_equal(waves, 2 ** np.arange(L))
