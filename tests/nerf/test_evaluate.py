"""PSNR and SSIM against loops, pictures and films that open, and paths that look at the scene."""

import math

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.scene import Split
from nerf import paths, pictures
from nerf.evaluate import best_gain, evaluate, measured, ssim
from nerf.film import save
from nerf.render import Picture, Renderer


def noisy(seed, size=24):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    a = np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y)], axis=-1)
    return a, np.clip(a + 0.1 * rng.normal(size=a.shape), 0, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_ssim_is_its_definition_written_as_a_loop(seed):
    a, b = noisy(seed)
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(window, window) / window.sum() ** 2
    values = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            for channel in range(3):
                p, q = (m[row : row + 11, column : column + 11, channel] for m in (a, b))
                mean_p, mean_q = (window * p).sum(), (window * q).sum()
                var_p = (window * (p - mean_p) ** 2).sum()
                var_q = (window * (q - mean_q) ** 2).sum()
                covariance = (window * (p - mean_p) * (q - mean_q)).sum()
                values.append(
                    (2 * mean_p * mean_q + 1e-4) * (2 * covariance + 9e-4)
                    / ((mean_p**2 + mean_q**2 + 1e-4) * (var_p + var_q + 9e-4))
                )  # fmt: skip
    np.testing.assert_allclose(ssim(a, b), np.mean(values), rtol=1e-10)
    assert ssim(a, a) == pytest.approx(1.0)


def test_psnr_is_taken_of_eight_bits():
    a = np.full((20, 20, 3), 0.5)
    assert measured(a, a + 0.0005)["psnr"] > 60, "less than one step is no error"
    found = measured(a, a + 10 / 255)["psnr"]
    np.testing.assert_allclose(found, 20 * math.log10(25.5), rtol=1e-6)
    assert math.isfinite(measured(a, a)["psnr"])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_gain_takes_an_exposure_back(seed):
    a, b = noisy(seed)
    gain = np.array([0.5, 1.25, 2.0])
    np.testing.assert_allclose(best_gain(a, a * gain), gain)
    found = best_gain(a, b)
    misfit = ((a * found - b) ** 2).sum()
    for channel in range(3):
        for step in (-1e-3, 1e-3):
            other = found + step * (np.arange(3) == channel)
            assert misfit < ((a * other - b) ** 2).sum()
    np.testing.assert_array_equal(best_gain(np.zeros_like(a), a), 1)


def test_a_fitted_exposure_is_measured_on_the_other_half(tmp_path):
    a, _ = noisy(3, 32)
    colour = (0.2 + 0.3 * a).astype(np.float32)
    shown = np.array([1.5, 0.8, 1.2]) * colour
    shown[:, 16:] += 0.1  # an error that no gain of the left half explains
    rgba = np.concatenate([np.round(255 * shown), np.full((32, 32, 1), 255)], -1).astype(np.uint8)
    lens = np.float32([[30, 30, 16, 16]])
    split = Split(("a",), rgba[None], lens, np.eye(3, 4, dtype=np.float32)[None])

    class Renders(Renderer):
        def __init__(self):
            pass

        def picture(self, params, grid, view, tick=None):
            return Picture(colour, np.ones((32, 32), np.float32), np.ones((32, 32), np.float32))

    def told(exposure):
        return evaluate(Renders(), {}, None, split, "test", [0], 1.0, tmp_path, exposure=exposure)

    fitted = told(True)
    np.testing.assert_allclose(fitted["psnr"], 20, atol=0.3)
    assert fitted["protocol"]["exposure"].startswith("fitted")
    assert told(False)["psnr"] < 17


def some_pixels(h=20, w=30):
    rng = np.random.default_rng(0)
    opacity = np.zeros((h, w), np.float32)
    opacity[5:15, 5:25] = 1
    depth = opacity * np.linspace(2, 4, w, dtype=np.float32)
    return Picture(rng.random((h, w, 3), dtype=np.float32), opacity, depth)


def test_depth_picture_is_light_when_near_and_white_when_empty():
    picture = pictures.depth_picture(some_pixels()).astype(int)
    assert (picture[0] == 255).all()
    assert picture[10, 6].sum() > picture[10, 23].sum() + 100


def test_depth_picture_of_nothing():
    nothing = Picture(*(np.zeros_like(v) for v in some_pixels()))
    assert (pictures.depth_picture(nothing) == 255).all()


def test_panel_holds_four_pictures():
    pixels = some_pixels()
    panel = pictures.panel(pictures.parts(np.zeros((20, 30, 3)), pixels), "r_0")
    height, width, _ = panel.shape
    assert width % (4 * 30) == 0 and width >= 4 * pictures.PANEL_WIDTH
    assert height == 16 + 20 * (width // 120)


# imageio's reader leaves its pipes to ffmpeg open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["film.mp4", "film.gif", "frames"])
@pytest.mark.parametrize("size", [(20, 30), (21, 31)])
def test_films_open_and_have_their_frames(tmp_path, name, size):
    frames = [np.full((*size, 3), 20 * k, np.uint8) for k in range(7)]
    out = tmp_path / "new" / name
    save(iter(frames), out, fps=10)
    if name == "frames":
        found = [np.asarray(Image.open(file)) for file in sorted(out.iterdir())]
        np.testing.assert_array_equal(found, frames)
        return
    with imageio.get_reader(out) as film:
        found = [np.asarray(frame)[..., :3] for frame in film]
    assert len(found) == 7
    assert abs(float(found[5].mean()) - 100) < 6
    assert found[0].shape[0] in (size[0], size[0] + 1)


def test_places_where_no_film_can_be_put(tmp_path):
    (tmp_path / "dir.mp4").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "0000.png").write_bytes(b"")
    for name, said in (("a.avi", "unknown ending"), ("dir.mp4", "is a folder"), ("full", "holds")):
        with pytest.raises(InputError, match=said):
            save([], tmp_path / name, fps=10)


def test_a_film_that_breaks_off_leaves_the_old_one(tmp_path):
    (tmp_path / "film.gif").write_bytes(b"old")

    def frames():
        yield np.zeros((20, 20, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(frames(), tmp_path / "film.gif", fps=10)
    assert [p.name for p in tmp_path.iterdir()] == ["film.gif"]
    assert (tmp_path / "film.gif").read_bytes() == b"old"


def test_pictures_too_small_for_ssim():
    with pytest.raises(InputError, match="11x11"):
        ssim(np.zeros((8, 20, 3)), np.zeros((8, 20, 3)))


def test_orbit_of_one_photograph_is_around_the_origin():
    poses = np.eye(4, dtype=np.float32)[None, :3].copy()
    poses[0, :, 3] = [0, 0, 2]
    one = Split(("a",), np.zeros((1, 4, 4, 4), np.uint8), np.ones((1, 4), np.float32), poses)
    for camera in paths.orbit(one, 5):
        assert np.isfinite(camera.pose).all()
        np.testing.assert_allclose(np.linalg.norm(camera.pose[:, 3]), 2.0, rtol=1e-5)


def test_orbit_looks_at_the_scene_from_where_it_was_photographed(photographs):
    path = paths.orbit(photographs, 16)
    assert len(path) == 16
    poses = np.stack([camera.pose for camera in path]).astype(float)
    taken = photographs.poses.astype(float)
    distance = np.linalg.norm(taken[:, :, 3], axis=-1).mean()
    np.testing.assert_allclose(np.linalg.norm(poses[:, :, 3], axis=-1), distance, rtol=1e-3)
    np.testing.assert_allclose(poses[:, 2, 3], taken[:, 2, 3].mean(), rtol=1e-2)
    for pose in poses:
        R = pose[:, :3]
        np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-6)
        assert np.linalg.det(R) > 0
        np.testing.assert_allclose(-R[:, 2], -pose[:, 3] / distance, atol=1e-3)
        assert R[2, 1] > 0, "upside down"
    turns = np.unwrap(np.arctan2(poses[:, 1, 3], poses[:, 0, 3]))
    np.testing.assert_allclose(np.diff(turns), 2 * np.pi / 16, rtol=1e-3)


def test_orbit_of_cameras_that_all_look_straight_down():
    poses = np.tile(np.eye(4, dtype=np.float32)[:3], (3, 1, 1))
    poses[:, :, 3] = [[0, 0, 2], [0.5, 0, 2], [0, 0.5, 2]]
    split = Split(
        tuple("abc"), np.zeros((3, 4, 4, 4), np.uint8), np.ones((3, 4), np.float32), poses
    )
    for camera in paths.orbit(split, 5):
        assert np.isfinite(camera.pose).all()
