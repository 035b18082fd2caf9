"""Paths stay among the photographs, keep the horizon level, and neither halt nor jerk."""

from itertools import pairwise

import numpy as np
import pytest

from data.errors import InputError
from data.scene import Camera, Scene, Split
from nerf.paths import Keyframe, Shot, through
from nerf.paths.choose import choose, framed, zoomed
from nerf.paths.taken import Taken, look_at
from nerf.paths.tour import shortest
from nerf.paths.track import eased, travelled

UP = np.array([0.0, 0.0, 1.0])


def split_of(poses) -> Split:
    n = len(poses)
    pictures = np.zeros((n, 30, 40, 4), np.uint8)
    lenses = np.tile(np.float32([40, 40, 20, 15]), (n, 1))
    return Split(tuple(map(str, range(n))), pictures, lenses, np.stack(poses).astype(np.float32))


def from_round(azimuths, distance=2.0, height=0.5, seed=0):
    """Cameras that look at the origin from some angles, not all equally far and high."""
    rng = np.random.default_rng(seed)
    poses = []
    for a in azimuths:
        r = distance * rng.uniform(0.9, 1.1)
        place = np.array([r * np.cos(a), r * np.sin(a), height * rng.uniform(0.8, 1.2)])
        poses.append(look_at(place, rng.normal(0, 0.03, 3), UP))
    return split_of(poses)


def side_by_side(seed=0):
    """Cameras in a plane that look along -z, as in a forward-facing scene."""
    rng = np.random.default_rng(seed)
    poses = []
    for _ in range(20):
        place = np.append(rng.uniform(-0.3, 0.3, 2), rng.uniform(-0.05, 0.05))
        poses.append(look_at(place, place - UP, np.array([0, 1.0, 0])))
    return split_of(poses)


SCENES = {
    "bounded": ("bounded", from_round(np.linspace(0, 2 * np.pi, 24, endpoint=False))),
    "round": ("unbounded", from_round(np.linspace(0, 2 * np.pi, 24, endpoint=False))),
    "one side": ("unbounded", from_round(np.linspace(-0.9, 0.9, 24))),
    "forward": ("forward", side_by_side()),
}


def scene_of(split, tmp_path) -> Scene:
    return Scene("s", tmp_path, {"train": split, "test": split}, 1.0)


def filmed(name, path, tmp_path, **options):
    kind, split = SCENES[name]
    focus = (lambda camera: 4.0) if kind == "forward" else None
    return choose(Shot(path, **options), scene_of(split, tmp_path), kind, focus), split


CASES = [
    (scene, path) for scene in SCENES for path in ("orbit", "ellipse", "spiral", "interpolate")
]


@pytest.mark.parametrize(("name", "path"), CASES)
@pytest.mark.parametrize("easing", ["linear", "smooth"])
def test_a_path_neither_jerks_nor_halts_nor_rolls(tmp_path, name, path, easing):
    views, split = filmed(name, path, tmp_path, frames=100, easing=easing)
    taken = Taken.of(split)
    keys = [Keyframe.of(view) for view in views]
    for key in keys:
        R = key.pose[:, :3]
        np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-5)
        assert R[:, 1] @ taken.up > 0, "upside down"
        # the cameras themselves are level to within what their look at a spread of points makes
        assert abs(R[:, 0] @ taken.up) < (0.06 if path == "interpolate" else 1e-3)
    closed = path != "interpolate"
    if closed:
        keys.append(keys[0])  # the seam is a step like the others
    places = np.stack([key.pose[:, 3] for key in keys])
    size = np.linalg.norm(places - places.mean(0), axis=-1).max()
    steps = np.array([travelled(a, b, size) for a, b in pairwise(keys)])
    turns = np.array([travelled(a, b, 1e9) for a, b in pairwise(keys)])
    if "on the side" in views.said:  # a pendulum: slower where it turns
        assert steps.max() < (1.6 if easing == "linear" else 2.4) * steps.mean()
    elif easing == "linear":
        assert steps.max() < 1.4 * steps.mean() and steps.min() > 0.6 * steps.mean()
    else:
        assert steps.max() < 1.7 * steps.mean()
        assert closed == (steps.min() > 0.3 * steps.mean()), "a closed path halts, or the other not"
    assert np.degrees(turns.max()) < 12
    if closed:
        changes = np.abs(np.diff(np.append(steps, steps[0])))
        assert changes.max() < 0.2 * steps.mean(), "it jerks"


