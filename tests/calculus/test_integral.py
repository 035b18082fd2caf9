"""The integral, its functional derivatives, and the sum that approximates it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import volume_render
from calculus.radiance.integral import bounds_jacobian, integrate
from calculus.radiance.rendering import volume_render_jacobian

pytestmark = pytest.mark.usefixtures("strict_float64")
NEAR, FAR = 1.0, 4.0


def density(t):
    return 2.5 * jnp.exp(-((t - 2.2) ** 2) / 0.3) + 0.4 * jnp.exp(-((t - 3.3) ** 2) / 0.1)


def colour(t):
    return jnp.stack([0.5 + 0.4 * jnp.sin(2 * t), 0.5 + 0.3 * jnp.cos(t), t / 5], axis=-1)


BACKGROUND = np.array([0.9, 0.7, 0.2])


def bump(t, centre):
    return jnp.exp(-((t - centre) ** 2) / 0.05)


@functools.partial(jax.jit, static_argnames=("panels", "nodes"))
def along(eps=0.0, centre=0.0, near=NEAR, far=FAR, panels=64, nodes=8):
    """The integral, its density changed by eps times a bump."""
    return integrate(
        lambda t: density(t) + eps * bump(t, centre),
        colour,
        near,
        far,
        jnp.asarray(BACKGROUND),
        panels=panels,
        nodes=nodes,
    )


def cut(n, at=0.5):
    """The ray in n intervals of one length, sampled at that fraction of each."""
    edges = np.linspace(NEAR, FAR, n + 1)
    delta = np.diff(edges)
    return edges[:-1] + at * delta, delta


@jax.jit
def as_sum(t, delta):
    """The pixel and its derivative by the densities."""
    arguments = density(t), delta, colour(t), t, jnp.asarray(BACKGROUND)
    return volume_render(*arguments)[0], volume_render_jacobian(*arguments)[0][0]


def orders_of(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def farthest(a, b):
    return np.max(np.abs(np.asarray(a) - np.asarray(b)))


@pytest.mark.parametrize(
    ("at", "order", "within", "sizes"),
    [(0.5, 2.0, 0.02, (64, 128, 256, 512)), (0.0, 1.0, 0.05, (512, 1024, 2048, 4096))],
    ids=["middle", "near end"],
)
def test_the_sum_converges_to_the_integral_with_the_order_of_its_samples(at, order, within, sizes):
    @jax.jit
    def pixel(t, delta):
        return volume_render(density(t), delta, colour(t), t, jnp.asarray(BACKGROUND))[0]

    exact = along().C
    errors = [farthest(pixel(*cut(n, at)), exact) for n in sizes]
    np.testing.assert_allclose(orders_of(errors), order, atol=within)


def test_the_gradient_of_the_sum_converges_to_the_functional_derivative():
    """dC/dsigma_k / delta_k -> (dC/dsigma)(t_k), of order two in the length of the intervals."""
    fine, errors = along(), []
    for n in (32, 64, 128):
        t, delta = cut(n)
        _, dC_dsigma = as_sum(t, delta)
        wanted = np.stack([np.interp(t, fine.t, fine.dC_dsigma[:, a]) for a in range(3)])
        errors.append(farthest(np.asarray(dC_dsigma) / delta, wanted))
    assert errors[-1] < 2e-3
    np.testing.assert_allclose(orders_of(errors), 2.0, atol=0.2)


def test_the_sum_is_exact_where_density_and_colour_are_constant_in_each_interval():
    edges, (t, delta) = np.linspace(NEAR, FAR, 9), cut(8)

    @jax.jit
    def both(t, delta):
        sigma, c = density(t), colour(t)

        def interval(at):
            return jnp.clip(jnp.searchsorted(edges, at, side="right") - 1, 0, 7)

        exact = integrate(
            lambda at: sigma[interval(at)],
            lambda at: c[interval(at)],
            NEAR,
            FAR,
            jnp.asarray(BACKGROUND),
            panels=8 * 16,
        )
        return exact, interval(exact.t)

    exact, interval = both(t, delta)
    found, dC = as_sum(t, delta)
    np.testing.assert_allclose(found, exact.C, rtol=1e-12)
    # the bridge: the gradient of the sum is the functional derivative summed over the interval
    one_hot = np.eye(8)[np.asarray(interval)]
    bridged = np.einsum("n,na,nk->ak", exact.share, exact.dC_dsigma, one_hot)
    np.testing.assert_allclose(dC, bridged, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_functional_derivative_by_bumps(seed):
    """d C[sigma + eps eta]/d eps is the integral of the derivative (5) against the bump eta."""
    centre, h, at = np.random.default_rng(seed).uniform(1.5, 3.5), 1e-5, along()
    plus, minus = (along(eps, centre).C for eps in (h, -h))
    eta = np.exp(-((at.t - centre) ** 2) / 0.05)
    predicted = np.einsum("n,na,n->a", at.share, at.dC_dsigma, eta)
    np.testing.assert_allclose((plus - minus) / (2 * h), predicted, rtol=1e-7, atol=1e-9)


def test_the_ends_of_the_ray():
    at, h = along(), 1e-5
    found = bounds_jacobian(density, colour, at, NEAR, FAR, jnp.asarray(BACKGROUND))
    by_near = (along(near=NEAR + h).C - along(near=NEAR - h).C) / (2 * h)
    by_far = (along(far=FAR + h).C - along(far=FAR - h).C) / (2 * h)
    np.testing.assert_allclose(found, (by_near, by_far), rtol=1e-6, atol=1e-10)


def test_transmittance_and_weight_density():
    at = along()
    np.testing.assert_allclose(np.sum(at.share * at.dC_dc), 1 - at.T_far, rtol=1e-12)
    assert np.all(np.diff(at.T) <= 0)


@pytest.mark.parametrize("nodes", [2, 3])
def test_the_integral_converges_as_its_page_says(nodes):
    """The whole integral with order 2Q, the transmittance along the ray with order Q + 1."""
    exact, errors = along().C, []
    for panels in (32, 64, 128):
        found = along(panels=panels, nodes=nodes)
        somewhere = slice(panels // 4 * nodes, (panels // 4 + 1) * nodes)  # the panel behind 1.75
        exact_T = [along(far=t).T_far for t in found.t[somewhere]]
        of_T = farthest(np.log(found.T[somewhere]), np.log(exact_T))
        errors.append((farthest(found.C, exact), of_T))
    np.testing.assert_allclose(orders_of(errors)[-1], [2 * nodes, nodes + 1], atol=0.5)


def test_more_panels_change_nothing():
    np.testing.assert_allclose(along().C, along(panels=200, nodes=10).C, rtol=1e-13)
