"""The task, the encoding, and the integral along a ray with its functional derivatives."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from calculus.foundations.rendering.medium import constant_medium, constant_medium_jacobian
from calculus.radiance import encode, volume_render
from calculus.radiance.camera import rays
from calculus.radiance.encoding import encode_jacobian
from calculus.radiance.integral import integrate
from data.load import load
from nerf.config import read
from nerf.field import Model
from tests.calculus.foundations.drawn import between
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
ROOT = Path(__file__).parents[3]
NEAR, FAR = 1.0, 4.0
BACKGROUND = np.array([0.9, 0.7, 0.2])


def density(t):
    return 2.5 * jnp.exp(-((t - 2.2) ** 2) / 0.3) + 0.4 * jnp.exp(-((t - 3.3) ** 2) / 0.1)


def colour(t):
    return jnp.stack([0.5 + 0.4 * jnp.sin(2 * t), 0.5 + 0.3 * jnp.cos(t), t / 5], axis=-1)


def bump(t):
    return jnp.exp(-((t - 2.7) ** 2) / 0.05)


def along(density=density, colour=colour, near=NEAR, far=FAR):
    return integrate(density, colour, near, far, jnp.asarray(BACKGROUND))


@pytest.mark.usefixtures("float64")
def test_views_to_be_synthesised_are_held_out_as_a_whole():
    scene = load(ROOT / "data" / "scenes" / "marbles", downscale=8)
    seen, held_out = scene.splits["train"], scene.splits["test"]
    nearest = np.linalg.norm(held_out.poses[:, None] - seen.poses[None], axis=(2, 3)).min(axis=1)
    assert nearest.min() > 0.01, "a camera of the test is one of the training"
    # what there is to learn from: origin, direction, colour
    at = jnp.array([[0.5, 0.5], [held_out.width - 0.5, held_out.height - 0.5]])
    view = held_out.camera(0)
    lens, pose = (jnp.asarray(v, float) for v in (view.intrinsics, view.pose))
    origin, direction = jax.vmap(rays, in_axes=(0, None, None))(at, lens, pose)
    assert origin.shape == direction.shape == (2, 3)
    assert held_out.pictures.shape == (10, held_out.height, held_out.width, 4)


def test_density_ignores_the_view_and_colour_does_not():
    config = read(ROOT / "configs" / "tiny.toml")
    config = replace(config, field=replace(config.field, trunk_width=8, head_width=8))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        model, params = Model.create(config)
        field = model.field(params)
        (x,) = between(-1.0, 1.0, 0, (4, 3))
        at, views = jnp.stack([x, x]), jnp.eye(3)[:2]

        def both(at, directions):
            views = jnp.repeat(field.view(directions, model.stages)[:, None], 4, axis=1)
            return field(at, views, model.stages)

        sigma, seen = jax.jit(both)(at, views)
    (sigma, sigma_too), (seen, seen_too) = sigma, seen
    np.testing.assert_array_equal(sigma, sigma_too)
    assert jnp.all(sigma >= 0) and jnp.all((seen > 0) & (seen < 1))
    assert jnp.max(jnp.abs(seen - seen_too)) > 1e-3


def test_a_vectors_encoding_has_the_slopes_of_its_coordinates_as_blocks():
    p = jnp.array([0.3, -0.7, 0.1])
    blocks = [encode_jacobian(p[j : j + 1], 4) for j in range(3)]
    np.testing.assert_allclose(encode_jacobian(p, 4), jax.scipy.linalg.block_diag(*blocks))
    k = 2.0 ** jnp.arange(4.0) * jnp.pi
    slopes = jnp.stack([k * jnp.cos(k * p[0]), -k * jnp.sin(k * p[0])], axis=-1).reshape(-1, 1)
    np.testing.assert_allclose(blocks[0], slopes, rtol=1e-14)


def test_differences_of_an_encoding_need_a_step_as_short_as_its_shortest_wave():
    p, L = jnp.array([0.3]), 10
    exact = encode_jacobian(p, L)[:, 0]

    def error(h):
        found = (encode(p + h, L) - encode(p - h, L)) / (2 * h)
        return float(jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact))

    assert error(6e-6) > 5e-6
    assert error(6e-6 / (2.0 ** (L - 1) * np.pi)) < 1e-7


@pytest.mark.parametrize("seed", [0, 1])
def test_an_encoding_runs_on_a_sphere_at_constant_speed_and_bends_back(seed):
    (p,), L = between(-1.0, 1.0, seed, (1,)), 4

    def gamma(p):
        return encode(p, L)

    slope = encode_jacobian(p, L)[:, 0]
    np.testing.assert_allclose(gamma(p) @ gamma(p), L, rtol=1e-13)
    np.testing.assert_allclose(slope @ slope, np.pi**2 * (4**L - 1) / 3, rtol=1e-13)
    np.testing.assert_allclose(gamma(p) @ slope, 0, atol=1e-12)
    omega = jnp.repeat(2.0 ** jnp.arange(float(L)) * jnp.pi, 2)
    bend = jax.jit(jax.jacrev(jax.jacrev(gamma)))(p)[:, 0, 0]
    np.testing.assert_allclose(bend, -(omega**2) * gamma(p), rtol=1e-11, atol=1e-9)


def test_transmittance_falls_from_one_and_is_the_exponential_of_minus_an_area():
    at = along()
    assert jnp.all(jnp.diff(at.T) <= 0) and jnp.all((at.T > 0) & (at.T <= 1))
    t = np.linspace(NEAR, FAR, 20001)
    sigma = np.asarray(density(jnp.asarray(t)))
    area = np.concatenate([[0], np.cumsum((sigma[1:] + sigma[:-1]) / 2 * np.diff(t))])
    np.testing.assert_allclose(at.T, np.interp(at.t, t, np.exp(-area)), rtol=1e-7)


def test_transmittance_solves_its_differential_equation():
    def T(t):
        return along(far=t).T_far

    for t in (1.7, 2.4):
        slope = -density(jnp.asarray(t)) * T(t)
        np.testing.assert_allclose((T(t + 1e-5) - T(t - 1e-5)) / 2e-5, slope, rtol=1e-8)
        assert_order(lambda e, t=t, slope=slope: T(t + e) - T(t) - e * slope, 2)


def test_transmittances_of_parts_multiply():
    first, second = along(far=2.3).T_far, along(near=2.3).T_far
    np.testing.assert_allclose(along().T_far, first * second, rtol=1e-12)


def test_the_pixel_is_linear_in_colour_and_not_in_density():
    at, black = along(), jnp.zeros(3)
    twice = integrate(density, lambda t: 2 * colour(t), NEAR, FAR, black).C
    np.testing.assert_allclose(twice, 2 * integrate(density, colour, NEAR, FAR, black).C)
    denser = integrate(lambda t: 2 * density(t), colour, NEAR, FAR, black).C
    assert jnp.all(denser < 1.9 * (at.C - at.T_far * BACKGROUND))


def test_the_weight_is_the_rate_at_which_light_is_lost():
    at = along()
    assert jnp.all(at.dC_dc >= 0)
    # between any two nodes, what the weights add up to is what the transmittance loses
    finer = along(near=NEAR, far=2.5)
    np.testing.assert_allclose(jnp.sum(finer.share * finer.dC_dc), 1 - finer.T_far, rtol=1e-12)
    np.testing.assert_allclose(at.dC_dc, at.T * density(at.t), rtol=1e-14)


def test_fog_of_one_density_in_closed_form():
    s, D, c, t = sympy.symbols("sigma D c t", positive=True)
    shown = c * (1 - sympy.exp(-s * t))  # 0 at t = 0, and its slope is the integrand:
    assert shown.subs(t, 0) == 0
    assert sympy.expand(sympy.diff(shown, t) - sympy.exp(-s * t) * s * c) == 0
    C = shown.subs(t, D)
    assert sympy.expand(sympy.diff(C, s) - c * D * sympy.exp(-s * D)) == 0
    assert sympy.expand(sympy.diff(C, D) - c * s * sympy.exp(-s * D)) == 0
    assert sympy.expand(sympy.diff(C, c) - (1 - sympy.exp(-s * D))) == 0
    numbers = {s: 1.3, D: 0.7, c: 0.4}
    found = constant_medium(jnp.asarray(1.3), jnp.asarray(0.7), jnp.full(3, 0.4))
    np.testing.assert_allclose(found, float(C.subs(numbers)), rtol=1e-14)


def test_fog_of_one_density_is_the_sum_over_any_intervals():
    sigma, delta, c = jnp.asarray(1.3), jnp.array([0.2, 0.7, 0.1]), jnp.array([0.2, 0.5, 0.8])
    cut = volume_render(jnp.full(3, sigma), delta, jnp.tile(c, (3, 1)), jnp.zeros(3), jnp.zeros(3))[
        0
    ]
    np.testing.assert_allclose(constant_medium(sigma, jnp.sum(delta), c), cut, rtol=1e-13)
    # a longer ray gains what its far end shows: (T sigma c)(D)
    _, dC_dD, _ = constant_medium_jacobian(sigma, jnp.asarray(1.0), c)
    np.testing.assert_allclose(dC_dD, jnp.exp(-sigma) * sigma * c)


def test_a_bump_of_density_lowers_the_transmittance_behind_it():
    """dT(t)/dsigma(s) = -T(t) [s < t], against a bump: -T(t) times its area before t."""
    h, t = 1e-5, 2.9
    plus, minus = (along(lambda t, s=s: density(t) + s * bump(t), far=t).T_far for s in (h, -h))
    before = along(far=t)
    predicted = jnp.sum(before.share * -before.T_far * bump(before.t))
    np.testing.assert_allclose((plus - minus) / (2 * h), predicted, rtol=1e-8)
    # what lies behind t is not in it
    beyond = along(lambda t: density(t) + jnp.where(t > 2.9, bump(t), 0.0), far=t)
    assert beyond.T_far == before.T_far


def test_a_bump_of_colour_shows_with_the_weight():
    at, direction = along(), jnp.array([0.3, -1.0, 0.5])

    def tinted(eps):
        return along(colour=lambda t: colour(t) + eps * bump(t)[:, None] * direction[None, :]).C

    predicted = jnp.sum(at.share * at.dC_dc * bump(at.t)) * direction
    np.testing.assert_allclose(tinted(1.0) - at.C, predicted, rtol=1e-10)  # linear: no limit


def test_the_change_of_the_pixel_is_first_order_in_the_bump():
    at = along()
    slope = jnp.einsum("n,na,n->a", at.share, at.dC_dsigma, bump(at.t))
    assert_order(
        lambda e: along(lambda t: density(t) + e * bump(t)).C - at.C - e * slope, 2, (1e-2, 1e-3)
    )


def test_the_view_looking_on_solves_the_adjoint_equation():
    """V' = sigma (V - c), backwards from V(t_far) = b, and dC/dsigma = T (c - V)."""

    def V(s):
        return along(near=s).C

    h = 1e-4
    for s in (1.5, 2.5, 3.4):
        at = jnp.asarray([s])
        adjoint = density(at)[0] * (V(s) - colour(at)[0])
        np.testing.assert_allclose((V(s + h) - V(s - h)) / (2 * h), adjoint, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(V(FAR - 1e-9), BACKGROUND, atol=1e-8)
    at = along()
    nodes = np.arange(100, 400, 100)
    views = jnp.stack([V(float(at.t[n])) for n in nodes])
    replaced = at.T[nodes, None] * (colour(at.t[nodes]) - views)
    np.testing.assert_allclose(at.dC_dsigma[nodes], replaced, rtol=1e-9, atol=1e-11)
