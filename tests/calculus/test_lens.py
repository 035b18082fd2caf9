"""What a lens does and undoes: real lenses, fisheyes, and pixels that no ray reaches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.ledger import RADIANCE
from calculus.radiance import distort, lens, rays, undistort
from tests import oracles
from tests.calculus.laws import LAWS

pytestmark = pytest.mark.usefixtures("strict_float64")
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])
OF_FISHEYES = [
    dataclasses.replace(
        rule,
        static={"fisheye": True},
        # there what intrinsics are pulled by is a small difference of what the angle does
        limits={at: v for at, v in rule.limits.items() if at != "the corner of a barrel"},
    )
    for rule in RADIANCE
    if rule.page is lens
]
PHONE = (687.76, 687.76, 270.0, 480.0), (0.0578421, -0.0805099, -0.000980296, 0.00015575)
"""A telephone's: 540 x 960 pixels."""
ACTION = (560.0, 560.0, 480.0, 270.0), (-0.27, 0.09, 1e-3, -5e-4, -0.015)
"""An action camera's, 960 x 540: strong barrel, not yet called a fisheye."""
RATIONAL = (500.0, 510.0, 320.0, 240.0), (0.4, 0.1, 1e-3, 1e-3, 0.01, 0.7, 0.2, 0.02)
FISHEYE = (340.0, 338.0, 512.0, 384.0), (-0.05, 0.02, -0.012, 0.002)
"""All of a half space and more on 1024 x 768: a fifth of the pixels see behind the camera."""
LENSES = pytest.mark.parametrize(
    ("camera", "fisheye"),
    [(PHONE, False), (ACTION, False), (RATIONAL, False), (FISHEYE, True)],
    ids=["phone", "action", "rational", "fisheye"],
)


def picture(camera, dtype=jnp.float64, n=41):
    """Pixels all over the picture, and the lens beside each."""
    intrinsics, distortion = camera
    width, height = 2 * intrinsics[2], 2 * intrinsics[3]
    x, y = jnp.meshgrid(jnp.linspace(0, width, n), jnp.linspace(0, height, n))
    pixel = jnp.stack([x.ravel(), y.ravel()], axis=-1).astype(dtype)
    full = jnp.zeros(8).at[: len(distortion)].set(jnp.asarray(distortion))
    beside = (jnp.asarray(intrinsics), full)
    return pixel, *(jnp.broadcast_to(v.astype(dtype), (n * n, v.size)) for v in beside)


