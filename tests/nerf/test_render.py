"""Whole pictures: chunks change nothing, memory is bounded, and empty space is background."""

from dataclasses import replace
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import radiance
from calculus.radiance.sampling import box_interval
from nerf import render
from nerf.cameras import Cameras
from nerf.render import OPAQUE, Renderer
from nerf.shading import Draws, hierarchical, shade
from nerf.space import Space
from nerf.state import start
from tests.nerf.conftest import small_grid, tiny


def small(camera, size=16):
    """What a camera sees, in fewer pixels."""
    intrinsics = camera.intrinsics * np.float32(size / camera.width)
    return replace(camera, width=size, height=size, intrinsics=intrinsics)


def test_chunks_change_nothing(config, photographs):
    model, state = start(config)
    view = small(photographs.camera(3))
    renderer = Renderer(model)
    whole = renderer.picture(state.params, state.grid, view)
    renderer.rays = 72  # does not divide the picture
    done = []
    parts = renderer.picture(state.params, state.grid, view, done.append)
    assert sum(done) == 16 * 16 and min(done) >= 0 and len(done) > 1
    assert whole.colour.shape == (16, 16, 3) and whole.depth.shape == (16, 16)
    for a, b in zip(whole[:4], parts[:4], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert whole.normal is None and np.ptp(whole.opacity) > 0.1


@pytest.mark.parametrize(("background", "value"), [("white", 1.0), ("black", 0.0)])
def test_empty_space_shows_the_background(config, photographs, background, value):
    model, state = start(config)
    params, grid = state.params, state.grid
    if grid is not None:
        grid = grid._replace(occupied=jnp.zeros(grid.occupied.shape, bool))
    else:  # no density at all: the raw density far below zero
        params = jax.tree.map(np.zeros_like, params)
        for field in params.values():
            field["trunk"][max(field["trunk"])]["b"][0] = -200.0
    pixels = Renderer(model, background).picture(params, grid, small(photographs.camera(0)))
    np.testing.assert_allclose(pixels.colour, value)
    np.testing.assert_allclose(pixels.opacity, 0)
    np.testing.assert_allclose(pixels.depth, 0)


def test_pixel_and_row_are_where_they_belong(photographs):
    """A box of fog, off centre along all axes, shows up where the camera must see it."""
    model, state = start(small_grid())
    x = np.stack(np.meshgrid(*[(np.arange(16) + 0.5) / 8 - 1] * 3, indexing="ij"), axis=-1)
    low, high = np.array([0.125, -0.125, 0.0]), np.array([0.5, 0.25, 0.25])
    box = ((x > low) & (x < high)).all(-1)
    grid = state.grid._replace(occupied=jnp.asarray(box))
    view = photographs.camera(5)
    pixels = Renderer(model).picture(state.params, grid, view)
    rows, columns = np.nonzero(pixels.opacity > 0.02)
    R, o = view.pose[:, :3].astype(float), view.pose[:, 3].astype(float)
    local = R.T @ ((low + high) / 2 - o)
    f = view.intrinsics[0]
    expected = view.width / 2 + f * local[0] / -local[2], view.height / 2 - f * local[1] / -local[2]
    np.testing.assert_allclose((columns.mean() + 0.5, rows.mean() + 0.5), expected, atol=1.0)


def with_memory(config, memory):
    return replace(config, rendering=replace(config.rendering, memory=memory))


@pytest.mark.parametrize("memory", [4, 16])
@pytest.mark.parametrize(
    ("config", "steps"),
    [("hierarchical", 48), ("occupied", 48), ("occupied", 1024)],
    indirect=["config"],
)
def test_memory_stays_under_the_bound(config, steps, memory):
    config = with_memory(config, memory)
    config = replace(config, sampling=replace(config.sampling, steps=steps))
    model, state = start(config)
    renderer = Renderer(model)

    def of_rays(count, *columns, dtype=jnp.float32):
        return jax.ShapeDtypeStruct((count, *columns), dtype)

    rays, camera = renderer.rays, Cameras(of_rays(1, 4), of_rays(1, 3, 4))
    if state.grid is None:
        programs = [renderer._whole.lower(state.params, of_rays(rays, 2), camera)]
    else:
        looking = of_rays(renderer.rays_that_look, 2)
        asked = state.params, state.grid, of_rays(rays, 2), camera
        *found, _ = jax.eval_shape(renderer._find, *asked)
        so_far = of_rays(rays, 5), of_rays(rays, dtype=jnp.int32)
        programs = [
            renderer._find.lower(state.params, state.grid, looking, camera),
            renderer._advance.lower(state.params, of_rays(rays, 2), *found, *so_far, camera),
        ]
    for program in programs:
        assert program.compile().memory_analysis().temp_size_in_bytes < memory * 2**20
    assert rays > 20


def with_density(params, raw):
    """The same field, but so dense everywhere."""
    trunk = params["fine"]["trunk"]
    b = np.array(trunk[1]["b"])
    b[0] = raw
    return {"fine": params["fine"] | {"trunk": trunk | {1: trunk[1] | {"b": jnp.asarray(b)}}}}


def test_a_ray_that_is_opaque_asks_no_more_and_shows_the_same(photographs):
    model, state = start(small_grid())
    view, space = small(photographs.camera(3)), Space("bounded", 48)
    length = 2 * np.sqrt(3) / 48

    @jax.jit
    def asked_everywhere(params, pixel):
        origin, direction = Cameras.of(view).rays(jnp.zeros(len(pixel), jnp.int32), pixel)
        near, far = box_interval(origin, direction)
        t = near[:, None] + (jnp.arange(48) + 0.5) * length  # the grid is full: all of them
        delta = jnp.where(t < far[:, None], length, 0.0)
        given = origin, direction, direction, t, delta, jnp.ones_like(origin)
        return shade(model.field(params), *given, space, radiance)[0], far.max()

    y, x = np.mgrid[0 : view.height, 0 : view.width].reshape(2, -1)
    pixel = np.float32(np.stack([x, y], -1) + 0.5)
    renderer, asked = Renderer(model), []
    assert renderer.rays >= len(pixel), "a round is one call"
    advance = renderer._advance
    renderer._advance = lambda *given: asked.append(1) or advance(*given)
    for raw, rounds in ((-1.0, 6), (2.5, 2), (5.0, 1)):
        params = with_density(state.params, raw)
        asked.clear()
        with patch.object(render, "FEW", 1):  # all of a round in one call
            seen = renderer.picture(params, state.grid, view)
        assert 0 < len(asked) <= rounds
        whole, far = jax.device_get(asked_everywhere(params, pixel))
        bounds = 2 * OPAQUE, 2 * OPAQUE, 2 * OPAQUE * far
        for a, b, bound in zip(seen[:3], whole, bounds, strict=True):
            np.testing.assert_allclose(a.reshape(b.shape), b, atol=bound)
        assert raw > 0 or np.ptp(seen.opacity) > 0.3


def test_fine_samples_do_not_train_the_coarse_network():
    """No cotangent passes through the choice of samples: the fine pixel knows one network only."""
    model, state = start(tiny())

    def fine(params):
        middles = Draws.of(model.config, 4, None)
        origin, direction = jnp.tile(jnp.float32([[[0, 0, 2.5]], [[0, 0, -1]]]), (1, 4, 1))
        at = origin, direction, direction, jnp.ones((4, 3))
        return jnp.sum(hierarchical(model, params, *at, middles)[1].colour)

    gradient = jax.device_get(jax.jit(jax.grad(fine))(state.params))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient["coarse"]))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradient["fine"]))


def test_no_other_background():
    with pytest.raises(ValueError, match="white or black"):
        Renderer(start(tiny())[0], "random")
