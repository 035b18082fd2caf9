"""One pixel of small runs of each kind: the renderer's colour, JAX's gradient, moved cameras."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import calculus.by_jax
from calculus import radiance
from data.errors import InputError
from nerf import occupancy
from nerf.cameras import Cameras
from nerf.microscope.draw import draw, drawn
from nerf.microscope.probe import Microscope, Probe
from nerf.microscope.record import Ray
from nerf.render import Renderer, shade
from nerf.space import Space
from nerf.state import start
from tests.nerf.conftest import small_grid, tiny

PIXEL, VIEW = (27, 24), 3


def config_of(kind):
    """A field each: NeRF's own, and grids in each kind of space."""
    if kind == "hierarchical":
        return tiny()
    config = small_grid()
    space = "bounded" if kind == "exposed" else kind
    data = replace(config.data, space=space, slope=(1.0, 1.0), pictures=64)
    training = replace(config.training, exposure=kind == "exposed", loss="huber")
    field = replace(config.field, backdrop=kind == "unbounded", density_bias=0.5)
    return replace(config, data=data, training=training, field=field)


@pytest.fixture(scope="module", params=["hierarchical", "exposed", "forward", "unbounded"])
def case(request, photographs):
    """A field that shows something, under the microscope."""
    config = config_of(request.param)
    model, state = start(config)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda v: v + 0.3 * rng.standard_normal(v.shape, np.float32), state.params
    )
    grid = state.grid
    if grid is not None:  # a ray with gaps
        x = np.stack(np.meshgrid(*[np.arange(16)] * 3, indexing="ij"), axis=-1)
        grid = occupancy.Occupancy(grid.depth, jnp.asarray((x // 3 % 2 == 0).any(-1)))
    state = state._replace(params=params, grid=grid)
    split = photographs
    if request.param == "forward":
        poses = np.array(split.poses)
        poses[:] = np.eye(3, 4, dtype=poses.dtype)
        poses[:, :, 3] += [0.1, 0.2, 0.3]
        split = replace(split, poses=poses)
    microscope = Microscope(model, state, split, scale=2.0)
    return request.param, microscope, split, microscope.view(VIEW, PIXEL, learnt=True)


def test_the_pixel_is_that_of_the_renderer(case):
    _, microscope, split, probe = case
    state = microscope.state
    renderer = Renderer(microscope._model, microscope.background)
    picture = renderer.picture(state.params, state.grid, split.camera(VIEW))
    at = PIXEL[1], PIXEL[0]
    np.testing.assert_allclose(probe.pixel, picture.colour[at], atol=1e-4)
    np.testing.assert_allclose(probe.opacity, picture.opacity[at], atol=2e-4)
    np.testing.assert_allclose(probe.depth, picture.depth[at], atol=1e-3)
    assert probe.opacity > 0.1  # there is something to look at
    np.testing.assert_allclose(
        probe.weights @ probe.colour + probe.left * probe.background, probe.pixel
    )
    assert np.all(np.diff(probe.t) > 0) and np.all(np.diff(probe.distance) > 0)


def test_derivatives_agree_with_differences(case):
    _, _, _, probe = case
    np.testing.assert_allclose(probe.shows + probe.hides, probe.slope_sigma, atol=1e-14)
    assert probe.gap < 1e-6 and probe.pose_gap < 1e-3, (probe.gap, probe.pose_gap)
    assert np.abs(probe.slope_sigma).max() > 0 and np.abs(probe.pose).max() > 1e-3


@pytest.mark.parametrize("case", ["hierarchical", "forward"], indirect=True)
def test_the_pose_is_that_of_jax(case):
    _, microscope, split, probe = case
    by_jax = Microscope(microscope._model, microscope.state, split, stages=calculus.by_jax)
    other = by_jax.view(VIEW, PIXEL, learnt=True)
    np.testing.assert_allclose(probe.pose, other.pose, rtol=1e-7, atol=1e-10)


def test_cameras_that_move_see_what_the_slope_says(case, float64):
    kind, microscope, split, probe = case
    camera, h = split.camera(VIEW), 1e-7
    model, params = microscope._model, microscope.state.params
    field, space = model.field(as_float64(params)), Space.of(model.config)
    R, o = camera.pose[:, :3].astype(float), camera.pose[:, 3].astype(float)
    poses = [np.column_stack([R, o])]
    for xi in np.concatenate([h * np.eye(6), -h * np.eye(6)]):
        turn = Rotation.from_rotvec(xi[3:]).as_matrix()
        poses.append(np.column_stack([R @ turn, o + R @ xi[:3]]))
    cameras = Cameras(jnp.asarray(camera.intrinsics[None], float), jnp.asarray(np.array(poses)))
    at = jnp.asarray([PIXEL] * 13, float) + 0.5
    cameras = cameras._replace(intrinsics=jnp.repeat(cameras.intrinsics, 13, axis=0))
    origin, view = cameras.rays(jnp.arange(13), at)
    direction = view
    if kind == "forward":
        slope = jnp.asarray(space.slope)
        origin, direction = radiance.ndc(origin, view, jnp.ones(()), slope)
    s = jnp.asarray(probe.t) / jnp.linalg.norm(direction[0])
    along = (jnp.broadcast_to(v, (13, *v.shape)) for v in (s, jnp.asarray(probe.delta)))
    behind = field.behind(field.view(view, radiance), jnp.ones((13, 3)), radiance)
    pixels, _ = shade(field, origin, direction, view, *along, behind, space, radiance)
    slope = np.asarray(pixels.colour[1:7] - pixels.colour[7:]) / (2 * h)
    size = np.abs(probe.pose).max()
    np.testing.assert_allclose(slope, probe.pose, rtol=0, atol=1e-3 * size)


def as_float64(params):
    return jax.tree.map(lambda v: jnp.asarray(v, float), params)


def test_the_loss_is_that_of_training(case):
    kind, microscope, split, probe = case
    rgba = split.pictures[VIEW, PIXEL[1], PIXEL[0]] / 255
    given = rgba[:3] * rgba[3] + 1 - rgba[3]
    np.testing.assert_allclose(probe.photograph, given)
    e = np.abs(probe.shown - given)
    if kind == "hierarchical":
        np.testing.assert_allclose(probe.loss, np.sum(e**2))
    else:
        h = microscope._model.config.training.huber_threshold
        np.testing.assert_allclose(probe.loss, np.where(e <= h, e**2 / 2, h * (e - h / 2)).sum())
    gained = kind == "exposed"
    assert np.allclose(probe.shown, probe.pixel) != gained
    if gained:  # held-out pictures have no gain
        held_out = microscope.view(VIEW, PIXEL, learnt=False)
        np.testing.assert_allclose(held_out.shown, held_out.pixel)


def test_a_probe_goes_through_json(case):
    _, _, _, probe = case
    told = json.loads(json.dumps(probe.as_dict(), allow_nan=False))
    for name, value in Probe.from_dict(told).as_dict().items():
        assert value == probe.as_dict()[name], name


def test_it_can_be_drawn(case, tmp_path):
    _, _, split, probe = case
    draw(probe, tmp_path / "in" / "ray.png")
    picture = drawn(probe, np.asarray(split.pictures[VIEW, ..., :3]), "here")
    assert picture.shape == (720, 1280, 3) and picture.std() > 10
    assert (tmp_path / "in" / "ray.png").stat().st_size > 20000


def test_a_ray_that_meets_nothing(photographs, tmp_path):
    model, state = start(small_grid())
    grid = state.grid
    state = state._replace(grid=grid._replace(occupied=jnp.zeros_like(grid.occupied)))
    probe = Microscope(model, state, photographs).view(VIEW, PIXEL, learnt=True)
    assert len(probe.t) == 0 and probe.strongest is None and "No sample" in probe.sentence
    np.testing.assert_allclose(probe.pixel, 1)
    assert Probe.from_dict(json.loads(json.dumps(probe.as_dict()))).colour.shape == (0, 3)
    draw(probe, tmp_path / "ray.png")
    unknown = Microscope(model, state).probe(photographs.camera(VIEW), PIXEL)
    assert unknown.photograph is None and unknown.quantity == "brightness"
    assert json.dumps(unknown.as_dict(), allow_nan=False)
    with pytest.raises(InputError, match="outside the picture of 50x50"):
        Microscope(model, state).probe(photographs.camera(VIEW), (50, 3))


@pytest.mark.parametrize("told", ["3", "3,4", "a,b,c", "1,2,3,4", "1.5,2,3"])
def test_a_ray_is_three_whole_numbers(told):
    with pytest.raises(InputError, match="--record-ray"):
        Ray.of(told, "--record-ray")
