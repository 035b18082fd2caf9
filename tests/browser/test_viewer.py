"""`nerf view` in the browser: the scene, the controls, and the ray microscope of a click."""

import io
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import viser
from PIL import Image

from calculus import radiance
from nerf.cameras import Cameras
from nerf.pictures import over
from nerf.render import Renderer
from scripts.browser import Served, drag, picture, served, settled, until
from scripts.panel import (
    ask_a_ray,
    choose,
    download,
    go_to_photograph,
    open_viewer,
    press,
    sharp_after,
    tab,
    tick,
)
from tests.browser.conftest import WINDOW, new_page

SCENE = np.s_[30:470, 10:840]
"""Rows and columns of the page where nothing but the scene is."""
QUIET = 0.3
"""Seconds that a picture stands which is done."""
MODES = ("colour", "depth", "opacity", "normals", "samples", "error")
VIEW, COLUMN, ROW = 5, 22, 31
SIZE = 50
"""Of a photograph at a quarter, pixels."""


@pytest.fixture(scope="module")
def viewer(made, browser) -> Served:
    """`nerf view` of the run."""
    with served("view", made.run, "--port", 0) as viewer:
        yield viewer
    assert viewer.process.returncode == 0, "".join(viewer.said)
    assert "Traceback" not in "".join(viewer.said)


@pytest.fixture(scope="module")
def viewer_page(browser, viewer):
    """The viewer's page, once it shows the scene and that is sharp; and its watch."""
    page, watch = new_page(browser)
    open_viewer(page, viewer, 200)
    yield page, watch
    page.context.close()


@pytest.fixture
def shown(viewer_page):
    """That page, for tests that leave it in colour and uncropped. An error fails the test."""
    page, watch = viewer_page
    yield page
    assert not watch.errors, "errors in the browser"


def apart(one, other) -> float:
    """The mean difference of two pictures of the scene, of 255."""
    return float(np.abs(one[SCENE].astype(float) - other[SCENE]).mean())


def test_it_loads_and_a_drag_changes_the_picture(shown, viewer, viewer_page):
    assert shown.get_by_text("∇NeRF").first.is_visible()
    before = settled(shown, QUIET)
    assert before[SCENE].std() > 20, "not blank"
    here = viewer.address.removeprefix("http://")
    asked = viewer_page[1].requests
    assert asked and all(here in address for address in asked), asked
    after = sharp_after(shown, lambda: drag(shown, (120, 30), (200, 250)), QUIET)
    assert apart(before, after) > 5


def test_each_mode_has_its_picture(shown):
    seen = {"colour": settled(shown, QUIET)}
    for mode in MODES[1:]:
        seen[mode] = sharp_after(shown, lambda mode=mode: choose(shown, "Show", mode), QUIET)
        assert seen[mode][SCENE].std() > 5, f"{mode} is blank"
        for other in seen:
            assert other == mode or apart(seen[other], seen[mode]) > 5, (other, mode)
    choose(shown, "Show", "colour")


def test_the_crop_box_takes_pixels_away(shown):
    def covered(seen):
        return int((seen[SCENE].min(axis=-1) < 200).sum())

    before = covered(settled(shown, QUIET))
    shown.get_by_text("Crop box").click()
    shown.get_by_label("Crop", exact=True).wait_for(state="attached")
    whole = sharp_after(shown, lambda: tick(shown, "Crop"), QUIET)
    assert covered(whole) == pytest.approx(before, rel=0.01), "a box around everything"
    # the upper end of z, after both ends of x and of y, is drawn to the middle
    upper, track = (
        shown.locator(f".multi-slider-{part}").nth(which).bounding_box()
        for part, which in (("thumb", 5), ("track", 2))
    )
    end = (upper["x"] + upper["width"] / 2, upper["y"] + upper["height"] / 2)
    drag(shown, (-track["width"] / 2, 0), end)
    until(shown, lambda: covered(picture(shown)) < 0.8 * before, "the upper half to go")
    tick(shown, "Crop")


def psnr(one, other) -> float:
    return float(-10 * np.log10(np.mean((one.astype(float) - other) ** 2) / 255**2))


def test_a_training_camera_sees_what_it_photographed(shown, made):
    split = made.opened.scene("train").splits["train"]
    photographs = [255 * over(picture, 1.0) for picture in split.pictures]

    def seen():
        middle = Image.fromarray(picture(shown)[:, 350:850])  # as high as the window
        return np.asarray(middle.resize((50, 50), Image.Resampling.BOX))

    for number in (3, 40):
        go_to_photograph(shown, number)
        until(shown, lambda n=number: psnr(seen(), photographs[n]) > 20, "what was photographed")
        found = seen()
        likeness = [psnr(found, photograph) for photograph in photographs]
        assert np.argmax(likeness) == number
        assert psnr(found[:, ::-1], photographs[number]) < likeness[number] - 3


