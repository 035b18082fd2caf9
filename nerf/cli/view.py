"""nerf view: a run in the web browser."""

import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import tyro

from nerf.cli.parse import parse
from nerf.console import console
from nerf.opened import open_run
from nerf.viewer.server import HOST, PORT, Viewer, is_loopback, serve


@dataclass(frozen=True)
class Arguments:
    """Look at a run in the web browser, from wherever the mouse goes. Ends with Ctrl-C."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    host: str = HOST
    """Address to listen at; by default this machine alone reaches it."""
    port: int = PORT
    """Port to listen at; if it is in use the next free one. 0: any."""
    scene: Path | None = None
    """Folder of the scene, if it is no longer where it was."""


def run(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    told: Arguments = parse(Arguments, arguments, "view")
    viewer = serve(open_run(told.run, told.scene), told.host, told.port)
    say(viewer, told.port)
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while not ended.wait(0.5):  # a wait without end would not hear Ctrl-C on every system
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        viewer.stop()
    return 0


def say(viewer: Viewer, asked: int) -> None:
    """Prints where the viewer is, and what is to be known of that."""
    if viewer.moved:
        console.print(f"port     {asked} is in use: {viewer.port} instead")
    if not is_loopback(viewer.host):
        console.print(
            f"warning  {viewer.host} is open to the network: whoever reaches it can look at the "
            "run and use this machine to render"
        )
    console.print(f"viewer   {viewer.url}  (Ctrl-C ends it)", markup=False)
