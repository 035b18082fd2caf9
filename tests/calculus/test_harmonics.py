"""What makes the spherical harmonics a basis of the sphere, and their derivatives what they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.by_jax import spherical_harmonics as undecorated
from calculus.radiance import spherical_harmonics
from calculus.radiance.camera import rays
from calculus.radiance.harmonics import spherical_harmonics_jacobian

pytestmark = pytest.mark.usefixtures("strict_float64")
harmonics, jacobian = map(jax.jit, (spherical_harmonics, spherical_harmonics_jacobian))
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])
L = np.repeat(np.arange(4.0), [1, 3, 5, 7])
"""The band of each of the sixteen."""
BANDS = [slice(l**2, (l + 1) ** 2) for l in range(4)]


def directions(seed, *shape):
    v = np.random.default_rng(seed).normal(size=(*shape, 3))
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def rotation(seed):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def sphere():
    """Directions and weights that integrate polynomials of degree 6 over the sphere exactly."""
    z, w = np.polynomial.legendre.leggauss(4)  # exact to degree 7 in z
    phi = 2 * np.pi * np.arange(8) / 8  # exact to frequency 7
    r = np.sqrt(1 - z**2)[:, None]
    d = np.stack([r * np.cos(phi), r * np.sin(phi), np.broadcast_to(z[:, None], (4, 8))], axis=-1)
    return d.reshape(-1, 3), np.repeat(w, 8) * 2 * np.pi / 8


def of_bands(values):
    """The sum over m of each band."""
    return np.stack([np.sum(values[band], axis=0) for band in BANDS])


def test_the_basis_is_orthonormal():
    d, w = sphere()
    np.testing.assert_allclose(np.sum(w), 4 * np.pi, rtol=1e-14)
    Y = np.asarray(harmonics(d))
    np.testing.assert_allclose(Y.T @ (w[:, None] * Y), np.eye(16), atol=1e-14)


@SEEDS
def test_slopes_across_are_orthogonal_with_length_l_times_l_plus_one(seed):
    """Green: the integral of grad Y . grad Y' over the sphere is l (l + 1) that of Y Y'."""
    d, w = sphere()
    d = d @ rotation(seed).T
    J = np.stack([jacobian(one) for one in d])
    across = J - np.einsum("nka,na,nb->nkb", J, d, d)
    inner = np.einsum("n,nka,nja->kj", w, across, across)
    np.testing.assert_allclose(inner, np.diag(L * (L + 1)), atol=1e-12)


@SEEDS
def test_addition_theorem(seed):
    """A band compares two directions by their angle alone, through a Legendre polynomial."""
    d, e = directions(seed, 2)
    found = of_bands(np.asarray(harmonics(d)) * harmonics(e))
    P = np.polynomial.legendre.legvander(float(d @ e), 3)[0]
    np.testing.assert_allclose(found, (2 * np.arange(4) + 1) / (4 * np.pi) * P, atol=1e-15)


@SEEDS
def test_a_rotation_keeps_the_power_of_each_band(seed):
    """Of a function on the sphere: a turned band is a band, and as strong as before."""
    c = np.random.default_rng(seed).normal(size=16)
    d, w = sphere()
    Y = np.asarray(harmonics(d))
    turned = (w * (np.asarray(harmonics(d @ rotation(seed + 10).T)) @ c)) @ Y
    assert np.max(np.abs(turned - c)) > 0.1
    np.testing.assert_allclose(of_bands(turned**2), of_bands(c**2), rtol=1e-13)


@SEEDS
def test_off_the_sphere_they_are_homogeneous_and_harmonic(seed):
    v = np.random.default_rng(seed).normal(size=3)
    Y, J = np.asarray(harmonics(v)), np.asarray(jacobian(v))
    np.testing.assert_allclose(harmonics(1.7 * v), 1.7**L * Y, rtol=1e-13)
    np.testing.assert_allclose(J @ v, L * Y, rtol=1e-12, atol=1e-14)  # Euler
    bend = jax.jit(jax.jacfwd(spherical_harmonics_jacobian))(v)
    np.testing.assert_allclose(np.trace(bend, axis1=1, axis2=2), np.zeros(16), atol=1e-13)


@SEEDS
def test_a_band_stretches_every_direction_across_alike(seed):
    """J^T J = (2l+1)/(4 pi) (l^2 d d^T + l (l+1)/2 (I - d d^T)) for the rows of a band."""
    d = directions(seed)
    J, along = np.asarray(jacobian(d)), np.outer(d, d)
    for l, band in enumerate(BANDS):
        across = l * (l + 1) / 2 * (np.eye(3) - along)
        wanted = (2 * l + 1) / (4 * np.pi) * (l**2 * along + across)
        np.testing.assert_allclose(J[band].T @ J[band], wanted, atol=1e-14)


def test_how_they_go_on_off_the_sphere_does_not_reach_the_pixel():
    """3z^2 - 1 for 2z^2 - x^2 - y^2: another cotangent of the direction, the same one before it."""
    k, intrinsics = (5 / (16 * np.pi)) ** 0.5, np.array([70.0, 80.0, 33.0, 30.0])

    def as_homogeneous(d, Y_bar):
        return Y_bar @ spherical_harmonics(d)

    def as_cut_short(d, Y_bar):
        Y = undecorated(d)
        return Y_bar @ Y.at[6].set(k * (3 * d[2] ** 2 - 1))

    def by_pixel(f, Y_bar, pose, pixel):
        return jax.grad(lambda pixel: f(rays(pixel, intrinsics, pose)[1], Y_bar))(pixel)

    @jax.jit
    def both(d, Y_bar, pose, pixel):
        return [
            (f(d, Y_bar), jax.grad(f)(d, Y_bar), by_pixel(f, Y_bar, pose, pixel))
            for f in (as_homogeneous, as_cut_short)
        ]

    for seed in range(3):
        d, Y_bar = directions(seed), np.random.default_rng(seed).normal(size=16)
        pose = np.concatenate([rotation(seed), np.zeros((3, 1))], axis=1)
        found, cut_short = both(d, Y_bar, pose, np.array([20.0, 50.0]))
        np.testing.assert_allclose(found[0], cut_short[0], rtol=1e-12, atol=1e-13)
        gap = np.asarray(found[1]) - np.asarray(cut_short[1])
        assert np.abs(gap @ d) > 1e-2
        np.testing.assert_allclose(gap - d * (gap @ d), np.zeros(3), atol=1e-13)
        np.testing.assert_allclose(found[2], cut_short[2], rtol=1e-11)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_fewer_bands_are_the_first_of_more(degree):
    d, n = directions(0, 5), degree**2

    @jax.jit
    def both(d, bar):
        value, pull = jax.vjp(lambda d: spherical_harmonics(d, degree), d)
        more, pull_more = jax.vjp(spherical_harmonics, d)
        padded = jnp.concatenate([bar, jnp.zeros((5, 16 - n))], axis=1)
        jacobians = (spherical_harmonics_jacobian(d[0], some) for some in (degree, 4))
        return (value, more), (*pull(bar), *pull_more(padded)), tuple(jacobians)

    (value, more), bars, (J, J_of_more) = both(d, np.random.default_rng(1).normal(size=(5, n)))
    np.testing.assert_array_equal(value, more[:, :n])
    np.testing.assert_allclose(*bars, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(J, J_of_more[:n])


@pytest.mark.parametrize("degree", [0, 5])
def test_a_degree_that_the_table_does_not_list_is_refused(degree):
    with pytest.raises(ValueError, match=f"degree is {degree}: it must be 1 to 4"):
        spherical_harmonics(jnp.ones(3), degree)


def test_without_phase_band_one_points_where_the_direction_does():
    d = directions(3)
    band = harmonics(d)[1:4]
    np.testing.assert_allclose(band, (3 / (4 * np.pi)) ** 0.5 * d[[1, 2, 0]])
