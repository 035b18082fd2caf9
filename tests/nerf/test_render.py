"""Whole pictures: chunks change nothing, memory is bounded, and empty space is background."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nerf import occupancy
from nerf.render import Renderer, hierarchical
from nerf.train import start


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
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


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
    from tests.nerf.conftest import small_grid

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


@pytest.mark.parametrize("probes", [48, 1024])
def test_memory_stays_under_the_bound(config, probes):
    config = replace(config, rendering=replace(config.rendering, memory=8))
    config = replace(config, sampling=replace(config.sampling, probes=probes))
    model, state = start(config)
    renderer = Renderer(model)
    shapes = ((renderer.rays, 2), (4,), (3, 4))
    given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    compiled = renderer._chunk.lower(state.params, state.grid, *given).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 8 * 2**20
    assert renderer.rays > 20


def test_fine_samples_do_not_train_the_coarse_network(photographs):
    """No cotangent passes through the choice of samples: the fine pixel knows one network only."""
    from tests.nerf.conftest import prepared, tiny

    step, state = prepared(tiny(), photographs)
    origin = jnp.tile(jnp.array([[0.0, 0.0, 2.5]]), (4, 1))
    direction = jnp.tile(jnp.array([[0.0, 0.0, -1.0]]), (4, 1))

    def fine(params):
        pixels = hierarchical(step.model, params, origin, direction, jnp.ones((4, 3)), None)[1]
        return jnp.sum(pixels.colour)

    gradient = jax.grad(fine)(state.params)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient["coarse"]))
    assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradient["fine"]))


def test_no_other_background(photographs):
    from tests.nerf.conftest import tiny

    with pytest.raises(ValueError, match="white or black"):
        Renderer(start(tiny())[0], "random")
