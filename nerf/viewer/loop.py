"""One thread that renders for all who watch: the newest pose of each, the coarse pictures first."""

import threading
import time
from operator import attrgetter
from typing import Any

import numpy as np

from nerf.cameras import Cameras
from nerf.console import console
from nerf.occupancy import Occupancy
from nerf.render import Renderer, Seen
from nerf.space import Space
from nerf.viewer.crop import Box, cropped
from nerf.viewer.frames import Frame, Pace, Superseded
from nerf.viewer.live import EVERY, Live, Snapshot
from nerf.viewer.share import PATIENCE, SHARE, Debt
from nerf.viewer.watcher import Watcher, Wish

FIRST = 0.07
"""Seconds that the first level of a picture may take."""
SLICE = 0.1
"""Seconds of rendering after which others have their turn."""
SHARP = 1.5
"""Seconds after which a picture is sharp that has the size of its choice."""
LEAST = 400 * 400
"""Pixels that it has at least."""
LEAST_BESIDE_TRAINING = 64 * 64
"""The same while training goes on."""
COMPILES = 2
"""Calls of a renderer that may compile: there are programs for large and for small chunks."""
WARM = 4096
"""Pixels that are rendered before anybody comes."""
FEW = 4
"""Watchers up to whom training hands over a state as often as it does at all."""
POLL = 0.2
"""Seconds between two looks for what is due without being asked for."""
REFRESH = 2.0
"""Seconds between two pictures of a scene that is being trained, at least."""
OLD = 6.0
"""Seconds after which a picture of an old state is given up, done or not."""
FRESH, WAITS, UNFINISHED = map(attrgetter, ("fresh", "waits", "unfinished"))


