"""The web viewer: a run, or a run in training, seen from where the browser's mouse says.

`serve` starts it. `live` is what is shown, `frames` and `loop` render it, `page` is what one
browser gets.
"""

from nerf.viewer.live import Live, Snapshot
from nerf.viewer.server import Viewer, serve

__all__ = ["Live", "Snapshot", "Viewer", "serve"]
