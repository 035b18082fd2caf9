"""Whatever a client sends: sides and numbers in their ranges, a line for what is malformed."""

import logging
import math
import threading
import time
import warnings
from unittest import mock

import msgspec
import numpy as np
import pytest
from viser import _messages

from data.errors import InputError
from nerf.paths import Keyframe
from nerf.viewer import complaints, messages, poses, serve
from nerf.viewer.complaints import Complaints
from nerf.viewer.controls import one_of
from nerf.viewer.server import Viewer, say
from scripts.client import Client

CAMERA = {
    "type": "ViewerCameraMessage",
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [0.0, 0.0, -3.0],
    "fov": 0.8,
    "near": 0.01,
    "far": 1000.0,
    "image_height": 16,
    "image_width": 24,
    "look_at": [0.0, 0.0, 0.0],
    "up_direction": [0.0, -1.0, 0.0],
}


def packed(**changes):
    return msgspec.msgpack.encode(CAMERA | changes)


BAD = {
    "text": "hello",
    "noise": b"\xc1\x00\xff",
    "nothing": b"",
    "a number": msgspec.msgpack.encode(7),
    "no such type": packed(type="Nonsense"),
    "no type": msgspec.msgpack.encode({"wxyz": 1}),
    "a field too few": msgspec.msgpack.encode({"type": "ViewerCameraMessage"}),
    "NaN": packed(position=[math.nan, 0.0, 0.0]),
    "infinite": packed(fov=math.inf),
    "a word": packed(fov="wide"),
    "sides of NaN": packed(image_width=math.nan),
    "no rotation": packed(wxyz=[0.0] * 4),
    "short": packed(wxyz=[1.0, 0.0]),
    "nested": packed(look_at=[[0.0], [0.0], [0.0]]),
    "in a value": msgspec.msgpack.encode(
        {"type": "GuiUpdateMessage", "uuid": "x", "updates": {"value": [0.0, math.nan]}}
    ),
    "a file of a terabyte": msgspec.msgpack.encode(
        {
            "type": "FileTransferStartUpload", "source_component_uuid": "x",
            "transfer_uuid": "y", "filename": "a", "mime_type": "b", "part_count": 1,
            "size_bytes": 2**40,
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_a_malformed_message_is_no_message(raw):
    messages.check(packed())
    with pytest.raises(ValueError, match=r"\w"):
        messages.check(raw)


def test_values_of_other_types_are_refused_where_warnings_are_shown(live):
    """As users have it: viser itself only warns of them."""
    with warnings.catch_warnings():
        warnings.resetwarnings()
        viewer = serve(live, port=0)
        try:
            with pytest.raises(ValueError, match="does not match annotation"):
                messages.check(BAD["short"])
        finally:
            viewer.stop()


@pytest.mark.parametrize(("host", "open_to_all"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_an_address_that_is_open_to_the_network_is_told(host, open_to_all, capsys):
    viewer = Viewer.__new__(Viewer)
    viewer.host, viewer.port, viewer.moved = host, 8081, False
    say(viewer, 8081)
    out = capsys.readouterr().out.replace("\n", " ")
    told = "anybody who reaches port 8081 can drive the viewer and use this machine" in out
    assert told == open_to_all and ":8081  (Ctrl-C ends it)" in out


@pytest.mark.parametrize("side", [10**10, 1e300, 0, -5, 8193])
def test_sides_of_a_window_are_clamped_before_any_arithmetic(side):
    found = poses.window(np.array([1.0, 0, 0, 0]), np.zeros(3), 0.8, side, 1)
    assert 1 <= found.width <= poses.LARGEST == 8192 and found.height == 1
    camera = found.camera(1600)
    assert camera.width * camera.height <= 1600 * 1600


@pytest.mark.parametrize("huge", [1e300, -1e300, 1e-300])
def test_numbers_of_a_camera_are_brought_into_their_ranges(huge):
    found = poses.window(
        np.array([huge, 0, 0, huge]), np.array([huge, huge, 0]), abs(huge), 200, 100
    )
    assert np.isfinite(found.pose).all() and np.abs(found.pose).max() <= poses.FARTHEST
    R = found.pose[:, :3]
    np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-12)
    assert poses.NARROWEST <= found.fov <= poses.BROADEST
    assert np.isfinite(found.camera(1600).intrinsics).all()


def test_a_choice_that_was_not_offered_is_refused():
    assert one_of(("white", "black"), "black") == "black"
    with pytest.raises(InputError, match=r"'99999999 pixels' is none of automatic, 200 pixels"):
        one_of(("automatic", "200 pixels"), "99999999 pixels")


def test_complaints_are_counted_and_limited_in_rate(capsys):
    with mock.patch.object(complaints.time, "monotonic", return_value=0.0) as now:
        found = Complaints()
        for _ in range(1000):
            found.note("malformed", "KeyError:\n'x'")
        found.note("another")
        now.return_value += complaints.EVERY
        found.note("malformed", "again")
        for _ in range(5):
            found.note("malformed")
        found.close()
    assert capsys.readouterr().out.splitlines() == [
        "viewer   malformed: KeyError: 'x'",
        "viewer   another",
        "viewer   malformed (1000 of this kind): again",
        "viewer   malformed (5 of this kind)",
    ]


def test_a_client_that_sends_anything_harms_nobody(live, capfd):
    """Malformed messages by the hundred, enormous windows, tabs closed at once: lines, not
    tracebacks; the others see their pictures, and the server ends at once."""
    viewer = serve(live, port=0)
    try:
        rude, polite = Client(viewer.url), Client(viewer.url)
        for _ in range(20):
            for raw in BAD.values():
                rude._socket.send(raw)
        for width, height in ((10**10, 1), (1, 10**10), (10**12, 10**12)):
            rude._socket.send(packed(image_width=width, image_height=height, fov=1e300))
        for _ in range(10):  # tabs that are closed early
            early = Client(viewer.url)
            early._socket.send(packed())
            early._socket.socket.close()
        polite._socket.send(packed())
        assert polite.pictures(60, most=1) == 1
    finally:
        began = time.monotonic()
        viewer.stop()
        ended = time.monotonic() - began
    rude.close()
    polite.close()
    assert ended < 5
    out, err = capfd.readouterr()
    assert not err and "Traceback" not in out and "Warning" not in out, out + err
    malformed = [line for line in out.splitlines() if messages.MALFORMED in line]
    assert 1 <= len(malformed) <= 3 and len(out.splitlines()) < 20, out
    assert logging.getLogger("websockets").propagate, "the libraries have their own ways back"


def test_uploads_are_what_was_announced_and_one_at_a_time():
    def part(count, transfer="a"):
        return _messages.FileTransferPart("x", transfer, 0, b"." * count)

    def begin(size, transfer="a"):
        return _messages.FileTransferStartUpload("x", transfer, "f", "m", 1, size)

    uploads = messages.Uploads()
    uploads.take(begin(100))
    uploads.take(part(60))
    for wrong in (part(41), part(1, "b"), begin(messages.UPLOAD, "c")):
        with pytest.raises(ValueError, match=r"announced|several"):
            uploads.take(wrong)
    uploads.take(begin(10, "d"))
    uploads.take(part(10, "d"))
    with pytest.raises(ValueError, match="announced"):
        uploads.take(part(1, "d"))


def test_previews_end_with_the_server(live, capfd):
    """A client that flies along a path and reads no more, as a tab that sleeps."""
    viewer = serve(live, port=0)
    client = Client(viewer.url)
    client._socket.send(packed())
    assert client.pictures(60, most=1) == 1
    (page,) = viewer._pages.values()
    page.path.keys = [Keyframe(np.eye(3, 4), 40.0)] * 2
    page.path._seconds.value = 600.0
    flying = threading.Thread(target=page.path.preview)
    flying.start()
    time.sleep(0.3)
    assert flying.is_alive()
    # its thread is one of viser's, which then serve no departure any more
    stop, here = viewer.server.stop, []
    with mock.patch.object(viewer.server, "stop") as stopping:
        stopping.side_effect = lambda: (here.append(page.here), stop())
        viewer.stop()
    assert here == [False]
    flying.join(5)
    assert not flying.is_alive()
    client.close()
