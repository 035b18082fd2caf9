"""The mesh of a density in closed form: surface, normals, units, dust, what is seen."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from data.errors import InputError
from data.load import load
from data.scene import Scene
from nerf.export import surface
from nerf.export.ends import Ends, ends
from nerf.export.level import level
from nerf.export.seen import seen
from nerf.export.source import Frame, Source
from nerf.export.volume import volume
from tests.nerf.conftest import MARBLES as FOLDER
from tests.nerf.export.conftest import ENDS, RESOLUTION
from tests.nerf.export.in_closed_form import (
    SMOOTH,
    SOLIDS,
    Exact,
    angles,
    away,
    density,
    source_of,
    true_normals,
)

COARSE = 64
"""Cells a side where fewer do."""


def test_the_mesh_lies_within_a_cell_and_its_normals_within_three_degrees(
    source, looked, sigma, marbles, capsys
):
    frame, at = Frame.of(marbles), level(source, looked)
    cell = 2 / RESOLUTION
    made = surface.crossing(sigma, at, source)
    mesh = surface.dressed(made, source, frame, cell)
    u, unit = mesh.vertices, cell / marbles.scale
    off = np.abs(away(u))
    rough = surface.crossing(sigma, at, source, rounds=0)
    value = [np.abs(np.log(source.density(m.vertices) / at)) for m in (rough, made)]
    degrees = angles(mesh.normals, true_normals(u))
    # the other way: of every place on the bodies' surfaces the mesh is near
    rng = np.random.default_rng(1)
    v = rng.normal(size=(6000, 3))
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    places = np.concatenate([np.array(b.centre) + np.array(b.radii) * v for b in SOLIDS])
    # where two touch, their densities add up and the surface is that of both
    alone = np.abs(density(places) - 30) < 1
    middles = u[mesh.faces].mean(axis=1)
    edges = [(u[mesh.faces[:, k]] + u[mesh.faces[:, k - 1]]) / 2 for k in range(3)]
    back = cKDTree(np.concatenate([u, middles, *edges])).query(places[alone])[0]
    with capsys.disabled():
        print(
            f"\n  {len(u)} vertices, cell {unit:.4f}: to the surface {np.median(off):.4f} median, "
            f"{off.max():.4f} most, {np.mean(off < unit):.2%} within a cell; back {back.max():.4f} "
            f"most; normals {degrees.mean():.2f} degrees mean, {degrees.max():.1f} most; "
            f"|log(sigma / level)| {value[0].mean():.3f} -> {value[1].mean():.5f}"
        )
    assert (off < unit).all()
    # the rim of the board is sharper than a cell
    assert np.quantile(back, 0.99) < unit and back.max() < 1.25 * unit
    assert degrees.mean() < 3
    assert value[1].mean() < 0.02 * value[0].mean() and np.quantile(value[1], 0.95) < 0.01
    # nothing folds: front sides lie outwards
    p, q, r = (u[mesh.faces[:, k]] for k in range(3))
    front = np.cross(q - p, r - p)
    assert np.mean(np.sum(front * true_normals(middles), -1) > 0) > 0.999
    assert np.sum(p * np.cross(q, r)) > 0, "the volume inside is positive"
    # colours are asked along -normal: this field shows |view|
    expected = np.abs(mesh.normals) * [0.8, 0.2, 0.1] * 255
    assert np.abs(mesh.colours - expected).max() < 1.01


def moved_scene(marbles, scale):
    """The scene as a loader would have it whose files are turned, moved and ten times as large."""
    a, b = 0.7, -1.1
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    motion = np.concatenate([turn @ tip, [[3.0], [-2.0], [0.7]]], axis=1)
    return Scene("moved", FOLDER, dict(marbles.splits), scale, motion)


def test_vertices_and_normals_come_in_the_users_units(source, marbles, sigma):
    """x_scene = scale (R x_file + m), solved for x_file as it stands, gives the same surface."""
    scene = moved_scene(marbles, 0.0667)
    R, m = scene.motion[:, :3], scene.motion[:, 3]
    frame = Frame.of(scene)
    made = surface.crossing(sigma, 30.0, source)
    mesh = surface.dressed(made, source, frame, 0.0)
    back = scene.scale * (mesh.vertices @ R.T + m)
    np.testing.assert_allclose(back, made.vertices, atol=1e-6)
    density = source.density(back)
    assert np.quantile(np.abs(density / 30 - 1), 0.99) < 0.02
    # a step along a normal of the files leaves the body as fast as it can
    step = 0.01
    out = scene.scale * ((mesh.vertices + step / scene.scale * mesh.normals) @ R.T + m)
    np.testing.assert_allclose(np.linalg.norm(out - back, axis=-1), step, rtol=1e-5)
    assert (source.density(out) < density).mean() > 0.99
    assert angles(mesh.normals @ R.T, true_normals(back / marbles.scale)).mean() < 3
    M = frame.matrix()
    np.testing.assert_allclose(made.vertices @ M[:3, :3].T + M[:3, 3], mesh.vertices, atol=1e-5)


def test_refined_or_not_a_vertex_stays_on_its_edge(source, sigma):
    made, rough = (surface.crossing(sigma, 30.0, source, rounds=k) for k in (5, 0))
    np.testing.assert_array_equal(made.faces, rough.faces)
    cells = [(mesh.vertices + 1) * RESOLUTION / 2 for mesh in (made, rough)]
    moved = np.abs(cells[0] - cells[1])
    assert moved.max() < 1 and moved.max() > 0.05
    assert (np.sort(moved, axis=-1)[:, 1] < 1e-4).all(), "along one axis"


def test_dust_is_left_out_and_parts_are_kept(marbles):
    speck = SimpleNamespace(centre=np.array([-0.9, 0.9, 0.8]), radius=0.06)

    def dust(u):
        r = jnp.linalg.norm(u - jnp.asarray(speck.centre), axis=-1)
        return 60 * jax.nn.sigmoid((speck.radius - r) / 0.005)

    source = source_of(marbles.scale, None, extra=dust)
    with_speck = surface.crossing(volume(source, COARSE), 30.0, source)
    near = np.linalg.norm(with_speck.vertices / marbles.scale - speck.centre, axis=-1) < 0.2
    assert near.any()
    clean, parts, of = surface.without_dust(with_speck, 0.02)
    assert of == parts + 1 and len(clean.vertices) == len(with_speck.vertices) - near.sum()
    u = clean.vertices / marbles.scale
    assert (np.linalg.norm(u - speck.centre, axis=-1) > 0.3).all()
    # the faces are the same triangles under new numbers
    kept = with_speck.faces[~near[with_speck.faces].any(axis=1)]
    np.testing.assert_array_equal(
        clean.vertices[clean.faces], with_speck.vertices[kept].astype(float)
    )
    assert surface.without_dust(with_speck, 0.0)[1] == of
    assert surface.without_dust(with_speck, 1.0)[1] == 1


def test_what_no_camera_sees_is_left_out(marbles):
    """A hollow in the largest marble: its wall is a surface of the density, and nobody's sight."""

    def hollow(u):
        r = jnp.linalg.norm(u - jnp.array(SOLIDS[1].centre), axis=-1)
        return -60 * jax.nn.sigmoid((0.3 - r) / 0.01)

    source = source_of(marbles.scale, None, extra=hollow)
    found = ends(source, marbles.splits["train"], ENDS)
    made = surface.crossing(volume(source, COARSE), 30.0, source)
    middle = made.vertices[made.faces].mean(axis=1) / marbles.scale
    inner = np.linalg.norm(middle - SOLIDS[1].centre, axis=-1) < 0.35
    there = seen(made, found, 2 / COARSE)
    assert inner.sum() > 500 and not there[inner].any()
    above = ~inner & (middle[:, 2] > -0.4) & (away(middle) > -0.05)
    assert there[above].mean() > 0.97


