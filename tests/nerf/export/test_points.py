"""Where rays end, the level found by them, points and volumes: of a density in closed form."""

from dataclasses import replace
from unittest import mock

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from data.errors import InputError
from nerf.export import cloud, surface
from nerf.export.ends import Ends, ends
from nerf.export.level import level
from nerf.export.source import Frame, Source
from nerf.export.volume import refuse_too_fine, volume
from tests.nerf.export.conftest import ENDS, RESOLUTION
from tests.nerf.export.in_closed_form import (
    SMOOTH,
    SOLIDS,
    Exact,
    angles,
    away,
    density,
    true_normals,
)


def test_a_run_with_nothing_in_it_is_refused_in_one_line(source, marbles):
    grid = source.grid._replace(occupied=np.zeros_like(source.grid.occupied))
    source = Source(source.model, {}, grid)
    split, frame = marbles.splits["train"], Frame.of(marbles)
    with pytest.raises(InputError, match="there is nothing to show"):
        cloud.for_page(source, split, frame, 200)
    with pytest.raises(InputError, match="shows no surface"):
        cloud.seen(source, split, frame, 200)
    with pytest.raises(InputError, match="shows no surface"):
        level(source, ends(source, split, 200))
    with pytest.raises(InputError, match="no density is above the threshold"):
        surface.crossing(volume(source, 16), 1.0, source)


def test_rays_end_where_they_are_half_opaque(source, looked, marbles):
    """Integrated in closed form from the eye to each end, half of the light is gone."""
    split = marbles.splits["train"]
    s = marbles.scale
    chosen = np.random.default_rng(0).choice(len(looked.x), 60, replace=False)
    x, view = looked.x[chosen] / s, looked.view[chosen]
    t = np.linspace(-3.0, 0.0, 3001)  # lengths of the files, from before the scene on
    at = x[:, None] + t[:, None] * view[:, None]
    tau = np.trapezoid(density(at), t, axis=-1)
    assert np.median(np.abs(np.exp(-tau) - 0.5)) < 0.02
    assert np.quantile(np.abs(np.exp(-tau) - 0.5), 0.9) < 0.08
    assert ENDS == len(looked.x) < looked.rays
    # each lies on a ray of one of the cameras
    eyes = split.poses[:, :, 3]
    off = np.linalg.norm(np.cross(looked.x[:50, None] - eyes, looked.view[:50, None]), axis=-1)
    assert off.min(axis=1).max() < 1e-4


def test_the_level_is_the_one_that_half_of_the_rays_cross_before_their_end(source, looked):
    found = level(source, looked)
    before = source.density(looked.x) > found
    assert 0.45 < before.mean() < 0.55
    # well within the edge of the bodies, whose density goes from 0 to 60 (files' units)
    assert 10 < found * 2 / 3 < 50
    nowhere = Ends(np.full((4, 3), 1.5), np.zeros((4, 3)), np.zeros((4, 3)), 4)
    with pytest.raises(InputError, match="no surface"):
        level(source, nowhere)


def test_the_field_is_asked_where_rays_ask(source, sigma):
    whole = volume(Source(source.model, {}, None), RESOLUTION)
    there = sigma > 0
    assert there.mean() < 0.5
    np.testing.assert_array_equal(sigma[there], whole[there])
    assert whole[~there].max() < 1.0


def test_points_are_seen_from_where_they_are_coloured(source, marbles):
    frame = Frame.of(marbles)
    points = cloud.seen(source, marbles.splits["train"], frame, 3000)
    assert len(points.points) == 3000
    assert np.median(np.abs(away(points.points))) < 0.02
    facing = angles(points.normals, true_normals(points.points))
    assert np.median(facing) < 3
    page = cloud.for_page(source, marbles.splits["train"], frame, 2000)
    assert 1500 < len(page.points) <= 2000 and page.opacity == 1
    # evenly: the nearest neighbour of few points is much nearer than that of the median one
    gap = cKDTree(page.points).query(page.points, 2)[0][:, 1]
    assert np.quantile(gap, 0.05) > 0.25 * np.median(gap)
    again = cloud.for_page(source, marbles.splits["train"], frame, 2000)
    np.testing.assert_array_equal(page.points, again.points)


def test_a_volume_lets_through_what_its_density_does(marbles):
    """Expected optical depth of the points' Gaussians along a line through the middle."""
    thin = Exact(SMOOTH, 1.0)
    object.__setattr__(thin, "sigma", lambda w: 4 * jnp.exp(-8 * jnp.sum(w**2, -1)))
    frame = Frame(marbles.scale, np.eye(3, 4))
    source = Source(thin, {}, None)
    with mock.patch.object(cloud, "ends", lambda *asked: ends(*asked[:2], 500)):  # there are none
        found = cloud.for_page(source, marbles.splits["train"], frame, 20_000)
    assert 0 < found.opacity < 1
    x, r = found.points * marbles.scale, found.radii[0] * marbles.scale
    for offset in (0.0, 0.3):
        d2 = (x[:, 0] - offset) ** 2 + x[:, 1] ** 2
        depth = found.opacity * np.exp(-d2 / (2 * r**2)).sum()
        # a Gaussian of variance 1/16 across, widened by r^2
        wide = 1 / 16 + r**2
        expected = 4 * np.sqrt(np.pi / 8) / 16 / wide * np.exp(-(offset**2) / (2 * wide))
        assert depth == pytest.approx(expected, rel=0.06)


def test_slopes_of_a_hash_grid_are_averaged_over_its_cells(marbles):
    """Ripples as fine as the grid turn each slope, and hardly their mean over a few cells."""
    fine = replace(SMOOTH, field=replace(SMOOTH.field, encoding="hash", finest=512))
    ripple = 2 * np.pi * 512 / 2 / 1.7 * marbles.scale

    def extra(u):
        return 0.4 * jnp.sin(ripple * u[..., 0]) * jnp.sin(ripple * u[..., 1] + 1.0)

    rng = np.random.default_rng(2)
    v = rng.normal(size=(500, 3))
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    u = np.array(SOLIDS[1].centre) + 0.5 * v
    u = u[u[:, 2] > -0.2]
    model = Exact(fine, marbles.scale, lambda w: w / marbles.scale, extra=extra)
    source, true = Source(model, {}, None), true_normals(u)
    alone, mean = (
        angles(source.normals(u * marbles.scale, cell), true).mean() for cell in (0.0, 0.05)
    )
    assert mean < 0.5 * alone and alone > 3


@pytest.mark.parametrize("resolution", [-3, 0, 1, 100_000])
def test_resolutions_that_can_not_be(resolution):
    with pytest.raises(InputError, match="--resolution"):
        refuse_too_fine(resolution)
