"""What a client of the websocket is sent."""

import html
import json
import time

import numpy as np
import pytest

from data.errors import InputError
from nerf.paths import Keyframe, save
from nerf.pictures import quantised
from nerf.viewer import photographs, serve
from nerf.viewer.controls import plain
from nerf.viewer.crop import Box
from nerf.viewer.poses import fov_of
from scripts.client import Client


@pytest.fixture(scope="module")
def viewer(live):
    viewer = serve(live, port=0)
    yield viewer
    viewer.stop()


@pytest.fixture
def client(viewer):
    client = Client(viewer.url)
    yield client
    client.close()


def look(viewer, client, number, size=32):
    camera = viewer.live.split.camera(number)
    client.look(camera.pose.astype(float), fov_of(camera), size, size)
    return [picture for _, picture in client.until_sharp()]


def rendered(viewer, number, size=32):
    state = viewer.live.snapshot()
    camera = photographs.camera_of(viewer.live.split, number, size)
    return quantised(viewer.loop.renderer("white", False).picture(*state[:2], camera).colour)


def test_a_client_is_sent_the_rendering_from_its_camera(viewer, client):
    for number in (0, 7):
        shown = look(viewer, client, number)
        expected = rendered(viewer, number).astype(int)
        assert shown[-1].shape == expected.shape
        right = np.abs(shown[-1] - expected).mean()
        assert right < 1.5  # JPEG
        for wrong in (shown[-1][::-1], shown[-1][:, ::-1]):  # upside down, mirrored
            assert np.abs(wrong - expected).mean() > 1.5 * right


def page_of(viewer):
    """The page of the client that came last."""
    newest = max(viewer.server.get_clients())
    deadline = time.monotonic() + 20
    while newest not in viewer._pages and time.monotonic() < deadline:
        time.sleep(0.02)
    return viewer._pages[newest]


def test_through_a_photographs_camera_it_is_the_photograph_under_the_wipe(viewer, client):
    look(viewer, client, 0)
    page = page_of(viewer)
    page.wipe = 1.0
    page.go_to(5)
    shown = client.until_sharp()[-1][1]
    photo = quantised(photographs.photograph(viewer.live.split, 5, "white")).astype(int)
    assert shown.shape == photo.shape and np.abs(shown - photo).mean() < 5
    page.wipe = 0.0
    camera = viewer.live.split.camera(9)  # whoever moves leaves it
    page._arrived = True
    client.look(camera.pose.astype(float), fov_of(camera), 32, 32)
    client.until_sharp()
    assert page.photograph is None


def test_every_mode_and_what_is_drawn_into_it_is_sent(viewer, client):
    look(viewer, client, 0)
    page = page_of(viewer)
    seen = {}
    for mode in ("depth", "opacity", "samples", "normals"):
        page.mode = mode
        page.look()
        seen[mode] = client.until_sharp()[-1][1]
    pictures = list(seen.values())
    for k, picture in enumerate(pictures):
        assert all(np.abs(picture.astype(int) - other).mean() > 3 for other in pictures[:k])
    page.mode = "colour"
    page.overlays.show_cameras(True)
    assert page.overlays.visible
    page.overlays.show_cameras(False)


def test_a_click_asks_the_ray_of_that_pixel(viewer, client):
    look(viewer, client, 3)
    page = page_of(viewer)
    page.ray.ask((0.5, 0.25))
    probe = page.ray.probe
    assert (probe.column, probe.row) == (16, 8) and probe.photograph is None
    expected = rendered(viewer, 3)[8, 16]
    assert np.abs(quantised(probe.shown).astype(int) - expected).max() <= 1
    page.go_to(3)
    page.ray.ask((0.5, 0.25))
    split = viewer.live.split
    at = int(0.25 * split.height), int(0.5 * split.width)
    photo = photographs.photograph(split, 3, "white")[at]
    np.testing.assert_allclose(page.ray.probe.photograph, photo, atol=1e-6)
    assert page.ray.probe.quantity == "loss"
    page.ray.close()


def test_a_click_asks_the_state_and_the_box_that_are_shown(viewer, client):
    look(viewer, client, 3)
    page = page_of(viewer)
    shown, nothing = page.shown, Box((0.5,) * 3, (0.4,) * 3)
    before = viewer.live.snapshot()
    viewer.live.show(before._replace(step=before.step + 1))  # not rendered yet
    try:
        page.ray.ask((0.5, 0.25))
        asked = viewer.bench._microscopes["white"].state
        assert shown is before and int(asked.step) == before.step
        page.box = nothing
        page.ray.ask((0.5, 0.25))
        assert page.ray.probe.opacity == 0
    finally:
        viewer.live.show(before)
        page.box = None
        page.ray.close()


def test_a_path_that_was_saved_is_gone_on_with(viewer, client, tmp_path):
    look(viewer, client, 0)
    page = page_of(viewer)
    path, scene, split = page.path, viewer.live.scene, viewer.live.split
    keys = [Keyframe(split.poses[k].astype(float), 40.0 + k) for k in (0, 3, 5)]
    save(tmp_path / "a.json", keys, scene, 32, 32, 30, 2, closed=True)
    path.load("a.json", (tmp_path / "a.json").read_bytes())
    assert [key.fov for key in path.keys] == [40, 43, 45]
    for found, key in zip(path.keys, keys, strict=True):
        np.testing.assert_allclose(found.pose, key.pose, atol=1e-6)
    assert path._closed.value and path._seconds.value == 2
    told = json.loads((tmp_path / "a.json").read_text())
    for content, said in (
        (b"\xff", "^a.json: "),
        (b"[]", "^a.json: is no JSON object"),
        (json.dumps(told | {"keyframes": []}).encode(), "^a.json: holds no keyframes"),
    ):
        with pytest.raises(InputError, match=said):
            path.load("a.json", content)
    assert len(path.keys) == 3  # as they were


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "a`b*c*_d_\n\n# [e](f) {1}", "ä 1.png"]
)
def test_names_of_files_are_no_markup(name):
    said = plain(name)
    assert not set(said) & set("<>`*_[](){}\n.") and html.unescape(said) == name


def test_twenty_come_and_go(viewer):
    clients = [Client(viewer.url) for _ in range(20)]
    for number, client in enumerate(clients):
        camera = viewer.live.split.camera(number)
        client.look(camera.pose.astype(float), fov_of(camera), 16, 16)
    for client in clients:
        assert client.until_sharp()
    for client in clients:
        client.close()
    deadline = time.monotonic() + 20
    while (viewer._pages or viewer.loop._watchers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not viewer._pages and not viewer.loop._watchers
