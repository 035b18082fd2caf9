"""The scene in closed form: its derivatives, its quadrature, and what `calculus` makes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from calculus.radiance import camera, volume_render
from data.analytic import MARBLES, AnalyticScene, Body, Rays
from data.load import load
from scripts.scenes import cameras, marbles
from tests.data.test_blender import MARBLES as FOLDER

BACKGROUND = np.array([0.9, 0.5, 0.1])


def some_rays(seed, count=40, **panels):
    origins, directions = cameras.rays(marbles.RECIPE.views["train"][seed])
    chosen = np.random.default_rng(seed).integers(0, len(origins), count)
    return Rays(origins[chosen], directions[chosen], marbles.NEAR, marbles.FAR, **panels)


@pytest.mark.parametrize("seed", [3, 20])
def test_pixels_to_a_millionth(seed):
    usual, fine = (
        MARBLES.render(some_rays(seed, **p), BACKGROUND) for p in ({}, {"panels": 512, "nodes": 8})
    )
    for a, b in zip(usual, fine, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    finer, finest = (MARBLES.normals(some_rays(seed, panels=p)) for p in (256, 512))
    np.testing.assert_allclose(finer, finest, atol=1e-6)
    usual, fine = (
        MARBLES.pixel_gradients(some_rays(seed, **p), BACKGROUND) for p in ({}, {"panels": 512})
    )
    np.testing.assert_allclose(usual, fine, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_density_gradient_by_differences(seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (200, 3))
    h = 1e-6
    found = MARBLES.density_gradient(x)
    for axis in range(3):
        step = h * np.eye(3)[axis]
        wanted = (MARBLES.density(x + step) - MARBLES.density(x - step)) / (2 * h)
        np.testing.assert_allclose(found[:, axis], wanted, rtol=1e-4, atol=1e-4)


def test_pixel_gradients_by_differences():
    rays = some_rays(8)
    found, h = MARBLES.pixel_gradients(rays, BACKGROUND), 1e-4
    import dataclasses

    for j, body in enumerate(MARBLES.bodies):
        pixels = []
        for sign in (1, -1):
            changed = dataclasses.replace(body, peak=body.peak + sign * h)
            bodies = (*MARBLES.bodies[:j], changed, *MARBLES.bodies[j + 1 :])
            pixels.append(AnalyticScene(bodies).render(rays, BACKGROUND).colour)
        np.testing.assert_allclose(found[:, j], (pixels[0] - pixels[1]) / (2 * h), atol=1e-7)


def test_gaussian_on_axis_in_closed_form():
    """Through the middle of a Gaussian the optical depth is peak r sqrt(2 pi)."""
    body = Body((0.0, 0.0, 0.0), (0.2, 0.2, 0.2), (0.4, 0.5, 0.6), peak=3.0, kind="gaussian")
    rays = Rays(np.array([[0, 0, 3.0]]), np.array([[0, 0, -1.0]]), 1.0, 5.0)
    seen = AnalyticScene((body,)).render(rays, BACKGROUND)
    left = np.exp(-3.0 * 0.2 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(seen.opacity, 1 - left, rtol=1e-10)
    np.testing.assert_allclose(
        seen.colour[0], (1 - left) * np.array(body.colour) + left * BACKGROUND
    )
    # by symmetry half of the light is lost where half of the depth is: not the centre, but near
    assert abs(seen.depth[0] / seen.opacity[0] - 3.0) < 0.2


def test_calculus_renders_the_scene_and_its_gradients():
    """The second opinion: the sum of `calculus`, fine enough, is the quadrature of `data`."""
    rays = some_rays(12, count=12)
    exact = MARBLES.render(rays, BACKGROUND)
    gradients = MARBLES.pixel_gradients(rays, BACKGROUND)
    with jax.enable_x64(True):
        n = 12000
        edges = jnp.linspace(rays.t_near, rays.t_far, n + 1)
        t, delta = (edges[:-1] + edges[1:]) / 2, jnp.diff(edges)
        x = camera.points(
            jnp.asarray(rays.origins), jnp.asarray(rays.directions), jnp.broadcast_to(t, (12, n))
        )
        x, d = np.asarray(x), np.broadcast_to(rays.directions[:, None], (12, n, 3))
        sigma, colours = jnp.asarray(MARBLES.density(x)), jnp.asarray(MARBLES.radiance(x, d))
        background = jnp.broadcast_to(jnp.asarray(BACKGROUND), (12, 3))
        spread = (jnp.broadcast_to(v, (12, n)) for v in (delta, t))
        delta, t = spread
        (colour, opacity, depth), pull = jax.vjp(
            volume_render, sigma, delta, colours, t, background
        )
        np.testing.assert_allclose(colour, exact.colour, atol=2e-5)
        np.testing.assert_allclose(opacity, exact.opacity, atol=2e-5)
        np.testing.assert_allclose(depth, exact.depth, atol=2e-5)
        # chain rule by hand: sigma = sum_j sigma_j, c = sum_j sigma_j c_j / sigma
        bar = jnp.ones((12, 3)), jnp.zeros(12), jnp.zeros(12)
        sigma_bar, _, colours_bar, *_ = pull(bar)
        for j, body in enumerate(MARBLES.bodies):
            share = body.density(x) / body.peak
            mixed = (body.radiance(x, d) - colours) / np.maximum(sigma, 1e-300)[..., None]
            found = np.sum(share * (sigma_bar + np.sum(colours_bar * mixed, -1)), axis=-1)
            np.testing.assert_allclose(found, gradients[:, j].sum(-1), atol=1e-5)


def test_normals_point_at_who_sees_them():
    rays = some_rays(30, panels=256)
    normals, seen = MARBLES.normals(rays), MARBLES.render(rays, BACKGROUND)
    solid = seen.opacity > 0.99
    assert solid.sum() > 5
    facing = -np.sum(normals * rays.directions, axis=-1)
    assert (facing[solid] > 0).all()
    assert (np.linalg.norm(normals, axis=-1) <= seen.opacity + 1e-9).all()


def test_bundled_pictures_are_the_scene():
    """The files hold what the closed form says, to the 8 bits they have, along calculus' rays."""
    split = load(FOLDER, bound=1.0).splits["test"]
    view = 4
    rng = np.random.default_rng(0)
    xy = np.stack([rng.integers(0, 200, 60), rng.integers(0, 200, 60)], axis=-1)
    spread = [
        jnp.broadcast_to(v, (60, *v.shape)) for v in (split.intrinsics[view], split.poses[view])
    ]
    origin, direction = camera.rays(jnp.asarray(xy + 0.5, jnp.float32), *spread)
    rays = Rays(np.asarray(origin, float), np.asarray(direction, float), marbles.NEAR, marbles.FAR)
    exact = MARBLES.render(rays, np.zeros(3))
    stored = (
        np.asarray(Image.open(FOLDER / "test" / f"r_{view}.webp"), float)[xy[:, 1], xy[:, 0]] / 255
    )
    np.testing.assert_allclose(stored[:, 3], exact.opacity, atol=0.6 / 255)
    np.testing.assert_allclose(stored[:, :3] * stored[:, 3:], exact.colour, atol=1.2 / 255)