class Loop:
    """Renders for watchers until it is stopped."""

    def __init__(self, live: Live):
        self.live, self.pace = live, Pace()
        self._renderers: dict[tuple[str, bool], Renderer] = {}
        self._calls: dict[tuple[str, bool], int] = {}
        self._box: tuple[Occupancy, Box, Occupancy] | None = None
        self._watchers: list[Watcher] = []
        self._changed = threading.Condition()
        self._stopped = self._hurried = False
        self._debt = Debt()
        self._thread = threading.Thread(target=self._run, name="nerf-viewer", daemon=True)

    def start(self) -> None:
        """Begins to render."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the slice that it is at."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=3)  # a daemon: the process may end without it

    def enter(self, watcher: Watcher) -> None:
        """Serves one more."""
        with self._changed:
            self._watchers.append(watcher)
            self._spread()

    def leave(self, watcher: Watcher) -> None:
        """Serves one less."""
        with self._changed:
            watcher.wish = None
            if watcher in self._watchers:
                self._watchers.remove(watcher)
                self._spread()

    def _spread(self) -> None:
        """Where many watch, their turns come slowly, and each keeps the state that it is shown."""
        self.live.every = max(EVERY, len(self._watchers) / FEW)

    def ask(self, watcher: Watcher, wish: Wish) -> None:
        """A watcher wants to see something else: what is rendered for the old wish is dropped."""
        with self._changed:
            watcher.wish, watcher.told = wish, None
            self._changed.notify()

    def draw(self, watcher: Watcher) -> None:
        """Shows the watcher's picture again, as rendered so far."""
        with self._changed:
            watcher.redraw = True
            self._changed.notify()

    def longest(self, height: int, width: int) -> int:
        """Longer side, pixels, of a picture of that shape that is sharp before long."""
        seconds = SHARP * (SHARE if self.busy else 1.0)
        area = max(self.pace.pixels(seconds), LEAST_BESIDE_TRAINING if self.busy else LEAST)
        return max(1, round(max(height, width) * min(1.0, (area / (height * width)) ** 0.5)))

    @property
    def busy(self) -> bool:
        """Whether training wants the machine."""
        return self.live.training and not self.live.paused

    def renderer(self, background: str, normals: bool) -> Renderer:
        """The renderer of a background; made once."""
        key = (background, normals)
        if key not in self._renderers:
            self._renderers[key] = Renderer(self.live.model, background, normals)
        return self._renderers[key]

    def _warm_up(self) -> None:
        """Compiles what the first page will need, and measures how fast it is then."""
        snapshot = self.live.snapshot()
        if snapshot is None:
            return
        split = self.live.split
        at = np.random.default_rng(0).uniform(0, 1, (WARM, 2)).astype(np.float32)
        at *= np.array([split.width, split.height], np.float32)
        renderer, camera = self.renderer("white", False), Cameras.of(split.camera(0))
        for count in (WARM // 8, WARM, WARM // 8, WARM):
            began = time.perf_counter()
            renderer.pixels(snapshot.params, snapshot.grid, at[:count], camera)
            if self._stopped:
                return
            self._note(Wish(split.camera(0)), count, time.perf_counter() - began)

    def _run(self) -> None:
        try:
            self._warm_up()
        except Exception as error:  # whoever comes will be told
            console.print(f"viewer   {type(error).__name__}: {error}", markup=False)
        while (watcher := self._due()) is not None:
            asked, began = watcher.wish, time.perf_counter()
            try:
                self._serve(watcher)
            except Superseded:
                pass
            except Exception as error:  # one picture is lost, the page and the run are not
                self._lose(watcher, asked, error)
            if self.busy:
                self._debt.take(began, time.perf_counter())
            else:
                self._debt.forgive()

    def _due(self) -> Watcher | None:
        """Waits for whoever is to be served next; None when stopped."""
        with self._changed:
            while not self._stopped:
                owed = self._debt.owed() if self.busy else 0.0
                watcher = self._next(owed)
                if watcher is not None:
                    # whoever was served goes to the end
                    self._watchers.remove(watcher)
                    self._watchers.append(watcher)
                    # not twice on end: of many who move there is always one who is unfinished
                    self._hurried = watcher.fresh and not self._hurried
                    return watcher
                rest = owed - PATIENCE if owed > PATIENCE else owed
                self._changed.wait(min(rest or POLL, POLL))
        return None

    def _next(self, owed: float = 0.0) -> Watcher | None:
        """Who is served while so many seconds of rest are owed to training."""
        if owed > PATIENCE or not self.live.begun:
            return None
        if self._hurried:  # one who moves all the time leaves every other slice to the others
            for due in (WAITS, self._is_stale, UNFINISHED):
                for watcher in self._watchers[:-1]:
                    if due(watcher):
                        return watcher
        calm = () if owed else (self._is_stale, UNFINISHED)
        for due in (FRESH, WAITS, *calm):
            for watcher in self._watchers:
                if due(watcher):
                    return watcher
        return None

    def _lose(self, watcher: Watcher, asked: Wish | None, error: Exception) -> None:
        """A picture failed: it is tried again with the next state, or when somebody asks."""
        said = f"{type(error).__name__}: {error}"
        with self._changed:
            watcher.frame, watcher.redraw = None, False
            if watcher.wish is asked or watcher.wish is watcher.granted:
                watcher.granted, watcher.ended = watcher.wish, time.perf_counter()
                if watcher.told == said:
                    return
                watcher.told = said
        watcher.fail(error)

    def _is_stale(self, watcher: Watcher) -> bool:
        if watcher.wish is None or watcher.wish is not watcher.granted:
            return False
        now, frame, shown = time.perf_counter(), watcher.frame, watcher.snapshot
        ended = frame is None or frame.done  # without a frame it has failed
        if now < (watcher.ended + REFRESH if ended else watcher.begun + OLD):
            return False
        newest = self.live.snapshot()
        return newest is not None and (shown is None or newest.step != shown.step)

    def _serve(self, watcher: Watcher) -> None:
        """Renders a slice, and shows it."""
        wish, frame = watcher.wish, watcher.frame
        if wish is None:
            raise Superseded
        if watcher.redraw and frame is not None and frame.begun and wish is watcher.granted:
            watcher.redraw = False
            self._show(watcher)
            return
        watcher.redraw = False
        if wish is not watcher.granted or frame is None or frame.done or self._is_stale(watcher):
            frame = self._begin(watcher, wish)
            wish = watcher.granted or wish
        first = frame.first
        renderer = self.renderer(wish.background, wish.normals)
        snapshot = watcher.snapshot
        assert snapshot is not None

        grid, camera = self.grid(snapshot, wish.box), Cameras.of(wish.camera)

        def tick(done: Any) -> None:
            if self._stopped or (watcher.wish is not wish and not first):
                raise Superseded

        def ask(at: np.ndarray) -> Seen:
            began = time.perf_counter()
            found = renderer.pixels(snapshot.params, grid, at, camera, tick)
            self._note(wish, len(at), time.perf_counter() - began)
            return found

        # many pixels at once take less each: who watches alone need not be cut into slices
        shared = self.busy or len(self._watchers) > 1
        whole = frame.advance(ask, self.pace.pixels(SLICE) if shared and not first else frame.left)
        if whole and (frame.done or not frame.quiet):
            self._show(watcher)
        if frame.done:
            watcher.ended = time.perf_counter()

    def _begin(self, watcher: Watcher, wish: Wish) -> Frame:
        snapshot = self.live.snapshot()
        if snapshot is None:
            raise Superseded
        # where nobody moves, the old picture stays until the new one is as sharp
        same = wish is watcher.granted
        again = same and watcher.frame is not None and watcher.frame.done
        if same and watcher.renew is not None:
            newer = watcher.renew()
            with self._changed:
                if watcher.wish is not wish:
                    raise Superseded
                watcher.wish = wish = newer
        stride = self.pace.stride(wish.camera.height, wish.camera.width, FIRST)
        watcher.frame = Frame(wish.camera, stride, quiet=again)
        watcher.begun = time.perf_counter()
        watcher.granted, watcher.snapshot = wish, snapshot
        return watcher.frame

    def _note(self, wish: Wish, pixels: int, seconds: float) -> None:
        """The first calls of a renderer compile it: they say nothing of its pace."""
        key = (wish.background, wish.normals)
        self._calls[key] = self._calls.get(key, 0) + 1
        if self._calls[key] > COMPILES:
            self.pace.note(pixels, seconds)

    def grid(self, snapshot: Snapshot, box: Box | None) -> Occupancy | None:
        """A state's grid within a box; the last one is kept."""
        grid, kept = snapshot.grid, self._box
        if grid is None or box is None:
            return grid
        if kept is None or kept[0] is not grid or kept[1] != box:
            kept = (grid, box, cropped(grid, box, Space.of(self.live.model.config)))
            self._box = kept
        return kept[2]

    def _show(self, watcher: Watcher) -> None:
        frame, wish, snapshot = watcher.frame, watcher.granted, watcher.snapshot
        if frame is not None and wish is not None and snapshot is not None:
            watcher.show(frame, wish, snapshot)
