"""One thread renders for all: the newest pose wins, nobody waits long, errors end nothing."""

import threading
import time
from dataclasses import replace
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest

from nerf.viewer.crop import Box
from nerf.viewer.live import Live, Snapshot
from nerf.viewer.loop import Loop
from nerf.viewer.share import MOST, PATIENCE, SHARE, Debt
from nerf.viewer.watcher import Watcher, Wish


class Client:
    """Keeps what it is shown."""

    def __init__(self, loop):
        self.loop, self.shown, self.errors = loop, [], []
        self.done = threading.Event()
        self.watcher = Watcher(self.show, self.errors.append)
        loop.enter(self.watcher)

    def show(self, frame, wish, snapshot):
        self.shown.append((wish, frame.between, frame.done, snapshot.step))
        if frame.done:
            self.picture = frame.seen().colour.copy()
            self.done.set()

    def ask(self, wish):
        self.done.clear()
        self.loop.ask(self.watcher, wish)

    def wait(self, seconds=60):
        assert self.done.wait(seconds), self.errors


@pytest.fixture(scope="module")
def running(live):
    loop = Loop(live)
    loop.start()
    yield loop
    loop.stop()
    assert not loop._thread.is_alive()


@pytest.fixture
def loop(running):
    """One loop for all tests: its renderers are compiled once."""
    yield running
    for watcher in list(running._watchers):
        running.leave(watcher)


def camera(live, number, size=48):
    camera = live.split.camera(number)
    share = size / camera.width
    intrinsics = camera.intrinsics * np.float32(share)
    return replace(camera, width=size, height=size, intrinsics=intrinsics)


def test_a_picture_comes_coarse_and_ends_as_the_renderers(live, loop):
    client = Client(loop)
    wish = Wish(camera(live, 0))
    client.ask(wish)
    client.wait()
    between = [b for _, b, _, _ in client.shown]
    assert between == sorted(between, reverse=True) and between[-1] == (1, 1)
    state = live.snapshot()
    whole = loop.renderer("white", False).picture(state.params, state.grid, wish.camera)
    np.testing.assert_allclose(client.picture, whole.colour, atol=1e-6)


def test_a_new_pose_ends_the_old_picture(live, loop):
    client = Client(loop)
    client.ask(Wish(camera(live, 0)))
    client.wait()
    old, new = Wish(camera(live, 1, 1200)), Wish(camera(live, 2))
    client.shown.clear()
    client.ask(old)
    while not client.shown:  # its first level is shown, whatever comes
        time.sleep(0.005)
    client.ask(new)
    client.wait()
    assert [done for wish, _, done, _ in client.shown if wish is old] == [False] * len(
        [1 for wish, *_ in client.shown if wish is old]
    )
    assert client.shown[-1][0] is new and client.shown[-1][2]
    assert not client.errors


def test_twenty_watch_at_once_and_all_are_served(live, loop):
    clients = [Client(loop) for _ in range(20)]
    for number, client in enumerate(clients):
        client.ask(Wish(camera(live, number % len(live.split), 24)))
    for client in clients:
        client.wait()
        assert not client.errors
    for client in clients:
        loop.leave(client.watcher)
    assert not loop._watchers


def test_what_fails_is_told_and_ends_nothing(live, loop):
    broken, client = Client(loop), Client(loop)
    broken.ask(Wish(camera(live, 0, 24), background="green"))
    for _ in range(1200):
        if broken.errors:
            break
        time.sleep(0.05)
    assert "green" in str(broken.errors[0]) and len(broken.errors) == 1
    client.ask(Wish(camera(live, 0, 24)))
    client.wait()
    broken.ask(Wish(camera(live, 0, 24)))  # and it may ask again
    broken.wait()


def test_a_crop_box_shows_nothing_outside_of_it(live, loop):
    client = Client(loop)
    infinite = float("inf")
    everything = Box((-infinite,) * 3, (infinite,) * 3)
    pictures = {}
    for name, box in (("none", None), ("all", everything), ("empty", Box((0.5,) * 3, (0.4,) * 3))):
        client.ask(Wish(camera(live, 0, 24), box=box))
        client.wait()
        pictures[name] = client.picture
    assert np.array_equal(pictures["none"], pictures["all"])
    assert (pictures["empty"] == 1).all() and not (pictures["none"] == 1).all()


