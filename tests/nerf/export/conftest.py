"""A density in closed form, what cameras see of it, and its values on a lattice."""

import pytest

from nerf.export.ends import ends
from nerf.export.volume import volume
from tests.nerf.export.in_closed_form import source_of

RESOLUTION, ENDS = 96, 6000


@pytest.fixture(scope="module")
def source(marbles):
    return source_of(marbles.scale)


@pytest.fixture(scope="module")
def looked(source, marbles):
    return ends(source, marbles.splits["train"], ENDS)


@pytest.fixture(scope="module")
def sigma(source):
    return volume(source, RESOLUTION)
