"""How rays go through each kind of space: steps, the cube, lenses and masks."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import calculus.by_jax
from calculus import radiance
from calculus.radiance import camera, lens
from data.errors import InputError
from data.scene import Scene, Split
from nerf import occupancy
from nerf.cameras import Cameras
from nerf.config import Config
from nerf.loss import gains, slope_of_rays
from nerf.rays import Batch, Photographs, packed, rays_of
from nerf.render import Renderer
from nerf.space import EVEN, EXPOSURE_AND_BACKDROP, SAFE, SPREAD, Space, resolved, seen_at_depth_one
from nerf.state import start
from nerf.step import Step
from nerf.train import train
from tests.nerf.conftest import small_grid

KINDS = ("bounded", "forward", "unbounded")
SLOPE = (0.8, 0.6)


def space(kind, steps=64):
    return Space(kind, steps, 0.1, SLOPE)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_follow_each_other_without_gap(kind):
    steps, here = np.arange(64, dtype=np.float32), space(kind)
    t, length, part = jax.device_get(
        jax.jit(lambda n: (here.distance(0.3, n), here.length(n), here.length(n + 0.7)))(steps)
    )
    assert (np.diff(t) > 0).all() and np.isfinite(length).all()
    np.testing.assert_allclose(t[:-1] + length[:-1], t[1:], rtol=1e-5)
    np.testing.assert_allclose(part, length, rtol=1e-6)


def test_far_steps_are_even_in_one_over_the_distance():
    t = np.asarray(jax.jit(space("unbounded", 1000).distance)(0.0, np.arange(1001.0)))
    near = t < EVEN
    assert 490 < near.sum() < 510
    np.testing.assert_allclose(np.diff(t[near]), 2 * EVEN / 1001, rtol=1e-3)
    np.testing.assert_allclose(np.diff(1 / t[~near]), -2 / EVEN / 1001, rtol=2e-3)
    assert t[-1] > 100 * EVEN


def test_nothing_is_asked_before_a_part_of_the_way_to_the_middle():
    here = Space("unbounded", 64, 0.4)
    origin = np.float32([[0, 0, 1], [3, 0, 4], [0, 0, 0]])
    direction = np.float32([[0, 0, -1], [1, 0, 0], [0, 1, 0]])
    near, far = jax.device_get(jax.jit(here.interval)(origin, direction))
    np.testing.assert_allclose(near, [0.4, 2.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(far, near + far[2], rtol=1e-6)
    near, _ = jax.jit(here._replace(nearest=1.5).interval)(origin, direction)
    np.testing.assert_allclose(near, [0.4, SAFE * 1.5, 0.0], rtol=1e-6)


def test_a_cell_knows_how_long_steps_through_it_are():
    here = space("unbounded", 512)
    direction = np.float32([2, -1, 2]) / np.float32(3)

    @jax.jit
    def of_steps(steps):
        place = here.cube(here.distance(0.0, steps)[:, None] * direction)
        corner = jnp.full((1, 3), 0.9)
        return place, here.length(steps), here.length_at(place), here.length_at(corner)

    place, length, there, nowhere = of_steps(np.arange(5, 450, dtype=np.float32))
    np.testing.assert_allclose(there, length, rtol=0.05)
    assert (np.abs(place) <= 1).all()
    assert nowhere == 0, "no ray gets into the corners of the cube"


def some_rays(count=40):
    """From cameras near the origin that look along -z."""
    rng = np.random.default_rng(0)
    origin = rng.uniform(-0.05, 0.05, (count, 3))
    aside = rng.uniform(-1, 1, (count, 2)) * SLOPE * 0.8
    direction = np.concatenate([aside, -np.ones((count, 1))], axis=1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return origin.astype(np.float32), direction.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_lie_where_the_grid_says(kind):
    """With the cells of one half occupied, samples are in that half, and all of those."""
    here, jitter = space(kind, 96), jnp.asarray(np.random.default_rng(1).random(40, np.float32))
    half = np.zeros((16, 16, 16), bool)
    half[8:] = True
    grid = occupancy.Occupancy(jnp.asarray(half, float), jnp.asarray(half))
    ray, rank = jnp.asarray(np.indices((40, 96), np.int32).reshape(2, -1))

    @jax.jit
    def looked(origin, direction):
        """For each ray, number by number: its steps, and its samples."""
        origin, direction = here.entered(origin, direction, radiance)
        found = occupancy.find(grid, origin, direction, jitter, here)
        near, far = here.interval(origin, direction)
        steps = here.distance(near[ray], rank + jitter[ray])
        samples, _, _ = occupancy.distance(found, ray, rank, jitter, here)
        at = [here.cube(origin[ray] + t[:, None] * direction[ray])[:, 0] for t in (steps, samples)]
        return found.counts, *(v.reshape(40, 96) for v in (steps < far[ray], *at))

    counts, within, steps, samples = jax.device_get(looked(*some_rays()))
    assert (samples[np.arange(96) < counts[:, None]] > -1e-5).all()
    assert abs(counts.sum() - ((steps >= 0) & within).sum()) <= 2 < counts.sum()


@pytest.mark.parametrize("bends", [None, (-0.2, 0.02, 0.01), (0.2, 0.0, 0.0)])
def test_all_that_cameras_see_lies_in_the_cube(bends):
    lenses = None if bends is None else np.float32([[*bends, 0, 0, 0, 0, 0]] * 3)
    split = three_cameras(distortion=lenses)
    here = Space("forward", 64, 0.0, seen_at_depth_one(split))

    @jax.jit
    def ends():
        o, d = here.entered(*rays_at_corners(split), radiance)
        return [o + t[:, None] * d for t in here.interval(o, d)]

    near, far = ends()
    np.testing.assert_allclose(far[:, 2], 1, atol=1e-4, err_msg="they leave through the far face")
    np.testing.assert_allclose(near[:, 2], -1, atol=1e-4, err_msg="and enter through the near one")


def test_what_any_split_sees_counts():
    split = three_cameras()
    aside = replace(split, poses=split.poses + np.float32([0, 0, 0, 0.5]))
    both = seen_at_depth_one(split, aside)
    assert both == seen_at_depth_one(aside) > seen_at_depth_one(split)
    found = replace(scene("forward", split), splits={"train": split, "test": aside})
    assert resolved(Config(), found).data.slope == both


def test_a_lens_that_draws_together_sees_more():
    lenses = np.float32([[-0.2, 0.02, 0, 0, 0, 0, 0, 0]] * 3)
    plain, bent = seen_at_depth_one(three_cameras()), three_cameras(distortion=lenses)
    assert (np.array(seen_at_depth_one(bent)) > 1.05 * np.array(plain)).all()


def three_cameras(**changes):
    poses = np.tile(np.eye(3, 4, dtype=np.float32), (3, 1, 1))
    poses[:, :, 3] = [[0, 0, 0], [0.2, 0.1, 0.05], [-0.1, 0.1, 0.0]]
    pictures = np.random.default_rng(1).integers(0, 255, (3, 12, 16, 4), np.uint8)
    pictures[..., 3] = 255
    lenses = np.tile(np.float32([14, 15, 8, 6]), (3, 1))
    return replace(Split(("a", "b", "c"), pictures, lenses, poses), **changes)


def rays_at_corners(split):
    corners = np.float32([[0, 0], [16, 0], [0, 12], [16, 12]])
    which = np.repeat(np.arange(3), 4)
    return Cameras.of(split).rays(*map(jnp.asarray, (which, np.tile(corners, (3, 1)))))


def scene(kind, split=None):
    return Scene("s", Path("s"), {"train": split or three_cameras()}, 1.0, space=kind)


def test_the_scene_says_its_space_and_the_config_may_say_otherwise():
    config = Config()
    assert resolved(config, scene("unbounded")).data.space == "unbounded"
    said = replace(config, data=replace(config.data, space="bounded"))
    assert resolved(said, scene("unbounded")).data.space == "bounded"
    assert resolved(config, scene("unbounded")).training.spread == SPREAD["unbounded"] > 0
    assert resolved(config, scene("bounded")).training.spread == 0
    for kind in KINDS:
        found = resolved(config, scene(kind))
        assert found.training.exposure is found.field.backdrop is EXPOSURE_AND_BACKDROP[kind]
        assert found.data.pictures == 3
    forward = resolved(config, scene("forward"))
    assert forward.data.slope == seen_at_depth_one(three_cameras())


def test_what_the_user_says_of_the_nearest_thing_holds():
    found = replace(scene("unbounded"), nearest=0.7)
    assert resolved(Config(), found).data.nearest == 0.7
    said = replace(Config(), data=replace(Config().data, nearest=0.2))
    assert (
        resolved(said, found).data.nearest == resolved(said, scene("unbounded")).data.nearest == 0.2
    )


def test_transparent_pictures_have_a_background_and_no_backdrop():
    split = three_cameras()
    split.pictures[1, 3, 4, 3] = 254
    found = resolved(Config(), scene("unbounded", split))
    assert found.training.exposure is found.field.backdrop is False
    for asked in (
        replace(Config(), training=replace(Config().training, exposure=True)),
        replace(Config(), field=replace(Config().field, backdrop=True)),
    ):
        assert resolved(asked, scene("unbounded"))
        with pytest.raises(InputError, match="transparent pictures"):
            resolved(asked, scene("unbounded", split))


def test_what_a_space_can_not_be_is_refused():
    cut = replace(Config().sampling, strategy="hierarchical")
    with pytest.raises(InputError, match="knows a cube only"):
        resolved(replace(Config(), sampling=cut), scene("unbounded"))
    split = three_cameras()
    split.poses[1, :, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    with pytest.raises(InputError, match="look aside"):
        resolved(Config(), scene("forward", split))


@pytest.mark.parametrize("fisheye", [False, True])
def test_a_lens_is_undone_on_the_rays(fisheye):
    bends = np.float32([0.06, -0.08, 0.0, 0.0] if fisheye else [0.06, -0.08, -1e-3, 2e-4])
    bends = np.tile(np.concatenate([bends, np.zeros(4, np.float32)]), (3, 1))
    split = three_cameras(distortion=bends, fisheye=fisheye)
    pixel = np.random.default_rng(2).uniform(1, 11, (30, 2)).astype(np.float32)
    which = np.arange(30) % 3

    @jax.jit
    def of_all_of_one_and_straight(pixel, which):
        given = split.intrinsics, split.poses, bends
        intrinsics, poses, bent = (jnp.asarray(v)[which] for v in given)
        straight = lens.undistort(pixel, intrinsics, bent, fisheye)
        lenses = (Cameras.of(split), which), (Cameras.of(split.camera(1)), 0 * which)
        directions = [cameras.rays(number, pixel)[1] for cameras, number in lenses]
        return *directions, straight, camera.rays(straight, intrinsics, poses)[1]

    direction, one, straight, wanted = jax.device_get(of_all_of_one_and_straight(pixel, which))
    np.testing.assert_allclose(direction, wanted, atol=1e-6)
    assert np.abs(straight - pixel).max() > 0.01
    np.testing.assert_allclose(one[which == 1], direction[which == 1], atol=1e-6)


def test_masked_pixels_teach_nothing():
    masks = np.zeros((3, 12, 16), bool)
    masks[:, :, 8:] = True
    config = small_grid()
    photographs = Photographs.of(three_cameras(masks=masks))

    @jax.jit
    def laid_and_packed(photographs):
        column = jnp.arange(16, dtype=jnp.int32)
        pixel = jnp.stack([column, jnp.full(16, 5, jnp.int32)], axis=-1)
        row = photographs.pictures[0, 5], photographs.masks[0, 5]
        rays = rays_of(Batch(0 * column, pixel, *row), photographs, config, jnp.ones((16, 3)))
        grid, middles = occupancy.full(config.occupancy), jnp.full(16, 0.5)
        return rays, *packed(rays, grid, lambda x: jnp.zeros(len(x)), config, middles)

    rays, kept, asked = jax.device_get(laid_and_packed(photographs))
    np.testing.assert_allclose(rays.share, np.where(np.arange(16) < 8, 0, 1 / 8), rtol=1e-6)
    counts = np.diff(asked.stream.first)
    assert (counts[:8] == 0).all() and (counts[8:] > 0).any()
    np.testing.assert_array_equal(kept.share[:8], 0)
    np.testing.assert_allclose(kept.share.sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_each_space_are_finite(kind):
    config = small_grid()
    config = replace(config, data=replace(config.data, space=kind, slope=SLOPE))
    model, state = start(config)
    seen = Renderer(model).picture(state.params, state.grid, three_cameras().camera(1))
    assert all(np.isfinite(part).all() for part in seen[:4])
    assert seen.opacity.max() > 0.01


@pytest.mark.parametrize("kind", ["forward", "unbounded"])
def test_by_hand_and_by_jax_the_gradient_is_the_same(kind):
    """Through the space, what gathers the weights, the gains, and what is behind everything."""
    config = small_grid()
    config = replace(
        config,
        data=replace(config.data, space=kind, slope=SLOPE, pictures=3),
        field=replace(config.field, backdrop=True),
        training=replace(config.training, spread=0.1, exposure=True),
    )
    model, state = start(config)
    state.params["exposure"] = np.log(np.float32([[1, 2, 1], [0.5, 1, 2], [1, 1, 0.7]]))
    step = Step(model, Photographs.of(three_cameras()))

    @jax.jit
    def both(state, batch, photographs):
        asked = step._asked(state, batch, photographs)
        models = model, replace(model, stages=calculus.by_jax)
        return asked[1].filled, [slope_of_rays(state.params, of, *asked)[1] for of in models]

    samples, gradients = both(state, step.batch(state), step.photographs)
    assert samples > 500
    for hand, auto in zip(*map(jax.tree.leaves, gradients), strict=True):
        assert np.linalg.norm(hand - auto) <= 1e-4 * np.linalg.norm(auto) > 0


def under_a_sky():
    """Nothing at all before a backdrop, of pictures under gains of their own."""
    config = small_grid()
    return replace(
        config,
        data=replace(config.data, space="unbounded", pictures=3, background="black"),
        field=replace(config.field, backdrop=True, density_bias=-30.0),
        training=replace(
            config.training, exposure=True, restarts=0, rays=100, samples=1024, learning_rate=0.04
        ),
    )


def test_gains_are_told_from_the_scene_and_left_out_of_renderings():
    """A grey sky under three exposures: what differs is theirs, what they share the sky's.

    A sky, since cameras that stand apart see it the same: a field near by may show each its own.
    """
    gain = np.array([[0.5, 1.0, 1.0], [1.0, 0.8, 1.0], [1.5, 1.0, 2.0]])
    split = three_cameras()
    split.pictures[..., :3] = np.round(100 * gain)[:, None, None, :]
    model, state = start(replace(under_a_sky(), steps=150))
    psnr = 0.0
    for now, told in train(Step(model, Photographs.of(split)), state):
        state, psnr = now, told.psnr
    assert psnr > 35
    found = np.asarray(jax.jit(lambda p: gains(p, jnp.arange(3), model.stages))(state.params))
    wanted = np.log(gain) - np.log(gain).mean(0)
    np.testing.assert_allclose(found, wanted, atol=0.03)
    np.testing.assert_allclose(found.sum(0), 0, atol=1e-5)
    seen = Renderer(model).picture(state.params, state.grid, split.camera(0)).colour
    mean = 100 / 255 * np.exp(np.log(gain).mean(0))
    np.testing.assert_allclose(np.median(seen, axis=(0, 1)), mean, atol=0.02)


def test_a_backdrop_stands_in_the_place_of_the_background():
    model, state = start(under_a_sky())
    seen, black = (
        Renderer(model, name).picture(state.params, state.grid, three_cameras().camera(1))
        for name in ("white", "black")
    )
    assert seen.opacity.max() < 1e-3
    np.testing.assert_allclose(seen.colour, black.colour, atol=1e-3)
    assert seen.colour.min() > 0.05 and seen.colour.max() < 0.95
    assert seen.colour.std(axis=(0, 1)).max() > 1e-3, "it differs from direction to direction"


@pytest.mark.parametrize("kind", KINDS)
def test_axis_by_axis_points_come_to_the_same_places(kind):
    here = Space(kind, 32)
    x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    x[::2] *= 30
    x[0] = 0
    by_axes, cube = jax.jit(lambda x: (here.cube_by_axes(list(x.T)), here.cube(x)))(x)
    np.testing.assert_allclose(np.stack(by_axes, axis=-1), cube, atol=3e-7, rtol=3e-7)
