"""The server: where it is bound, what it serves, and that nothing of it stays."""

import asyncio
import errno
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace
from unittest import mock

import pytest
import viser
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from data.errors import InputError
from nerf.viewer import serve
from nerf.viewer.addresses import free_port, is_loopback
from nerf.viewer.guard import REFUSED, guard, may_look
from tests.nerf.commands import CPU, command, mistake
from tests.nerf.conftest import MARBLES


@pytest.fixture(scope="module")
def viewer(live):
    viewer = serve(live, port=0)
    yield viewer
    viewer.stop()


def get(viewer, path):
    """As it is, without the browser's tidying of .. in it."""
    line = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=10)
    line.putrequest("GET", path, skip_accept_encoding=True)
    line.endheaders()
    answer = line.getresponse()
    body = answer.read()
    line.close()
    return answer.status, body


def test_the_page_is_served_and_nothing_else_of_the_disk(viewer):
    status, body = get(viewer, "/")
    assert status == 200 and b"<html" in body.lower()
    for path in (
        "/../../../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/%252e%252e/%252e%252e/etc/passwd",
        "/..\\..\\..\\..\\etc\\passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/../package.json",
        f"/{MARBLES}/transforms_train.json",
    ):
        status, body = get(viewer, path)
        assert status == 404 and b"root:" not in body and b"frames" not in body, path


def socket_to(viewer, **headers):
    return connect(
        f"ws://127.0.0.1:{viewer.port}",
        subprotocols=[f"viser-v{viser.__version__}"],
        additional_headers={k: v for k, v in headers.items() if k != "Origin"},
        origin=headers.get("Origin"),
        open_timeout=10,
    )


def test_a_page_of_another_site_is_refused(viewer):
    with socket_to(viewer, Origin=f"http://127.0.0.1:{viewer.port}") as own:
        assert own.recv(timeout=10)
    with socket_to(viewer) as program:
        assert program.recv(timeout=10)
    with (
        socket_to(viewer, Origin="https://example.org") as foreign,
        pytest.raises(ConnectionClosed) as closed,
    ):
        foreign.recv(timeout=10)
    assert closed.value.rcvd.code == 1008


def test_one_whose_request_is_not_known_is_refused(viewer):
    sockets, closed = viewer.server._websock_server, []
    (check,) = [act for act in sockets._client_connect_cb if act.__module__ == guard.__module__]

    class Connection:
        request = None

        async def close(self, *why):
            closed.append(why)

    with mock.patch.object(sockets, "_live_connections", {3: Connection()}):
        asyncio.run(check(SimpleNamespace(client_id=3)))
        asyncio.run(check(SimpleNamespace(client_id=4)))  # gone already
    assert closed == [(REFUSED, "another site's page")]


WHO_MAY_LOOK = [  # origin, asked, host, may
    ("http://localhost:8080", "localhost:8080", "127.0.0.1", True),
    ("http://127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1", True),  # a tunnel's port
    ("http://[::1]:8080", "[::1]:8080", "::1", True),
    ("http://evil.example:8080", "evil.example:8080", "127.0.0.1", False),  # rebinding
    ("http://evil.example", "127.0.0.1:8080", "127.0.0.1", False),
    ("http://127.0.0.1:1234", "127.0.0.1:8080", "127.0.0.1", False),
    ("null", "127.0.0.1:8080", "127.0.0.1", False),
    ("http://[", "127.0.0.1:8080", "127.0.0.1", False),
    (None, "127.0.0.1:8080", "127.0.0.1", True),
    (None, None, "127.0.0.1", False),
    ("http://lab:8080", "lab:8080", "0.0.0.0", True),
    ("http://evil.example", "lab:8080", "0.0.0.0", False),
]


def test_who_may_look():
    for origin, asked, host, may in WHO_MAY_LOOK:
        assert may_look(origin, asked, host) == may, (origin, asked, host)


def test_nothing_can_ask_to_open_it_to_the_world(viewer):
    names = {kind.__name__ for kind in viewer.server._websock_server._incoming_handlers}
    assert names and not [name for name in names if "Share" in name]


def test_a_port_in_use_is_left_alone(live):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        viewer = serve(live, port=port)
        try:
            assert viewer.moved and port < viewer.port <= port + 100
            assert viewer.url == f"http://127.0.0.1:{viewer.port}"
        finally:
            viewer.stop()


def test_nothing_of_it_stays(live):
    before = set(threading.enumerate())
    viewer = serve(live, port=0)
    port = viewer.port
    assert get(viewer, "/")[0] == 200
    viewer.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    for _ in range(50):
        left = [t for t in threading.enumerate() if t not in before and t.is_alive()]
        if not left:
            break
        time.sleep(0.1)
    assert not left
    viewer = serve(live, port=port)  # the port is free again
    assert viewer.port == port and not viewer.moved
    viewer.stop()


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_have_a_range(port):
    with pytest.raises(InputError, match="65535"):
        free_port("127.0.0.1", port)


def test_a_port_that_is_not_allowed_is_not_in_use():
    tried = []

    class Socket(socket.socket):
        def bind(self, address):
            tried.append(address)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with (
        mock.patch.object(socket, "socket", Socket),
        pytest.raises(InputError, match="80: can't listen there: Permission denied"),
    ):
        free_port("127.0.0.1", 80)
    assert len(tried) == 1


def test_hosts_must_be_known():
    with pytest.raises(InputError, match="no such address"):
        free_port("no-such-host.invalid", 8080)
    with pytest.raises(InputError, match="can't listen"):
        free_port("192.0.2.1", 8080)  # of nobody (RFC 5737)
    assert is_loopback("localhost") and is_loopback("127.0.0.1") and is_loopback("::1")
    assert not is_loopback("0.0.0.0") and not is_loopback("lab.example")


def test_the_command_runs_until_it_is_interrupted(untrained):
    server = subprocess.Popen(
        command("view", untrained, "--port", 0),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CPU,
    )  # fmt: skip
    said = server.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:(\d+)", said)
    assert address, said
    line = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=10)
    line.request("GET", "/")
    with line.getresponse() as answer:
        assert answer.status == 200
    line.close()
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=30)
    assert server.returncode == 0 and not err and not out, (out, err)


def test_mistakes_are_one_line(untrained, capsys, tmp_path):
    assert "no such folder" in mistake(capsys, "view", tmp_path / "nowhere")
    assert "65535" in mistake(capsys, "view", untrained, "--port", 70000)
    assert "no such address" in mistake(capsys, "view", untrained, "--host", "no-such-host.invalid")
    config = tmp_path / "empty" / "config.toml"
    config.parent.mkdir()
    config.write_text((untrained / "config.toml").read_text())
    assert "checkpoint" in mistake(capsys, "view", config.parent)
    assert json.loads((untrained / "frame.json").read_text())  # nothing was touched