@pytest.mark.parametrize(("name", "path"), CASES)
def test_a_path_stays_where_photographs_were_taken(tmp_path, name, path):
    views, split = filmed(name, path, tmp_path, frames=60)
    taken = Taken.of(split, 4.0 if name == "forward" else None)
    places = np.stack([view.pose[:, 3] for view in views]).astype(float)
    offsets = places - taken.centre
    distance = np.linalg.norm(offsets, axis=-1)
    slack = {"spiral": 0.12, "interpolate": 0.08}.get(path, 0.03)
    assert distance.min() > (1 - slack) * taken.distance.min()
    assert distance.max() < (1 + slack) * taken.distance.max()
    if name in ("one side", "forward") and path != "spiral":
        ahead, aside = taken.level()
        azimuth = np.arctan2(offsets @ aside, offsets @ ahead)
        taken_at = taken.angles()[0]
        assert taken_at.min() - 0.02 < azimuth.min() and azimuth.max() < taken_at.max() + 0.02
    for view in views:  # it looks at what the photographs show
        towards = taken.centre - view.pose[:, 3]
        cosine = -view.pose[:, 2] @ towards / np.linalg.norm(towards)
        assert cosine > np.cos(np.radians(20 if name == "forward" else 8))


def test_which_orbit_suits_which_space(tmp_path):
    said = {name: filmed(name, "orbit", tmp_path)[0].said for name in SCENES}
    assert "circle" in said["bounded"] and "through where" in said["round"]
    assert "on the side" in said["one side"] and "on the side" in said["forward"]


def test_one_photograph_is_filmed_from_near_where_it_was_taken(tmp_path):
    one = split_of([look_at(np.array([2.0, 0, 0.5]), np.zeros(3), UP)])
    for path in ("orbit", "ellipse", "spiral", "interpolate"):
        for view in choose(Shot(path, 5), scene_of(one, tmp_path), "unbounded"):
            assert np.linalg.norm(view.pose[:, 3] - [2.0, 0, 0.5]) < 0.5


def test_a_track_goes_through_its_keyframes():
    rng = np.random.default_rng(1)
    keys = [
        Keyframe(look_at(rng.normal(0, 2, 3), np.array([0.1, 0.2, 0]), UP).astype(float), fov)
        for fov in (30.0, 50.0, 40.0, 60.0)
    ]
    for closed in (False, True):
        film = through(keys, closed, even=False).keyframes(4)
        for a, b in zip(keys, film, strict=True):
            np.testing.assert_allclose(a.pose, b.pose, atol=1e-6)
            np.testing.assert_allclose(a.fov, b.fov, atol=1e-6)
    track = through(keys)
    fine = [track.at(u) for u in np.linspace(0, 1, 4000)]
    for key in keys:
        assert min(travelled(key, other, 1.0) for other in fine) < 0.01


def test_a_zoom_between_keyframes_is_even_in_the_logarithm_of_the_focal_length():
    pose = look_at(np.array([2.0, 0, 0.5]), np.zeros(3), UP).astype(float)
    film = through([Keyframe(pose, 60.0), Keyframe(pose, 20.0)]).keyframes(9)
    focal = np.array([-np.log(np.tan(np.radians(key.fov) / 2)) for key in film])
    np.testing.assert_allclose(np.diff(focal), np.diff(focal).mean(), rtol=1e-3)
    assert all(np.array_equal(key.pose, film[0].pose) for key in film) or np.allclose(
        [key.pose for key in film], pose
    )


def test_turning_takes_the_short_way_round():
    """A quaternion and its negative are one rotation."""
    poses = [look_at(np.array([np.cos(a), np.sin(a), 0]), np.zeros(3), UP).astype(float)
             for a in np.radians([0, 80, 160, 240, 320])]  # fmt: skip
    film = through([Keyframe(pose, 50.0) for pose in poses], closed=True).keyframes(50)
    keys = [*film, film[0]]
    for a, b in pairwise(keys):
        assert np.degrees(travelled(a, b, 1e9)) < 9


