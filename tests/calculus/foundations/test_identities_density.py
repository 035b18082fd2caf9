"""The evidence of a Gaussian process and the density of a Gaussian mixture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations.identities import density
from tests.calculus.foundations.drawn import drawn, well_conditioned

pytestmark = pytest.mark.usefixtures("strict_float64")


def _covariance(seed, n):
    root = well_conditioned(seed, n)
    return root @ root.T


def _mixture(seed):
    x, log_w, mu = drawn(seed, (2,), (3,), (3, 2))
    S = jnp.stack([_covariance(seed + k, 2) for k in range(3)])
    return x, jax.nn.log_softmax(log_w), mu, S


def _gaussian(x, mu, S):
    """The density of a Gaussian in numpy, as it is defined."""
    x, mu, S = (np.asarray(m) for m in (x, mu, S))
    d = x - mu
    scale = np.sqrt((2 * np.pi) ** len(d) * np.linalg.det(S))
    return np.exp(-d @ np.linalg.inv(S) @ d / 2) / scale


def test_the_evidence_is_the_log_of_a_gaussian_with_noise_on_its_diagonal():
    K, sigma, (y,) = _covariance(0, 3), jnp.asarray(0.4), drawn(0, (3,))
    wanted = np.log(_gaussian(y, np.zeros(3), K + 0.16 * np.eye(3)))
    np.testing.assert_allclose(density.log_evidence(K, sigma, y), wanted, rtol=1e-11)


def test_the_evidence_weighs_the_data_against_the_inverse():
    K, sigma, (y,) = _covariance(1, 3), jnp.asarray(0.4), drawn(1, (3,))
    C = np.asarray(K) + 0.16 * np.eye(3)
    alpha = np.linalg.solve(C, y)
    by_K, by_sigma, by_y = density.log_evidence_jacobian(K, sigma, y)
    np.testing.assert_allclose(by_K, (np.outer(alpha, alpha) - np.linalg.inv(C)) / 2, rtol=1e-10)
    np.testing.assert_allclose(by_sigma, 2 * 0.4 * np.trace(by_K), rtol=1e-11)
    np.testing.assert_allclose(by_y, -alpha, rtol=1e-10)


def test_the_best_scale_of_a_covariance_is_that_of_the_data():
    """log p of y under s C has its maximum over s at y^T C^-1 y / N: the two terms balance."""
    C, (y,) = _covariance(2, 3), drawn(2, (3,))
    best = float(y @ jnp.linalg.solve(C, y)) / 3
    none = jnp.asarray(0.0)

    def slope(s):
        by_K, _, _ = density.log_evidence_jacobian(s * C, none, y)
        return float(jnp.sum(by_K * C))

    assert abs(slope(best)) < 1e-12
    assert slope(0.9 * best) > 0 > slope(1.1 * best)


def test_the_mixture_is_the_sum_of_its_gaussians():
    x, log_w, mu, S = _mixture(3)
    wanted = sum(np.exp(float(log_w[k])) * _gaussian(x, mu[k], S[k]) for k in range(3))
    np.testing.assert_allclose(
        density.mixture_log_density(x, log_w, mu, S), np.log(wanted), rtol=1e-11
    )


def test_responsibilities_are_shares():
    x, log_w, mu, S = _mixture(4)
    r = density.responsibilities(x, log_w, mu, S)
    parts = np.array([np.exp(float(log_w[k])) * _gaussian(x, mu[k], S[k]) for k in range(3)])
    np.testing.assert_allclose(r, parts / parts.sum(), rtol=1e-11)
    np.testing.assert_allclose(jnp.sum(r), 1.0, rtol=1e-13)


def test_for_symmetric_covariances_the_gradients_are_the_known_ones():
    x, log_w, mu, S = _mixture(5)
    r = density.responsibilities(x, log_w, mu, S)
    by_x, by_log_w, by_mu, by_S = density.mixture_log_density_jacobian(x, log_w, mu, S)
    np.testing.assert_allclose(by_log_w, r, rtol=1e-13)
    for k in range(3):
        S_inv = np.linalg.inv(np.asarray(S[k]))
        pulled = S_inv @ np.asarray(x - mu[k])
        np.testing.assert_allclose(by_mu[k], r[k] * pulled, rtol=1e-10)
        np.testing.assert_allclose(
            by_S[k], r[k] / 2 * (np.outer(pulled, pulled) - S_inv), rtol=1e-9, atol=1e-12
        )
    # to move the point is to move all means the other way
    np.testing.assert_allclose(by_x, -jnp.sum(by_mu, axis=0), rtol=1e-12)


def test_one_gaussian_fits_best_with_the_mean_and_the_covariance_of_the_data():
    (points,) = drawn(6, (20, 2))
    mean = jnp.mean(points, axis=0)
    centred = points - mean[None]
    S = (centred.T @ centred / 20)[None]
    by_point = jax.vmap(density.mixture_log_density_jacobian, (0, None, None, None))
    _, _, by_mu, by_S = by_point(points, jnp.zeros(1), mean[None], S)
    assert float(jnp.max(jnp.abs(by_mu))) > 0.1  # each point pulls, all together do not
    np.testing.assert_allclose(jnp.sum(by_mu, axis=0), np.zeros((1, 2)), atol=1e-10)
    np.testing.assert_allclose(jnp.sum(by_S, axis=0), np.zeros((1, 2, 2)), atol=1e-10)
