"""A picture from coarse to fine, each pixel rendered once; and how much the machine can do.

The first level asks every s-th pixel of every s-th row. Each level after it halves both distances;
at the end, where there is much to ask, first that of the columns and then that of the rows.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from data.scene import Camera
from nerf.render import Seen

Ask = Callable[[Float[np.ndarray, "n 2"]], Seen]
"""What the pixels at some positions of the frame's camera show."""

COARSEST = 32
"""Pixels between two of the first level, at most."""


class Superseded(Exception):  # noqa: N818
    """The picture is not wanted any more: no error."""


class Pace:
    """How long rendering takes: seconds = a + b pixels, by the pictures of late."""

    FADES = 0.8
    """What an old measurement counts after each new one."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)  # 1, n, n n, t, n t

    def note(self, pixels: int, seconds: float) -> None:
        """So many pixels took so long."""
        n, t = float(pixels), seconds
        self._sums = self.FADES * self._sums + np.array([1, n, n * n, t, n * t])

    def line(self) -> tuple[float, float]:
        """Seconds that a call takes whatever it asks, and seconds a pixel; (0, 0): not known."""
        count, n, nn, t, nt = self._sums
        if count == 0:
            return 0.0, 0.0
        spread = nn - n * n / count
        slope = (nt - n * t / count) / spread if spread > 1e-3 * nn else 0.0
        start = (t - slope * n) / count
        if slope <= 0 or start < 0:  # not to be told apart: all of it is the pixels'
            return 0.0, nt / nn
        return start, slope

    def pixels(self, seconds: float, at_least: int = 256) -> int:
        """How many pixels take so long, about."""
        start, slope = self.line()
        if slope <= 0:
            return at_least
        return max(at_least, int((seconds - start) / slope))

    def stride(self, height: int, width: int, seconds: float) -> int:
        """The distance of the first level's pixels, a power of two, so that it takes so long."""
        most = self.pixels(seconds)
        stride = 1
        while stride < COARSEST and -(-height // stride) * -(-width // stride) > most:
            stride *= 2
        return stride


def levels(height: int, width: int, stride: int) -> list[tuple[tuple[int, int], np.ndarray]]:
    """The distances (rows, columns) of each level, and the pixels that it asks, row by row.

    None is empty: where a window is so thin that a level would add no pixel, the one before it has
    that level's distances.
    """
    number = np.arange(height * width).reshape(height, width)
    asked = np.zeros((height, width), bool)
    found: list[tuple[tuple[int, int], np.ndarray]] = []
    rows = columns = stride
    while True:
        new = np.zeros_like(asked)
        new[::rows, ::columns] = True
        added = number[new & ~asked]
        if not len(added):
            added = found.pop()[1]
        found.append(((rows, columns), added))
        asked |= new
        if rows == columns == 1:
            return found
        columns, rows = max(columns // 2, 1), rows // 2 if rows > 2 or columns == 1 else rows


class Frame:
    """One picture on its way."""

    def __init__(self, camera: Camera, stride: int, quiet: bool = False):
        self.camera, self.quiet = camera, quiet
        """A quiet one takes another's place: nothing of it is shown before it is done."""
        self._levels = levels(camera.height, camera.width, stride)
        self._level = self._done = 0
        self._seen: Seen | None = None
        self.between: tuple[int, int] | None = None
        """Distances (rows, columns) of the finest level that is whole."""

    @property
    def begun(self) -> bool:
        """Whether there is something to show."""
        return self.between is not None

    @property
    def first(self) -> bool:
        """Whether somebody waits for its first level."""
        return not self.begun and not self.quiet

    @property
    def done(self) -> bool:
        """Whether every pixel is rendered."""
        return self._level == len(self._levels)

    @property
    def left(self) -> int:
        """Pixels of the present level that are still to be asked."""
        return 0 if self.done else len(self._levels[self._level][1]) - self._done

    def advance(self, ask: Ask, pixels: int) -> bool:
        """Renders so many pixels of the present level at most; whether it is whole now.

        What `ask` raises leaves the frame as it was.
        """
        between, numbers = self._levels[self._level]
        chosen = numbers[self._done : self._done + pixels]
        self._put(chosen, ask(self._at(chosen)))
        self._done += len(chosen)
        if self._done < len(numbers):
            return False
        self._level, self._done, self.between = self._level + 1, 0, between
        return True

    def seen(self) -> Seen:
        """What the finest whole level shows, as a picture [rows, columns]."""
        assert self._seen is not None and self.between is not None
        rows, columns = self.between
        return _each(lambda v: v[::rows, ::columns], self._seen)

    def _at(self, numbers: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        y, x = np.divmod(numbers, self.camera.width)
        return np.stack([x, y], axis=-1).astype(np.float32) + np.float32(0.5)

    def _put(self, numbers: Int[np.ndarray, " n"], found: Seen) -> None:
        shape = (self.camera.height, self.camera.width)
        if self._seen is None:
            self._seen = _each(lambda v: np.zeros((*shape, *v.shape[1:]), v.dtype), found)
        for whole, part in zip(self._seen, found, strict=True):
            if whole is not None and part is not None:
                whole.reshape(-1, *part.shape[1:])[numbers] = part


def _each(act: Callable[[np.ndarray], np.ndarray], seen: Seen) -> Seen:
    normal = None if seen.normal is None else act(seen.normal)
    colour, opacity, depth, samples = map(act, seen[:4])
    return Seen(colour, opacity, depth, samples, normal)