def test_an_empty_density_says_what_would_show_something(source, sigma):
    top = float(sigma.max())
    with pytest.raises(InputError, match="no density is above the threshold") as said:
        surface.crossing(sigma, 2 * top, source, unit=0.5)
    assert f"the largest on the lattice is {top / 2:.4g}" in str(said.value)
    lower = float(str(said.value).rpartition(" ")[2])
    assert len(surface.crossing(sigma, lower / 0.5, source).faces)
    with pytest.raises(InputError, match="the run is empty"):
        surface.crossing(0 * sigma, 1.0, source)


def test_a_forward_scene_is_taken_back_from_device_coordinates():
    """A ball before cameras that look along -z: round in the world, and right side out."""
    config = replace(SMOOTH, data=replace(SMOOTH.data, space="forward", slope=(0.8, 0.6)))
    centre = np.array([0.4, -0.2, -4.0])
    model = Exact(config, 1.0)
    world = Source(model, {}, None).space.world

    def ball(x):
        return 40 * jax.nn.sigmoid((1 - jnp.linalg.norm(world(x) - centre, axis=-1)) / 0.02)

    object.__setattr__(model, "sigma", ball)
    source = Source(model, {}, None)
    made = surface.crossing(volume(source, RESOLUTION), 20.0, source)
    mesh = surface.dressed(made, source, Frame(1.0, np.eye(3, 4)), 0.0)
    out = mesh.vertices - centre
    assert np.abs(np.linalg.norm(out, axis=-1) - 1).max() < 0.01
    assert angles(mesh.normals, out).max() < 1
    p, q, r = (out[mesh.faces[:, k]] for k in range(3))
    inside = np.sum(p * np.cross(q, r)) / 6
    assert inside == pytest.approx(4 / 3 * np.pi, rel=0.02)
    # what is seen: the front by rays along -z, which in the cube go along +z
    front = made.vertices[source.normals(made.vertices)[:, 2] > 0.5]
    along = np.tile([0.0, 0.0, 1.0], (len(front), 1))
    there = seen(made, Ends(front, -along, along, len(front)), 2 / RESOLUTION)
    facing = out[mesh.faces].mean(axis=1)[:, 2]
    assert there[facing > 0.6].all() and not there[facing < -0.2].any()


