"""What a lens does and undoes: real lenses, fisheyes, and pixels that no ray reaches."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.ledger import RADIANCE
from calculus.radiance import distort, lens, rays, undistort
from tests import oracles
from tests.calculus import evaluated
from tests.calculus.laws import LAWS, OF_SEEDS

pytestmark = pytest.mark.usefixtures("strict_float64")
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


undistorted, distorted, hit = (jax.jit(f, static_argnums=3) for f in (undistort, distort, lens.hit))


def lens_of(*coefficients):
    """All eight coefficients, the others zero."""
    return np.array([*coefficients, *[0.0] * (8 - len(coefficients))])


def picture(camera, dtype=np.float64, n=41):
    """Pixels all over the picture, and the lens beside each."""
    intrinsics, distortion = np.array(camera[0]), lens_of(*camera[1])
    x, y = np.meshgrid(*(np.linspace(0, 2 * c, n) for c in intrinsics[2:]))
    pixel = np.stack([x.ravel(), y.ravel()], axis=-1)
    beside = (np.tile(v, (n * n, 1)) for v in (intrinsics, distortion))
    return tuple(v.astype(dtype) for v in (pixel, *beside))


@pytest.mark.parametrize("rule", OF_FISHEYES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_fisheye_obeys_the_laws(rule, law):
    law(rule)


@pytest.mark.parametrize("rule", OF_FISHEYES, ids=lambda rule: rule.name)
def test_a_fisheye_is_the_formula_written_as_a_loop(rule):
    points = evaluated.examples(rule)
    values, _ = evaluated.pulled(rule, "by_hand", points)
    for k in OF_SEEDS:
        wanted = getattr(oracles, rule.name)(*points[k][0], fisheye=True)
        np.testing.assert_allclose(values[k], wanted, rtol=1e-12)


@LENSES
def test_the_way_back_leads_back(camera, fisheye):
    pixel, *beside = picture(camera)
    straight = undistorted(pixel, *beside, fisheye)
    seen = off_axis(straight, camera) < lens.WIDEST - 1e-6
    assert np.mean(seen) > (0.75 if fisheye else 0.97)  # its corners see behind the camera
    again = np.asarray(distorted(straight, *beside, fisheye))
    np.testing.assert_allclose(again[seen], pixel[seen], atol=1e-8)


@LENSES
def test_in_float32_it_is_right_to_a_thousandth_of_a_pixel(camera, fisheye):
    """Of the picture, and of what it shows: of a fisheye 1e-3 px there are 3e-6 radians."""
    wide, narrow = picture(camera), picture(camera, np.float32)
    found = np.asarray(undistorted(*narrow, fisheye))
    assert found.dtype == np.float32
    seen = off_axis(undistorted(*wide, fisheye), camera) < 1.5
    again = np.asarray(distorted(found.astype(np.float64), *wide[1:], fisheye))
    assert np.max(np.abs(again - wide[0])[seen]) < 1e-3


def off_axis(pixel, camera):
    """Angle to the axis in radians, of a pinhole's pixels."""
    intrinsics = np.array(camera[0])
    return np.arctan(np.linalg.norm((np.asarray(pixel) - intrinsics[2:]) / intrinsics[:2], axis=-1))


def edge_of_the_sheet(l, fisheye, widest):
    """Length of a at which the radial part first folds back or has a pole, at most `widest`."""
    n, d = (l[:4], []) if fisheye else ([l[0], l[1], l[4]], l[5:])
    N, D = (np.polynomial.Polynomial([1, *c])(np.polynomial.Polynomial([0, 0, 1])) for c in (n, d))
    r = np.polynomial.Polynomial([0, 1])
    slope = (r * N).deriv() * D - r * N * D.deriv()
    ends = [root.real for P in (slope, D) for root in P.roots() if abs(root.imag) < 1e-9]
    return min([widest, *(end for end in ends if end > 0)])


@pytest.mark.parametrize("fisheye", [False, True])
def test_the_way_back_leads_back_wherever_the_lens_has_not_folded(fisheye):
    """Where the start b is beyond the fold, or the root is far from it; and lenses at random."""
    rng = np.random.default_rng(0)
    lenses = [lens_of(0.3, -0.1), lens_of(-0.3, 0.1), lens_of(0.05, 0.01, 0.02, -0.01)]
    for _ in range(37):
        k = rng.normal(size=8) * [0.3, 0.1, 0, 0, 0.03, 0.1, 0.05, 0.01]
        lenses.append(lens_of(0.2 * k[0], k[1], k[4], 0.2 * k[5]) if fisheye else k)
    if fisheye:
        lenses = [l * [1, 1, 1, 1, 0, 0, 0, 0] for l in lenses]
    widest = np.radians(85) if fisheye else np.tan(np.radians(80))
    n = 50
    lengths = np.array(
        [np.linspace(0, 0.99, n) * edge_of_the_sheet(l, fisheye, widest) for l in lenses]
    )
    slopes = (np.tan(lengths) if fisheye else lengths).ravel()[:, None] * [0.6, -0.8]
    intrinsics = np.array([500.0, 500.0, 320.0, 240.0])
    wanted = intrinsics[2:] + 500 * slopes
    beside = np.tile(intrinsics, (len(wanted), 1)), np.repeat(lenses, n, axis=0)
    pixel = distorted(wanted, *beside, fisheye)
    assert np.all(hit(pixel, *beside, fisheye))
    again = distorted(undistorted(pixel, *beside, fisheye), *beside, fisheye)
    np.testing.assert_allclose(again, pixel, rtol=1e-11, atol=2e-8)


