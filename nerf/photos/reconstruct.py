"""Structure from motion by pycolmap, a stage at a time, in a process of its own.

    python -m nerf.photos.reconstruct features|matches|mapping WORK

pycolmap prints as it likes, ends the process where it finds itself wrong, and does not hear Ctrl-C
while it computes: all of that stays in here. WORK holds `pictures`, `settings.json` and
`pairs.txt`; each stage adds to `database.db`, the last one writes `model.json`,
`points.npy` and `well_known.npz`.
"""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from data import sparse

SEED = 0
ENOUGH = 10
"""Pictures, from which on the principal point is found."""
OFF_CENTRE = 0.1
"""Of the picture's size: further from its middle no lens looks."""
PAIRS_AT_ONCE = 20
"""Pairs that are matched together: few, so that progress is seen."""


def features(work: Path, settings: dict[str, Any]) -> None:
    """SIFT features of all pictures."""
    one = settings["one_lens"]
    pycolmap.extract_features(
        work / "database.db",
        work / "pictures",
        camera_mode=pycolmap.CameraMode.SINGLE if one else pycolmap.CameraMode.PER_IMAGE,
        # a lens known from one picture alone must have few numbers
        reader_options={"camera_model": "OPENCV" if one else "SIMPLE_RADIAL"},
        extraction_options={
            "max_image_size": settings["max_size"],
            "sift": {"max_num_features": settings["features"]},
        },
        device=pycolmap.Device.cpu,
    )


def matches(work: Path, settings: dict[str, Any]) -> None:
    """Which features of the listed pairs of pictures are the same, as far as geometry allows."""
    pycolmap.match_image_pairs(
        work / "database.db",
        pairing_options={"match_list_path": work / "pairs.txt", "block_size": PAIRS_AT_ONCE},
        verification_options={"ransac": {"random_seed": SEED}},
        device=pycolmap.Device.cpu,
    )


def mapping(work: Path, settings: dict[str, Any]) -> None:
    """Cameras and points, a picture at a time; the largest model is kept."""
    (work / "models").mkdir()
    progress = (work / "registered").open("ab", buffering=0)
    models = pycolmap.incremental_mapping(
        work / "database.db",
        work / "pictures",
        work / "models",
        {"random_seed": SEED, "extract_colors": False, "min_model_size": 3},
        initial_image_pair_callback=lambda: progress.write(b".."),
        next_image_callback=lambda: progress.write(b"."),
    )
    sizes = sorted((m.num_reg_images() for m in models.values()), reverse=True)
    told: dict[str, Any] = {"sizes": sizes}
    if models:
        best = max(models.values(), key=lambda m: (m.num_reg_images(), m.num_points3D()))
        if settings["one_lens"] and best.num_reg_images() >= ENOUGH:
            best = centred(best)
        best.update_point_3d_errors()
        every = np.array([point.xyz for point in best.points3D.values()]).reshape(-1, 3)
        np.save(work / "points.npy", every)
        np.savez(work / "well_known.npz", **well_known(best)._asdict())
        told |= {
            "error": best.compute_mean_reprojection_error(),
            "track": best.compute_mean_track_length(),
            "pictures": {
                image.name: {
                    "camera_from_world": image.cam_from_world().matrix().tolist(),
                    "camera": image.camera_id,
                    "number": image.image_id,
                }
                for image in (best.images[i] for i in best.reg_image_ids())
            },
            "cameras": {
                number: {
                    "model": camera.model_name,
                    "params": camera.params.tolist(),
                    "w": camera.width,
                    "h": camera.height,
                }
                for number, camera in best.cameras.items()
            },
        }
    (work / "model.json").write_text(json.dumps(told))


def well_known(model: pycolmap.Reconstruction) -> sparse.Points:
    """The points that a scene's loader would take for sure, had it COLMAP's own files."""
    known = [
        (point.xyz, [sight.image_id for sight in point.track.elements])
        for point in model.points3D.values()
        if point.track.length() >= sparse.SIGHTINGS and point.error <= sparse.ERROR
    ]
    return sparse.Points(
        np.array([x for x, _ in known]).reshape(-1, 3),
        np.repeat(np.arange(len(known)), [len(track) for _, track in known]),
        np.array([number for _, track in known for number in track], np.int64),
    )


def centred(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    """The model once more adjusted, the point that the lens looks at set free.

    While pictures are added it is kept in the middle: from few pictures it can't be told from a
    turn of the camera. What it comes to is taken if that is within reason, and explains more.
    """
    model.update_point_3d_errors()
    free = copy.deepcopy(model)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = True
    options.print_summary = False
    pycolmap.bundle_adjustment(free, options)
    free.update_point_3d_errors()
    (camera,) = free.cameras.values()
    x, y = camera.principal_point_x / camera.width, camera.principal_point_y / camera.height
    before, after = (m.compute_mean_reprojection_error() for m in (model, free))
    print(f"principal point at {x:.4f}, {y:.4f}: error {before:.4f} before, {after:.4f} after")
    return free if max(abs(x - 0.5), abs(y - 0.5)) < OFF_CENTRE and after < before else model


STAGES: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "features": features,
    "matches": matches,
    "mapping": mapping,
}

if __name__ == "__main__":
    stage, folder = sys.argv[1:]
    pycolmap.set_random_seed(SEED)
    STAGES[stage](Path(folder), json.loads((Path(folder) / "settings.json").read_text()))
