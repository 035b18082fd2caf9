"""nerf view: a run in the web browser."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nerf.cli.parse import parse
from nerf.opened import open_run
from nerf.viewer.server import HOST, PORT, say, serve, until_asked_to_end


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
    try:
        # who reads the address may end it at once
        until_asked_to_end(lambda: say(viewer, told.port))
    finally:
        viewer.stop()
    return 0
