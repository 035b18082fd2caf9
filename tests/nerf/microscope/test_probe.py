"""One pixel of small runs of each kind: the renderer's colour, JAX's gradient, moved cameras."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus import by_jax
from data.errors import InputError
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
    field = replace(
        config.field, levels=2, coarsest=8, backdrop=kind == "unbounded", density_bias=0.5
    )
    return replace(config, data=data, training=training, field=field)


@pytest.fixture(scope="module", params=["hierarchical", "exposed", "forward", "unbounded"])
def case(request, photographs):
    """A field that shows something, under the microscope."""
    config = config_of(request.param)
    model, state = start(config)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda v: np.asarray(v) + 0.3 * rng.standard_normal(v.shape, np.float32), state.params
    )
    grid = state.grid
    if grid is not None:  # a ray with gaps
        x = np.stack(np.meshgrid(*[np.arange(16)] * 3, indexing="ij"), axis=-1)
        grid = grid._replace(occupied=(x // 3 % 2 == 0).any(-1))
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


def test_the_pose_is_that_of_jax_and_of_cameras_that_move(case, float64):
    kind, microscope, split, probe = case
    camera, h = split.camera(VIEW), 1e-7
    model = microscope._model
    params = jax.tree.map(lambda v: jnp.asarray(v, float), microscope.state.params)
    field, space = model.field(params), Space.of(model.config)
    R, o = camera.pose[:, :3].astype(float), camera.pose[:, 3].astype(float)
    intrinsics, at = jnp.asarray(camera.intrinsics[None], float), jnp.array([PIXEL]) + 0.5

    def rays(xi):
        """Of a camera that has moved by xi, up to its square: in the world, in the field."""
        turned = R + R @ jnp.cross(xi[3:], jnp.eye(3)).T
        pose = jnp.column_stack([turned, o + R @ xi[:3]])
        origin, view = by_jax.rays(at, intrinsics, pose[None])
        if kind != "forward":
            return view, origin, view
        return view, *by_jax.ndc(origin, view, jnp.ones(()), jnp.asarray(space.slope))

    def pixel(xi, s):
        view, origin, direction = rays(xi)
        behind = field.behind(field.view(view, by_jax), jnp.ones((1, 3)), by_jax)
        along = s[None], jnp.asarray(probe.delta)[None]
        pixels, _ = shade(field, origin, direction, view, *along, behind, space, by_jax)
        return pixels.colour[0]

    @jax.jit
    def slopes():
        """By JAX, and by differences; samples stay where they are."""
        s = jnp.asarray(probe.t) / jnp.linalg.norm(rays(jnp.zeros(6))[2])
        there, back = (jax.vmap(pixel, (0, None))(step * jnp.eye(6), s) for step in (h, -h))
        return jax.jacfwd(pixel)(jnp.zeros(6), s).T, (there - back) / (2 * h)

    by_derivatives, by_differences = slopes()
    size = np.abs(probe.pose).max()
    small = 1e-10 if kind in ("hierarchical", "forward") else 1e-8 * size  # R is of float32
    np.testing.assert_allclose(probe.pose, by_derivatives, rtol=1e-7, atol=small)
    np.testing.assert_allclose(probe.pose, by_differences, rtol=0, atol=1e-3 * size)


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


def test_it_can_be_drawn(case):
    _, _, split, probe = case
    picture = drawn(probe, np.asarray(split.pictures[VIEW, ..., :3]), "here", dpi=50)
    assert picture.shape == (360, 640, 3) and picture.std() > 10


def test_a_ray_that_meets_nothing(photographs, tmp_path):
    model, state = start(config_of("exposed"))
    state = state._replace(grid=state.grid._replace(occupied=np.zeros((16, 16, 16), bool)))
    probe = Microscope(model, state, photographs).view(VIEW, PIXEL, learnt=True)
    assert len(probe.t) == 0 and probe.strongest is None and "No sample" in probe.sentence
    np.testing.assert_allclose(probe.pixel, 1)
    assert Probe.from_dict(json.loads(json.dumps(probe.as_dict()))).colour.shape == (0, 3)
    draw(probe, tmp_path / "in" / "ray.png")
    assert (tmp_path / "in" / "ray.png").stat().st_size > 20000
    unknown = Microscope(model, state).probe(photographs.camera(VIEW), PIXEL)
    assert unknown.photograph is None and unknown.quantity == "brightness"
    assert json.dumps(unknown.as_dict(), allow_nan=False)
    with pytest.raises(InputError, match="outside the picture of 50x50"):
        Microscope(model, state).probe(photographs.camera(VIEW), (50, 3))


@pytest.mark.parametrize("told", ["3", "3,4", "a,b,c", "1,2,3,4", "1.5,2,3"])
def test_a_ray_is_three_whole_numbers(told):
    with pytest.raises(InputError, match="--record-ray"):
        Ray.of(told, "--record-ray")
