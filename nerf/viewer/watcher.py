"""One who watches: what it wants to see, and how far its picture is."""

from collections.abc import Callable
from typing import NamedTuple

from data.scene import Camera
from nerf.viewer.crop import Box
from nerf.viewer.frames import Frame
from nerf.viewer.live import Snapshot


class Wish(NamedTuple):
    """What a watcher wants to see: what of it changes which rays are asked, and of what."""

    camera: Camera
    background: str = "white"
    normals: bool = False
    box: Box | None = None
    photograph: int | None = None
    """Number of the photograph whose camera it is."""


class Watcher:
    """One who watches: a wish, and where pictures of it go."""

    def __init__(
        self,
        show: Callable[[Frame, Wish, Snapshot], None],
        fail: Callable[[Exception], None],
    ):
        self.show, self.fail = show, fail
        self.wish: Wish | None = None
        self.frame: Frame | None = None
        self.granted: Wish | None = None
        """What the frame is of."""
        self.snapshot: Snapshot | None = None
        self.redraw = False
        self.told: str | None = None
        """The error of this wish that was said."""
        self.renew: Callable[[], Wish] | None = None
        """The same wish anew, its size what the machine can do by now."""
        self.begun = self.ended = 0.0
        """When the frame was begun and when it was done, seconds."""

    @property
    def fresh(self) -> bool:
        """Whether nothing has been shown of the newest wish."""
        if self.wish is None:
            return False
        return self.wish is not self.granted or (self.frame is not None and self.frame.first)

    @property
    def waits(self) -> bool:
        """Whether its picture is to be shown again."""
        return self.redraw and self.wish is not None

    @property
    def unfinished(self) -> bool:
        """Whether its picture can be made finer."""
        return self.frame is not None and not self.frame.done and self.wish is not None
