"""Paths on disk: there and back, in the files' own frame, and what can't be filmed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data.errors import InputError
from data.scene import Camera, Scene
from nerf.paths import Keyframe, keyframes
from nerf.paths.track import through


def posed(place, turn) -> np.ndarray:
    R = Rotation.from_rotvec(turn).as_matrix()
    return np.concatenate([R, np.array(place, float)[:, None]], axis=1)


@pytest.fixture
def scene(tmp_path):
    motion = posed([0.3, -0.1, 0.2], [0.5, 0.2, -1.0])
    return Scene("s", tmp_path / "scene", {}, 0.25, motion)


@pytest.fixture
def keys():
    return [
        Keyframe(posed([1.0, 0, 0.5], [0, 0.1, 0]), 50.0),
        Keyframe(posed([0.8, 0.7, 0.5], [0, 0.8, 0.1]), 40.0),
        Keyframe(posed([0, 1.2, 0.4], [0.1, 1.5, 0]), 30.0),
    ]


def same(a: Keyframe, b: Keyframe, atol=1e-9):
    np.testing.assert_allclose(a.pose, b.pose, atol=atol)
    np.testing.assert_allclose(a.fov, b.fov, atol=1e-9)


def test_what_is_saved_is_loaded_again(tmp_path, scene, keys):
    file = tmp_path / "new" / "path.json"
    keyframes.save(file, keys, scene, 320, 180, fps=10, seconds=2, closed=True)
    found = keyframes.load(file, scene)
    assert (found.width, found.height, found.fps, found.closed) == (320, 180, 10, True)
    assert len(found.frames) == 20 and len(found.keyframes) == 3
    for a, b in zip(keys, found.keyframes, strict=True):
        same(a, b)
    for a, b in zip(through(keys, closed=True).keyframes(20), found.frames, strict=True):
        same(a, b)


def test_a_file_is_in_the_units_and_orientation_of_the_scenes_files(tmp_path, scene, keys):
    """x_scene = scale (R x_file + m), written out with homogeneous matrices."""
    keyframes.save(tmp_path / "p.json", keys, scene, 320, 180)
    row = json.loads((tmp_path / "p.json").read_text())["keyframes"][1]
    to_scene = np.eye(4)
    to_scene[:3] = scene.scale * scene.motion
    there = to_scene @ np.array(row["matrix"]).reshape(4, 4)
    np.testing.assert_allclose(there[:3, 3], keys[1].pose[:, 3], atol=1e-12)
    np.testing.assert_allclose(there[:3, :3] / scene.scale, keys[1].pose[:, :3], atol=1e-12)
    assert row["aspect"] == 320 / 180


def test_a_path_outlives_the_run(tmp_path, scene, keys):
    """Read back for the same files at another scale, it is the same way through them."""
    keyframes.save(tmp_path / "p.json", keys, scene, 320, 180)
    larger = keyframes.load(tmp_path / "p.json", replace(scene, scale=2 * scene.scale))
    for a, b in zip(keys, larger.keyframes, strict=True):
        np.testing.assert_allclose(2 * a.pose[:, 3], b.pose[:, 3], atol=1e-9)
        np.testing.assert_allclose(a.pose[:, :3], b.pose[:, :3], atol=1e-9)


@pytest.mark.parametrize("applied", [False, True])
def test_nerfstudios_own_frame_is_undone(tmp_path, scene, keys, applied):
    scene.path.mkdir()
    keyframes.save(tmp_path / "p.json", keys, scene, 320, 180)
    told = json.loads((tmp_path / "p.json").read_text())
    # the original frame, from which the files' is turned by 90 degrees and nerfstudio's otherwise
    turned = np.eye(4)
    if applied:
        turned[:3] = posed([0, 0, 0], [np.pi / 2, 0, 0])
        text = json.dumps({"applied_transform": turned[:3].tolist()})
        (scene.path / "transforms.json").write_text(text)
    transform, scale = np.eye(4), 0.37
    transform[:3] = posed([1, 2, 3], [0.2, -0.7, 0.4])
    for key in ("camera_path", "keyframes"):
        for row in told[key]:
            name = "matrix" if key == "keyframes" else "camera_to_world"
            pose = transform @ np.linalg.inv(turned) @ np.array(row[name]).reshape(4, 4)
            pose[:3, 3] *= scale
            row[name] = pose.ravel().tolist()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "p.json").write_text(json.dumps(told))
    text = json.dumps({"transform": transform[:3].tolist(), "scale": scale})
    (theirs / "dataparser_transforms.json").write_text(text)
    found = keyframes.load(theirs / "p.json", scene)
    for a, b in zip(keys, found.keyframes, strict=True):
        same(a, b)
    assert len(found.frames) == 120


def test_keyframes_of_an_older_page_are_left_out(tmp_path, scene, keys):
    keyframes.save(tmp_path / "p.json", keys, scene, 320, 180)
    told = json.loads((tmp_path / "p.json").read_text())
    told["keyframes"] = [{"matrix": json.dumps(row["matrix"]), "fov": 50} for row in
                         told["keyframes"]]  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(told))
    found = keyframes.load(tmp_path / "p.json", scene)
    assert found.keyframes == [] and len(found.frames) == 120


def broken(change):
    def apply(told):
        change(told)
        return json.dumps(told)

    return apply


def frame(k, **fields):
    return broken(lambda told: told["camera_path"][k].update(fields))


BAD = {
    "no JSON": (lambda told: "{", "is no JSON"),
    "a list": (lambda told: "[]", "is no JSON object"),
    "no path": (broken(lambda t: t.pop("camera_path")), "has no camera_path"),
    "no list": (broken(lambda t: t.update(camera_path=3)), "has no camera_path, a list"),
    "empty": (broken(lambda t: t.update(camera_path=[])), "camera_path is empty"),
    "a number": (broken(lambda t: t.update(camera_path=[3])), r"camera_path\[0\] is no object"),
    "no matrix": (
        broken(lambda t: t["camera_path"][1].pop("camera_to_world")),
        r"camera_path\[1\] has no camera_to_world",
    ),
    "few": (frame(2, camera_to_world=[1.0] * 7), r"camera_path\[2\].camera_to_world is no matrix"),
    "words": (frame(0, camera_to_world="up"), r"camera_path\[0\].camera_to_world is no matrix"),
    "ragged": (frame(0, camera_to_world=[[1], [1, 2]]), r"\[0\].camera_to_world is no matrix"),
    "NaN": (frame(2, camera_to_world=[float("nan")] * 16), r"\[2\].* not finite"),
    "sheared": (frame(1, camera_to_world=[2.0, *np.eye(4).ravel()[1:]]), r"\[1\].*not a rotation"),
    "mirrored": (frame(1, camera_to_world=[-1.0, *np.eye(4).ravel()[1:]]), "not a rotation"),
    "last row": (frame(1, camera_to_world=[*np.eye(4).ravel()[:15], 2.0]), "last row"),
    "no fov": (broken(lambda t: t["camera_path"][2].pop("fov")), r"camera_path\[2\] has no fov"),
    "fov 0": (frame(2, fov=0), r"camera_path\[2\].fov is 0"),
    "fov 1e-300": (frame(2, fov=1e-300), r"\[2\].fov is 1e-300; it must be from 0.01 to 179"),
    "far away": (
        frame(2, camera_to_world=[1, 0, 0, 1e300, 0, 1, 0, 0, 0, 0, 1, 0]),
        r"\[2\].camera_to_world: a camera at 1e\+300; its place must be within 1e\+09",
    ),
    "fov 180": (frame(2, fov=180), r"camera_path\[2\].fov is 180"),
    "fov words": (frame(2, fov="wide"), r"camera_path\[2\].fov is .*no number"),
    "width": (broken(lambda t: t.update(render_width=0)), "render_width is 0"),
    "height": (broken(lambda t: t.update(render_height=2.5)), "render_height is 2.5"),
    "no height": (broken(lambda t: t.pop("render_height")), "has no render_height"),
    "fps": (broken(lambda t: t.update(fps=0)), "fps is 0"),
    "fps of 400 digits": (broken(lambda t: t.update(fps=10**400)), "fps is not finite"),
    "fov of 400 digits": (frame(2, fov=10**400), r"camera_path\[2\].fov is not finite"),
    "400 digits": (frame(2, camera_to_world=[10**400] * 16), r"camera_to_world is no matrix"),
    "wide as the world": (broken(lambda t: t.update(render_width=1e300)), "from 1 to 1000000"),
    "type": (broken(lambda t: t.update(camera_type="equirectangular")), "only perspective"),
    "key": (broken(lambda t: t["keyframes"][1].update(fov=-3)), r"keyframes\[1\].fov is -3"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_wrong_field_is_named_with_its_frame(tmp_path, scene, keys, name):
    change, said = BAD[name]
    file = tmp_path / "p.json"
    keyframes.save(file, keys, scene, 320, 180, seconds=0.1)
    file.write_text(change(json.loads(file.read_text())))
    with pytest.raises(InputError, match=said) as mistake:
        keyframes.load(file, scene)
    assert str(mistake.value).startswith(str(file)) and "\n" not in str(mistake.value)


def test_a_film_needs_no_keyframes(tmp_path, scene, keys):
    file = tmp_path / "p.json"
    keyframes.save(file, keys, scene, 320, 180, seconds=0.1)
    told = json.loads(file.read_text()) | {"keyframes": [{"matrix": 3}]}
    file.write_text(json.dumps(told))
    found = keyframes.load(file, scene, frames_only=True)
    assert len(found.frames) == 3 and found.keyframes == []
    with pytest.raises(InputError, match=r"keyframes\[0\]"):
        keyframes.load(file, scene)


def test_no_file_and_no_place(tmp_path, scene, keys):
    with pytest.raises(InputError, match="can't be read"):
        keyframes.load(tmp_path / "none.json", scene)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        keyframes.save(tmp_path / "file" / "p.json", keys, scene, 320, 180)
    with pytest.raises(InputError, match="at least one"):
        keyframes.save(tmp_path / "p.json", [], scene, 320, 180)


def test_a_camera_and_its_keyframe():
    camera = Camera(40, 30, np.array([30, 30, 20, 15], np.float32), posed([1, 2, 3], [0, 0, 1]))
    key = Keyframe.of(replace(camera, pose=camera.pose.astype(np.float32)))
    again = key.camera(80, 60)
    np.testing.assert_allclose(again.intrinsics, [60, 60, 40, 30], rtol=1e-6)
    np.testing.assert_allclose(key.fov, 2 * np.degrees(np.arctan(0.5)), rtol=1e-6)
