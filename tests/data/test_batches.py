"""Batches: every pixel once an epoch, the same from any start, the right colours."""

from itertools import islice

import numpy as np
import pytest

from data.batches import batches
from data.scene import Split


def split(n=3, height=4, width=5):
    pictures = np.arange(n * height * width * 4, dtype=np.uint8).reshape(n, height, width, 4)
    poses = np.tile(np.eye(4, dtype=np.float32)[:3], (n, 1, 1))
    return Split(tuple("abc"), pictures, np.ones((n, 4), np.float32), poses)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rays", [7, 60, 130])
def test_every_pixel_comes_once_before_any_comes_twice(seed, rays):
    whole = split()
    drawn = list(islice(batches(whole, rays, seed), 12))
    where = np.concatenate(
        [(b.picture.astype(int) * 4 + b.pixel[:, 1]) * 5 + b.pixel[:, 0] for b in drawn]
    )
    for epoch in range(len(where) // 60):
        assert sorted(where[60 * epoch : 60 * (epoch + 1)]) == list(range(60))
    assert not np.array_equal(where[:60], where[60:120]), "the epochs have one order"


def test_colours_are_those_of_the_pixels():
    whole = split()
    batch = next(batches(whole, 40, 3))
    expected = whole.pictures[batch.picture, batch.pixel[:, 1], batch.pixel[:, 0]]
    np.testing.assert_array_equal(batch.rgba, expected)


@pytest.mark.parametrize("start", [1, 5, 11])
def test_a_later_start_sees_what_it_would_have_seen(start):
    whole = split()
    for a, b in zip(
        islice(batches(whole, 25, 0), start, start + 6),
        islice(batches(whole, 25, 0, start), 6),
        strict=True,
    ):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_seeds_differ():
    a, b = (next(batches(split(), 30, seed)) for seed in (0, 1))
    assert not np.array_equal(a.pixel, b.pixel)