@mock.patch("nerf.viewer.loop.REFRESH", 0.05)
def test_one_who_stands_still_sees_training_go_on(live):
    first = live.snapshot()
    trained = Live(live.model, live.scene, training=True)
    loop = Loop(trained)
    loop.start()
    try:
        client = Client(loop)
        client.ask(Wish(camera(live, 0, 24)))
        time.sleep(0.3)
        assert not client.shown  # there is no state yet
        trained.offer(first.params, first.grid, 10)
        client.wait()
        client.done.clear()
        trained.show(Snapshot(first.params, first.grid, 20))
        client.wait()
        assert client.shown[-1][3] == 20
    finally:
        loop.stop()


@mock.patch("nerf.viewer.loop.REFRESH", 0.05)
def test_what_failed_is_tried_again_with_the_next_state(live):
    state = live.snapshot()
    trained = Live(live.model, live.scene, training=True)
    trained.show(state)
    loop, broken, tries = Loop(trained), [True], []
    grid = loop.grid

    def fails(*asked):
        tries.append(time.perf_counter())
        if broken:
            raise RuntimeError("no memory left")
        return grid(*asked)

    loop.grid = fails
    loop.start()
    try:
        client = Client(loop)
        client.ask(Wish(camera(live, 0, 24)))
        for step in (7, 20):
            trained.show(Snapshot(state.params, state.grid, step))
            before, deadline = len(tries), time.monotonic() + 60
            while len(tries) == before and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.5)
            assert len(tries) == before + 1 and len(client.errors) == 1
        assert len(tries) == 2 and len(client.errors) == 1  # it is said once
        broken.clear()
        trained.show(Snapshot(state.params, state.grid, 30))
        client.wait()
        assert client.shown[-1][3] == 30
    finally:
        loop.stop()


def test_one_who_moves_leaves_every_other_slice_to_the_others(live):
    loop = Loop(live)  # its thread is not begun
    moving, standing = Client(loop), Client(loop)
    served = []
    standing.ask(Wish(camera(live, 1, 100)))
    while not standing.done.is_set():
        moving.ask(Wish(camera(live, 0, 24)))
        watcher = loop._due()
        loop._serve(watcher)
        served.append(watcher is moving.watcher)
        assert len(served) < 1000
    turns = served[served.index(False) + 1 :]
    assert not any(a and b for a, b in pairwise(turns))
    assert standing.shown[-1][2]


def test_who_comes_last_is_served_before_anybody_is_served_three_times(live):
    """Movers are unfinished as well as fresh: whoever has nothing yet must not wait for all."""
    loop = Loop(live)
    loop._serve = lambda watcher: None
    clients = [Client(loop) for _ in range(6)]
    for k, client in enumerate(clients[:5]):
        client.ask(Wish(camera(live, k, 24)))
        loop._begin(client.watcher, client.watcher.wish)
    clients[5].ask(Wish(camera(live, 5, 24)))
    turns: list[Watcher] = []
    while clients[5].watcher not in turns:
        for client in clients[:5]:  # all of them move all the time
            client.ask(Wish(camera(live, len(turns) % 7, 24)))
        watcher = loop._due()
        turns.append(watcher)
        assert len(turns) <= 12
    assert live.every == 6 / 4
    for client in clients:
        loop.leave(client.watcher)
    assert live.every == 1.0


def test_rendering_takes_a_quarter_of_the_time():
    debt, now, rendered = Debt(), 0.0, 0.0
    for _ in range(500):  # one who moves all the time: served as soon as may be
        now += max(0.0, debt.owed(now) - PATIENCE)
        debt.take(now, now + 0.07)
        now, rendered = now + 0.07, rendered + 0.07
    assert rendered / now == pytest.approx(SHARE, rel=0.05)
    assert debt.owed(now + debt.owed(now)) == 0
    debt.take(now, now + 60)  # a renderer that compiles
    assert debt.owed(now + 60) == MOST
    debt.forgive()
    assert debt.owed(now + 60) == 0


def test_who_asks_does_not_wait_for_the_rest_and_who_stands_does(live):
    trained = Live(live.model, live.scene, training=True)
    trained.show(live.snapshot())
    loop = Loop(trained)
    client = Client(loop)
    assert loop._next(0.5) is None
    client.ask(Wish(camera(live, 0, 24)))
    assert loop._next(0.5) is client.watcher
    assert loop._next(PATIENCE + 0.1) is None  # even so it is a quarter in the long run
    loop._serve(client.watcher)
    assert loop._next(0.5) is None and loop._next(0.0) is client.watcher
    now = time.perf_counter()
    loop._debt.take(now - 0.2, now)  # 0.6 s of rest
    threading.Timer(0.1, client.ask, [Wish(camera(live, 1, 24))]).start()
    assert loop._due() is client.watcher and time.perf_counter() - now < 0.4