def photographed(folder, split, similarity):
    """A transforms.json of some of a split's pictures, its poses taken through (k, Q, c)."""
    k, Q, c = similarity
    (folder / "images").mkdir(parents=True)
    frames = []
    for number in range(0, len(split), 8):
        Image.fromarray(split.pictures[number][..., :3]).save(folder / f"images/{number}.png")
        pose = np.eye(4)
        # the bundled scene's own units: the loader has made them smaller
        pose[:3, :3] = Q @ split.poses[number][:, :3]
        pose[:3, 3] = k * Q @ (split.poses[number][:, 3] * 1.5) + c
        frames.append({"file_path": f"images/{number}.png", "transform_matrix": pose.tolist()})
    fx, fy, cx, cy = split.intrinsics[0].tolist()
    lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": split.width, "h": split.height}
    (folder / "transforms.json").write_text(json.dumps(lens | {"frames": frames}))
    return folder


def test_files_in_other_units_give_the_same_mesh_in_those(marbles, tmp_path):
    """Poses ten times as large, turned and shifted: a mesh ten times as large, there."""
    a = 0.9
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    found = []
    for name, S in (
        ("same", (1.0, np.eye(3), np.zeros(3))),
        ("moved", (10.0, turn, np.array([20.0, -7.0, 3.0]))),
    ):
        k, Q, c = S
        folder = photographed(tmp_path / name, marbles.splits["train"], S)
        scene = load(folder, bound=3.2 * k, splits=("train",))
        R, m = scene.motion[:, :3], scene.motion[:, 3]

        def there(w, R=R, m=m, s=scene.scale, k=k, Q=Q, c=c):
            return ((w / s - m) @ np.linalg.inv(R).T - c) @ Q / k

        source = Source(Exact(SMOOTH, scene.scale * k, there), {}, None)
        at = 30.0 / (scene.scale * k)
        made = surface.crossing(volume(source, COARSE), at, source)
        mesh = surface.dressed(made, source, Frame.of(scene), 0.0)
        found.append((scene, (mesh.vertices - c) @ Q / k, mesh.normals @ Q))
    (first, x, n), (second, y, o) = found
    assert second.scale == pytest.approx(first.scale / 10, rel=1e-3)
    assert not np.allclose(first.motion, second.motion, atol=0.1)
    cell = 2 / COARSE / first.scale
    for vertices, normals in ((x, n), (y, o)):
        assert np.quantile(np.abs(away(vertices)), 0.99) < 0.1 * cell
        assert np.median(angles(normals, true_normals(vertices))) < 0.1
    for one, other in ((x, y), (y, x)):  # whose lattices lie otherwise
        assert np.quantile(cKDTree(one).query(other)[0], 0.98) < 0.7 * cell
