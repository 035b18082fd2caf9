"""`nerf export` from the command line: files that can be read, and mistakes in one line."""

import json
import shutil
from unittest import mock

import numpy as np
import pytest
import trimesh

from data.errors import InputError
from data.scene import Scene
from nerf import frame
from nerf.cli import export as command
from nerf.export import files, html, origin
from nerf.export.source import Frame
from nerf.export.surface import Mesh
from tests.nerf.commands import mistake, nerf
from tests.nerf.export.in_closed_form import away

RESOLUTION, COUNT = 64, 4000


@pytest.fixture(scope="module", autouse=True)
def few_ends():
    """Enough to know what cameras see of so few cells."""
    with mock.patch.object(command, "ENDS", 10_000):
        yield


@pytest.fixture(scope="module")
def run(small_run):
    return small_run


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """All that one call exports of it."""
    out = tmp_path_factory.mktemp("out")
    several = (
        *("--mesh", out / "a.ply", "--points", out / "p.ply", "--grid", out / "g.npz"),
        *("--html", out / "page.html", "--resolution", RESOLUTION, "--count", COUNT),
    )
    assert nerf("export", run, *several) == 0
    return out


def read(file):
    mesh = trimesh.load(file, process=False)
    if isinstance(mesh, trimesh.Scene):  # as .glb is
        (mesh,) = mesh.geometry.values()
    return mesh


def test_a_run_of_photographs_gives_a_mesh_near_the_truth(made, capsys):
    mesh = read(made / "a.ply")
    off, cell = np.abs(away(mesh.vertices)), 3 / RESOLUTION
    with capsys.disabled():
        print(
            f"\n  {len(off)} vertices, cell {cell:.3f}: {np.median(off):.4f} median to the surface,"
            f" {np.mean(off < cell):.1%} within a cell"
        )
    assert len(off) > 3000 and np.median(off) < cell and np.mean(off < cell) > 0.7
    np.testing.assert_allclose(np.linalg.norm(mesh.vertex_normals, axis=-1), 1, atol=1e-3)
    colours = mesh.visual.vertex_colors[:, :3].astype(float)
    assert colours.std(axis=0).min() > 20, "marbles of many colours"


def test_every_format_holds_the_same_mesh(run, made, tmp_path):
    a = read(made / "a.ply")
    for ending in (".glb", ".obj"):
        other = tmp_path / f"deep/er/a{ending}"
        assert nerf("export", run, "--mesh", other, "--resolution", RESOLUTION) == 0
        b = read(other)
        np.testing.assert_allclose(b.vertices, a.vertices, atol=1e-5)
        np.testing.assert_array_equal(b.faces, a.faces)
        np.testing.assert_allclose(b.vertex_normals, a.vertex_normals, atol=1e-3)
        colours = b.visual.vertex_colors.astype(int) - a.visual.vertex_colors
        assert np.abs(colours[:, :3]).max() <= 1
        assert list(other.parent.iterdir()) == [other]
        other.unlink()


FAR = np.array([441549.25, 5121946.5, 345.125])
"""Metres, as in maps: 32 bits have steps of half a metre there."""


@pytest.fixture
def far_away(monkeypatch):
    """Scenes whose files have their points at FAR from where they are."""
    of = Frame.of

    def moved(scene):
        scale, motion = of(scene)
        R, m = motion[:, :3], motion[:, 3]
        return Frame(scale, np.column_stack([R, m - R @ FAR]))

    monkeypatch.setattr(Frame, "of", moved)


def test_coordinates_of_maps_keep_their_digits(run, made, far_away, tmp_path, capsys):
    here, out = read(made / "a.ply"), [tmp_path / f"a.{kind}" for kind in ("ply", "obj", "glb")]
    for file in out:
        assert nerf("export", run, "--mesh", file, "--resolution", RESOLUTION) == 0
    said = " ".join(capsys.readouterr().out.replace("\n", " ").split())
    assert said.count("a.glb.origin.json: add it to the coordinates in a.glb, whose 32 bits") == 1
    told = json.loads((tmp_path / "a.glb.origin.json").read_text())
    assert told["file"] == "a.glb" and np.abs(np.array(told["origin"]) - FAR).max() < 3
    for file in out:
        mesh = read(file)
        start = FAR - (told["origin"] if file.suffix == ".glb" else 0)
        np.testing.assert_allclose(mesh.vertices - start, here.vertices, atol=2e-6)
        np.testing.assert_array_equal(mesh.faces, here.faces)