CONNECT = """([address, protocol]) => new Promise(done => {
  const socket = new WebSocket(address, protocol);
  socket.onmessage = () => { done("served"); socket.close(); };
  socket.onclose = event => done(event.code);
})"""
POLICY = 1008


def test_pages_of_other_sites_are_told_nothing(shown, page, watch, viewer, tmp_path):
    at = [viewer.address.replace("http", "ws"), f"viser-v{viser.__version__}"]
    assert shown.evaluate(CONNECT, at) == "served", "the viewer's own page"
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text("<!doctype html>")
    page.goto(elsewhere.as_uri())
    assert page.evaluate(CONNECT, at) == POLICY


@pytest.fixture
def asked(shown):
    """The page with the microscope open at one pixel of one photograph, and what it saves."""
    go_to_photograph(shown, VIEW)
    pixel = WINDOW["height"] / SIZE
    x = (WINDOW["width"] - WINDOW["height"]) / 2 + (COLUMN + 0.5) * pixel
    ask_a_ray(shown, x, (ROW + 0.5) * pixel)
    yield shown, json.loads(download(shown, "Download JSON"))
    tab(shown, "Ray")
    press(shown, "Close the ray")


def by_calculus(opened, split, t, delta):
    """The pixel asked at t, its loss, and the loss's slopes by the rules of `calculus`."""
    model, camera = opened.model, split.camera(VIEW)
    photograph = over(split.pictures[VIEW, ROW, COLUMN][None, None], 1.0)[0]
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda v: np.asarray(v, float), opened.state.params)
        lens, pose = (v[None].astype(float) for v in (camera.intrinsics, camera.pose))
        told = _by_calculus(model, wide, lens, pose, photograph, t[None], delta[None])
        return jax.tree.map(np.asarray, told)


@partial(jax.jit, static_argnums=0)
def _by_calculus(model, params, lens, pose, photograph, t, delta):
    params = jax.tree.map(jnp.asarray, params)
    at = jnp.array([[COLUMN + 0.5, ROW + 0.5]])
    origin, direction = radiance.rays(at, lens, pose)
    field = model.field(params)
    seen = field.view(direction, radiance)
    seen = jnp.broadcast_to(seen[:, None], (*t.shape, seen.shape[-1]))
    sigma, colour = field(radiance.points(origin, direction, t), seen, radiance)

    def loss(sigma, colour):
        pixel, opacity, _ = radiance.volume_render(sigma, delta, colour, t, jnp.ones((1, 3)))
        wrong = radiance.squared_error(pixel, photograph, jnp.ones(1))
        return wrong, (pixel[0], opacity[0])

    (wrong, (pixel, opacity)), slopes = jax.value_and_grad(loss, (0, 1), has_aux=True)(
        sigma, colour
    )
    w, _ = radiance.weights(radiance.optical_depth(sigma, delta))
    return {
        "sigma": sigma[0],
        "colour": colour[0],
        "weights": w[0],
        "pixel": pixel,
        "opacity": opacity,
        "loss": wrong,
        "slope_sigma": slopes[0][0],
        "slope_colour": slopes[1][0],
    }


def test_a_click_shows_what_calculus_says_of_that_ray(asked, made):
    page, told = asked
    run = made.opened
    split = run.scene("train").splits["train"]
    assert (told["column"], told["row"]) == (COLUMN, ROW), "the pixel under the mouse"
    assert len(told["t"]) > 5 and told["opacity"] > 0.5, "a ray that meets something"
    expected = by_calculus(run, split, np.array(told["t"]), np.array(told["delta"]))
    for name, value in expected.items():
        largest = max(np.abs(value).max(), 1e-12)
        np.testing.assert_allclose(np.array(told[name]), value, atol=1e-6 * largest, err_msg=name)
    # and where the samples lie is where the picture has them
    seen = Renderer(run.model).pixels(
        run.state.params,
        run.state.grid,
        np.array([[COLUMN + 0.5, ROW + 0.5]], np.float32),
        Cameras.of(split.camera(VIEW)),
    )
    np.testing.assert_allclose(seen.colour[0], expected["pixel"], atol=1e-3)
    # the page says what the file says
    assert page.get_by_text(told["sentence"]).is_visible()
    said = page.get_by_text(f"Pixel ({COLUMN}, {ROW}) of photograph {VIEW}").inner_text()
    assert f"{len(told['t'])} samples" in said and f"loss, {told['loss']:.3g}" in said
    with Image.open(io.BytesIO(download(page, "Download PNG"))) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 10