def test_a_tour_is_short_and_keeps_a_videos_order():
    rng = np.random.default_rng(0)
    along = [Keyframe(look_at(np.array([x, 0.0, 0]), np.array([x, 1.0, 0]), UP).astype(float), 50.0)
             for x in np.linspace(0, 1, 30)]  # fmt: skip
    np.testing.assert_array_equal(shortest(along), np.arange(30))
    mixed = rng.permutation(30)
    found = mixed[shortest([along[k] for k in mixed])]
    assert np.array_equal(found, np.arange(30)) or np.array_equal(found, np.arange(30)[::-1])


def test_easing():
    t = np.linspace(0, 1, 101)
    for closed in (False, True):
        s = np.array([eased(v, closed, "smooth") for v in t])
        assert s[0] == 0 and abs(s[-1] - 1) < 1e-12 and (np.diff(s) > 0).all()
        speed = np.diff(s) / np.diff(t)
        if closed:
            np.testing.assert_allclose(speed[0], speed[-1], atol=1e-9)  # no stutter at the seam
            assert speed.min() > 0.45
        else:
            assert speed[0] < 0.05 and speed[-1] < 0.05
        assert [eased(v, closed, "linear") for v in t] == list(t)


def test_another_size_shows_the_same_from_top_to_bottom(tmp_path):
    split = SCENES["bounded"][1]
    (view,) = choose(Shot("orbit", 1, size=(160, 60)), scene_of(split, tmp_path), "bounded")
    np.testing.assert_allclose(view.intrinsics, [80, 80, 80, 30], rtol=1e-6)
    own = framed(split.camera(0), 80, 60)
    np.testing.assert_allclose(own.intrinsics, [80, 80, 40, 30], rtol=1e-6)
    wide = framed(split.camera(0), 60, 30, fov=90)
    np.testing.assert_allclose(wide.intrinsics, [15, 15, 30, 15], rtol=1e-6)


def test_zooms(tmp_path):
    views, _ = filmed("bounded", "orbit", tmp_path, frames=40, fov=(60.0, 30.0))
    fov = [Keyframe.of(view).fov for view in views]
    np.testing.assert_allclose([fov[0], fov[20]], [60, 30], rtol=1e-5)  # there and back
    np.testing.assert_allclose(fov[1], fov[-1], rtol=1e-5)
    assert zoomed((50.0,), 0.3, False) == pytest.approx(50)
    assert zoomed((60.0, 30.0), 1.0, False) == pytest.approx(30)


def test_test_views_are_those_of_the_split(tmp_path):
    views, split = filmed("bounded", "test", tmp_path)
    assert len(views) == len(split) and views.fps == 4
    for k in (0, 7, 23):
        np.testing.assert_array_equal(views[k].pose, split.poses[k])
        np.testing.assert_allclose(views[k].intrinsics, split.intrinsics[k])
    assert len(filmed("bounded", "test", tmp_path, frames=5)[0]) == 5


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("bounded", {"path": "orbti"}, "did you mean orbit"),
        ("bounded", {"path": "nope"}, "or name a FILE.json"),
        ("bounded", {"path": "orbit", "fov": (180.0,)}, "--fov 180"),
        ("bounded", {"path": "orbit", "fov": (1.0, 2.0, 3.0)}, "two to zoom"),
        ("bounded", {"path": "test", "frames": 25}, "the test split has 24 views"),
        ("forward", {"path": "orbit", "fov": (178.0,)}, "looks aside"),
        ("bounded", {"path": "/nowhere/p.json"}, "can't be read"),
    ],
)
def test_what_can_not_be_filmed(tmp_path, name, options, said):
    with pytest.raises(InputError, match=said):
        filmed(name, options.pop("path"), tmp_path, **options)


def test_views_are_a_sequence(tmp_path):
    views, _ = filmed("bounded", "orbit", tmp_path, frames=8)
    assert isinstance(views[0], Camera) and len(views[2:4]) == 2
    np.testing.assert_array_equal(views[-1].pose, views[7].pose)
    with pytest.raises(IndexError):
        views[8]
