"""What the other tests here rely on: errors are noticed, and pictures are of what is drawn."""

import numpy as np
import pytest

from nerf.doctor.programs import chromium
from scripts.browser import picture, until


@pytest.fixture
def show(page, watch, tmp_path):
    """Opens a page of this HTML from a file."""

    def show(html: str):
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><body style='margin:0'>{html}", encoding="utf-8")
        page.goto(file.as_uri())

    return show


def test_errors_are_noticed(show, page, watch):
    for html, said in (
        ("<script>console.error('that is wrong')</script>", "that is wrong"),
        ("<script>nobody.knows()</script>", "nobody is not defined"),
        ("<script>Promise.reject(new Error('in vain'))</script>", "in vain"),
        ("<img src='missing.png'>", "missing.png"),
    ):
        assert not watch.errors
        show(html)
        until(page, lambda: bool(watch.errors), "the error")
        assert any(said in error for error in watch.errors)
        page.wait_for_load_state()
        watch.errors.clear()


def test_requests_are_noticed(show, page, watch, tmp_path):
    show("<script>new Image().src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='</script>")
    assert watch.requests == [(tmp_path / "page.html").as_uri()]
    show("<script>new WebSocket('ws://127.0.0.1:9/feed')</script>")
    until(page, lambda: bool(watch.errors), "the refusal")
    assert watch.requests[-1] == "ws://127.0.0.1:9/feed"
    watch.errors.clear()


def test_webgl_is_drawn_and_seen(show, page, watch):
    show("""<canvas width=64 height=64></canvas><script>
        const gl = document.querySelector('canvas').getContext('webgl2');
        gl.clearColor(1, 0.5, 0, 1);
        gl.clear(gl.COLOR_BUFFER_BIT);
        </script>""")
    seen = picture(page, "canvas")
    assert seen.shape == (64, 64, 3)
    np.testing.assert_allclose(seen[32, 32], [255, 128, 0], atol=1)


def test_a_browser_that_is_not_there_is_none(tmp_path):
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("NERF_BROWSER", str(tmp_path / "nothing"))
        assert chromium() is None
        changed.delenv("NERF_BROWSER")
        changed.setenv("PATH", str(tmp_path))
        assert chromium() is None
