"""What contraction and device coordinates promise of a space without an end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.radiance import contract, ndc
from calculus.radiance.contraction import contract_jacobian

contracted, jacobian, coordinates = map(jax.jit, (contract, contract_jacobian, ndc))
pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def directions(seed, n):
    v = np.random.default_rng(seed).normal(size=(n, 3))
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


@SEEDS
def test_the_unit_ball_stays_and_all_else_comes_into_the_shell(seed):
    u = directions(seed, 200)
    r = 10 ** np.random.default_rng(seed).uniform(-6, 12, (200, 1))
    y = np.asarray(contracted(r * u))
    np.testing.assert_array_equal(y[r[:, 0] <= 1], (r * u)[r[:, 0] <= 1])
    length = np.linalg.norm(y, axis=-1)
    assert np.all(length < 2 + 1e-15) and np.all((length > 1) == (r[:, 0] > 1))
    np.testing.assert_allclose(y, length[:, None] * u, atol=1e-14)
    back = 1 / (2 - length[length > 1])  # |y| = 2 - 1/r
    np.testing.assert_allclose(1 / back, 1 / r[:, 0][length > 1], atol=1e-14)


@SEEDS
def test_it_stretches_along_and_across_by_what_the_page_says(seed):
    x = 3 * directions(seed, 1)[0]
    J = jacobian(x)
    np.testing.assert_allclose(J, J.T, atol=1e-16)
    np.testing.assert_allclose(np.linalg.eigvalsh(J), [1 / 9, 5 / 9, 5 / 9], rtol=1e-13)
    np.testing.assert_allclose(J @ x, x / 9, rtol=1e-13)


@SEEDS
def test_the_derivative_is_continuous_across_the_sphere(seed):
    u = directions(seed, 1)[0]
    for r in (1 - 1e-7, 1.0, 1 + 1e-7):
        np.testing.assert_allclose(jacobian(r * u), np.eye(3), atol=3e-7)


def test_in_float32_what_is_far_stays_finite():
    x = np.array([[1e37, -1e37, 1e37], [0, 0, 5e37], [1e-40, 0, 0]], np.float32)

    @jax.jit
    def pulled(x):
        y, pull = jax.vjp(contract, x)
        return y, *pull(jnp.ones_like(y))

    y, x_bar = pulled(x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(x_bar))
    np.testing.assert_allclose(np.linalg.norm(y[:2], axis=-1), [2, 2], rtol=1e-6)


def frustum(seed):
    rng = np.random.default_rng(seed)
    origin, direction = rng.uniform(-0.5, 0.5, 3), np.append(rng.uniform(-0.4, 0.4, 2), -0.8)
    return origin, direction, np.array(0.7), np.array([0.6, 0.45])


def projected(x, near, slope):
    return np.stack([-x[0] / (slope[0] * x[2]), -x[1] / (slope[1] * x[2]), 1 + 2 * near / x[2]])


@SEEDS
def test_a_point_on_the_ray_comes_to_lie_on_the_line(seed):
    origin, direction, near, slope = frustum(seed)
    o, d = coordinates(origin, direction, near, slope)
    for t in (0.9, 3.0, 1e3, 1e9):
        x = origin + t * direction
        s = 1 + near / x[2]
        np.testing.assert_allclose(projected(x, near, slope), o + s * d, rtol=1e-11, atol=1e-12)
        t_near = -(near + origin[2]) / direction[2]  # s as the distance from the plane says it
        np.testing.assert_allclose(s, (t - t_near) * direction[2] / x[2], rtol=1e-9)


@SEEDS
def test_the_line_starts_at_the_plane_and_ends_where_the_ray_vanishes(seed):
    origin, direction, near, slope = frustum(seed)
    o, d = coordinates(origin, direction, near, slope)
    at_plane = origin - (near + origin[2]) / direction[2] * direction
    np.testing.assert_allclose(o, projected(at_plane, near, slope), atol=1e-14)
    end = -direction[:2] / direction[2] / slope
    np.testing.assert_allclose(o + d, np.append(end, 1.0), atol=1e-14)


def test_the_cube_holds_the_frustum_and_rays_from_its_eye_are_parallel():
    corner = np.array([0.6, 0.45, -1.0])
    o, d = coordinates(np.zeros(3), corner, np.array(0.7), np.array([0.6, 0.45]))
    np.testing.assert_allclose(o, [1, 1, -1], rtol=1e-15)
    np.testing.assert_allclose(d, [0, 0, 2], atol=1e-15)


@SEEDS
def test_it_is_the_ray_that_counts_and_not_how_it_is_given(seed):
    """Another origin on the line, another length of the direction: the same coordinates."""
    origin, direction, near, slope = frustum(seed)
    moved = coordinates(origin + 0.3 * direction, 5 * direction, near, slope)
    for a, b in zip(coordinates(origin, direction, near, slope), moved, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)