def test_small_units_keep_their_digits_too(tmp_path):
    v = 1e-7 * np.random.default_rng(0).random((30, 3))
    faces, normals = np.arange(30).reshape(10, 3), np.tile([0.0, 0.0, 1.0], (30, 1))
    mesh = Mesh(v, faces, normals, np.zeros((30, 3), np.uint8))
    for kind in ("obj", "ply", "glb"):
        files.write_mesh(mesh, tmp_path / f"a.{kind}")
        np.testing.assert_allclose(read(tmp_path / f"a.{kind}").vertices, v, atol=2e-13)


def test_points_and_pages_of_maps_keep_their_digits(run, made, far_away, tmp_path):
    points, page = tmp_path / "p.ply", tmp_path / "page.html"
    assert nerf("export", run, "--points", points, "--html", page, "--count", COUNT) == 0
    assert b"property double x" in points.read_bytes()[:400]
    found, here = (np.asarray(trimesh.load(f).vertices) for f in (points, made / "p.ply"))
    np.testing.assert_allclose(found - FAR, here, atol=2e-6)
    (about, cloud), (near, other) = (
        html.unpacked(file.read_text()) for file in (page, made / "page.html")
    )
    assert np.abs(np.array(about["origin"]) - FAR).max() < 3 and not any(near["origin"])
    np.testing.assert_allclose(cloud.points - FAR, other.points, atol=1e-4)
    for key in ("low", "high", "centre", "start"):
        np.testing.assert_allclose(about[key], near[key] + FAR - about["origin"], atol=1e-4)
    here, there = (np.array(told["cameras"])[:, :, 3] for told in (near, about))
    np.testing.assert_allclose(there, here + FAR - about["origin"], atol=1e-5)


def test_a_local_origin_is_replaced_and_removed_with_its_file(tmp_path, capsys):
    file, beside = tmp_path / "a.glb", tmp_path / "a.glb.origin.json"
    assert origin.keep(FAR, file) == beside
    with pytest.raises(InputError, match=r"a\.glb\.origin\.json: exists; add --overwrite"):
        origin.check(file, overwrite=False)
    origin.check(file, overwrite=True)
    assert origin.keep(np.zeros(3), file) is None and not beside.exists()
    beside.write_text('{"of": "another program"}')
    with pytest.raises(InputError, match="nerf export did not write it"):
        origin.check(file, overwrite=True)
    assert origin.keep(np.zeros(3), file) is None and beside.exists()


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (-1.5, 1.5, 0),
        (90, 102, 0),
        (5e6, 5e6 + 4, 5e6 + 2),
        (1e9, 1e9 + 0.01, 1e9),
        (7e7, 7e7, 7e7),
    ],
)
def test_where_32_bits_are_too_few(low, high, wanted):
    points = np.array([[low, 0.0, 0.0], [high, 0.0, 0.0]])
    start = origin.local(points)
    assert origin.far(points) == (wanted != 0) and abs(start[0] - wanted) < 0.011
    assert not start.any() or high == low or not origin.far(points - start)


@pytest.mark.parametrize(("moved", "same"), [(1e-6, True), (0.01, False), (50.0, False)])
def test_a_run_is_held_to_its_frame_however_far_that_is(tmp_path, moved, same):
    scene = Scene("far", tmp_path, {}, 0.5, np.column_stack([np.eye(3), -FAR]))
    frame.keep(scene, tmp_path)
    scene.motion[1, 3] += moved
    if same:
        frame.check(scene, tmp_path)
    else:
        with pytest.raises(InputError, match="its poses have changed"):
            frame.check(scene, tmp_path)


def test_points_and_grid_agree_with_the_mesh(made):
    points = trimesh.load(made / "p.ply")
    assert points.vertices.shape == (COUNT, 3) and points.colors.shape[0] == COUNT
    assert b"property float nx" in (made / "p.ply").read_bytes()[:400]
    assert np.median(np.abs(away(np.asarray(points.vertices)))) < 3 / 64
    with np.load(made / "g.npz") as told:
        density, M = told["density"], told["index_to_user"]
        threshold, bounds, colour = told["threshold"], told["bounds"], told["colour"]
    assert density.shape == (RESOLUTION + 1,) * 3 and colour.shape == (*density.shape, 3)
    np.testing.assert_allclose(bounds, [[-1.5] * 3, [1.5] * 3], atol=1e-5)
    mesh = read(made / "a.ply")
    index = (mesh.vertices - M[:3, 3]) @ np.linalg.inv(M[:3, :3]).T
    # each vertex lies between a corner that is denser than the threshold and one that is not
    low, high = (
        density[tuple(np.clip(f(index + e), 0, RESOLUTION).astype(int).T)]
        for f, e in ((np.floor, 1e-3), (np.ceil, -1e-3))
    )
    assert np.mean((low > threshold) != (high > threshold)) > 0.98
    assert colour[density > threshold].any(axis=-1).mean() > 0.99


