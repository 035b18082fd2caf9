"""One thread renders for all: the newest pose wins, nobody waits long, errors end nothing."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from nerf.viewer.crop import Box
from nerf.viewer.live import Live, Snapshot
from nerf.viewer.loop import Loop
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


def test_one_who_stands_still_sees_training_go_on(live, monkeypatch):
    monkeypatch.setattr("nerf.viewer.loop.REFRESH", 0.05)
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
