"""The web server of a viewer: who comes, who goes, and where it is bound."""

import signal
import threading
from collections.abc import Callable
from contextlib import contextmanager

import rich
import viser

from nerf import paths
from nerf.console import console
from nerf.opened import Opened
from nerf.viewer import poses
from nerf.viewer.addresses import free_port, is_loopback
from nerf.viewer.complaints import Complaints
from nerf.viewer.curves import Training
from nerf.viewer.guard import guard
from nerf.viewer.live import Live
from nerf.viewer.loop import Loop
from nerf.viewer.messages import Quiet
from nerf.viewer.microscope import Bench
from nerf.viewer.page import Page

HOST, PORT = "127.0.0.1", 8080


class Viewer:
    """A viewer that runs in threads of its own until it is stopped."""

    def __init__(self, live: Live, host: str = HOST, port: int = PORT):
        self.live = live
        free = free_port(host, port)
        self.loop = Loop(live)
        self._pages: dict[int, Page] = {}
        with _quiet():
            self.server = viser.ViserServer(host, free, label="∇NeRF", verbose=False)
        self.host, self.port = host, self.server.get_port()
        self.moved = 0 < port != self.port
        """Whether the port that was asked for is another's."""
        self.server.gui.configure_theme(show_logo=False, show_share_button=False)
        self.complaints = Complaints()
        self._quiet = Quiet(self.server, self.complaints)
        guard(self.server, host, self.complaints)
        self._stand()
        self.bench = Bench(live)
        self.training = Training(self.server, live) if live.training else None
        self.loop.start()
        self.server.on_client_connect(self._enter)
        self.server.on_client_disconnect(self._leave)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def stop(self) -> None:
        """Frees the port and ends its threads."""
        if self.training is not None:
            self.training.stop()
        for page in list(self._pages.values()):  # a preview ends by it
            page.leave()
        with _quiet():
            self.server.stop()
        self.loop.stop()
        self._quiet.close()
        self.complaints.close()

    def _stand(self) -> None:
        """Where a browser's camera is at first: at the first training photograph."""
        split = self.live.split
        up = paths.upright(split.poses.astype(float))
        self.server.scene.set_up_direction(tuple(up))
        first = split.camera(0)
        place, ahead = first.pose[:, 3], -first.pose[:, 2]
        camera = self.server.initial_camera
        camera.position = place
        camera.look_at = place + ahead * max(float(-place @ ahead), 0.5)
        camera.up = up
        camera.fov = poses.fov_of(first)

    def _enter(self, client: viser.ClientHandle) -> None:
        try:
            local = is_loopback(self.host)
            page = Page(client, self.live, self.loop, self.bench, local, self.complaints)
        except Exception as error:  # of one page: the others and the run go on
            self.complaints.note("a page could not be opened", f"{type(error).__name__}: {error}")
            return
        self._pages[client.client_id] = page
        if client.client_id not in self.server.get_clients():  # gone already
            self._leave(client)

    def _leave(self, client: viser.ClientHandle) -> None:
        page = self._pages.pop(client.client_id, None)
        if page is not None:
            page.leave()


def serve(shown: Opened | Live, host: str = HOST, port: int = PORT) -> Viewer:
    """Starts a viewer and returns at once; InputError if it can't be bound there.

    A port that is in use is left alone: the next free one is taken. 0 is any.
    """
    return Viewer(shown if isinstance(shown, Live) else Live.of(shown), host, port)


def say(viewer: Viewer, asked: int) -> None:
    """Prints where the viewer is, and what is to be known of that."""
    if viewer.moved:
        console.print(f"port     {asked} is in use: {viewer.port} instead")
    if not is_loopback(viewer.host):
        console.print(
            f"warning  {viewer.host} is open to the network: anybody who reaches port "
            f"{viewer.port} can drive the viewer and use this machine"
        )
    console.print(f"viewer   {viewer.url}  (Ctrl-C ends it)", markup=False)


def until_asked_to_end(begin: Callable[[], None] = lambda: None) -> None:
    """Waits for Ctrl-C, or for a signal that asks the process to end.

    `begin` is called once both are listened for.
    """
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        begin()
        while not ended.wait(0.5):  # a wait without end would not hear Ctrl-C on every system
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet():
    """viser prints a frame with its address; the viewer says that itself."""
    printer = rich.get_console()
    before, printer.quiet = printer.quiet, True
    try:
        yield
    finally:
        printer.quiet = before
