"""The integral, its functional derivatives, and the sum that approximates it."""

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


def middles_and_lengths(edges):
    return (edges[:-1] + edges[1:]) / 2, jnp.diff(edges)


def along(density=density, near=NEAR, far=FAR):
    return integrate(density, colour, near, far, jnp.asarray(BACKGROUND))


def as_sum(n):
    edges = jnp.linspace(NEAR, FAR, n + 1)
    t, delta = middles_and_lengths(edges)
    return edges, (density(t), delta, colour(t), t, jnp.asarray(BACKGROUND))


def test_the_sum_converges_to_the_integral_with_order_two():
    exact = along().C
    errors = []
    for n in (64, 128, 256, 512):
        errors.append(float(jnp.max(jnp.abs(volume_render(*as_sum(n)[1])[0] - exact))))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.02)


def test_sampled_at_the_near_end_it_converges_with_order_one():
    exact = along().C
    errors = []
    for n in (512, 1024, 2048, 4096):
        edges, (_, delta, *_) = as_sum(n)
        t = edges[:-1]
        found, _, _ = volume_render(density(t), delta, colour(t), t, jnp.asarray(BACKGROUND))
        errors.append(float(jnp.max(jnp.abs(found - exact))))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.05)


def test_the_gradient_of_the_sum_converges_to_the_functional_derivative():
    """dC/dsigma_k / delta_k -> (dC/dsigma)(t_k), of order two in the length of the intervals."""
    errors = []
    for n in (32, 64, 128):
        _, arguments = as_sum(n)
        (dC_dsigma, *_), _, _ = volume_render_jacobian(*arguments)
        t, delta = arguments[3], arguments[1]
        fine = along()
        wanted = jnp.stack([jnp.interp(t, fine.t, fine.dC_dsigma[:, a]) for a in range(3)])
        errors.append(float(jnp.max(jnp.abs(dC_dsigma / delta[None, :] - wanted))))
    assert errors[-1] < 2e-3
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 2.0, atol=0.2)


def test_the_sum_is_exact_where_density_and_colour_are_constant_in_each_interval():
    edges = jnp.linspace(NEAR, FAR, 9)
    t, delta = middles_and_lengths(edges)
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
    found, _, _ = volume_render(sigma, delta, c, t, jnp.asarray(BACKGROUND))
    np.testing.assert_allclose(found, exact.C, rtol=1e-12)
    # the bridge: the gradient of the sum is the functional derivative summed over the interval
    (dC, *_), _, _ = volume_render_jacobian(sigma, delta, c, t, jnp.asarray(BACKGROUND))
    one_hot = (interval(exact.t)[:, None] == jnp.arange(8, dtype=jnp.int32)[None, :]).astype(float)
    bridged = jnp.einsum("n,na,nk->ak", exact.share, exact.dC_dsigma, one_hot)
    np.testing.assert_allclose(dC, bridged, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_functional_derivative_by_bumps(seed):
    """d C[sigma + eps eta]/d eps is the integral of the derivative (5) against the bump eta."""
    key = jax.random.key(seed)
    centre = jax.random.uniform(key, (), minval=1.5, maxval=3.5)

    def bump(t):
        return jnp.exp(-((t - centre) ** 2) / 0.05)

    h = 1e-5
    plus, minus = (along(lambda t, s=s: density(t) + s * bump(t)).C for s in (h, -h))
    at = along()
    predicted = jnp.einsum("n,na,n->a", at.share, at.dC_dsigma, bump(at.t))
    np.testing.assert_allclose((plus - minus) / (2 * h), predicted, rtol=1e-7, atol=1e-9)


def test_the_ends_of_the_ray():
    at = along()
    dC_dnear, dC_dfar = bounds_jacobian(density, colour, at, NEAR, FAR, jnp.asarray(BACKGROUND))
    h = 1e-5
    by_near = (along(near=NEAR + h).C - along(near=NEAR - h).C) / (2 * h)
    by_far = (along(far=FAR + h).C - along(far=FAR - h).C) / (2 * h)
    np.testing.assert_allclose(dC_dnear, by_near, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(dC_dfar, by_far, rtol=1e-6, atol=1e-10)


def test_transmittance_and_weight_density():
    at = along()
    np.testing.assert_allclose(jnp.sum(at.share * at.dC_dc), 1 - at.T_far, rtol=1e-12)
    assert jnp.all(jnp.diff(at.T) <= 0)


@pytest.mark.parametrize("nodes", [2, 3])
def test_the_integral_converges_as_its_page_says(nodes):
    """The whole integral with order 2Q, the transmittance along the ray with order Q + 1."""
    errors = []
    for panels in (32, 64, 128):
        found = integrate(
            density, colour, NEAR, FAR, jnp.asarray(BACKGROUND), panels=panels, nodes=nodes
        )
        somewhere = slice(panels // 4 * nodes, (panels // 4 + 1) * nodes)  # the panel behind 1.75
        exact_T = jnp.stack([along(far=float(t)).T_far for t in found.t[somewhere]])
        of_C = float(jnp.max(jnp.abs(found.C - along().C)))
        of_T = float(jnp.max(jnp.abs(jnp.log(found.T[somewhere]) - jnp.log(exact_T))))
        errors.append((of_C, of_T))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders[-1], [2 * nodes, nodes + 1], atol=0.5)


def test_more_panels_change_nothing():
    finer = integrate(density, colour, NEAR, FAR, jnp.asarray(BACKGROUND), panels=200, nodes=10)
    np.testing.assert_allclose(along().C, finer.C, rtol=1e-13)