@pytest.mark.parametrize("fisheye", [False, True])
def test_without_distortion_a_lens_is_a_pinhole_or_keeps_angles(fisheye):
    pixel, intrinsics, nothing = picture((PHONE[0], ()))
    found = undistorted(pixel, intrinsics, nothing, fisheye)
    if fisheye:
        angle = np.linalg.norm((pixel - intrinsics[:, 2:]) / intrinsics[:, :2], axis=-1)
        np.testing.assert_allclose(off_axis(found, PHONE), angle, rtol=1e-12)
    else:
        np.testing.assert_allclose(found, pixel, rtol=1e-14, atol=1e-12)


def test_signs_are_those_of_y_down():
    """p_1 > 0 moves what is straight below the middle further down, p_2 > 0 what is right of it."""
    intrinsics = np.array([100.0, 100.0, 0.0, 0.0])
    below, right = np.array([0.0, 50.0]), np.array([50.0, 0.0])
    p1, p2 = lens_of(0, 0, 0.01), lens_of(0, 0, 0, 0.01)
    np.testing.assert_allclose(distorted(below, intrinsics, p1, False), [0, 50.75], rtol=1e-12)
    np.testing.assert_allclose(distorted(right, intrinsics, p2, False), [50.75, 0], rtol=1e-12)
    _, d = jax.jit(rays)(undistorted(below, intrinsics, p1, False), intrinsics, np.eye(3, 4))
    assert d[1] < 0, "below in the picture is down in the world"


@functools.partial(jax.jit, static_argnums=3)
def pulled(pixel, intrinsics, l, fisheye):
    value, pull = jax.vjp(lambda *v: undistort(*v, fisheye), pixel, intrinsics, l)
    return value, *pull(jnp.ones_like(value))


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_that_no_ray_reaches_give_numbers(fisheye, dtype):
    """Where the polynomial folds back, at any distance: value and cotangents are finite."""
    distance = np.concatenate([np.linspace(0, 5, 300), np.logspace(0, 4, 50)])
    intrinsics = np.tile([100.0, 110.0, 50.0, 60.0], (350, 1))
    pixel = intrinsics[:, 2:] + 100 * distance[:, None] * [0.6, -0.8]
    for k1 in (-0.3, -5.0, 5.0, -1e4):
        for more in ((), (0.1, 0.01, -0.01), (0, 0, 0, 0.3, k1, -1.0, 2.0)):
            beside = np.tile(lens_of(k1, *more), (350, 1))
            for found in pulled(*(v.astype(dtype) for v in (pixel, intrinsics, beside)), fisheye):
                assert np.all(np.isfinite(found)), (k1, more)


def test_nothing_is_pulled_from_beyond_the_fold():
    """r + k r^3 with k = -1/3 folds back at r = 1, where it has come to 2/3."""
    beside = np.array([1.0, 1.0, 0.0, 0.0]), lens_of(-1 / 3)
    inside, beyond = np.array([0.66, 0.0]), np.array([0.68, 0.0])
    slope = jax.jit(jax.jacrev(lambda pixel: undistort(pixel, *beside, False)))
    found = undistorted(inside, *beside, False)
    np.testing.assert_allclose(slope(inside)[0, 0], 1 / (1 - found[0] ** 2), rtol=1e-9)
    np.testing.assert_array_equal(slope(beyond), np.zeros((2, 2)))
    assert hit(inside, *beside, False) and not hit(beyond, *beside, False)


def test_a_fisheye_hits_nothing_behind_the_camera():
    angle = np.radians([[10.0], [89.0], [93.0], [120.0]])
    beside = np.tile([100.0, 100.0, 0.0, 0.0], (4, 1)), np.zeros((4, 8))
    found = hit(100 * angle * [0.8, 0.6], *beside, True)
    np.testing.assert_array_equal(found, [True, True, False, False])


@LENSES
def test_the_jacobians_of_both_ways_are_inverse(camera, fisheye):
    @jax.jit
    def both(pixel, *beside):
        straight = undistort(pixel, *beside, fisheye)
        there, *_ = lens.undistort_jacobian(pixel, *beside, fisheye)
        back, *_ = lens.distort_jacobian(straight, *beside, fisheye)
        return there, back

    to_straight, to_bent = both(*(v[620] for v in picture(camera)))
    np.testing.assert_allclose(np.asarray(to_bent) @ to_straight, np.eye(2), atol=1e-12)


@pytest.mark.parametrize("p", [0.0, 1e-4, 1e-3])
def test_no_ray_is_taken_from_an_outer_sheet(p):
    """With decentring Newton's method leaps over the fold, to where det J > 0 again."""
    x, y = (v.ravel() + 0.5 for v in np.meshgrid(np.arange(48), np.arange(32)))
    pixel = np.stack([x, y], axis=-1)
    beside = (
        np.tile([18.0, 18.0, 24.0, 16.0], (len(pixel), 1)),
        np.tile(lens_of(-0.4, 0.06, p, -p, 0.002), (len(pixel), 1)),
    )
    found = np.asarray(hit(pixel, *beside, False))
    straight = np.asarray(undistorted(pixel, *beside, False))[found]
    angles = np.degrees(np.arctan(np.linalg.norm(straight - beside[0][0, 2:], axis=-1) / 18))
    assert 0.28 < found.mean() < 0.31 and angles.max() < 49