@pytest.mark.parametrize("rule", OF_FISHEYES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_fisheye_obeys_the_laws(rule, law):
    law(rule)


@pytest.mark.parametrize("rule", OF_FISHEYES, ids=lambda rule: rule.name)
@SEEDS
def test_a_fisheye_is_the_formula_written_as_a_loop(rule, seed):
    arguments = rule.example(jax.random.key(seed))
    wanted = getattr(oracles, rule.name)(*map(np.asarray, arguments), fisheye=True)
    np.testing.assert_allclose(rule.by_hand(*arguments), wanted, rtol=1e-12)


@LENSES
def test_the_way_back_leads_back(camera, fisheye):
    pixel, *beside = picture(camera)
    there = undistort(pixel, *beside, fisheye)
    back = distort(there, *beside, fisheye)
    seen = off_axis(there, camera) < lens.WIDEST - 1e-6
    assert jnp.mean(seen) > (0.75 if fisheye else 0.97)  # its corners see behind the camera
    np.testing.assert_allclose(back[seen], pixel[seen], atol=1e-8)


@LENSES
def test_in_float32_it_is_right_to_a_thousandth_of_a_pixel(camera, fisheye):
    """Of the picture, and of what it shows: of a fisheye 1e-3 px there are 3e-6 radians."""
    wide, narrow = picture(camera), picture(camera, jnp.float32)
    found = undistort(*narrow, fisheye)
    assert found.dtype == jnp.float32
    seen = off_axis(undistort(*wide, fisheye), camera) < 1.5
    back = distort(found.astype(jnp.float64), *wide[1:], fisheye)
    assert jnp.max(jnp.abs(back - wide[0])[seen]) < 1e-3


def off_axis(pixel, camera):
    """Angle to the axis in radians, of a pinhole's pixels."""
    f_x, f_y, c_x, c_y = camera[0]
    return jnp.arctan(jnp.hypot((pixel[:, 0] - c_x) / f_x, (pixel[:, 1] - c_y) / f_y))


@pytest.mark.parametrize("fisheye", [False, True])
def test_without_distortion_a_lens_is_a_pinhole_or_keeps_angles(fisheye):
    pixel, intrinsics, nothing = picture((PHONE[0], ()))
    found = undistort(pixel, intrinsics, nothing, fisheye)
    if fisheye:
        angle = jnp.linalg.norm((pixel - intrinsics[:, 2:]) / intrinsics[:, :2], axis=-1)
        np.testing.assert_allclose(off_axis(found, PHONE), angle, rtol=1e-12)
    else:
        np.testing.assert_allclose(found, pixel, rtol=1e-14, atol=1e-12)


def test_signs_are_those_of_y_down():
    """p_1 > 0 moves what is straight below the middle further down, p_2 > 0 what is right of it."""
    intrinsics = jnp.array([100.0, 100.0, 0.0, 0.0])
    below, right = jnp.array([0.0, 50.0]), jnp.array([50.0, 0.0])
    p1, p2 = jnp.zeros(8).at[2].set(0.01), jnp.zeros(8).at[3].set(0.01)
    np.testing.assert_allclose(distort(below, intrinsics, p1, False), [0, 50.75], rtol=1e-12)
    np.testing.assert_allclose(distort(right, intrinsics, p2, False), [50.75, 0], rtol=1e-12)
    pose = jnp.eye(3, 4)
    _, d = rays(undistort(below, intrinsics, p1, False), intrinsics, pose)
    assert d[1] < 0, "below in the picture is down in the world"


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("k1", [-0.3, -5.0, 5.0, -1e4])
def test_pixels_that_no_ray_reaches_give_numbers(fisheye, dtype, k1):
    """Where the polynomial folds back, at any distance: value and cotangents are finite."""
    distance = jnp.concatenate([jnp.linspace(0, 5, 300), jnp.logspace(0, 4, 50)]).astype(dtype)
    direction = jnp.array([0.6, -0.8], dtype)
    intrinsics = jnp.broadcast_to(jnp.array([100, 110, 50, 60], dtype), (350, 4))
    pixel = intrinsics[:, 2:] + 100 * distance[:, None] * direction[None, :]

    @jax.jit
    def pulled(pixel, intrinsics, l):
        value, pull = jax.vjp(lambda *v: undistort(*v, fisheye), pixel, intrinsics, l)
        return value, *pull(jnp.ones_like(value))

    for distortion in ([k1], [k1, 0.1, 0.01, -0.01], [k1, 0, 0, 0, 0.3, k1, -1.0, 2.0]):
        l = (
            jnp.zeros((350, 8), dtype)
            .at[:, : len(distortion)]
            .set(jnp.array(distortion, dtype)[None, :])
        )
        for found in pulled(pixel, intrinsics, l):
            assert jnp.all(jnp.isfinite(found))


def test_nothing_is_pulled_from_beyond_the_fold():
    """r + k r^3 with k = -1/3 folds back at r = 1, where it has come to 2/3."""
    intrinsics = jnp.array([1.0, 1.0, 0.0, 0.0])
    l = jnp.zeros(8).at[0].set(-1 / 3)
    inside, beyond = jnp.array([0.66, 0.0]), jnp.array([0.68, 0.0])
    slope = jax.jacrev(lambda pixel: undistort(pixel, intrinsics, l, False))
    found = undistort(inside, intrinsics, l, False)
    np.testing.assert_allclose(slope(inside)[0, 0], 1 / (1 - found[0] ** 2), rtol=1e-9)
    np.testing.assert_array_equal(slope(beyond), np.zeros((2, 2)))


@LENSES
def test_the_jacobians_of_both_ways_are_inverse(camera, fisheye):
    pixel, intrinsics, distortion = (v[620] for v in picture(camera))
    there = undistort(pixel, intrinsics, distortion, fisheye)
    back, *_ = lens.undistort_jacobian(pixel, intrinsics, distortion, fisheye)
    forth, *_ = lens.distort_jacobian(there, intrinsics, distortion, fisheye)
    np.testing.assert_allclose(forth @ back, np.eye(2), atol=1e-12)
