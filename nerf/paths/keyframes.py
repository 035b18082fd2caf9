"""Camera paths on disk: nerfstudio's camera-path JSON, in the frame of the scene's own files.

    camera_type             perspective
    render_width, _height   pixels
    fps, seconds, is_cycle  is_cycle: the path ends where it begins
    keyframes               [{matrix, fov, aspect}]: what somebody has set
    camera_path             [{camera_to_world, fov, aspect}]: every frame of the film

Matrices are the 16 numbers of a 4 x 4, row by row: T_world_camera of a camera that looks along its
own -z, y up. fov is vertical, in degrees. Units and orientation are those of the scene's files, so
that a path outlives the run, and other programs that read the scene can film it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data.errors import InputError, words
from data.regular import regular
from data.scene import Scene
from nerf.config import replace_text
from nerf.paths.track import Easing, Keyframe, through

TRANSFORMS = "dataparser_transforms.json"
"""What nerfstudio writes beside a model: from the files' frame to the one that it trains in."""
LARGEST = 1_000_000
"""Most pixels that a picture is wide or high."""
FARTHEST = 1e9
"""Greatest coordinate of a place, and factor of a scale, as of a scene's own poses."""
STRAIGHT = 1e-2
"""Most that a rotation's R^T R may differ from the identity; JSON has few digits sometimes."""


class CameraPath(NamedTuple):
    """What a file of camera paths holds, in scene units."""

    keyframes: list[Keyframe]
    """What somebody has set; empty where the file has frames only."""
    frames: list[Keyframe]
    """Every frame of the film."""
    width: int
    height: int
    fps: float
    closed: bool


def save(
    file: Path,
    keyframes: Sequence[Keyframe],
    scene: Scene,
    width: int,
    height: int,
    fps: float | int = 30,
    seconds: float | int = 4,
    closed: bool = False,
    easing: Easing = "linear",
) -> None:
    """Writes keyframes, and the frames of a film through them, in the frame of a scene's files.

    InputError if there are none, or if the file can't be written.
    """
    if not keyframes:
        raise InputError(f"{file}: no keyframe is set; a path needs at least one")
    count = max(1, round(fps * seconds))
    dense = through(keyframes, closed).keyframes(count, easing)
    aspect = width / height
    told = {
        "camera_type": "perspective",
        "render_height": height,
        "render_width": width,
        "fps": fps,
        "seconds": seconds,
        "is_cycle": closed,
        "smoothness_value": 0.0,
        "default_fov": keyframes[0].fov,
        "keyframes": [
            {"matrix": _matrix(key, scene), "fov": key.fov, "aspect": aspect} for key in keyframes
        ],
        "camera_path": [
            {"camera_to_world": _matrix(key, scene), "fov": key.fov, "aspect": aspect}
            for key in dense
        ],
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(told, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"{file}: can't be written: {error.strerror}") from error


def load(file: Path, scene: Scene, frames_only: bool = False) -> CameraPath:
    """Reads a path into scene units; nerfstudio's own frame is undone where its file lies beside.

    InputError that names the field and the frame for everything that can't be filmed. With
    `frames_only` keyframes are not looked at: a film needs none.
    """
    told = _read(file)
    kind = str(told.get("camera_type", "perspective")).lower()
    if kind != "perspective":
        raise InputError(f"{file}: camera_type is {kind}; only perspective can be filmed")
    width, height = (_size(file, told, name) for name in ("render_width", "render_height"))
    fps = _number(file, "fps", told.get("fps", 30.0))
    if not 0.01 <= fps <= 1000:
        raise InputError(f"{file}: fps is {fps:g}; it must be from 0.01 to 1000")
    frames = told.get("camera_path")
    if not isinstance(frames, list):
        raise InputError(f"{file}: has no camera_path, a list of frames; is it a camera path?")
    if not frames:
        raise InputError(f"{file}: camera_path is empty; a film needs at least one frame")
    undo = _undo(file, scene)
    path = [_frame(file, f"camera_path[{k}]", "camera_to_world", row, undo, scene)
            for k, row in enumerate(frames)]  # fmt: skip
    keys = [] if frames_only else told.get("keyframes") or []
    if not isinstance(keys, list):
        raise InputError(f"{file}: keyframes is no list")
    # nerfstudio's older web page wrote them as text, column by column: its frames say enough
    if any(isinstance(row, dict) and isinstance(row.get("matrix"), str) for row in keys):
        keys = []
    keyframes = [_frame(file, f"keyframes[{k}]", "matrix", row, undo, scene)
                 for k, row in enumerate(keys)]  # fmt: skip
    return CameraPath(keyframes, path, width, height, fps, bool(told.get("is_cycle", False)))


def _matrix(key: Keyframe, scene: Scene) -> list[float]:
    """A pose in the files' frame, as 16 numbers: x_file = R^T (x_scene / scale - m)."""
    pose, motion = (np.asarray(v, np.float64) for v in (key.pose, scene.motion))
    R, m = motion[:, :3], motion[:, 3]
    there = np.eye(4)
    there[:3, :3] = R.T @ pose[:, :3]
    there[:3, 3] = R.T @ (pose[:, 3] / scene.scale - m)
    return there.ravel().tolist()


def _frame(
    file: Path, where: str, name: str, row: Any, undo: Float[np.ndarray, "4 4"], scene: Scene
) -> Keyframe:
    if not isinstance(row, dict):
        raise InputError(f"{file}: {where} is no object with {name} and fov")
    for field in (name, "fov"):
        if field not in row:
            raise InputError(f"{file}: {where} has no {field}")
    try:
        matrix = np.array(row[name], np.float64)
    except (ValueError, TypeError, OverflowError):
        matrix = np.zeros(0)
    if matrix.size not in (12, 16) or matrix.ndim > 2:
        raise InputError(f"{file}: {where}.{name} is no matrix: it must be 16 numbers, row by row")
    if not np.isfinite(matrix).all():
        raise InputError(f"{file}: {where}.{name} holds a number that is not finite")
    if np.abs(matrix).max() > FARTHEST:
        raise InputError(
            f"{file}: {where}.{name}: a camera at {np.abs(matrix).max():g}; its place must be "
            f"within {FARTHEST:g} of the origin"
        )
    matrix = matrix.reshape(-1, 4)
    if len(matrix) == 4 and not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6):
        raise InputError(f"{file}: {where}.{name}: its last row is not 0 0 0 1")
    R = matrix[:3, :3]
    if np.abs(R.T @ R - np.eye(3)).max() > STRAIGHT or np.linalg.det(R) < 0:
        raise InputError(f"{file}: {where}.{name} is not a rotation and a place")
    fov = _number(file, f"{where}.fov", row["fov"])
    if not 0.01 <= fov <= 179:
        raise InputError(f"{file}: {where}.fov is {fov:g}; it must be from 0.01 to 179 degrees")
    motion = np.asarray(scene.motion, np.float64)
    place = undo[:3, :3] @ matrix[:3, 3] + undo[:3, 3]
    turn, _, back = np.linalg.svd(motion[:, :3] @ undo[:3, :3] @ R)  # the nearest rotation
    place = scene.scale * (motion[:, :3] @ place + motion[:, 3])
    return Keyframe(np.concatenate([turn @ back, place[:, None]], axis=1), fov)


