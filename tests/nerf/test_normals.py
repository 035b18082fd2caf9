"""Which way surfaces face: against differences, against JAX, and summed along rays."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calculus.by_jax
from calculus import radiance
from nerf.cameras import Cameras
from nerf.field import Model
from nerf.normals import density_and_slope, normals
from nerf.render import Renderer
from nerf.shading import Draws, coarse_to_fine, shade
from nerf.space import Space
from nerf.state import start
from tests.nerf.conftest import small_grid, tiny
from tests.nerf.test_render import small

SPACES = ("bounded", "forward", "unbounded")


def in_space(config, kind):
    data = replace(config.data, space=kind, slope=(0.7, 0.5))
    return replace(config, data=data)


def rough(params):
    """Tables as if they had been trained: at first they are all but zero."""
    rng = np.random.default_rng(5)
    return jax.tree.map(
        lambda v: jnp.asarray(v + 0.3 * rng.normal(size=v.shape).astype(v.dtype)), params
    )


def somewhere(kind, count=40):
    """Points of the world; before the plane z = -1 where space begins there."""
    x = np.random.default_rng(3).uniform(-0.9, 0.9, (count, 3))
    if kind == "forward":
        x[:, 2] = -1.2 - 2 * np.abs(x[:, 2])
    return x * (3 if kind == "unbounded" else 1)


@pytest.mark.parametrize("kind", SPACES)
def test_the_slope_is_the_differences_of_the_density(kind):
    with jax.enable_x64(True):
        model, params = Model.create(in_space(small_grid(), kind))
        step, x = 1e-6, somewhere(kind)
        moves = step * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])[:, None]
        ask = jax.jit(lambda params, x: density_and_slope(model, params, x))
        (sigma, *around), (slope, *_) = jax.device_get(ask(rough(params), x + moves))
    ahead, behind = np.stack(around[:3], -1), np.stack(around[3:], -1)
    assert sigma.shape == (40,) and np.ptp(sigma) > 0.01
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("make", [small_grid, tiny])
def test_by_hand_is_by_jax(make, kind):
    model, params = Model.create(in_space(make(), kind))
    models = model, replace(model, stages=calculus.by_jax)
    both = jax.jit(lambda params, x: [normals(of, params, x) for of in models])
    by_hand, by_jax = both(rough(params), somewhere(kind).astype(np.float32))
    np.testing.assert_allclose(by_hand, by_jax, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(by_hand, axis=-1), 1, rtol=1e-5)


def test_device_coordinates_and_back():
    space = Space("forward", 32, slope=(0.7, 0.5))
    x = somewhere("forward").astype(np.float32)
    place = jax.jit(lambda x: space.place(x, radiance))(x)
    assert (np.abs(place[:, 2]) < 1).all()
    np.testing.assert_allclose(jax.jit(space.world)(place), x, rtol=1e-5)


@pytest.mark.usefixtures("float64")  # in float32 rounding moves fine samples
def test_a_picture_of_normals_is_their_weighted_sum(config, photographs):
    model, state = start(config)
    params, view = rough(state.params), photographs.camera(3)
    y, x = np.mgrid[5:50:9, 4:50:11].reshape(2, -1)
    at = np.stack([x, y], axis=-1).astype(np.float32) + np.float32(0.5)
    plain = Renderer(model).pixels(params, state.grid, at, Cameras.of(view))
    seen = Renderer(model, normals=True).pixels(params, state.grid, at, Cameras.of(view))
    np.testing.assert_allclose(seen.colour, plain.colour, atol=1e-5)
    assert seen.normal.shape == (len(at), 3) and plain.normal is None
    np.testing.assert_array_equal(seen.samples, plain.samples)

    @jax.jit
    def summed(params, at):
        """Lengths of all intervals, the sums of their normals, and opacity."""
        space = Space.of(config)
        origin, direction = Cameras.of(view).rays(jnp.zeros(len(at), jnp.int32), at)
        white = jnp.ones_like(origin)
        if state.grid is None:
            draws = Draws.of(config, len(at), None)
            _, t, delta = coarse_to_fine(model, params, origin, direction, direction, white, draws)
        else:  # the grid is full: every step of the way through the cube
            near, far = space.interval(origin, direction)
            t = space.distance(near[:, None], jnp.arange(config.sampling.steps)[None, :] + 0.5)
            delta = jnp.where(t < far[:, None], space.length(jnp.zeros(1)), 0.0)
        points = origin[:, None] + t[..., None] * direction[:, None]
        pixels, sigma = shade(
            model.field(params), origin, direction, direction, t, delta, white, space, radiance
        )
        w, _ = calculus.by_jax.weights(sigma * delta)
        normal = jnp.einsum("ri,rik->rk", w, normals(model, params, points))
        return delta, normal, pixels.opacity

    delta, normal, opacity = jax.device_get(summed(params, at))
    if state.grid is None:
        assert (seen.samples == delta.shape[1] + config.sampling.coarse).all()
    else:
        assert (seen.samples <= (delta > 0).sum(-1)).all() and seen.samples.max() > 8
    np.testing.assert_allclose(seen.normal, normal, atol=3e-4)
    np.testing.assert_allclose(seen.opacity, opacity, atol=3e-4)
    assert np.linalg.norm(seen.normal, axis=-1).max() > 0.05


def test_places_of_a_picture_are_its_pixels(config, photographs):
    model, state = start(config)
    view, renderer = small(photographs.camera(2)), Renderer(model)
    whole = renderer.picture(state.params, state.grid, view)
    y, x = np.array([0, 7, 9, 15]), np.array([3, 15, 6, 0])
    at = np.stack([x, y], axis=-1).astype(np.float32) + np.float32(0.5)
    some = renderer.pixels(state.params, state.grid, at, Cameras.of(view))
    np.testing.assert_allclose(some.colour, whole.colour[y, x], atol=1e-6)
    np.testing.assert_allclose(some.depth, whole.depth[y, x], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(some.samples, whole.samples[y, x])


def test_no_places_show_nothing(config, photographs):
    model, state = start(config)
    at, camera = np.zeros((0, 2), np.float32), Cameras.of(photographs.camera(0))
    seen = Renderer(model, normals=True).pixels(state.params, state.grid, at, camera)
    assert [len(part) for part in seen] == [0] * 5


def test_an_exception_of_the_listener_ends_it(config, photographs):
    model, state = start(config)

    def gone(pixels):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Renderer(model).picture(state.params, state.grid, small(photographs.camera(0)), gone)
