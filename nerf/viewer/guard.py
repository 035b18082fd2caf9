"""Who may look: pages of this server, and programs; no page of another site.

A browser lets any page open a websocket to this machine. It says in `Origin` which site the page
is of; a page that the viewer served itself has the address that it is asked at, `Host`. A name of
somebody else's that leads to this machine (DNS rebinding) makes the two equal: bound to this
machine alone, the viewer answers to no name but this machine's.
"""

from urllib.parse import urlsplit

import viser
from viser import _messages

from nerf.viewer.addresses import is_loopback
from nerf.viewer.complaints import Complaints
from nerf.viewer.messages import filtered

REFUSED = 1008
"""Websocket close code: policy."""


def guard(server: viser.ViserServer, host: str, complaints: Complaints) -> None:
    """Refuses websockets of other sites' pages, and all requests to open the viewer to the world.

    Malformed messages are dropped, see `nerf.viewer.messages`.

    viser has no switch for either in 1.1: this goes by its connections.
    """
    sockets = server._websock_server

    async def check(client) -> None:
        connection = sockets._live_connections.get(client.client_id)
        if connection is None:  # gone already
            return
        asked = connection.request
        if asked is None or not may_look(
            asked.headers.get("Origin"), asked.headers.get("Host"), host
        ):
            await connection.close(REFUSED, "another site's page")
            return
        filtered(connection, complaints)

    sockets.on_client_connect(check)
    for kind in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
        sockets.unregister_handler(kind)


def may_look(origin: str | None, asked: str | None, host: str) -> bool:
    """Whether a websocket that was opened with these headers, at a server bound to `host`, may."""
    if is_loopback(host) and not is_loopback(_name(asked or "")):
        return False
    if origin is None:  # no browser
        return True
    try:
        return bool(asked) and urlsplit(origin).netloc.lower() == (asked or "").lower()
    except ValueError:
        return False


def _name(asked: str) -> str:
    """The host of `host:port`."""
    try:
        return urlsplit(f"//{asked}").hostname or ""
    except ValueError:
        return ""