def _undo(file: Path, scene: Scene) -> Float[np.ndarray, "4 4"]:
    """From the frame that the path is in to that of the scene's files; the identity if it is.

    nerfstudio trains in x = scale (T x_original); the original frame of photographs that it has
    prepared itself is the one before the `applied_transform` of their transforms.json.
    """
    beside, to_files = file.parent / TRANSFORMS, np.eye(4)
    if not beside.exists():
        return to_files
    told = _read(beside)
    scale = _number(beside, "scale", told.get("scale"))
    if not 1 / FARTHEST <= scale <= FARTHEST:
        raise InputError(
            f"{beside}: scale is {scale:g}; it must be from {1 / FARTHEST:g} to {FARTHEST:g}"
        )
    forth = np.eye(4)
    forth[:3] = scale * _motion(beside, "transform", told.get("transform"))
    original = scene.path / "transforms.json"
    if original.exists():
        applied = _read(original).get("applied_transform")
        if applied is not None:
            to_files[:3] = _motion(original, "applied_transform", applied)
    return to_files @ np.linalg.inv(forth)


def _motion(file: Path, name: str, told: Any) -> Float[np.ndarray, "3 4"]:
    try:
        motion = np.array(told, np.float64)[:3].reshape(3, 4)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise InputError(f"{file}: {name} is no matrix of 3 x 4 numbers") from None
    sound = np.isfinite(motion).all() and np.abs(motion).max() <= FARTHEST
    if not sound or abs(np.linalg.det(motion[:, :3])) < 1e-12:
        raise InputError(f"{file}: {name} can't be undone")
    return motion


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(regular(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}") from error
    except RecursionError:
        raise InputError(f"{file}: is no camera path: nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{file}: is no JSON: {words(error)}") from error
    if not isinstance(told, dict):
        raise InputError(f"{file}: is no JSON object; a camera path has camera_path in it")
    return told


def _size(file: Path, told: dict[str, Any], name: str) -> int:
    if name not in told:
        raise InputError(f"{file}: has no {name}, pixels")
    value = _number(file, name, told[name])
    if not 1 <= value <= LARGEST or value != int(value):
        raise InputError(f"{file}: {name} is {value:g}; a whole number from 1 to {LARGEST}")
    return int(value)


def _number(file: Path, name: str, told: Any) -> float:
    try:
        value = float(told)
    except (TypeError, ValueError):
        raise InputError(f"{file}: {name} is {json.dumps(told)[:40]}, no number") from None
    except OverflowError:
        value = np.inf
    if not np.isfinite(value):
        raise InputError(f"{file}: {name} is not finite")
    return value
