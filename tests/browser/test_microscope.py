"""A click in the viewer's page opens the ray microscope; its numbers are those of `calculus`."""

import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from calculus import radiance
from nerf.cameras import Cameras
from nerf.pictures import over
from nerf.render import Renderer
from scripts.panel import ask_a_ray, download, go_to_photograph, open_viewer

VIEW, COLUMN, ROW = 5, 22, 31
SIZE = 50
"""Of a photograph at a quarter, pixels."""


@pytest.fixture(scope="module")
def split(opened):
    return opened.scene("train").splits["train"]


@pytest.fixture
def asked(page, watch, viewer):
    """The page with the microscope open at one pixel of one photograph, and what it saves."""
    page.set_viewport_size({"width": 1200, "height": 500})
    open_viewer(page, viewer, 200)
    go_to_photograph(page, VIEW)
    # photographs stand in the middle, as high as the window
    pixel = 500 / SIZE
    x, y = (1200 - 500) / 2 + (COLUMN + 0.5) * pixel, (ROW + 0.5) * pixel
    ask_a_ray(page, x, y)
    return page, json.loads(download(page, "Download JSON"))


def by_calculus(opened, split, t, delta):
    """The pixel asked at t, its loss, and the loss's slopes by the rules of `calculus`."""
    model, camera = opened.model, split.camera(VIEW)
    photograph = over(split.pictures[VIEW, ROW, COLUMN][None, None], 1.0)[0]
    with jax.enable_x64(True):
        params = jax.tree.map(lambda v: jnp.asarray(v, float), opened.state.params)
        at = jnp.array([[COLUMN + 0.5, ROW + 0.5]])
        intrinsics, pose = (jnp.asarray(v[None], float) for v in (camera.intrinsics, camera.pose))
        origin, direction = radiance.rays(at, intrinsics, pose)
        t, delta = (jnp.asarray(v, float)[None] for v in (t, delta))
        field = model.field(params)
        seen = field.view(direction, radiance)
        seen = jnp.broadcast_to(seen[:, None], (*t.shape, seen.shape[-1]))
        sigma, colour = field(radiance.points(origin, direction, t), seen, radiance)

        def loss(sigma, colour):
            pixel, opacity, _ = radiance.volume_render(sigma, delta, colour, t, jnp.ones((1, 3)))
            wrong = radiance.squared_error(pixel, jnp.asarray(photograph, float), jnp.ones(1))
            return wrong, (pixel[0], opacity[0])

        slopes, (pixel, opacity) = jax.grad(loss, argnums=(0, 1), has_aux=True)(sigma, colour)
        w, _ = radiance.weights(radiance.optical_depth(sigma, delta))
        told = {
            "sigma": sigma[0],
            "colour": colour[0],
            "weights": w[0],
            "pixel": pixel,
            "opacity": opacity,
            "loss": loss(sigma, colour)[0],
            "slope_sigma": slopes[0][0],
            "slope_colour": slopes[1][0],
        }
        return {name: np.asarray(value) for name, value in told.items()}


def test_a_click_shows_what_calculus_says_of_that_ray(asked, opened, split):
    _, told = asked
    assert (told["column"], told["row"]) == (COLUMN, ROW), "the pixel under the mouse"
    assert len(told["t"]) > 5 and told["opacity"] > 0.5, "a ray that meets something"
    expected = by_calculus(opened, split, np.array(told["t"]), np.array(told["delta"]))
    for name, value in expected.items():
        largest = max(np.abs(value).max(), 1e-12)
        np.testing.assert_allclose(np.array(told[name]), value, atol=1e-6 * largest, err_msg=name)
    # and where the samples lie is where the picture has them
    seen = Renderer(opened.model).pixels(
        opened.state.params,
        opened.state.grid,
        np.array([[COLUMN + 0.5, ROW + 0.5]], np.float32),
        Cameras.of(split.camera(VIEW)),
    )
    np.testing.assert_allclose(seen.colour[0], expected["pixel"], atol=1e-3)


def test_the_page_says_what_the_file_says(asked):
    page, told = asked
    assert page.get_by_text(told["sentence"]).is_visible()
    said = page.get_by_text(f"Pixel ({COLUMN}, {ROW}) of photograph {VIEW}").inner_text()
    assert f"{len(told['t'])} samples" in said and f"loss, {told['loss']:.3g}" in said
    with Image.open(io.BytesIO(download(page, "Download PNG"))) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 10
