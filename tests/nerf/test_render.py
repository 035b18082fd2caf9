"""Whole pictures: chunks change nothing, memory is bounded, and empty space is background."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import radiance
from calculus.radiance.sampling import box_interval
from nerf import occupancy, render
from nerf.cameras import Cameras
from nerf.render import OPAQUE, Renderer
from nerf.shading import Draws, hierarchical, shade
from nerf.space import Space
from nerf.state import start
from tests.nerf.conftest import prepared, small_grid, tiny


def test_chunks_change_nothing(config, photographs):
    model, state = start(config)
    view = photographs.camera(3)
    renderer = Renderer(model)
    renderer.rays = 2500
    whole = renderer.picture(state.params, state.grid, view)
    renderer.rays = 700  # does not divide the picture
    done = []
    parts = renderer.picture(state.params, state.grid, view, done.append)
    assert sum(done) == view.width * view.height
    assert whole.colour.shape == (50, 50, 3) and whole.depth.shape == (50, 50)
    for a, b in zip(whole[:4], parts[:4], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert whole.normal is None


@pytest.mark.parametrize(("background", "value"), [("white", 1.0), ("black", 0.0)])
def test_empty_space_shows_the_background(config, photographs, background, value):
    model, state = start(config)
    grid = state.grid
    if grid is not None:
        grid = occupancy.Occupancy(grid.depth, jnp.zeros_like(grid.occupied))
    else:  # no density at all: the raw density far below zero
        params = jax.tree.map(jnp.zeros_like, state.params)
        for field in params.values():
            last = max(field["trunk"])
            field["trunk"][last]["b"] = field["trunk"][last]["b"].at[0].set(-200.0)
        state = state._replace(params=params)
    pixels = Renderer(model, background).picture(state.params, grid, photographs.camera(0))
    np.testing.assert_allclose(pixels.colour, value)
    np.testing.assert_allclose(pixels.opacity, 0)
    np.testing.assert_allclose(pixels.depth, 0)


def test_pixel_and_row_are_where_they_belong(photographs):
    """A box of fog, off centre along all axes, shows up where the camera must see it."""
    model, state = start(small_grid())
    x = np.stack(np.meshgrid(*[(np.arange(16) + 0.5) / 8 - 1] * 3, indexing="ij"), axis=-1)
    low, high = np.array([0.125, -0.125, 0.0]), np.array([0.5, 0.25, 0.25])
    box = ((x > low) & (x < high)).all(-1)
    grid = occupancy.Occupancy(state.grid.depth, jnp.asarray(box))
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


@pytest.mark.parametrize("steps", [48, 1024])
@pytest.mark.parametrize("memory", [4, 16])
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
    last = params["fine"]["trunk"][1]
    return {
        "fine": params["fine"]
        | {"trunk": params["fine"]["trunk"] | {1: last | {"b": last["b"].at[0].set(raw)}}}
    }


@pytest.mark.parametrize(("raw", "rounds"), [(-1.0, 6), (2.5, 2), (5.0, 1)])
def test_a_ray_that_is_opaque_asks_no_more_and_shows_the_same(
    photographs, raw, rounds, monkeypatch
):
    monkeypatch.setattr(render, "FEW", 1)  # all of a round in one call
    model, state = start(small_grid())
    params, view = with_density(state.params, raw), photographs.camera(3)
    renderer, asked = Renderer(model), []
    advance = renderer._advance
    renderer._advance = lambda *given: asked.append(1) or advance(*given)
    seen = renderer.picture(params, state.grid, view)
    assert renderer.rays >= view.width * view.height, "a round is one call"
    assert len(asked) <= rounds
    y, x = np.mgrid[0 : view.height, 0 : view.width].reshape(2, -1)
    origin, direction = jax.vmap(radiance.rays, (0, None, None))(
        jnp.float32(np.stack([x, y], -1) + 0.5),
        jnp.asarray(view.intrinsics),
        jnp.asarray(view.pose),
    )
    near, far = box_interval(origin, direction)
    space = Space("bounded", 48)
    length = 2 * np.sqrt(3) / 48
    t = near[:, None] + (jnp.arange(48) + 0.5) * length  # the grid is full: all of them
    delta = jnp.where(t < far[:, None], length, 0.0)
    white = jnp.ones_like(origin)
    whole, _ = shade(
        model.field(params), origin, direction, direction, t, delta, white, space, radiance
    )
    bounds = 2 * OPAQUE, 2 * OPAQUE, 2 * OPAQUE * float(far.max())
    for a, b, bound in zip(seen[:3], whole, bounds, strict=True):
        np.testing.assert_allclose(a.reshape(b.shape), b, atol=bound)
    assert raw > 0 or np.ptp(seen.opacity) > 0.3


def test_all_pixels_are_told_once(photographs):
    model, state = start(small_grid())
    told = []
    Renderer(model).picture(state.params, state.grid, photographs.camera(0), told.append)
    assert sum(told) == 2500 and min(told) >= 0


def test_fine_samples_do_not_train_the_coarse_network(photographs):
    """No cotangent passes through the choice of samples: the fine pixel knows one network only."""
    step, state = prepared(tiny(), photographs)
    origin = jnp.tile(jnp.array([[0.0, 0.0, 2.5]]), (4, 1))
    direction = jnp.tile(jnp.array([[0.0, 0.0, -1.0]]), (4, 1))

    def fine(params):
        middles = Draws.of(step.config, 4, None)
        at = origin, direction, direction, jnp.ones((4, 3))
        pixels = hierarchical(step.model, params, *at, middles)[1]
        return jnp.sum(pixels.colour)

    gradient = jax.grad(fine)(state.params)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient["coarse"]))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradient["fine"]))


def test_no_other_background(photographs):
    with pytest.raises(ValueError, match="white or black"):
        Renderer(start(tiny())[0], "random")