def test_the_page_holds_the_points_that_it_was_given(made, tmp_path):
    text = (made / "page.html").read_text()
    about, found = html.unpacked(text)
    assert about["name"] == "marbles" and about["count"] == len(found.points) > 0.75 * COUNT
    assert len(about["cameras"]) == 64 and np.array(about["cameras"]).shape == (64, 3, 4)
    # nothing is fetched: no address but the namespace-free page itself
    for word in ("http://", "https://", "src=", "@import", "url("):
        assert word not in text.replace("img-src data:", "")
    np.testing.assert_allclose(about["centre"], 0, atol=1e-4)
    np.testing.assert_allclose(about["up"], [0, 0, 1], atol=1e-3)
    # written again, and read again, it is the same to the last step of its numbers
    view = html.View(
        *(np.array(about[k]) for k in ("centre", "up", "start")),
        about["fov"],
        np.array(about["cameras"]),
        np.array(about["slopes"]),
    )
    again = tmp_path / "again.html"
    html.write(again, found, view, "</script><b>", "m")
    other, points = html.unpacked(again.read_text())
    extent = np.array(about["high"]) - about["low"]
    np.testing.assert_allclose(points.points, found.points, atol=extent.max() / 65535)
    np.testing.assert_array_equal(points.colours, found.colours)
    np.testing.assert_allclose(points.normals, found.normals, atol=1 / 127)
    np.testing.assert_allclose(points.radii, found.radii, rtol=0.02)
    assert other["name"] == "</script><b>" and again.read_text().count("</script>") == 3


def test_mistakes_are_one_line_each(run, made, tmp_path, capsys):
    def refused(*arguments):
        said = mistake(capsys, "export", run, *arguments)
        assert not list(tmp_path.glob("*.*")), "nothing was left behind"
        return said

    out = tmp_path / "m.ply"
    assert "--mesh, --points, --grid or --html" in refused()
    assert "unknown ending" in refused("--mesh", tmp_path / "m.stl")
    assert "unknown ending" in refused("--html", tmp_path / "page")
    (made / "folder.ply").mkdir()
    assert "is a folder" in refused("--mesh", made / "folder.ply", "--overwrite")
    assert "at least 2" in refused("--mesh", out, "--resolution", 0)
    assert "GiB of memory" in refused("--grid", tmp_path / "g.npz", "--resolution", 100000)
    assert "--count 0" in refused("--points", out, "--count", 0)
    assert "points at most" in refused("--points", out, "--count", 10**400)
    assert "at most" in refused("--html", tmp_path / "p.html", "--count", 10**6)
    assert "--keep 2" in refused("--mesh", out, "--keep", 2)
    assert "--threshold -1" in refused("--mesh", out, "--threshold", -1)
    assert "--threshold nan" in refused("--mesh", out, "--threshold", "nan")
    assert "named twice" in refused("--mesh", out, "--points", out)
    assert "try --threshold" in refused("--mesh", out, "--threshold", 1e9, "--resolution", 16)
    (tmp_path / "file").write_text("in the way")
    assert "can't be written" in refused("--mesh", tmp_path / "file" / "m.ply")
    there = (made / "a.ply").read_bytes()
    assert "--overwrite" in refused("--mesh", made / "a.ply", "--resolution", 16)
    assert (made / "a.ply").read_bytes() == there


def test_what_was_there_stays_until_the_new_is_whole(run, made, tmp_path, capsys):
    out = tmp_path / "m.ply"
    shutil.copy(made / "a.ply", out)
    there = out.read_bytes()
    told = ("--mesh", out, "--overwrite", "--resolution", 16, "--hidden")

    def full(mesh, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(out))

    with mock.patch.object(files, "_save", full):
        assert "No space left" in mistake(capsys, "export", run, *told)
    assert out.read_bytes() == there and list(tmp_path.iterdir()) == [out]
    assert nerf("export", run, *told) == 0
    assert out.read_bytes() != there and list(tmp_path.iterdir()) == [out]


def test_a_run_without_a_checkpoint(run, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(run / "config.toml", bare)
    said = mistake(capsys, "export", bare, "--mesh", tmp_path / "deep" / "er" / "m.ply")
    assert str(bare) in said
    assert not (tmp_path / "deep").exists()
